# SPDX-License-Identifier: Apache-2.0
"""What a network's router serves: services, static NAT, firewall openings, load balancers and their back ends."""

from collections.abc import Iterable
from typing import Protocol

from csworkbench.model.cloud import AclRule, Balancer, Opening, StaticNat

from .client import Value
from .discovery import Capabilities
from .envelope import Row, flag, number, rows, string

SHORT = 255
BALANCERS_READ = 20  # their back ends cost a call each
FIREWALL = "firewall rules"
_SEEN_BY = {
    "listRouters": "routers",
    "listVirtualMachines": "VMs",
    "listPublicIpAddresses": "public addresses",
    "listPortForwardingRules": "port forwarding",
    "listFirewallRules": FIREWALL,
    "listEgressFirewallRules": "egress rules",
    "listLoadBalancerRules": "load balancers",
    "listLoadBalancerRuleInstances": "back ends of load balancers",
}


class Listed(Protocol):
    """A list command with the network's project filled in; empty when the key may not call it."""

    async def __call__(self, command: str, object_key: str, **params: Value) -> list[Row]:
        """All rows. Raises CloudStackError."""
        ...


async def read_balancers(
    listed: Listed, network_id: str, with_back_ends: bool
) -> tuple[tuple[Balancer, ...], tuple[str, ...]]:
    """The load balancer rules of a network, and what of them was not read, in words. Raises CloudStackError."""
    found = await listed("listLoadBalancerRules", "loadbalancerrule", networkid=network_id)
    found.sort(key=lambda row: (string(row.get("publicip"), 64), number(row.get("publicport"))))
    balancers = []
    for place, row in enumerate(found):
        read = with_back_ends and place < BALANCERS_READ and string(row.get("id"))
        behind = (
            await listed("listLoadBalancerRuleInstances", "loadbalancerruleinstance", id=string(row.get("id"), 64))
            if read
            else []
        )
        balancers.append(_balancer(row, behind))
    more = len(found) - BALANCERS_READ
    return tuple(balancers), (f"back ends of {more} more load balancers",) if with_back_ends and more > 0 else ()


def _balancer(row: Row, behind: Iterable[Row]) -> Balancer:
    return Balancer(
        name=string(row.get("name"), SHORT),
        public_ip=string(row.get("publicip"), 64),
        public_port=number(row.get("publicport")),
        private_port=number(row.get("privateport")),
        protocol=string(row.get("protocol"), 16).lower() or "tcp",  # older servers do not tell
        state=string(row.get("state"), 32),
        vm_ids=tuple(sorted(string(vm.get("id"), 64) for vm in behind)),
    )


def static_nats(addresses: Iterable[Row]) -> tuple[StaticNat, ...]:
    """Those of the rows of listPublicIpAddresses that belong to one VM."""
    return tuple(
        sorted(
            (
                StaticNat(string(row.get("ipaddress"), 64), string(row.get("virtualmachineid"), 64))
                for row in addresses
                if flag(row.get("isstaticnat")) and row.get("virtualmachineid")
            ),
            key=lambda nat: nat.public_ip,
        )
    )


def openings(firewall: Iterable[Row]) -> tuple[Opening, ...]:
    """What the rows of listFirewallRules let in; rules that are being revoked do not."""
    return tuple(
        Opening(
            string(row.get("ipaddress"), 64),
            string(row.get("protocol"), 16).lower(),
            number(row.get("startport")),
            number(row.get("endport")) or number(row.get("startport")),
        )
        for row in firewall
        if string(row.get("ipaddress")) and string(row.get("state"), 32).lower() not in ("revoke", "deleting")
    )


def acl_rules(network_id: str, found: Iterable[Row]) -> tuple[AclRule, ...]:
    """The ingress rules among the rows of listNetworkACLs for a tier, in their order."""
    rules = (
        AclRule(
            network_id,
            number(row.get("number")),
            string(row.get("action"), 16).lower() != "deny",
            string(row.get("protocol"), 16).lower(),
            number(row.get("startport")),
            number(row.get("endport")) or number(row.get("startport")),
        )
        for row in found
        if string(row.get("traffictype")).lower() == "ingress"
        and string(row.get("state"), 32).lower() not in ("revoke", "deleting")
    )
    return tuple(sorted(rules, key=lambda rule: rule.number))


def network_services(row: Row) -> tuple[str, ...]:
    """Names of the services in a row of listNetworks, e.g. `Dhcp`, `UserData`; empty where the server does not tell."""
    return tuple(sorted({name for service in rows(row, "service") if (name := string(service.get("name"), 64))}))


def unlisted(capabilities: Capabilities) -> tuple[str, ...]:
    """What this key may not list, in words."""
    return tuple(words for command, words in _SEEN_BY.items() if not capabilities.has(command))
