# SPDX-License-Identifier: Apache-2.0
"""Many small networks and VPCs beside the first one, whose routers are in mixed states and of mixed versions."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from csworkbench.lab import plan, plan_vpc, records
from csworkbench.lab.hosts import LabError
from csworkbench.lab.orchestrator import Orchestrator
from csworkbench.lab.records import RUNNING, FirewallRule, ForwardingRule, Network, PublicIp, Router, Served, Vpc
from csworkbench.lab.settings import Settings
from csworkbench.lab.topologies import Layout

MOST_NETWORKS = 100
_MOST_VMS = 5
_LATER_PORTS = 2200
"""The second VM's SSH is port 2202 of the network's only address, the third one's 2203, ..."""
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
_VERSION = re.compile(r"\d{1,3}(\.\d{1,3}){2,3}")
_STOPPED, _OLD, _CURRENT, _FAILING, _PASSING = "Stopped", "old", "current", "failing", "passing"
_VPC, _WHOLE, _NO_PRIMARY = "vpc", "whole", "no primary"


@dataclass(frozen=True, slots=True)
class Group:
    """So many networks NAME-01, NAME-02 ... of one kind. Versions None: those of the cloud's release."""

    name: str
    count: int = 1
    vms: int = 1
    topology: str = "isolated"
    """isolated, redundant, or vpc: one without tiers."""
    state: str = RUNNING
    template: str | None = None
    """What the routers report as `version`."""
    software: str | None = None
    scripts: str = _CURRENT
    health: str = _PASSING
    pair: str = _WHOLE
    """Of a redundant one: whole, or no primary: keepalived has ended on both."""


def problem(key: str, value: object) -> str | None:
    """What is wrong with a value of a group, for a person; None when it is right."""
    check, expected = _CHECKS[key]
    return None if check(value) else f"{key} must be {expected}, not {value!r}"


def contradiction(group: Group) -> tuple[str, str] | None:
    """A key of the group that does not go with the others, and what is wrong; None when they fit."""
    if group.state == _STOPPED and group.health == _FAILING:
        return "health", "health of a Stopped router cannot be failing"
    if group.topology == _VPC and group.vms:
        return "topology", "a vpc has no tiers here: vms must be 0"
    if group.pair != _WHOLE and (group.topology != "redundant" or group.state == _STOPPED):
        return "pair", "only a Running pair (topology redundant) can be without primary"
    return None


def missing_or_unknown(given: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a group that are no keys, or `name` when it is not there."""
    known = {field.name for field in fields(Group)}
    return tuple(key for key in given if key not in known) or (() if "name" in given else ("name",))


def _number(low: int, high: int) -> tuple[Callable[[object], bool], str]:
    return lambda value: type(value) is int and low <= value <= high, f"a number from {low} to {high}"


def _word(*words: str) -> tuple[Callable[[object], bool], str]:
    return lambda value: value in words, " or ".join(words)


def _text(pattern: re.Pattern[str], expected: str) -> tuple[Callable[[object], bool], str]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None, expected


_CHECKS = {
    "name": _text(_NAME, "lower-case letters, digits and hyphens"),
    "count": _number(1, MOST_NETWORKS),
    "vms": _number(0, _MOST_VMS),
    "topology": _word("isolated", "redundant", _VPC),
    "state": _word(RUNNING, _STOPPED),
    "template": _text(_VERSION, 'a version in quotes such as "4.15.0"'),
    "software": _text(_VERSION, 'a version in quotes such as "4.17.2.0"'),
    "scripts": _word(_CURRENT, _OLD),
    "health": _word(_PASSING, _FAILING),
    "pair": _word(_WHOLE, _NO_PRIMARY),
}


def check(groups: Iterable[Group], taken: int) -> None:
    """Raises LabError when they are too many for the cloud; `taken`: public addresses that others have."""
    count = sum(group.count for group in groups)
    if count > MOST_NETWORKS:
        raise LabError(f"a fleet has at most {MOST_NETWORKS} networks, not {count}")
    free = len(list(plan.free_addresses(()))) - taken
    if count > free:
        raise LabError(f"{count} networks need as many public addresses, and only {free} are left: fewer --vms")


@dataclass(frozen=True, slots=True)
class Member:
    """A network or VPC of the fleet and what it shall be like."""

    served: Served
    group: Group

    async def start(
        self, orchestrator: Orchestrator, settings: Settings, new_router: Callable[[Served], Router]
    ) -> None:
        """Deploy its routers and let them be as old, stopped or ill as the group says. Raises StartError, LabError."""
        served, group = self.served, self.group
        if group.state == _STOPPED:
            while len(served.routers) < served.routers_wanted:
                served.routers.append(new_router(served))
        else:
            await orchestrator.implement(served)
        for router in served.routers:
            router.state = group.state
            _age(router, group, settings)
            if group.health == _FAILING and group.state == RUNNING:
                await orchestrator.machine(router).services.end_web()
            if group.pair == _NO_PRIMARY:
                await orchestrator.machine(router).host.run("/opt/cloud/bin/systemctl", "stop", "keepalived")


def _age(router: Router, group: Group, settings: Settings) -> None:
    software = group.software or settings.profile.code_version
    router.template_version = group.template or settings.template
    router.software_version = software
    router.scripts_version = settings.profile.scripts_checksum
    if group.scripts == _OLD:
        router.scripts_version = hashlib.md5(f"old {software}".encode(), usedforsecurity=False).hexdigest()


def extend(layout: Layout, groups: Iterable[Group], rng: random.Random) -> list[Member]:
    """Add the networks of these groups to a layout: VMs `n02-vm01` ..., one public address each."""
    served: list[Served] = [*layout.networks, *layout.vpcs]
    free = plan.free_addresses({ip.address for one in served for ip in one.ips})
    members = []
    for group in groups:
        for place in range(1, group.count + 1):
            name = f"{group.name}-{place:02}"
            if group.topology == _VPC:
                vpc = _vpc_without_tiers(name, next(free), rng)
                layout.vpcs.append(vpc)
                members.append(Member(vpc, group))
                continue
            network = _network(name, group, layout, next(free), rng)
            layout.networks.append(network)
            members.append(Member(network, group))
    return members


def _vpc_without_tiers(name: str, address: str, rng: random.Random) -> Vpc:
    """A router with a public address and nobody behind it."""
    vpc = Vpc(id=records.new_id(rng), name=name, cidr=plan_vpc.CIDR)
    vpc.acl_lists += plan_vpc.default_lists(rng)
    vpc.ips.append(PublicIp(records.new_id(rng), address, None, source_nat=True))
    return vpc


def _network(name: str, group: Group, layout: Layout, address: str, rng: random.Random) -> Network:
    """An isolated network that does with its source NAT address: SSH of each VM forwarded, ping answered."""
    number = len(layout.networks) + 1
    vlan = plan.GUEST_VLAN + number - 1
    network = plan.empty_network(name, rng, vlan=vlan, bridge=f"br{vlan}")
    network.redundant = group.topology == "redundant"
    first = plan.FIRST_INSTANCE + len(layout.vms)
    names = [f"n{number:02}-vm{place:02}" for place in range(1, group.vms + 1)]
    plan.add_vms(network, names, iter(range(first, first + group.vms)), rng)
    ip = PublicIp(records.new_id(rng), address, network, source_nat=True)
    network.ips.append(ip)
    network.firewall.append(FirewallRule(network, records.new_id(rng), ip, "icmp", None, None, "0.0.0.0/0"))
    for place, vm in enumerate(network.vms, 1):
        port = plan.SSH_PORT if place == 1 else _LATER_PORTS + place
        network.firewall.append(FirewallRule(network, records.new_id(rng), ip, "tcp", port, port, "0.0.0.0/0"))
        network.forwarding.append(ForwardingRule(network, records.new_id(rng), ip, "tcp", port, plan.SSH_PORT, vm))
    return network
