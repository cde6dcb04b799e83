# SPDX-License-Identifier: Apache-2.0
"""iptables of a `dhcpsrvr`, the router of a shared network: it forwards nothing and serves its own network only."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from csworkbench.lab.records import Network
from csworkbench.lab.rules import Stage

_IMAGE_FILTER = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:FW_EGRESS_RULES - [0:0]
:FW_OUTBOUND - [0:0]
-A INPUT -d 224.0.0.18/32 -j ACCEPT
-A INPUT -d 225.0.0.50/32 -j ACCEPT
-A INPUT -i eth0 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth0 -p udp -m udp --dport 67 -j ACCEPT
-A INPUT -i eth0 -s {cidr} -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -i eth0 -s {cidr} -p tcp -m tcp --dport 53 -j ACCEPT
-A INPUT -i eth1 -p tcp -m tcp --dport 3922 -m state --state NEW,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -o eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -o eth0 -m state --state NEW -j ACCEPT
-A FORWARD -i eth0 -o eth0 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FW_EGRESS_RULES -j ACCEPT
-A FW_OUTBOUND -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FW_OUTBOUND -j FW_EGRESS_RULES
"""
_MANGLE = """\
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -m state --state RELATED,ESTABLISHED -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A POSTROUTING -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill
COMMIT
"""
_NAT = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
_SERVED_PORTS = (80, 443, 8080)
"""Metadata and passwords: open from the first configuration run on, for the guests' network."""


@dataclass(frozen=True, slots=True)
class DhcpServerRules:
    """See `rulesets.RuleSet`."""

    network: Network
    empty_egress: str = ""
    stages: tuple[Stage, ...] = (Stage.ADDRESSES, Stage.FIREWALL, Stage.DHCP, Stage.METADATA)
    """Its own ports open with the firewall's run."""

    def base(self) -> str:
        """The image's `iptables-dhcpsrvr`."""
        return _MANGLE + self.filter((), egress=False) + _NAT

    def mangle(self, _stages: Collection[Stage]) -> str:
        """The whole mangle table."""
        return _MANGLE

    def filter(self, stages: Collection[Stage], *, egress: bool) -> str:
        """The whole filter table."""
        cidr = self.network.cidr
        served = [
            f"-A INPUT -i eth0 -s {cidr} -p tcp -m tcp --dport {port} -m state --state NEW -j ACCEPT\n"
            for port in _SERVED_PORTS
            if Stage.ADDRESSES in stages
        ]
        return _IMAGE_FILTER.format(cidr=cidr) + "".join(served) + "COMMIT\n"

    def nat(self, _stages: Collection[Stage], *, source_nat: bool) -> str:
        """The empty nat table."""
        return _NAT
