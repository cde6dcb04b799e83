# SPDX-License-Identifier: Apache-2.0
"""What is wrong with one router from its start to its end: decided by the faults that are on when it is deployed."""

from __future__ import annotations

from dataclasses import dataclass

from csworkbench.lab.faults import Faults
from csworkbench.lab.records import REVOKE, Network, PublicIp, Served


@dataclass(frozen=True, slots=True)
class Defects:
    """Nothing, unless said otherwise."""

    left_out: PublicIp | None = None
    """The address whose firewall and forwarded ports it does not have."""
    unbalanced: Network | None = None
    """The network whose load balancer rules it does not have."""
    no_leases: bool = False
    no_keys: bool = False
    """Metadata without public keys."""
    no_passwords: bool = False
    """The password server is not started."""

    @classmethod
    def of(cls, served: Served, faults: Faults) -> Defects:
        """Those of a router that is deployed now."""
        forwarded = (rule.ip for network in served.networks for rule in network.forwarding if rule.state != REVOKE)
        balanced = [network for network in served.networks if network.balancers]
        return cls(
            left_out=next(forwarded, None) if faults.is_set("address-rules-missing") else None,
            unbalanced=balanced[-1] if balanced and faults.is_set("tier-balancer-lost") else None,
            no_leases=faults.is_set("leases-lost"),
            no_keys=faults.is_set("metadata-changed"),
            no_passwords=faults.is_set("password-server-dead"),
        )
