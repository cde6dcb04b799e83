# SPDX-License-Identifier: Apache-2.0
"""How much a vantage lets us do, and what can therefore be seen from it."""

from dataclasses import replace
from enum import StrEnum

from .lane import Lane, Prober, Service


class Tier(StrEnum):
    """How the probes run on a vantage, best first."""

    ROOT = "root"  # the login user may open raw and packet sockets: root, or one with CAP_NET_RAW
    SUDO = "sudo"  # the same through passwordless sudo
    USER = "user"  # Python; ICMP by datagram sockets
    SHELL = "shell"  # no Python that serves: a POSIX shell and ping


SHELL_INTERVAL_NS = 200_000_000  # a ping process for each sample
SHELL_COARSE_INTERVAL_NS = 1_000_000_000  # where `sleep` takes whole seconds only
SHELL_STEP_NS = 10_000_000  # its clock counts hundredths of a second
_SEVERAL_KINDS = (Service.EGRESS, Service.INGRESS, Service.GATEWAY)
_PACKETS = (Prober.ARP, Prober.SYN, Prober.ICMP6, Prober.RA, Prober.GARP, Prober.DHCP)


def kind_of_lane(lane: Lane) -> str:
    """What a lane looks at, in plain words, e.g. `egress icmp same flow`."""
    if lane.prober is Prober.ARP or lane.service not in _SEVERAL_KINDS:
        return str(lane.service)
    return f"{lane.service} {lane.prober}{f' {lane.flow} flow' if lane.flow else ''}"


def can_probe(tier: Tier, lane: Lane) -> bool:
    """Whether a prober of that tier can serve the lane."""
    match tier:
        case Tier.SHELL:
            return lane.service is Service.EGRESS and lane.prober is Prober.ICMP and lane.flow == "new"
        case Tier.USER:
            return lane.prober not in _PACKETS
        case _:
            return True


def fitted(tier: Tier, lane: Lane, *, coarse: bool = False) -> Lane:
    """The lane as a prober of that tier serves it: the shell agent is slower, and its clock has steps."""
    if tier is not Tier.SHELL:
        return lane
    least_ns = SHELL_COARSE_INTERVAL_NS if coarse else SHELL_INTERVAL_NS
    steps = -(-max(lane.interval_ns, least_ns) // SHELL_STEP_NS)
    return replace(lane, interval_ns=steps * SHELL_STEP_NS, offset_ns=0, stamp_step_ns=SHELL_STEP_NS)


def finer(lane: Lane) -> str:
    """What a lane with steps in its stamps misses, in plain words; empty without."""
    return f"outages under {2 * lane.interval_ns // 1_000_000} ms" if lane.stamp_step_ns else ""
