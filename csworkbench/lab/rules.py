# SPDX-License-Identifier: Apache-2.0
"""The router's iptables rules in the shape that CloudStack's scripts give them; pure text.

A stage adds its own rules to what the stages before it loaded, so the tables are a function of the stages done, and
of the address whose firewall and forwarded ports are left out, if there is one.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from csworkbench.lab.iptables import table as _table
from csworkbench.lab.records import REVOKE, FirewallRule, ForwardingRule, Network, PublicIp, Vm

GUEST_DEVICE, CONTROL_DEVICE, PUBLIC_DEVICE = "eth0", "eth1", "eth2"


class Stage(Enum):
    """One run of configure.py, named after its file."""

    ADDRESSES = "ip_associations"
    FIREWALL = "firewall_rules"
    FORWARDING = "forwarding_rules"
    STATIC_NAT = "staticnat_rules"
    DHCP = "vm_dhcp_entry"
    METADATA = "vm_metadata"
    LOAD_BALANCER = "load_balancer"
    NETWORK_ACL = "network_acl"


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


_PASSWORDS = "-p tcp -m tcp --dport 8080"


def filter_table(network: Network, stages: Collection[Stage], left_out: PublicIp | None = None, *, egress: bool) -> str:
    """The whole filter table; `egress` says whether the egress chain holds its rules already."""
    chains = {"INPUT": "DROP", "FORWARD": "DROP", "OUTPUT": "ACCEPT", "FW_OUTBOUND": "-", "FW_EGRESS_RULES": "-"}
    rules = list(_BASE_FILTER)
    if egress:
        rules.append(f"-A INPUT -s {network.cidr} -i {GUEST_DEVICE} {_PASSWORDS} -m state --state NEW -j ACCEPT")
        rules.append("-A FW_OUTBOUND -j FW_EGRESS_RULES")
        verdict, rest = ("DROP", "ACCEPT") if network.egress_default_allow else ("ACCEPT", "DROP")
        live = (rule for rule in network.egress if rule.state != REVOKE)
        rules += [f"-A FW_EGRESS_RULES {match} -j {verdict}" for rule in live for match in _matches(rule)]
        rules.append(f"-A FW_EGRESS_RULES -j {rest}")
    if Stage.FORWARDING in stages:
        rules += [_forward_accept(rule) for rule in _forwarding(network, left_out)]
    if Stage.STATIC_NAT in stages:
        rules += [
            f"-A FORWARD -d {vm.address}/32 -i {PUBLIC_DEVICE} -o {GUEST_DEVICE} -m state --state NEW -j ACCEPT"
            for _, vm in _static_nat(network)
        ]
    if Stage.LOAD_BALANCER in stages:
        rules += [
            f"-A INPUT -d {rule.ip.address}/32 -p tcp -m tcp --dport {rule.public_port} -m state --state NEW -j ACCEPT"
            for rule in network.balancers
            if rule.state != REVOKE
        ]
    return _table("filter", chains, rules)


def mangle_table(network: Network, stages: Collection[Stage], left_out: PublicIp | None = None) -> str:
    """The whole mangle table: per public address a chain FIREWALL_ADDRESS whose end is DROP."""
    chains = dict.fromkeys(("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"), "ACCEPT")
    rules = list(_BASE_MANGLE)
    if Stage.ADDRESSES in stages:
        for ip in network.held_ips:
            allowed = _allowed(network, ip) if Stage.FIREWALL in stages and ip is not left_out else []
            chains[f"FIREWALL_{ip.address}"] = chains[f"VPN_{ip.address}"] = "-"
            rules += [
                f"-A PREROUTING -d {ip.address}/32 -j VPN_{ip.address}",
                f"-A PREROUTING -d {ip.address}/32 -j FIREWALL_{ip.address}",
                f"-A FIREWALL_{ip.address} -m state --state RELATED,ESTABLISHED -j ACCEPT",
                *(f"-A FIREWALL_{ip.address} {match} -j RETURN" for rule in allowed for match in _matches(rule)),
                f"-A FIREWALL_{ip.address} -j DROP",
                f"-A VPN_{ip.address} -m state --state RELATED,ESTABLISHED -j ACCEPT",
                f"-A VPN_{ip.address} -j RETURN",
            ]
    if Stage.STATIC_NAT in stages:
        for _, vm in _static_nat(network):
            new = f"-A PREROUTING -s {vm.address}/32 -m state --state NEW -j"
            rules.append(f"{new} MARK --set-xmark 0x66/0xffffffff")
            rules.append(f"{new} CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff")
    if Stage.FORWARDING in stages:
        for forward in _forwarding(network, left_out):
            where = f"-A PREROUTING -d {forward.ip.address}/32 -i {PUBLIC_DEVICE} {_port(forward, forward.public_port)}"
            rules.append(f"{where} -m state --state NEW -j MARK --set-xmark 0x2/0xffffffff")
            rules.append(
                f"{where} -m state --state NEW -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff"
            )
    return _table("mangle", chains, rules)


def nat_table(
    network: Network, stages: Collection[Stage], left_out: PublicIp | None = None, *, source_nat: bool
) -> str:
    """The whole nat table: static NAT in front, then source NAT, then the forwarded ports with their hairpin rules."""
    chains = dict.fromkeys(("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"), "ACCEPT")
    rules: list[str] = []
    if Stage.STATIC_NAT in stages:
        for ip, vm in _static_nat(network):
            rules += [
                f"-A PREROUTING -d {ip.address}/32 -j DNAT --to-destination {vm.address}",
                f"-A POSTROUTING -s {vm.address}/32 -o {PUBLIC_DEVICE} -j SNAT --to-source {ip.address}",
                f"-A OUTPUT -d {ip.address}/32 -j DNAT --to-destination {vm.address}",
                f"-A POSTROUTING -s {network.cidr} -d {vm.address}/32 -o {GUEST_DEVICE} "
                f"-j SNAT --to-source {network.gateway}",
            ]
    if source_nat and network.source_nat is not None:
        rules.append(f"-A POSTROUTING -o {PUBLIC_DEVICE} -j SNAT --to-source {network.source_nat.address}")
    if Stage.FORWARDING in stages:
        for forward in _forwarding(network, left_out):
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


def _allowed(network: Network, ip: PublicIp) -> list[FirewallRule]:
    return [rule for rule in network.firewall if rule.ip is ip and rule.state != REVOKE]


def _forwarding(network: Network, left_out: PublicIp | None) -> list[ForwardingRule]:
    return [rule for rule in network.forwarding if rule.state != REVOKE and rule.ip is not left_out]


def _static_nat(network: Network) -> list[tuple[PublicIp, Vm]]:
    return [(ip, ip.static_nat) for ip in network.held_ips if ip.static_nat is not None]


def _matches(rule: FirewallRule) -> list[str]:
    """One match per source network and destination."""
    if rule.protocol == "icmp":
        what = " -p icmp -m icmp --icmp-type any"
    elif rule.protocol == "all":
        what = ""
    elif rule.start_port is None:
        what = f" -p {rule.protocol}"
    else:
        what = f" -p {rule.protocol} -m {rule.protocol} --dport {rule.start_port}:{rule.end_port}"
    targets = [f" -d {cidr}" for cidr in rule.destinations.split(",") if cidr] or [""]
    return [f"-s {cidr}{target}{what}" for cidr in rule.cidr.split(",") for target in targets]


def _port(rule: ForwardingRule, port: int) -> str:
    return f"-p {rule.protocol} -m {rule.protocol} --dport {port}"


def _forward_accept(rule: ForwardingRule) -> str:
    return (
        f"-A FORWARD -i {PUBLIC_DEVICE} -o {GUEST_DEVICE} {_port(rule, rule.private_port)} "
        "-m state --state NEW,ESTABLISHED -j ACCEPT"
    )
