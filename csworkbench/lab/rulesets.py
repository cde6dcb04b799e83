# SPDX-License-Identifier: Apache-2.0
"""Which iptables rules a router of that kind has at each stage."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from csworkbench.lab import rules
from csworkbench.lab.records import Network, PublicIp, Router, Vpc
from csworkbench.lab.rules import Stage
from csworkbench.lab.rules_dhcp import DhcpServerRules
from csworkbench.lab.rules_ilb import InternalLbRules
from csworkbench.lab.rules_vpc import VpcRules


class RuleSet(Protocol):
    """Texts for iptables-restore, as a function of the stages done."""

    @property
    def empty_egress(self) -> str:
        """For `--noflush`: what a run that touches rules empties first; "" where nothing is."""

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The files that such a router is configured with, in their order."""

    def base(self) -> str:
        """Loaded at boot, before any address is there: nothing new gets through."""

    def mangle(self, stages: Collection[Stage]) -> str:
        """The whole mangle table."""

    def filter(self, stages: Collection[Stage], *, egress: bool) -> str:
        """The whole filter table; `egress`: the egress rules are in it already."""

    def nat(self, stages: Collection[Stage], *, source_nat: bool) -> str:
        """The whole nat table."""


@dataclass(frozen=True, slots=True)
class IsolatedRules:
    """Of the router of an isolated network."""

    network: Network
    left_out: PublicIp | None = None
    """An address whose rules it does not have."""
    empty_egress: str = rules.EMPTY_EGRESS
    stages: tuple[Stage, ...] = tuple(stage for stage in Stage if stage is not Stage.NETWORK_ACL)

    def base(self) -> str:
        """See RuleSet."""
        return rules.base(self.network)

    def mangle(self, stages: Collection[Stage]) -> str:
        """See RuleSet."""
        return rules.mangle_table(self.network, stages, self.left_out)

    def filter(self, stages: Collection[Stage], *, egress: bool) -> str:
        """See RuleSet."""
        return rules.filter_table(self.network, stages, self.left_out, egress=egress)

    def nat(self, stages: Collection[Stage], *, source_nat: bool) -> str:
        """See RuleSet."""
        return rules.nat_table(self.network, stages, self.left_out, source_nat=source_nat)


def rule_set(router: Router, left_out: PublicIp | None = None) -> RuleSet:
    """The rules of that router's kind; `left_out`: an address whose firewall and forwarded ports it does not have."""
    match router.served:
        case Vpc() as vpc:
            return VpcRules(router, vpc, left_out)
        case Network() as tier if router.role == "INTERNAL_LB_VM":
            return InternalLbRules(tier, router.guests[0].address)
        case Network(kind="Shared") as network:
            return DhcpServerRules(network)
        case Network() as network:
            return IsolatedRules(network, left_out)
    raise NotImplementedError(router.role)
