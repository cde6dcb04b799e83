# SPDX-License-Identifier: Apache-2.0
"""A scenario: what to operate on, what to measure, for how long. The YAML file has these very keys."""

from dataclasses import dataclass, field
from enum import StrEnum

from .operation import TARGETS
from .operation import Operation as Operation  # noqa: PLC0414 - the scenario module offers them too
from .operation import Restart as Restart  # noqa: PLC0414


class Refused(StrEnum):
    """What to do with a tenant that cannot be reached by SSH."""

    SKIP = "skip"
    FAIL = "fail"


AUTO, NOBODY, EVERYBODY = "auto", "none", "all"  # beside a VM's name
QUIET_S = 60.0  # kernels let go of a MAC after 13 to 47 s


@dataclass(frozen=True, slots=True)
class LabOptions:
    """The test cloud that a run starts for itself. `scale` shortens injected waits, never protocol timers."""

    profile: str = "4.22"
    topology: str = "isolated"
    vms: int = 10
    scale: float = 0.1
    fleet: str = ""
    handover: str = ""
    tenant_kinds: str = ""
    upgrade: str = ""  # the release to upgrade its management server to before the run; routers stay on `profile`
    code_only: bool = False  # that upgrade brings no new system VM template
    faults: tuple[str, ...] = ()
    settings: dict[str, str | bool | int | float] = field(default_factory=dict)  # global ones, by name


@dataclass(frozen=True, slots=True)
class Management:
    """A way to the tenants' sshd that is not the router under test: addresses by VM name, or a network they are in."""

    addresses: dict[str, str] = field(default_factory=dict)
    network: str = ""
    port: int = 22


@dataclass(frozen=True, slots=True)
class Tenants:
    """The VMs to probe from. `vms` is `all` or a tuple of names."""

    vms: str | tuple[str, ...] = "all"
    user: str = ""
    key: str = ""
    port: int = 22
    known_hosts: str = ""
    host_key: str = "known"  # known: refuse an unknown key; accept-new: keep the first one seen
    proxy_command: str = ""
    jump: str | tuple[str, ...] = ()  # user@host:port; several: each is reached through the one before it
    management: Management | None = None
    refused: Refused = Refused.SKIP
    sentinel: str = AUTO  # the one VM that asks for the gateway's MAC (S11)
    quiet: str = AUTO  # the one VM that nobody talks to from the change to its recovery; NOBODY; EVERYBODY


@dataclass(frozen=True, slots=True)
class Outside:
    """The vantage on the public side: this host, or words to put before each command (`exec`)."""

    at: str = "local"
    exec: tuple[str, ...] = ()
    address: str = ""  # where tenants reach it
    port: int = 0  # TCP and UDP, where it answers tenants; 0: one that the run chooses
    control: str = ""  # an address on its own side of the router


@dataclass(frozen=True, slots=True)
class Vantages:
    """Where probes run."""

    tenants: Tenants | None = field(default_factory=Tenants)
    outside: Outside | None = field(default_factory=Outside)


@dataclass(frozen=True, slots=True)
class Phases:
    """Lengths in seconds. `settle_limit` is when an outage is given up as open; `calibrate` 0 leaves that out.

    `job_limit` is when a job that does not end is not waited for any more.
    `quiet`: for how long after the operation at least nobody talks to the quiet VM; None: see `Scenario.quiet_s`.
    """

    warmup: float = 2.0
    baseline: float = 30.0
    confirm: float = 60.0
    settle_limit: float = 600.0
    calibrate: float = 2.0
    job_limit: float = 7200.0
    quiet: float | None = None


@dataclass(frozen=True, slots=True)
class Intervals:
    """Seconds between two samples of a lane."""

    icmp: float = 0.1
    arp: float = 0.1
    syn: float = 0.1
    banner: float = 1.0
    connect: float = 0.1
    udp: float = 0.1
    held: float = 0.5
    neighbour: float = 0.1
    dns: float = 1.0
    metadata: float = 1.0
    password: float = 1.0
    dhcp: float = 10.0
    balancer: float = 1.0
    icmp6: float = 0.1
    control: float = 0.2


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run, as its author wrote it."""

    name: str
    network: str = ""
    cloud: str = "lab"
    lab: LabOptions | None = None
    operation: Operation = field(default_factory=Operation)
    vantages: Vantages = field(default_factory=Vantages)
    egress_target: str = ""
    egress_target6: str = ""
    dns_name: str = ""  # one that the router has to ask others for
    lanes: str | tuple[str, ...] = "auto"  # or services
    phases: Phases = field(default_factory=Phases)
    intervals: Intervals = field(default_factory=Intervals)
    budget: dict[str, float] = field(default_factory=dict)
    repeat: int = 1
    vpc: str = ""
    router: str = ""
    systemvm: str = ""
    environment: str = ""  # hypervisor and release in words, for comparisons: a row of the table
    strategy: str = ""  # the way of operating in words, for comparisons: a column of the table

    @property
    def target(self) -> tuple[str, str]:
        """(kind, name): `network`, `vpc`, `router` or `systemvm`, and which one."""
        return next(((kind, getattr(self, kind)) for kind in TARGETS if getattr(self, kind)), ("network", ""))

    @property
    def quiet_s(self) -> float:
        """`phases.quiet`, by default 60 s: longer than a kernel holds on to a dead MAC. The test cloud announces its
        routers, so there it is the confirm window, unless the scenario says otherwise.
        """
        if self.phases.quiet is not None:
            return self.phases.quiet
        return min(self.phases.confirm, QUIET_S) if self.cloud == "lab" else QUIET_S
