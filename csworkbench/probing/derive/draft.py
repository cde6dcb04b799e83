# SPDX-License-Identifier: Apache-2.0
"""A derivation in the making: what it may look at, the lanes so far, and what was left out."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from csworkbench.model.cloud import Inventory, Network, Vm
from csworkbench.model.event import LaneLeftOut
from csworkbench.model.lane import Keys, Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.scenario import Intervals

from .around import Able, Derived, Targets

SECOND_NS = 1_000_000_000
TMAX_NS = SECOND_NS
TCP_TMAX_NS = 900_000_000  # below 1 s: only the first SYN counts, its first repeat comes at 1 s (S4)
HEARTBEAT_S = 1.0
ASKERS = 2  # tenants that ask the router itself: more of them only load it
FLOW_TENANTS = 3  # tenants that open TCP and UDP flows: the others ping
_TCP = (Prober.SYN, Prober.BANNER, Prober.CONNECT, Prober.HTTP)


@dataclass(slots=True)
class Draft:
    """Groups call `add` and `leave_out`; they read the rest."""

    inventory: Inventory
    vantages: tuple[Vantage, ...]
    intervals: Intervals
    egress_target: str
    targets: Targets
    able: Able
    _lanes: list[Lane] = field(default_factory=list)
    _left_out: dict[LaneLeftOut, None] = field(default_factory=dict)

    @property
    def tenants(self) -> list[Vantage]:
        """The tenants, in the order of the vantages."""
        return [v for v in self.vantages if v.kind is VantageKind.TENANT]

    @property
    def outside(self) -> Vantage | None:
        """The outside vantage."""
        return next((v for v in self.vantages if v.kind is VantageKind.OUTSIDE), None)

    @property
    def askers(self) -> list[Vantage]:
        """A few tenants for what the router serves itself, the sentinel first: its ARP entry is fresh anyway (S11)."""
        return sorted(self._talkative, key=lambda v: not v.sentinel)[:ASKERS]

    @property
    def flow_tenants(self) -> list[Vantage]:
        """A few tenants for flows of TCP and UDP; others than the askers where there are enough."""
        asking = {v.name for v in self.askers}
        return sorted(self._talkative, key=lambda v: v.name in asking)[:FLOW_TENANTS]

    @property
    def _talkative(self) -> list[Vantage]:
        return [v for v in self.tenants if not v.quiet and v.name in self.able.python]

    @property
    def quiet(self) -> frozenset[str]:
        """Names of VMs that nobody may talk to."""
        return frozenset(v.name for v in self.vantages if v.quiet)

    def network_of(self, vantage: Vantage) -> Network:
        """The network, or the tier of a VPC, that a tenant is in."""
        return self.inventory.network_of(vantage.guest_ip)

    def beside(self, vantage: Vantage) -> list[Vm]:
        """The VMs on a tenant's own network, itself among them: no router is between them."""
        own = self.network_of(vantage)
        return [vm for vm in self.inventory.vms if vm.ip and self.inventory.network_of(vm.ip) == own]

    def offers(self, service: Service, what: str, *names: str) -> list[Vantage] | None:
        """The askers whose network has one of these services of CloudStack's; None where none has. Says it when not."""
        if not self.targets.wants(service):
            return None
        wanted, without = {name.lower() for name in names}, []
        networks = self.inventory.tiers or (self.inventory.network,)
        for network in networks:
            offered = {name.lower() for name in network.services}
            if not offered & wanted:
                without.append(network)
                which = f"{what} in {network.name}" if self.inventory.tiers else what
                why = f"the network offers no {' or '.join(names)}" if offered else "the network's services are unknown"
                self.leave_out(service, which, why)
        if len(without) == len(networks):
            return None
        return [vantage for vantage in self.askers if self.network_of(vantage) not in without]

    def add(
        self,
        service: Service,
        prober: Prober,
        vantage: Vantage,
        target: str,
        interval_s: float,
        *,
        port: int = 0,
        flow: str = "",
        subject: str = "",
        headline: bool = False,
        keys: Keys | None = None,
    ) -> None:
        """One more lane, unless its service is not wanted."""
        if not self.targets.wants(service):
            return
        tmax_ns = TCP_TMAX_NS if prober in _TCP or (keys is not None and keys.mode == "keepalive") else TMAX_NS
        self._lanes.append(
            Lane(
                len(self._lanes), service, prober, vantage.name, target, int(interval_s * SECOND_NS), tmax_ns,
                flow=flow, port=port, subject=subject or vantage.name, headline=headline, keys=keys or Keys(),
            )
        )  # fmt: skip

    def leave_out(self, service: Service, what: str, why: str) -> None:
        """Say that something is not measured, and why."""
        if self.targets.wants(service):
            self._left_out[LaneLeftOut(service, what, why)] = None

    def derived(self) -> Derived:
        """The result."""
        return Derived(_staggered(self._lanes), tuple(self._left_out))


def _staggered(lanes: Iterable[Lane]) -> list[Lane]:
    """Spread the lanes of a vantage over their interval, so that they do not all send in one burst.

    Slow ones begin within the first second: their first sample is their baseline.
    """
    by_vantage: dict[str, list[Lane]] = {}
    for lane in lanes:
        by_vantage.setdefault(lane.vantage, []).append(lane)
    staggered = [
        replace(lane, offset_ns=min(lane.interval_ns, SECOND_NS) * index // len(group))
        for group in by_vantage.values()
        for index, lane in enumerate(group)
    ]
    return sorted(staggered, key=lambda lane: lane.id)
