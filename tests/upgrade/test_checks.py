# SPDX-License-Identifier: Apache-2.0
"""Each check of the preflight, from facts to what it says."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from csworkbench.model.fleet import Fleet, Hidden, Partial, Server, SystemVm
from csworkbench.upgrade import CHECKS, Facts, Finding, Level, Route, Target, preflight
from csworkbench.upgrade.hidden import hidden_line

from .fleets import (
    RELEASE,
    ZONE,
    Capacity,
    GuestNetwork,
    Kind,
    PendingJob,
    Rule,
    SettingSeen,
    Vpc,
    fleet,
    host,
    replace,
    router,
    template,
)  # fmt: skip

GIB = 1 << 30
PASS, WARN, STOP = Level.PASS, Level.WARN, Level.STOP


def says(check: str, found: Fleet, target: Target | None = None, routes: tuple[Route, ...] = ()) -> Finding | None:
    """What one check comes to."""
    return next((f for f in preflight(Facts(found, target, routes)) if f.id == check), None)


def pair(*roles: str) -> list[SystemVm]:
    return [router(n, redundant=True, redundant_state=role, network_ids=("net-1",)) for n, role in enumerate(roles, 1)]


def net(**others: Any) -> GuestNetwork:
    return replace(GuestNetwork("net-1", "shop-net", "Implemented", ZONE, False, False), **others)


def room(kind: int, used: int, total: int) -> tuple[Capacity, ...]:
    return (Capacity(kind, ZONE, "zone1", used, total),)


CASES: list[tuple[str, Callable[[], Fleet], Level, str]] = [
    ("servers", fleet, PASS, "1 up"),
    ("servers", lambda: fleet(servers=(Server("m1", "Maintenance", RELEASE),)), STOP, "m1 is Maintenance"),
    ("servers", lambda: fleet(servers=(Server("m1", "Up", RELEASE), Server("m2", "Up", "4.21.0.0"))), STOP, "differ"),
    ("servers", lambda: fleet(servers=(Server("m1", "Up", RELEASE), Server("m2", "Down", RELEASE))), WARN, "m2 down"),
    ("hosts", lambda: fleet(hosts=(host(), host(2, state="Down"))), WARN, "kvm-02 is Down"),
    ("hosts", lambda: fleet(hosts=(host(state="Disconnected"),)), STOP, "no host is up"),
    ("hosts", lambda: fleet(hosts=(host(resource_state="Maintenance"), host(2))), WARN, "kvm-01 is Up Maintenance"),
    ("agents", lambda: fleet(hosts=(host(), host(2, version="4.21.0.0"))), WARN, "kvm-02 has 4.21.0.0"),
    ("agents", fleet, PASS, RELEASE),
    ("templates", fleet, PASS, "zone1/KVM: systemvm-kvm-4.22.0"),
    ("templates", lambda: fleet(templates=()), STOP, "no system VM template 4.22.0 is registered"),
    ("templates", lambda: fleet(templates=(template("4.19.1"),)), STOP, "no system VM template 4.22.0"),
    ("templates", lambda: fleet(templates=(template(ready=False, status="37% Downloaded"),)), STOP, "37% Downloaded"),
    ("jobs", lambda: fleet(jobs=(PendingJob("j", "RestartNetwork", "x", ""),)), WARN, "1 pending: RestartNetwork"),
    ("routers-running", lambda: fleet(router(state="Stopped")), WARN, "r-1-VM is Stopped"),
    ("routers-running", lambda: fleet(router(state="Starting")), STOP, "r-1-VM is Starting"),
    ("routers-count", lambda: fleet(router(1), router(2, network_ids=("net-1",))), STOP, "net1 has 2 routers"),
    ("routers-count", lambda: fleet(*pair("PRIMARY", "BACKUP")), PASS, ""),
    ("routers-count", lambda: fleet(*pair("PRIMARY", "BACKUP", "UNKNOWN")), STOP, "3 routers"),
    ("pairs", lambda: fleet(*pair("PRIMARY", "BACKUP")), PASS, "1 with one PRIMARY"),
    ("pairs", lambda: fleet(*pair("PRIMARY", "PRIMARY")), STOP, "r-1-VM PRIMARY, r-2-VM PRIMARY"),
    ("pairs", lambda: fleet(*pair("BACKUP", "BACKUP")), STOP, "r-1-VM BACKUP"),
    ("pairs", lambda: fleet(*pair("FAULT", "UNKNOWN")), STOP, "FAULT"),
    ("pairs", lambda: fleet(*pair("PRIMARY", "UNKNOWN")), WARN, "UNKNOWN"),
    ("pairs", lambda: fleet(*pair("PRIMARY")), WARN, "r-1-VM PRIMARY"),
    ("rules", lambda: fleet(rules=(Rule("firewall", "f", "Add", "net-1", "tcp 1.2.3.4 22"),)), WARN, "is in Add"),
    ("rules", lambda: fleet(rules_read=7), PASS, "none stuck; 7 rules"),
    ("rules", lambda: fleet(partial=(Partial("listFirewallRules", 10, 99),)), WARN, "listFirewallRules 10 of 99"),
    ("restart-required", lambda: fleet(networks=(net(restart_required=True),)), WARN, "shop-net"),
    ("restart-required", lambda: fleet(vpcs=(Vpc("v", "shop", ZONE, False, True),)), WARN, "shop"),
    ("capacity", lambda: fleet(capacities=room(0, 9 * GIB, 100 * GIB), router_memory=GIB), PASS, "91.0"),
    (
        "capacity",
        lambda: fleet(capacities=room(0, 100 * GIB, 100 * GIB), router_memory=GIB),
        STOP,
        "a router takes 1.0",
    ),
    ("capacity", lambda: fleet(capacities=room(0, 95 * GIB, 100 * GIB), router_memory=GIB), WARN, "5.0 of 100.0"),
    ("capacity", lambda: fleet(capacities=room(1, 9_900, 10_000), router_cpu_mhz=500), STOP, "GHz"),
    ("addresses", lambda: fleet(capacities=room(4, 10, 10)), WARN, "no free public address"),
    ("addresses", lambda: fleet(capacities=room(5, 10, 10)), STOP, "no free control address"),
    ("addresses", lambda: fleet(capacities=room(4, 3, 10)), PASS, "7 of 10 public"),
]


@pytest.mark.parametrize(("check", "made", "level", "said"), CASES)
def test_checks_of_the_whole_cloud(check: str, made: Callable[[], Fleet], level: Level, said: str) -> None:
    found = says(check, made())
    assert found is not None
    assert (found.level, said in found.evidence) == (level, True), found
    assert bool(found.remedy) == (level is not PASS)


RECREATE = "router.health.checks.failures.to.recreate.vr"


@pytest.mark.parametrize(
    ("name", "value", "ill", "level"),
    [
        (RECREATE, "", False, PASS),
        (RECREATE, "gateways_check.py", False, WARN),
        (RECREATE, "gateways_check.py", True, STOP),
        ("network.rolling.restart", "false", False, WARN),
        ("network.rolling.restart", "true", False, PASS),
        ("router.version.check", "false", False, WARN),
        ("recreate.systemvm.enabled", "true", False, WARN),
        ("router.aggregation.command.each.timeout", "60", False, WARN),
        ("router.aggregation.command.each.timeout", "soon", False, PASS),
    ],
)
def test_settings_that_interfere(name: str, value: str, ill: bool, level: Level) -> None:
    for zone in ("", ZONE):
        found = says("settings", fleet(router(health_failed=ill), settings=(SettingSeen(name, value, zone),)))
        assert found is not None
        assert found.level is level
        assert (name in found.evidence) == (level is not PASS)


def target(**others: Any) -> Target:
    return replace(Target("net-1", "", "shop-net", True, False), **others)


def test_a_job_on_the_target_stops_it_and_another_does_not() -> None:
    own, other = PendingJob("j", "RestartNetwork", "net-1", ""), PendingJob("j", "DeployVM", "vm-9", "")
    for job, level in ((own, STOP), (other, WARN)):
        found = says("jobs", fleet(router(), jobs=(job,)), target())
        assert found is not None
        assert found.level is level


def test_the_target_alone_is_judged() -> None:
    others = fleet(router(1), router(2, state="Stopped"), rules=(Rule("egress", "e", "Revoke", "net-2", "tcp"),))
    levels = {f.id: f.level for f in preflight(Facts(others, target()))}
    assert (levels["routers-running"], levels["rules"]) == (PASS, PASS)
    assert "pairs" not in levels


@pytest.mark.parametrize(
    ("vm", "aim", "check", "level"),
    [
        ({"requires_upgrade": True}, {"cleanup": False}, "refused", STOP),
        ({}, {"cleanup": False}, "refused", PASS),
        ({"requires_upgrade": True}, {"cleanup": True}, "refused", None),
        ({"version": "4.13.1"}, {"cleanup": False, "live_patch": True}, "patchable", STOP),
        ({"version": "4.14.0"}, {"cleanup": False, "live_patch": True}, "patchable", WARN),
        ({"version": "4.15.0"}, {"cleanup": False, "live_patch": True}, "patchable", PASS),
        ({}, {}, "patchable", None),
    ],
)
def test_what_the_operation_needs(vm: dict[str, Any], aim: dict[str, Any], check: str, level: Level | None) -> None:
    found = says(check, fleet(router(**vm)), target(**aim))
    assert (found.level if found else None) is level


def test_old_agents_stop_a_live_patch() -> None:
    found = says("agents", fleet(router(), hosts=(host(version="4.21.0.0"),)), target(cleanup=False, live_patch=True))
    assert found is not None
    assert found.level is STOP


def test_a_vpc_takes_all_its_tiers_and_a_tier_cannot_go_alone() -> None:
    tiers = tuple(net(id=f"tier-{name}", name=name, vpc_id="vpc-1") for name in ("web", "app"))
    vm = router(kind=Kind.VPC_ROUTER, vpc_id="vpc-1", network_ids=("tier-web", "tier-app"))
    whole = says("blast-radius", fleet(vm, networks=tiers), Target(vpc_id="vpc-1", name="shop", cleanup=True))
    assert whole is not None
    assert (whole.level, whole.evidence) == (WARN, "all 2 tiers: web, app")
    alone = says("blast-radius", fleet(vm, networks=tiers), Target("tier-web", "vpc-1", "web", cleanup=True))
    assert alone is not None
    assert alone.level is STOP


def test_the_way_to_the_vantages() -> None:
    behind, beside = Route("vm01", "198.51.100.10", "r-1-VM"), Route("outside", "", "")
    for routes, level in (((behind,), WARN), ((behind, beside), PASS), ((beside,), PASS)):
        found = says("ssh-path", fleet(router()), target(), routes)
        assert found is not None
        assert found.level is level
    assert says("ssh-path", fleet(router()), target()) is None


def test_what_a_key_may_not_list_is_said_and_no_reason_to_fail() -> None:
    lists = {command for check in CHECKS for command in check.needs}
    hidden = tuple(Hidden(command, "not for this role") for command in sorted(lists))
    found = preflight(Facts(replace(fleet(router()), hidden=hidden)))
    assert {f.level for f in found if "not for this role" in f.evidence} == {Level.HIDDEN}
    assert len([f for f in found if f.level is Level.HIDDEN]) >= 10
    assert not [f for f in found if f.level is STOP]


def test_the_registry() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.title
        assert check.means
        assert check.remedy


def test_what_is_hidden_is_said_once() -> None:
    hidden = (Hidden("listHosts", "not for this role"), Hidden("listRouters", "not for this role"))
    found = preflight(Facts(replace(fleet(router()), hidden=hidden)))
    told = hidden_line(found)
    assert told.count("listHosts") == told.count("listRouters") == told.count("not for this role") == 1
    assert {f.title for f in found if f.level is Level.HIDDEN} <= set(re.split(", |: ", told))
    assert hidden_line([f for f in found if f.level is not Level.HIDDEN]) == ""
