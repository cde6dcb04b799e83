# SPDX-License-Identifier: Apache-2.0
"""Vantages and lanes: who probes what."""

from dataclasses import dataclass
from enum import StrEnum


class Service(StrEnum):
    """What a person calls it."""

    EGRESS = "egress"
    GATEWAY = "gateway ARP"
    INGRESS = "ingress"


class Prober(StrEnum):
    """The kinds of probe; the names are those of the probe program's plan."""

    ICMP = "icmp"
    ARP = "arp"
    SYN = "syn"
    BANNER = "banner"


class VantageKind(StrEnum):
    """Where a vantage stands relative to the router."""

    TENANT = "tenant"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Vantage:
    """A place that probes. `address` is how the recorder reaches it, empty when it is local."""

    name: str
    kind: VantageKind
    address: str = ""
    port: int = 22
    guest_ip: str = ""
    sentinel: bool = False  # the one tenant that asks for the gateway's MAC (S11)


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of probe from one vantage to one target. `id` is unique in the run and the lane number in the spool.

    `flow` is `new` or `same` for ICMP, else empty. `subject` is the VM that the lane tells about (its vantage, or
    the VM behind the public address for lanes from outside). `headline` lanes make up a service's figures; the others
    stand beside.
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

    @property
    def label(self) -> str:
        """Short name without service and subject, e.g. `icmp same` or `ssh .11 banner`."""
        if self.prober is Prober.ICMP:
            return "icmp" if self.flow == "new" else f"icmp {self.flow}"
        if self.prober is Prober.ARP:
            return "arp"
        tail = self.target.rsplit(".", 1)[-1]
        return f"syn .{tail}:{self.port}" if self.prober is Prober.SYN else f"banner .{tail}"
