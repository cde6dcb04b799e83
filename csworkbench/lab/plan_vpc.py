# SPDX-License-Identifier: Apache-2.0
"""What a new VPC has in it: two tiers that talk to each other through its router, and network ACLs."""

from __future__ import annotations

import ipaddress
import random
from typing import Literal

from csworkbench.lab import plan, records
from csworkbench.lab.records import AclList, AclRule, InternalBalancer, Network, PublicIp, Vpc

NAME = "probe-vpc"
CIDR = ipaddress.IPv4Network("10.1.0.0/16")
APP = ipaddress.IPv4Network("10.1.2.0/24")
APP_BRIDGE, APP_VLAN = "brapp", plan.GUEST_VLAN + 1
INTERNAL_BALANCER = "10.1.2.10"
INTERNAL_PORT = 8080
ANYWHERE = "0.0.0.0/0"
_MAIL_PORT = 25


def vpc(vms: int, rng: random.Random) -> Vpc:
    """Tier `web` has the first VMs, `app` the last ones: with three VMs two and one.

    Each VM has a public address that forwards its SSH port. One more is a load balancer in front of the first web VMs,
    one belongs to the last VM as a whole; an internal load balancer stands in front of the app VMs.
    """
    whole = Vpc(id=records.new_id(rng), name=NAME, cidr=CIDR)
    whole.acl_lists += [*default_lists(rng), _tiers_list(rng)]
    web = _tier(whole, "web", plan.GUEST, plan.GUEST_BRIDGE, plan.GUEST_VLAN, rng)
    app = _tier(whole, "app", APP, APP_BRIDGE, APP_VLAN, rng)
    names = [f"vm{index + 1:02}" for index in range(vms)]
    numbers = iter(range(plan.FIRST_INSTANCE, plan.FIRST_INSTANCE + vms))
    first_app = vms - vms // 2
    plan.add_vms(web, names[:first_app], numbers, rng)
    plan.add_vms(app, names[first_app:], numbers, rng)
    whole.ips.append(PublicIp(records.new_id(rng), plan.SOURCE_NAT, None, source_nat=True))
    everybody = [*web.vms, *app.vms]
    for vm, address in zip(everybody, plan.free_addresses({plan.BALANCED, plan.STATIC_NAT}), strict=False):
        plan.forward_ssh(vm, address, rng)
    plan.add_balancer(web, plan.BALANCED, rng)
    last = everybody[-1]
    plan.open_address(last.network, plan.STATIC_NAT, plan.SSH_PORT, rng).static_nat = last
    app.internal_balancers.append(
        InternalBalancer(
            network=app,
            id=records.new_id(rng),
            name="app",
            address=INTERNAL_BALANCER,
            algorithm="roundrobin",
            port=INTERNAL_PORT,
            private_port=plan.TENANT_PORT,
            vms=list(app.vms),
        )
    )
    return whole


def default_lists(rng: random.Random) -> list[AclList]:
    """`default_deny` and `default_allow`."""
    actions: tuple[tuple[Literal["Allow", "Deny"], str], ...] = (("Deny", "deny"), ("Allow", "allow"))
    return [
        AclList(
            records.new_id(rng),
            f"default_{word}",
            [
                AclRule(records.new_id(rng), 1, action, "Ingress", "all", None, None, ANYWHERE),
                AclRule(records.new_id(rng), 2, action, "Egress", "all", None, None, ANYWHERE),
            ],
            description=f"Default Network ACL {action} All",
            default=True,
        )
        for action, word in actions
    ]


def _tier(whole: Vpc, name: str, cidr: ipaddress.IPv4Network, bridge: str, vlan: int, rng: random.Random) -> Network:
    tier = Network(
        id=records.new_id(rng),
        name=name,
        cidr=cidr,
        gateway=str(cidr[1]),
        vlan=vlan,
        bridge=bridge,
        vpc=whole,
        ips=whole.ips,
        acl=whole.acl_lists[-1],
    )
    whole.tiers.append(tier)
    return tier


def _tiers_list(rng: random.Random) -> AclList:
    """Ping, SSH and web from everywhere, the tenants' own ports from the other tier only, and no mail to anywhere."""

    def rule(
        number: int,
        action: Literal["Allow", "Deny"],
        traffic: Literal["Ingress", "Egress"],
        protocol: str,
        port: int | None,
        cidr: str,
    ) -> AclRule:
        return AclRule(records.new_id(rng), number, action, traffic, protocol, port, port, cidr)

    return AclList(
        records.new_id(rng),
        "probe-acl",
        [
            rule(1, "Allow", "Ingress", "icmp", None, ANYWHERE),
            rule(2, "Allow", "Ingress", "tcp", plan.SSH_PORT, ANYWHERE),
            rule(3, "Allow", "Ingress", "tcp", plan.BALANCER_PORT, ANYWHERE),
            rule(4, "Allow", "Ingress", "tcp", plan.TENANT_PORT, str(CIDR)),
            rule(5, "Allow", "Ingress", "tcp", INTERNAL_PORT, str(CIDR)),
            rule(6, "Deny", "Egress", "tcp", _MAIL_PORT, ANYWHERE),
            rule(7, "Allow", "Egress", "all", None, ANYWHERE),
        ],
        description="of both tiers",
    )
