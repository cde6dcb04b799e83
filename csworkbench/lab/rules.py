# SPDX-License-Identifier: Apache-2.0
"""The router's iptables rules in the shape that CloudStack's scripts give them; pure text.

A stage adds its own rules to what the stages before it loaded, so the tables are a function of the stages done.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from csworkbench.lab.records import FirewallRule, ForwardingRule, Network

GUEST_DEVICE, CONTROL_DEVICE, PUBLIC_DEVICE = "eth0", "eth1", "eth2"


class Stage(Enum):
    """One run of configure.py, named after its file."""

    ADDRESSES = "ip_associations"
    FIREWALL = "firewall_rules"
    FORWARDING = "forwarding_rules"
    STATIC_NAT = "staticnat_rules"
    DHCP = "vm_dhcp_entry"
    LOAD_BALANCER = "load_balancer"


TOUCHES_RULES = frozenset({Stage.FIREWALL, Stage.FORWARDING, Stage.STATIC_NAT, Stage.LOAD_BALANCER})
"""Runs that empty and refill the egress chain."""

_BASE_FILTER = """\
-A INPUT -d 224.0.0.18/32 -j ACCEPT
-A INPUT -d 225.0.0.50/32 -j ACCEPT
-A INPUT -i eth0 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -i eth2 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth0 -p udp -m udp --dport 67 -j ACCEPT
-A INPUT -i eth0 -p udp -m udp --dport 53 -j ACCEPT
-A INPUT -i eth0 -p tcp -m tcp --dport 53 -j ACCEPT
-A INPUT -i eth1 -p tcp -m tcp --dport 3922 -m state --state NEW,ESTABLISHED -j ACCEPT
-A INPUT -i eth0 -p tcp -m tcp --dport 80 -m state --state NEW -j ACCEPT
-A INPUT -i eth0 -p tcp -m tcp --dport 443 -m state --state NEW -j ACCEPT
-A FORWARD -i eth0 -o eth1 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -o eth0 -m state --state NEW -j ACCEPT
-A FORWARD -i eth2 -o eth0 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -o eth0 -m state --state RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i eth0 -o eth2 -j FW_OUTBOUND
-A FW_OUTBOUND -m state --state RELATED,ESTABLISHED -j ACCEPT
""".splitlines()

_BASE_MANGLE = """\
-A PREROUTING -m state --state RELATED,ESTABLISHED -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff
-A POSTROUTING -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill
""".splitlines()

EMPTY_EGRESS = "*filter\n:FW_EGRESS_RULES - [0:0]\nCOMMIT\n"
"""For `iptables-restore --noflush`: empties that chain and nothing else."""


def _table(name: str, chains: dict[str, str], rules: list[str]) -> str:
    heads = [f":{chain} {policy} [0:0]" for chain, policy in chains.items()]
    return "\n".join([f"*{name}", *heads, *rules, "COMMIT", ""])


def filter_table(network: Network, stages: Collection[Stage], *, egress: bool) -> str:
    """The whole filter table; `egress` says whether the egress chain holds its rules already."""
    chains = {"INPUT": "DROP", "FORWARD": "DROP", "OUTPUT": "ACCEPT", "FW_OUTBOUND": "-", "FW_EGRESS_RULES": "-"}
    rules = list(_BASE_FILTER)
    if egress:
        rules.append("-A FW_OUTBOUND -j FW_EGRESS_RULES")
        verdict, rest = ("DROP", "ACCEPT") if network.egress_default_allow else ("ACCEPT", "DROP")
        rules += [f"-A FW_EGRESS_RULES {_match(rule)} -j {verdict}" for rule in network.egress]
        rules.append(f"-A FW_EGRESS_RULES -j {rest}")
    if Stage.FORWARDING in stages:
        rules += [_forward_accept(rule) for rule in network.forwarding]
    return _table("filter", chains, rules)


def mangle_table(network: Network, stages: Collection[Stage]) -> str:
    """The whole mangle table: per public address a chain FIREWALL_ADDRESS whose end is DROP."""
    chains = dict.fromkeys(("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"), "ACCEPT")
    rules = list(_BASE_MANGLE)
    if Stage.ADDRESSES in stages:
        for ip in network.ips:
            allowed = [rule for rule in network.firewall if rule.ip is ip] if Stage.FIREWALL in stages else []
            chains[f"FIREWALL_{ip.address}"] = chains[f"VPN_{ip.address}"] = "-"
            rules += [
                f"-A PREROUTING -d {ip.address}/32 -j VPN_{ip.address}",
                f"-A PREROUTING -d {ip.address}/32 -j FIREWALL_{ip.address}",
                f"-A FIREWALL_{ip.address} -m state --state RELATED,ESTABLISHED -j ACCEPT",
                *(f"-A FIREWALL_{ip.address} {_match(rule)} -j RETURN" for rule in allowed),
                f"-A FIREWALL_{ip.address} -j DROP",
                f"-A VPN_{ip.address} -m state --state RELATED,ESTABLISHED -j ACCEPT",
                f"-A VPN_{ip.address} -j RETURN",
            ]
    if Stage.FORWARDING in stages:
        for forward in network.forwarding:
            where = f"-A PREROUTING -d {forward.ip.address}/32 -i {PUBLIC_DEVICE} {_port(forward, forward.public_port)}"
            rules.append(f"{where} -m state --state NEW -j MARK --set-xmark 0x2/0xffffffff")
            rules.append(
                f"{where} -m state --state NEW -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff"
            )
    return _table("mangle", chains, rules)


def nat_table(network: Network, stages: Collection[Stage], *, source_nat: bool) -> str:
    """The whole nat table: source NAT first, then the forwarded ports with their hairpin rules."""
    chains = dict.fromkeys(("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "ACCEPT")
    rules: list[str] = []
    if source_nat:
        rules.append(f"-A POSTROUTING -o {PUBLIC_DEVICE} -j SNAT --to-source {network.source_nat.address}")
    if Stage.FORWARDING in stages:
        for forward in network.forwarding:
            match = f"-d {forward.ip.address}/32"
            port = _port(forward, forward.public_port)
            target = f"-j DNAT --to-destination {forward.vm.address}:{forward.private_port}"
            rules += [
                f"-A PREROUTING {match} -i {PUBLIC_DEVICE} {port} {target}",
                f"-A PREROUTING {match} -i {GUEST_DEVICE} {port} {target}",
                f"-A OUTPUT {match} {port} {target}",
                f"-A POSTROUTING -s {network.cidr} -d {forward.vm.address}/32 -o {GUEST_DEVICE} "
                f"{_port(forward, forward.private_port)} -j SNAT --to-source {network.gateway}",
            ]
    return _table("nat", chains, rules)


def base(network: Network) -> str:
    """What the image's iptables-router file loads at boot, before any address is there: nothing new gets through."""
    return (
        mangle_table(network, ()) + filter_table(network, (), egress=False) + nat_table(network, (), source_nat=False)
    )


def _match(rule: FirewallRule) -> str:
    words = [f"-s {rule.cidr}"]
    if rule.protocol == "icmp":
        words.append("-p icmp -m icmp --icmp-type any")
    elif rule.protocol != "all":
        words.append(f"-p {rule.protocol} -m {rule.protocol} --dport {rule.start_port}:{rule.end_port}")
    return " ".join(words)


def _port(rule: ForwardingRule, port: int) -> str:
    return f"-p {rule.protocol} -m {rule.protocol} --dport {port}"


def _forward_accept(rule: ForwardingRule) -> str:
    return (
        f"-A FORWARD -i {PUBLIC_DEVICE} -o {GUEST_DEVICE} {_port(rule, rule.private_port)} "
        "-m state --state NEW,ESTABLISHED -j ACCEPT"
    )
