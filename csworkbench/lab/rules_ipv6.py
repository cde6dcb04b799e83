# SPDX-License-Identifier: Apache-2.0
"""nftables rules for IPv6 in the shape that CloudStack gives them: one table, one chain per direction; pure text."""

from __future__ import annotations

import ipaddress

from csworkbench.lab.records import REVOKE, FirewallRule, Network
from csworkbench.lab.rules import GUEST_DEVICE

TABLE = "ip6_firewall"
_NEIGHBOURS = (
    "{ echo-request, echo-reply, nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert }"
)
_ERRORS = "{ destination-unreachable, packet-too-big, time-exceeded, parameter-problem, echo-request, echo-reply }"
_RENEW = f"table ip6 {TABLE}\ndelete table ip6 {TABLE}\n"
"""One transaction with what follows: the old rules hold until the new ones do."""


def base() -> str:
    """Before any address is there: neighbours are answered, nothing is forwarded."""
    return _RENEW + _table([])


def table(network: Network, prefix: ipaddress.IPv6Network) -> str:
    """All rules: out as the network's egress default says, in as its IPv6 firewall rules say."""
    inward = [line for rule in network.firewall6 if rule.state != REVOKE for line in _accept(rule)]
    return _RENEW + _table(
        [
            "ct state established,related accept",
            f"ip6 saddr {prefix} jump fw_chain_egress",
            f"ip6 daddr {prefix} jump fw_chain_ingress",
        ],
        egress=["counter accept"],
        ingress=[f"icmpv6 type {_ERRORS} accept", *inward, "counter drop"],
    )


def _accept(rule: FirewallRule) -> list[str]:
    """One line per source network."""
    match rule.protocol:
        case "all":
            what = ""
        case "icmp":
            what = "meta l4proto ipv6-icmp "
        case _ if rule.start_port is None:
            what = f"meta l4proto {rule.protocol} "
        case _:
            what = f"{rule.protocol} dport {rule.start_port}-{rule.end_port} "
    return [f"ip6 saddr {cidr} {what}accept" for cidr in rule.cidr.split(",")]


def _table(forward: list[str], **chains: list[str]) -> str:
    received = [
        'iifname "lo" accept',
        "ct state established,related accept",
        f"icmpv6 type {_NEIGHBOURS} accept",
        f'iifname "{GUEST_DEVICE}" meta l4proto {{ tcp, udp }} th dport 53 accept',
    ]
    return (
        f"table ip6 {TABLE} {{\n"
        + "".join(_chain(f"fw_chain_{name}", lines) for name, lines in chains.items())
        + _chain("fw_input", ["type filter hook input priority filter; policy drop;", *received])
        + _chain("fw_forward", ["type filter hook forward priority filter; policy drop;", *forward])
        + "}\n"
    )


def _chain(name: str, lines: list[str]) -> str:
    return f"  chain {name} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"
