# SPDX-License-Identifier: Apache-2.0
"""What goes into a derivation beside the inventory, and what comes out of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from csworkbench.model.event import LaneLeftOut
from csworkbench.model.lane import Lane, Service, Vantage

from .beyond_targets import SystemVm, Tier


@dataclass(frozen=True, slots=True)
class Targets:
    """What no API tells: addresses and names that the scenario, or the test cloud, gives; empty where it does not.

    `outside` is where tenants reach the outside vantage, `outside_port` (TCP and UDP) where it answers them.
    `services`: only these, None for all.
    """

    egress6: str = ""
    outside: str = ""
    outside_port: int = 0
    outside_control: str = ""
    dns_name: str = ""
    services: frozenset[Service] | None = None
    tiers: tuple[Tier, ...] = ()
    system_vms: tuple[SystemVm, ...] = ()

    def wants(self, service: Service) -> bool:
        """Whether that service is to be measured; control lanes always are (S7)."""
        return self.services is None or service in self.services or service is Service.CONTROL


@dataclass(frozen=True, slots=True)
class Able:
    """Names of vantages by what works there. `interfaces`: the one of the default route, by vantage."""

    python: frozenset[str]
    packets: frozenset[str]
    interfaces: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def all(cls, vantages: Iterable[Vantage]) -> "Able":
        """Everything works everywhere."""
        names = frozenset(vantage.name for vantage in vantages)
        return cls(names, names)


@dataclass(frozen=True, slots=True)
class Derived:
    """Lanes numbered from 0, and what is left out."""

    lanes: list[Lane]
    left_out: tuple[LaneLeftOut, ...] = ()
