# SPDX-License-Identifier: Apache-2.0
"""The iptables rules of a VPC's router in the shape that CloudStack's scripts give them; pure text.

eth0 is the control NIC, eth1 the public one, each further NIC a tier. What comes into a tier passes ACL_INBOUND_ethN in
the filter table, what a tier sends passes ACL_OUTBOUND_ethN in the mangle table; there is no firewall per address.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from csworkbench.lab.iptables import FILTER_CHAINS, MANGLE_CHAINS, NAT_CHAINS, table
from csworkbench.lab.records import REVOKE, AclList, AclRule, ForwardingRule, Network, Nic, PublicIp, Router, Vm, Vpc
from csworkbench.lab.rules import Stage

_PUBLIC = "eth1"
_STATIC_NAT_CHAIN = f"PREROUTING-{_PUBLIC}-def"
_NEW = "-m state --state NEW"
_KNOWN = "-m state --state RELATED,ESTABLISHED"
_SAVE_MARK = "CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff"
_RESTORE_MARK = "CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff"
_VRRP, _CONNTRACKD = "224.0.0.18/32", "225.0.0.50/32"

_BASE_FILTER = f"""\
-A INPUT -d {_VRRP} -j ACCEPT
-A INPUT -d {_CONNTRACKD} -j ACCEPT
-A INPUT -p icmp -j ACCEPT
-A INPUT -i lo -j ACCEPT
-A INPUT -i eth0 -p tcp -m tcp --dport 3922 -m state --state NEW,ESTABLISHED -j ACCEPT
-A INPUT {_KNOWN} -j ACCEPT
-A FORWARD {_KNOWN} -j ACCEPT
""".splitlines()
"""What the image's iptables-vpcrouter file has; the tiers' rules come with their addresses."""

_SERVICES = (
    "-p udp -m udp --dport 67",
    "-p udp -m udp --dport 53 -s {cidr}",
    "-p tcp -m tcp --dport 53 -s {cidr}",
    f"-p tcp -m tcp --dport 80 -s {{cidr}} {_NEW}",
    f"-p tcp -m tcp --dport 443 -s {{cidr}} {_NEW}",
    f"-p tcp -m tcp --dport 8080 -s {{cidr}} {_NEW}",
)
"""What a tier may ask its router for."""


@dataclass(frozen=True, slots=True)
class VpcRules:
    """Of a router of a VPC."""

    router: Router
    vpc: Vpc
    left_out: PublicIp | None = None
    """An address whose forwarded ports it does not have."""
    empty_egress: str = ""
    stages: tuple[Stage, ...] = tuple(stage for stage in Stage if stage is not Stage.FIREWALL)

    def base(self) -> str:
        """See RuleSet."""
        return self.mangle(()) + self.filter((), egress=False) + self.nat((), source_nat=False)

    def mangle(self, stages: Collection[Stage]) -> str:
        """See RuleSet."""
        chains = dict(MANGLE_CHAINS)
        rules = ["-A POSTROUTING -p udp -m udp --dport 68 -j CHECKSUM --checksum-fill"]
        if Stage.STATIC_NAT in stages and (owners := self._static_nat()):
            chains[_STATIC_NAT_CHAIN] = "-"
            rules += [f"-A PREROUTING -s {vm.address}/32 {_NEW} -j {_STATIC_NAT_CHAIN}" for _, vm in owners]
            rules.append(f"-A {_STATIC_NAT_CHAIN} -j MARK --set-xmark 0x65/0xffffffff")
            rules.append(f"-A {_STATIC_NAT_CHAIN} -j {_SAVE_MARK}")
        if Stage.ADDRESSES in stages:
            for nic, tier in self._tiers():
                chain = f"ACL_OUTBOUND_{nic.device}"
                chains[chain] = "-"
                rules += [
                    f"-A PREROUTING -i {nic.device} {_KNOWN} -j {_RESTORE_MARK}",
                    f"-A PREROUTING {_NEW} -i {nic.device} -s {tier.cidr} ! -d {tier.gateway}/32 -j {chain}",
                    f"-A {chain} -d {_CONNTRACKD} -j ACCEPT",
                    f"-A {chain} -d {_VRRP} -j ACCEPT",
                ]
                if Stage.NETWORK_ACL in stages:
                    rules += _outbound(chain, tier.acl)
        return table("mangle", chains, rules)

    def filter(self, stages: Collection[Stage], *, egress: bool) -> str:
        """See RuleSet; what a tier may send is in the mangle table, so `egress` only says that forwarding is on."""
        chains = dict(FILTER_CHAINS)
        rules = list(_BASE_FILTER)
        if egress and self.vpc.source_nat is not None:
            rules.append(f"-A FORWARD -s {self.vpc.cidr} ! -d {self.vpc.cidr} -j ACCEPT")
        if Stage.ADDRESSES in stages:
            for nic, tier in self._tiers():
                chain = f"ACL_INBOUND_{nic.device}"
                chains[chain] = "-"
                inbound = _inbound(chain, tier.acl) if Stage.NETWORK_ACL in stages else []
                rules += [
                    *(f"-A INPUT -i {nic.device} {match.format(cidr=tier.cidr)} -j ACCEPT" for match in _SERVICES),
                    f"-A FORWARD -d {tier.cidr} -o {nic.device} -j {chain}",
                    f"-A {chain} -d {_CONNTRACKD} -j ACCEPT",
                    f"-A {chain} -d {_VRRP} -j ACCEPT",
                    *inbound,
                    f"-A {chain} -j DROP",
                ]
        if Stage.LOAD_BALANCER in stages:
            rules += [
                f"-A INPUT -d {rule.ip.address}/32 -p tcp -m tcp --dport {rule.public_port} {_NEW} -j ACCEPT"
                for tier in self.vpc.tiers
                for rule in tier.balancers
                if rule.state != REVOKE
            ]
        return table("filter", chains, rules)

    def nat(self, stages: Collection[Stage], *, source_nat: bool) -> str:
        """See RuleSet: static NAT in front, then source NAT, then the forwarded ports with their hairpin rules."""
        rules: list[str] = []
        if Stage.STATIC_NAT in stages:
            for ip, vm in self._static_nat():
                rules += [
                    f"-A PREROUTING -d {ip.address}/32 -j DNAT --to-destination {vm.address}",
                    f"-A POSTROUTING -s {vm.address}/32 -o {_PUBLIC} -j SNAT --to-source {ip.address}",
                    f"-A OUTPUT -d {ip.address}/32 -j DNAT --to-destination {vm.address}",
                    self._hairpin(vm, ""),
                ]
        if source_nat and self.vpc.source_nat is not None:
            rules.append(f"-A POSTROUTING -o {_PUBLIC} -j SNAT --to-source {self.vpc.source_nat.address}")
        if Stage.FORWARDING in stages:
            for forward in self._forwarding():
                match = f"-d {forward.ip.address}/32 {_port(forward.protocol, forward.public_port)}"
                target = f"-j DNAT --to-destination {forward.vm.address}:{forward.private_port}"
                rules += [
                    f"-A PREROUTING {match} {target}",
                    self._hairpin(forward.vm, f" {_port(forward.protocol, forward.private_port)}"),
                    f"-A OUTPUT {match} {target}",
                ]
        return table("nat", NAT_CHAINS, rules)

    def _hairpin(self, vm: Vm, port: str) -> str:
        """So that a VM reaches its own tier by a public address too: the answer must come back this way."""
        nic = next(nic for nic in self.router.guests if nic.network is vm.network)
        to = f"-d {vm.address}/32 -o {nic.device}{port}"
        return f"-A POSTROUTING -s {vm.network.cidr} {to} -j SNAT --to-source {nic.address}"

    def _tiers(self) -> Iterator[tuple[Nic, Network]]:
        return ((nic, nic.network) for nic in self.router.guests if nic.network is not None)

    def _static_nat(self) -> list[tuple[PublicIp, Vm]]:
        return [(ip, ip.static_nat) for ip in self.vpc.ips if ip.static_nat is not None]

    def _forwarding(self) -> list[ForwardingRule]:
        rules = [rule for tier in self.vpc.tiers for rule in tier.forwarding if rule.state != REVOKE]
        return [rule for rule in rules if rule.ip is not self.left_out]


def _inbound(chain: str, acl: AclList | None) -> list[str]:
    return [f"-A {chain} {_match(rule, '-s', cidr)} -j {_verdict(rule)}" for rule, cidr in _lines(acl, "Ingress")]


def _outbound(chain: str, acl: AclList | None) -> list[str]:
    """As soon as there is one rule for what is sent, everything else is dropped."""
    rules = [f"-A {chain} {_match(rule, '-d', cidr)} -j {_verdict(rule)}" for rule, cidr in _lines(acl, "Egress")]
    return [*rules, f"-A {chain} -j DROP"] if rules else []


def _lines(acl: AclList | None, traffic: str) -> list[tuple[AclRule, str]]:
    """Each rule of that direction with each of its networks, the lowest number first."""
    live = [rule for rule in acl.rules if rule.traffic == traffic and rule.state != REVOKE] if acl is not None else []
    return [(rule, cidr) for rule in sorted(live, key=lambda rule: rule.number) for cidr in rule.cidr.split(",")]


def _match(rule: AclRule, side: str, cidr: str) -> str:
    if rule.protocol == "icmp":
        return f"-p icmp {side} {cidr} -m icmp --icmp-type any"
    if rule.start_port is None:
        return f"-p {rule.protocol} {side} {cidr}"
    ports = str(rule.start_port) if rule.start_port == rule.end_port else f"{rule.start_port}:{rule.end_port}"
    return f"-p {rule.protocol} {side} {cidr} -m {rule.protocol} --dport {ports}"


def _verdict(rule: AclRule) -> str:
    return "ACCEPT" if rule.action == "Allow" else "DROP"


def _port(protocol: str, port: int) -> str:
    return f"-p {protocol} -m {protocol} --dport {port}"
