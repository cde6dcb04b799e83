# SPDX-License-Identifier: Apache-2.0
"""Vantages and lanes: who probes what."""

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """What a person calls it."""

    EGRESS = "egress"
    GATEWAY = "gateway ARP"
    INGRESS = "ingress"
    DNS = "dns"
    DHCP = "dhcp"
    METADATA = "metadata"
    PASSWORD = "password"  # noqa: S105 - the service's name
    BALANCER = "balancer"
    TIERS = "tier to tier"
    IPV6 = "ipv6"
    CONSOLE = "console proxy"
    STORAGE = "secondary storage"
    CONTROL = "control"  # not a service: what tells an outage of the router from one of the vantage (S7)


class Prober(StrEnum):
    """The kinds of probe; the names are those of the probe program's plan."""

    ICMP = "icmp"
    ARP = "arp"
    SYN = "syn"
    BANNER = "banner"
    CONNECT = "connect"
    UDP = "udp"
    DNS = "dns"
    HTTP = "http"
    HELD = "held"
    LISTEN = "listen"
    DHCP = "dhcp"
    NEIGHBOUR = "neighbour"
    GARP = "garp"
    ICMP6 = "icmp6"
    RA = "ra"


class VantageKind(StrEnum):
    """Where a vantage stands relative to the router."""

    TENANT = "tenant"
    OUTSIDE = "outside"


class ChannelPath(StrEnum):
    """How the recorder reaches a vantage. ROUTER: through the router under test, so it is cut with what it watches."""

    LOCAL = "local"
    ROUTER = "through the router"
    SECOND = "second path"
    JUMP = "jump"


@dataclass(frozen=True, slots=True)
class Vantage:
    """A place that probes. `address` is how the recorder reaches it, empty when it is local."""

    name: str
    kind: VantageKind
    address: str = ""
    port: int = 22
    guest_ip: str = ""
    sentinel: bool = False  # the one tenant that asks for the gateway's MAC (S11)
    quiet: bool = False  # the one tenant that nobody talks to from the change to its recovery (S11)
    path: ChannelPath = ChannelPath.LOCAL


@dataclass(frozen=True, slots=True)
class Keys:
    """What the plan tells a prober beyond target and times (probes/FORMAT.md); None is not told."""

    path: bool | str | None = None
    name: str | None = None
    type: str | None = None
    expect: tuple[str, ...] | None = None
    host: str | None = None
    headers: tuple[tuple[str, str], ...] | None = None
    status: int | None = None
    expect_crc: int | None = None
    mode: str | None = None
    reopen_ns: int | None = None
    interface: str | None = None

    def told(self) -> dict[str, object]:
        """The keys that are told, as the plan has them."""
        given = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if self.headers is not None:
            given["headers"] = dict(self.headers)
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of probe from one vantage to one target. `id` is unique in the run and the lane number in the spool.

    `flow` is `new` or `same` for ICMP, else empty. `subject` is the VM that the lane tells about (its vantage, or
    the VM behind the public address for lanes from outside). `headline` lanes make up a service's figures; the others
    stand beside. `stamp_step_ns`: a packet left up to that much after its stamp, for probers with a coarse clock.
    """

    id: int
    service: Service
    prober: Prober
    vantage: str
    target: str
    interval_ns: int
    tmax_ns: int
    offset_ns: int = 0
    flow: str = ""
    port: int = 0
    subject: str = ""
    headline: bool = True
    keys: Keys = Keys()
    stamp_step_ns: int = 0

    @property
    def label(self) -> str:
        """Short name without service and subject, e.g. `icmp same` or `ssh .11 banner`."""
        if special := self._special_label:
            return special
        if self.prober in (Prober.ICMP, Prober.ICMP6):
            return str(self.prober) if self.flow == "new" else f"{self.prober} {self.flow}"
        if self.prober in _PLAIN:
            return str(self.prober)
        tail = f"{self.prober} .{self.target.rsplit('.', 1)[-1]}"
        return tail if self.prober in (Prober.BANNER, Prober.GARP) or not self.port else f"{tail}:{self.port}"

    @property
    def _special_label(self) -> str:
        """That of a lane whose service or question says more than its prober and target; empty for others."""
        if self.service is Service.CONTROL and self.prober is Prober.ICMP:
            return "loopback" if self.target.startswith("127.") else f"icmp .{self.target.rsplit('.', 1)[-1]}"
        if self.service is Service.EGRESS:
            return _EGRESS_WORDS.get(self.prober, "")
        if self.service in (Service.METADATA, Service.PASSWORD):
            return str(self.prober)
        return f"dns {self.keys.name.split('.')[0]}" if self.prober is Prober.DNS and self.keys.name else ""

    @property
    def heartbeat(self) -> bool:
        """True for lanes whose samples say that the prober listens, never that a service is up."""
        return self.prober in HEARTBEATS

    @property
    def awaited(self) -> bool:
        """True when a run waits for the lane to be ok again. A held connection that was cut never is."""
        return not self.heartbeat and self.prober not in (Prober.HELD, Prober.NEIGHBOUR)

    @property
    def slow(self) -> bool:
        """True for lanes with so few samples that each one counts, those of the warm-up too."""
        return self.interval_ns >= SLOW_NS


_EGRESS_WORDS = {Prober.CONNECT: "new tcp", Prober.UDP: "new udp", Prober.HELD: "held tcp"}
SLOW_NS = 5_000_000_000
# Probers that listen or answer: their samples say that they do, never that a service is up.
HEARTBEATS = (Prober.GARP, Prober.RA, Prober.LISTEN)
_PLAIN = (Prober.ARP, Prober.NEIGHBOUR, Prober.DNS, Prober.DHCP, Prober.RA)
