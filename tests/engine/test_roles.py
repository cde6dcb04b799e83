# SPDX-License-Identifier: Apache-2.0
"""S11: who asks, who is left alone, and what is said when the scenario wants what cannot be."""

import pytest

from csworkbench.engine.roles import leave_alone, with_roles
from csworkbench.model.cloud import Balancer, Inventory, Network, StaticNat, Vm
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.scenario import Tenants
from csworkbench.model.tier import Tier

from .test_fitting import chosen

S = 1_000_000_000


def roles(tiers: str, asked: Tenants | None = None, *, measure_only: bool = False) -> tuple[str, str, list[str]]:
    """(sentinel, quiet, doubts) among vm01, vm02 …, whose tiers are given by their first letters; and an outside."""
    of = {"r": Tier.ROOT, "s": Tier.SUDO, "u": Tier.USER, "h": Tier.SHELL}
    vantages = [Vantage(f"vm{n:02d}", VantageKind.TENANT) for n in range(1, len(tiers) + 1)]
    tier = {v.name: chosen(of[letter]) for v, letter in zip(vantages, tiers, strict=True)}
    tier["outside"] = chosen(Tier.ROOT)
    found, doubts = with_roles([Vantage("outside", VantageKind.OUTSIDE), *vantages], tier, asked, measure_only)
    names = {role: "".join(v.name for v in found if getattr(v, role)) for role in ("sentinel", "quiet")}
    return names["sentinel"], names["quiet"], doubts


@pytest.mark.parametrize(
    ("tiers", "sentinel", "quiet"),
    [
        ("rrr", "vm01", "vm03"), ("usrs", "vm02", "vm04"), ("rr", "vm01", ""), ("rur", "vm01", ""), ("uhu", "", ""),
        ("r", "vm01", ""), ("", "", ""), ("rsru", "vm01", "vm03"),
    ],
)  # fmt: skip
def test_the_first_asks_and_the_last_is_quiet(tiers: str, sentinel: str, quiet: str) -> None:
    assert roles(tiers) == (sentinel, quiet, [])


def test_where_nothing_is_operated_nobody_is_quiet_unless_wanted() -> None:
    assert roles("rrr", measure_only=True)[1] == ""
    assert roles("rrr", Tenants(quiet="vm02"), measure_only=True) == ("vm01", "vm02", [])
    assert roles("rrr", Tenants(quiet="all"), measure_only=True) == ("vm01", "vm03", [])


def test_the_scenario_names_them() -> None:
    assert roles("rrr", Tenants(sentinel="vm03")) == ("vm03", "vm02", [])
    assert roles("rrr", Tenants(quiet="vm01")) == ("vm02", "vm01", [])
    assert roles("rrr", Tenants(quiet="none")) == ("vm01", "", [])
    assert roles("ru", Tenants(quiet="vm02")) == ("vm01", "vm02", [])


@pytest.mark.parametrize(
    ("tiers", "asked", "says"),
    [
        ("rur", Tenants(sentinel="vm02"), "vm02 cannot be the sentinel (its tier is user): vm01 is"),
        ("u", Tenants(sentinel="vm01"), "vm01 cannot be the sentinel (its tier is user): there is none"),
        ("rrr", Tenants(sentinel="db9"), "db9 cannot be the sentinel (no usable tenant of that name): vm01 is"),
        ("rrr", Tenants(quiet="db9"), "db9 cannot be quiet (no usable tenant of that name): nobody is"),
        ("u", Tenants(quiet="vm01"), "vm01 cannot be quiet (it is the only tenant): nobody is"),
        ("rr", Tenants(quiet="outside"), "outside cannot be quiet (it is the sentinel, or no tenant): nobody is"),
    ],
)
def test_what_cannot_be_is_said(tiers: str, asked: Tenants, says: str) -> None:
    assert roles(tiers, asked)[2] == [says]


def test_no_lane_heals_the_quiet_vm() -> None:
    vantages = [
        Vantage("vm01", VantageKind.TENANT),
        Vantage("vm02", VantageKind.TENANT, guest_ip="10.1.1.2", quiet=True),
    ]
    lanes = [
        Lane(0, Service.EGRESS, Prober.ICMP, "vm02", "203.0.113.10", S, S, flow="new", subject="vm02"),
        Lane(1, Service.GATEWAY, Prober.ARP, "vm02", "10.1.1.1", S, S, subject="vm02"),
        Lane(2, Service.GATEWAY, Prober.NEIGHBOUR, "vm02", "10.1.1.1", S, S, subject="vm02"),
        Lane(3, Service.INGRESS, Prober.SYN, "outside", "198.51.100.12", S, S, port=22, subject="vm02"),
        Lane(4, Service.CONTROL, Prober.ICMP, "vm01", "10.1.1.2", S, S, flow="new", subject="vm01"),
        Lane(5, Service.EGRESS, Prober.ICMP, "vm01", "203.0.113.10", S, S, flow="new", subject="vm01"),
    ]
    assert [lane.id for lane in leave_alone(vantages, lanes)] == [0, 2, 5]


def test_the_quiet_vm_is_on_the_sentinels_tier() -> None:
    tiers = tuple(Network(n, n, "Implemented", cidr=f"10.1.{i}.0/24") for i, n in ((1, "web"), (2, "app")))
    vantages = [
        Vantage(f"vm{n}", VantageKind.TENANT, guest_ip=ip)
        for n, ip in enumerate(("10.1.1.11", "10.1.1.12", "10.1.2.11", "10.1.2.12"))
    ]
    of = {v.name: chosen(Tier.ROOT) for v in vantages}
    inventory = Inventory("4.22", tiers[0], tiers=tiers)
    found, _ = with_roles(vantages, of, None, measure_only=False, inventory=inventory)
    assert [(v.name, v.sentinel, v.quiet) for v in found if v.sentinel or v.quiet] == [
        ("vm0", True, False), ("vm1", False, True),
    ]  # fmt: skip


def test_the_quiet_vm_serves_nobody_if_that_can_be_had() -> None:
    names = [f"vm{n}" for n in range(4)]
    vms = tuple(Vm(name, name, "Running", f"10.1.1.1{n}") for n, name in enumerate(names))
    vantages = [Vantage(vm.name, VantageKind.TENANT, guest_ip=vm.ip) for vm in vms]
    of = {name: chosen(Tier.ROOT) for name in names}
    network = Network("n", "n", "Implemented", cidr="10.1.1.0/24")
    nat, rule = StaticNat("203.0.113.9", "vm3"), Balancer("web", "203.0.113.8", 80, 80, "tcp", "Active", ("vm2",))
    for more, quiet in (({"static_nats": (nat,)}, "vm2"), ({"static_nats": (nat,), "balancers": (rule,)}, "vm1")):
        inventory = Inventory("4.22", network, vms=vms, **more)
        found, _ = with_roles(vantages, of, None, measure_only=False, inventory=inventory)
        assert [v.name for v in found if v.quiet] == [quiet]
    all_serve = Inventory("4.22", network, vms=vms, static_nats=tuple(StaticNat("203.0.113.9", name) for name in names))
    found, _ = with_roles(vantages, of, None, measure_only=False, inventory=all_serve)
    assert [v.name for v in found if v.quiet] == ["vm3"]
