# SPDX-License-Identifier: Apache-2.0
"""keepalived.conf and conntrackd.conf of a router of a redundant pair, with CloudStack's settings; pure text.

Two differences, both because an ordinary user's namespace has one user only and no setgroups: transitions are told
through a FIFO instead of notify scripts, and there is no `vrrp_script heartbeat` (keepalived disables it there).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface

DIRECTORY = "/run/redundancy"
KEEPALIVED_FILE = f"{DIRECTORY}/keepalived.conf"
CONNTRACKD_FILE = f"{DIRECTORY}/conntrackd.conf"
NOTIFY_FIFO = f"{DIRECTORY}/notify"
INSTANCE = "inside_network"
VIRTUAL_ROUTER_ID = 51
SYNC_GROUP, SYNC_PORT = "225.0.0.50", 3780
_PASSWORD_LENGTH = 8
_SOCKET_BUFFER = 212992
"""Bytes: the kernel's default limit. More takes a privilege of the machine, and conntrackd then refuses to start."""
_SHORTEST_ADVERT_S, _LONGEST_ADVERT_S = 0.01, 40.0


@dataclass(frozen=True, slots=True)
class VirtualAddress:
    """A guest gateway that belongs to the primary, e.g. 10.1.1.1/24 on eth0."""

    address: IPv4Interface
    device: str


@dataclass(frozen=True, slots=True)
class Vrrp:
    """The one VRRP instance of a router. Raises ValueError for what keepalived would refuse or misread.

    `addresses`: at least one; the instance speaks on the first one's device, the lowest guest device.
    `advert_interval_s`: router.redundant.vrrp.interval; whole seconds are VRRPv2 with AH, fractions VRRPv3 without.
    """

    router_name: str
    addresses: Sequence[VirtualAddress]
    password: str
    advert_interval_s: float = 1.0

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ValueError("a VRRP instance needs an address")
        if not re.fullmatch("[A-Za-z0-9]+", self.password):
            raise ValueError("the VRRP password must be letters and digits")
        if not _SHORTEST_ADVERT_S <= self.advert_interval_s <= _LONGEST_ADVERT_S:
            raise ValueError(f"the VRRP interval must be {_SHORTEST_ADVERT_S} to {_LONGEST_ADVERT_S} seconds")

    @property
    def device(self) -> str:
        """Where it speaks."""
        return self.addresses[0].device

    @property
    def version(self) -> int:
        """VRRPv2 counts in whole seconds."""
        return 2 if float(self.advert_interval_s).is_integer() else 3


def keepalived_conf(vrrp: Vrrp) -> str:
    """No priority (100 for both), BACKUP and nopreempt on both: whoever is primary stays it."""
    authentication = f"""\
  authentication {{
    auth_type AH
    auth_pass {vrrp.password[:_PASSWORD_LENGTH]}
  }}
"""
    addresses = "\n".join(
        f"    {entry.address} brd {entry.address.network.broadcast_address} dev {entry.device}"
        for entry in vrrp.addresses
    )
    return f"""\
global_defs {{
  router_id {vrrp.router_name}
  vrrp_notify_fifo {NOTIFY_FIFO}
}}
vrrp_instance {INSTANCE} {{
  state BACKUP
  interface {vrrp.device}
  virtual_router_id {VIRTUAL_ROUTER_ID}
  version {vrrp.version}
  nopreempt
  advert_int {vrrp.advert_interval_s:g}
{authentication if vrrp.version == 2 else ""}\
  virtual_ipaddress {{
{addresses}
  }}
}}
"""


def conntrackd_conf(device: str, address: str, ignored: Sequence[str]) -> str:
    """State synchronisation over that guest device; connections of the `ignored` addresses stay the router's own."""
    own = "\n".join(f"      IPv4_address {entry}" for entry in ("127.0.0.1", *ignored))
    return f"""\
Sync {{
  Mode FTFW {{
    DisableExternalCache Off
  }}
  Multicast {{
    IPv4_address {SYNC_GROUP}
    Group {SYNC_PORT}
    IPv4_interface {address}
    Interface {device}
    Checksum on
  }}
}}
General {{
  HashSize 32768
  HashLimit 131072
  LogFile off
  Syslog off
  LockFile {DIRECTORY}/conntrackd.lock
  UNIX {{
    Path {DIRECTORY}/conntrackd.sock
  }}
  NetlinkBufferSize {_SOCKET_BUFFER}
  NetlinkBufferSizeMaxGrowth {_SOCKET_BUFFER}
  Filter From Userspace {{
    Protocol Accept {{
      TCP
      SCTP
      DCCP
      UDP
      ICMP
    }}
    Address Ignore {{
{own}
    }}
  }}
}}
"""
