# SPDX-License-Identifier: Apache-2.0
"""The router's rules as text: what each stage adds, and what stays closed until then."""

from __future__ import annotations

import random

from csworkbench.lab import haproxy, plan, rules
from csworkbench.lab.records import REVOKE
from csworkbench.lab.rules import Stage

NETWORK = plan.isolated_network(3, random.Random(7))
ALL = set(Stage)


def test_the_plan_is_shapeblues_test_bed() -> None:
    network = plan.isolated_network(10, random.Random(7))
    assert [vm.address for vm in network.vms][:2] == ["10.1.1.101", "10.1.1.102"]
    assert [ip.address for ip in network.ips] == [f"198.51.100.{number}" for number in (*range(10, 21), 30, 31)]
    assert plan.SOURCE_NAT == "198.51.100.10"
    assert {(rule.ip.address, rule.vm.name) for rule in network.forwarding} >= {("198.51.100.20", "vm10")}
    assert len({vm.mac for vm in network.vms}) == 10


def test_no_vm_gets_the_two_special_addresses() -> None:
    network = plan.isolated_network(40, random.Random(7))
    forwarded = [rule.ip.address for rule in network.forwarding]
    assert len(forwarded) == len(set(forwarded)) == 40
    assert not {"198.51.100.30", "198.51.100.31"} & set(forwarded)


def test_the_same_seed_gives_the_same_tenants_whatever_their_number() -> None:
    few, many = (plan.isolated_network(count, random.Random(7)) for count in (2, 9))
    assert [vm.mac for vm in few.vms] == [vm.mac for vm in many.vms[:2]]


def test_a_new_router_has_a_new_guest_mac_and_the_old_public_one() -> None:
    rng = random.Random(7)
    network = plan.isolated_network(1, rng)
    first, second = (plan.new_router(network, number, rng) for number in (4, 5))
    assert first.guests[0].mac != second.guests[0].mac
    public = [router.nic("Public") for router in (first, second)]
    assert public[0] is not None
    assert public[1] is not None
    assert public[0].mac == public[1].mac
    assert (first.name, second.name) == ("r-4-VM", "r-5-VM")


def test_base_drops_everything_new() -> None:
    text = rules.base(NETWORK)
    assert ":INPUT DROP" in text
    assert ":FORWARD DROP" in text
    assert "DNAT" not in text
    assert "SNAT" not in text
    assert "-j FW_EGRESS_RULES" not in text


def test_addresses_are_closed_before_their_rules_come() -> None:
    text = rules.mangle_table(NETWORK, {Stage.ADDRESSES})
    assert "-A PREROUTING -d 198.51.100.11/32 -j FIREWALL_198.51.100.11" in text
    assert "-A FIREWALL_198.51.100.11 -j DROP" in text
    assert "--dport 22" not in text


def test_firewall_opens_exactly_the_allowed_ports() -> None:
    text = rules.mangle_table(NETWORK, {Stage.ADDRESSES, Stage.FIREWALL})
    lines = [line for line in text.splitlines() if line.startswith("-A FIREWALL_198.51.100.12")]
    assert [line.split(" ", 2)[2] for line in lines] == [
        "-m state --state RELATED,ESTABLISHED -j ACCEPT",
        "-s 0.0.0.0/0 -p tcp -m tcp --dport 22:22 -j RETURN",
        "-s 0.0.0.0/0 -p icmp -m icmp --icmp-type any -j RETURN",
        "-j DROP",
    ]
    source_nat = [line for line in text.splitlines() if line.startswith("-A FIREWALL_198.51.100.10 ")]
    assert len(source_nat) == 2


def test_forwarding_has_the_hairpin_rules() -> None:
    text = rules.nat_table(NETWORK, ALL, source_nat=True)
    assert (
        "-A PREROUTING -d 198.51.100.11/32 -i eth2 -p tcp -m tcp --dport 22 -j DNAT --to-destination 10.1.1.101:22"
        in text
    )
    assert "-A OUTPUT -d 198.51.100.11/32 -p tcp -m tcp --dport 22 -j DNAT --to-destination 10.1.1.101:22" in text
    assert "-s 10.1.1.0/24 -d 10.1.1.101/32 -o eth0 -p tcp -m tcp --dport 22 -j SNAT --to-source 10.1.1.1" in text
    assert text.index("-o eth2 -j SNAT --to-source 198.51.100.10") < text.index("DNAT --to-destination 10.1.1.101:22")


def test_an_egress_rule_may_name_destinations() -> None:
    network = plan.isolated_network(1, random.Random(7))
    (rule,) = network.egress
    rule.destinations = "203.0.113.0/24,192.0.2.7/32"
    table = rules.filter_table(network, ALL, egress=True)
    assert [line for line in table.splitlines() if line.startswith("-A FW_EGRESS_RULES")] == [
        "-A FW_EGRESS_RULES -s 10.1.1.0/24 -d 203.0.113.0/24 -j ACCEPT",
        "-A FW_EGRESS_RULES -s 10.1.1.0/24 -d 192.0.2.7/32 -j ACCEPT",
        "-A FW_EGRESS_RULES -j DROP",
    ]


def test_egress_is_denied_by_default_and_allowed_by_rule() -> None:
    closed, opened = (rules.filter_table(NETWORK, ALL, egress=state) for state in (False, True))
    assert "-A FW_EGRESS_RULES" not in closed
    assert "-A FW_EGRESS_RULES -s 10.1.1.0/24 -j ACCEPT" in opened
    assert opened.index("FW_EGRESS_RULES -s") < opened.index("-A FW_EGRESS_RULES -j DROP")


def test_static_nat_is_in_front_of_source_nat() -> None:
    text = rules.nat_table(NETWORK, ALL, source_nat=True)
    own, shared = (text.index(f"SNAT --to-source 198.51.100.{last}\n") for last in (31, 10))
    assert own < shared
    assert "-A PREROUTING -d 198.51.100.31/32 -j DNAT --to-destination 10.1.1.103\n" in text
    assert "198.51.100.31" not in rules.nat_table(NETWORK, ALL - {Stage.STATIC_NAT}, source_nat=True)


def test_a_revoked_rule_is_left_away() -> None:
    network = plan.isolated_network(2, random.Random(7))
    for forwarding in network.forwarding:
        forwarding.state = REVOKE
    for balancer in network.balancers:
        balancer.state = REVOKE
    for rule in (*network.firewall, *network.egress):
        rule.state = REVOKE
    text = rules.mangle_table(network, ALL) + rules.nat_table(network, ALL, source_nat=True)
    text += rules.filter_table(network, ALL, egress=True)
    assert "--dport 22" not in text
    assert not [line for line in text.splitlines() if line.startswith("-A FIREWALL_") and "RETURN" in line]
    assert "-A FW_EGRESS_RULES -s" not in text


def test_haproxy_has_a_dummy_listener_without_rules_and_one_per_address_and_port_with_them() -> None:
    empty, full = (haproxy.configuration(NETWORK, serving=serving) for serving in (False, True))
    assert "listen vmops\n\tbind 0.0.0.0:9" in empty
    assert "198.51.100.30" not in empty
    assert "listen vmops" not in full
    assert "listen 198_51_100_30-80\n\tbind 198.51.100.30:80\n\tbalance roundrobin\n" in full
    assert "\tserver 198_51_100_30-80_2 10.1.1.103:8000 check\n" in full
