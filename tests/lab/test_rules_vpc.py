# SPDX-License-Identifier: Apache-2.0
"""The rules of a VPC's router and of an internal LB VM as text: what each stage adds, what is closed until then."""

from __future__ import annotations

import random

from csworkbench.lab import haproxy, plan, plan_vpc, topologies
from csworkbench.lab.records import REVOKE, AclRule, Router, Vpc
from csworkbench.lab.rules import Stage
from csworkbench.lab.rulesets import RuleSet, rule_set

ALL = set(Stage)


def built(vms: int = 4) -> tuple[Vpc, RuleSet]:
    vpc = plan_vpc.vpc(vms, random.Random(7))
    return vpc, rule_set(plan.new_router(vpc, 30, random.Random(8)))


def lines(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def test_the_vms_are_split_and_keep_their_addresses() -> None:
    vpc, _ = built(5)
    web, app = vpc.tiers
    assert [vm.address for vm in web.vms] == ["10.1.1.101", "10.1.1.102", "10.1.1.103"]
    assert [(vm.name, vm.address) for vm in app.vms] == [("vm04", "10.1.2.101"), ("vm05", "10.1.2.102")]
    assert [ip.address for ip in vpc.ips] == [f"198.51.100.{last}" for last in (10, 11, 12, 13, 14, 15, 30, 31)]
    assert vpc.ips is web.ips is app.ips
    (alone,) = topologies.build("vpc", 1, random.Random(7)).vms
    assert alone.address == "10.1.1.101"


def test_control_public_and_tiers_in_this_order() -> None:
    vpc, _ = built()
    router = plan.new_router(vpc, 30, random.Random(8))
    assert [(nic.device, nic.traffic) for nic in router.nics] == [
        ("eth0", "Control"),
        ("eth1", "Public"),
        ("eth2", "Guest"),
        ("eth3", "Guest"),
    ]
    assert [nic.address for nic in router.guests] == ["10.1.1.1", "10.1.2.1"]


def test_a_router_of_a_pair_has_addresses_of_its_own_that_nobody_has() -> None:
    vpc, _ = built()
    vpc.redundant = True
    first = plan.new_router(vpc, 30, random.Random(8))
    vpc.routers.append(first)
    second = plan.new_router(vpc, 31, random.Random(9))
    taken = {"10.1.2.1", "10.1.2.10"} | {vm.address for vm in vpc.tiers[1].vms}
    assert {first.guests[1].address, second.guests[1].address}.isdisjoint(taken)
    assert first.guests[1].address != second.guests[1].address


def test_base_drops_everything_new() -> None:
    text = built()[1].base()
    assert ":INPUT DROP" in text
    assert ":FORWARD DROP" in text
    assert not [line for line in text.splitlines() if "NAT" in line or "10.1." in line]


def test_a_tier_is_closed_until_its_list_is_there() -> None:
    _, rules = built()
    before = rules.filter(ALL - {Stage.NETWORK_ACL}, egress=True)
    assert "-A FORWARD -d 10.1.2.0/24 -o eth3 -j ACL_INBOUND_eth3" in before
    assert [line.split(" ", 2)[2] for line in lines(before, "-A ACL_INBOUND_eth3")] == [
        "-d 225.0.0.50/32 -j ACCEPT",
        "-d 224.0.0.18/32 -j ACCEPT",
        "-j DROP",
    ]
    after = lines(rules.filter(ALL, egress=True), "-A ACL_INBOUND_eth3")
    assert after[3] == "-A ACL_INBOUND_eth3 -p tcp -s 0.0.0.0/0 -m tcp --dport 22 -j ACCEPT"
    assert after[-1] == "-A ACL_INBOUND_eth3 -j DROP"


def test_what_a_tier_sends_is_asked_before_routing_and_dropped_when_there_is_any_rule() -> None:
    vpc, rules = built()
    text = rules.mangle(ALL)
    ask = "-A PREROUTING -m state --state NEW -i eth2 -s 10.1.1.0/24 ! -d 10.1.1.1/32 -j ACL_OUTBOUND_eth2"
    assert ask in text
    assert lines(text, "-A ACL_OUTBOUND_eth2")[2:] == [
        "-A ACL_OUTBOUND_eth2 -p tcp -d 0.0.0.0/0 -m tcp --dport 25 -j DROP",
        "-A ACL_OUTBOUND_eth2 -p all -d 0.0.0.0/0 -j ACCEPT",
        "-A ACL_OUTBOUND_eth2 -j DROP",
    ]
    for rule in vpc.acl_lists[-1].rules:
        rule.state = REVOKE
    assert len(lines(rules.mangle(ALL), "-A ACL_OUTBOUND_eth2")) == 2


def test_the_lowest_number_is_asked_first_and_each_network_has_a_line() -> None:
    vpc, rules = built()
    cidrs = "192.0.2.0/24,203.0.113.0/24"
    vpc.acl_lists[-1].rules.insert(4, AclRule("a", 0, "Deny", "Ingress", "udp", 100, 200, cidrs))
    first, second = lines(rules.filter(ALL, egress=True), "-A ACL_INBOUND_eth2")[2:4]
    assert first == "-A ACL_INBOUND_eth2 -p udp -s 192.0.2.0/24 -m udp --dport 100:200 -j DROP"
    assert second == first.replace("192.0.2.0", "203.0.113.0")


def test_nat_of_a_vpc() -> None:
    text = built()[1].nat(ALL, source_nat=True)
    own, shared = (text.index(f"SNAT --to-source 198.51.100.{last}\n") for last in (31, 10))
    assert own < shared
    assert "-A PREROUTING -d 198.51.100.13/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 10.1.2.101:22\n" in text
    hairpin = "-s 10.1.2.0/24 -d 10.1.2.101/32 -o eth3 -p tcp -m tcp --dport 22 -j SNAT --to-source 10.1.2.1\n"
    assert hairpin in text


def test_an_internal_lb_vm_opens_its_own_ports_only() -> None:
    vpc, _ = built()
    app = vpc.tiers[1]
    row: Router = plan.new_router(app, 31, random.Random(8))
    assert (row.name, row.role) == ("b-31-VM", "INTERNAL_LB_VM")
    assert [(nic.device, nic.traffic) for nic in row.nics] == [("eth0", "Guest"), ("eth1", "Control")]
    text = rule_set(row).filter(ALL, egress=True)
    assert "-A INPUT -d 10.1.2.10/32 -p tcp -m tcp --dport 8080 -m state --state NEW -j ACCEPT" in text
    assert "8080" not in rule_set(row).base()
    assert "\tbind 10.1.2.10:8080\n" in haproxy.of(row, serving=True)
    assert "10.1.2.10" not in haproxy.of(row, serving=False)
    assert app.routers_wanted == 1
    assert vpc.tiers[0].routers_wanted == 0
