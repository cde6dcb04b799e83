# SPDX-License-Identifier: Apache-2.0
"""The iptables rules of an internal LB VM: it forwards nothing and serves its balancers' ports on its own address."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from csworkbench.lab.iptables import FILTER_CHAINS, MANGLE_CHAINS, NAT_CHAINS, table
from csworkbench.lab.records import REVOKE, Network
from csworkbench.lab.rules import Stage

_BASE_FILTER = """\
-A INPUT -i eth0 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth1 -p tcp -m tcp --dport 3922 -m state --state NEW -j ACCEPT
""".splitlines()
"""What the image's iptables-ilbvm file has."""


@dataclass(frozen=True, slots=True)
class InternalLbRules:
    """Of the internal LB VM that has that address of a tier."""

    tier: Network
    address: str
    empty_egress: str = ""
    stages: tuple[Stage, ...] = (Stage.LOAD_BALANCER,)

    def base(self) -> str:
        """See RuleSet."""
        return self.mangle(()) + self.filter((), egress=False) + self.nat((), source_nat=False)

    def mangle(self, stages: Collection[Stage]) -> str:
        """See RuleSet."""
        return table("mangle", MANGLE_CHAINS, [])

    def filter(self, stages: Collection[Stage], *, egress: bool) -> str:
        """See RuleSet."""
        rules = list(_BASE_FILTER)
        if Stage.LOAD_BALANCER in stages:
            rules += [
                f"-A INPUT -d {rule.address}/32 -p tcp -m tcp --dport {rule.port} -m state --state NEW -j ACCEPT"
                for rule in self.tier.internal_balancers
                if rule.address == self.address and rule.state != REVOKE
            ]
        return table("filter", FILTER_CHAINS, rules)

    def nat(self, stages: Collection[Stage], *, source_nat: bool) -> str:
        """See RuleSet."""
        return table("nat", NAT_CHAINS, [])
