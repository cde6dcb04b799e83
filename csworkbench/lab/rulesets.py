# SPDX-License-Identifier: Apache-2.0
"""Which iptables rules a router of that kind has at each stage."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from csworkbench.lab import rules
from csworkbench.lab.records import Network, Router
from csworkbench.lab.rules import Stage


class RuleSet(Protocol):
    """Texts for iptables-restore, as a function of the stages done."""

    @property
    def empty_egress(self) -> str:
        """For `--noflush`: what a run that touches rules empties first; "" where nothing is."""

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
    empty_egress: str = rules.EMPTY_EGRESS

    def base(self) -> str:
        """See RuleSet."""
        return rules.base(self.network)

    def mangle(self, stages: Collection[Stage]) -> str:
        """See RuleSet."""
        return rules.mangle_table(self.network, stages)

    def filter(self, stages: Collection[Stage], *, egress: bool) -> str:
        """See RuleSet."""
        return rules.filter_table(self.network, stages, egress=egress)

    def nat(self, stages: Collection[Stage], *, source_nat: bool) -> str:
        """See RuleSet."""
        return rules.nat_table(self.network, stages, source_nat=source_nat)


def rule_set(router: Router) -> RuleSet:
    """The rules of that router's kind."""
    if isinstance(router.served, Network):
        return IsolatedRules(router.served)
    raise NotImplementedError(router.role)
