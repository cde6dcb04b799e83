# SPDX-License-Identifier: Apache-2.0
"""What proves an operation: routers and system VMs before and after. A job's success is not asked for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack.evidence import read_after
from csworkbench.cloudstack.verify import (
    outdated,
    roles_settled,
    same_release,
    verify_destroyed,
    verify_live_patch,
    verify_offering,
    verify_restart,
    verify_same_router,
)
from csworkbench.cloudstack.verify_systemvm import (
    verify_patched_system_vm,
    verify_recreated_system_vm,
    verify_same_system_vm,
)
from csworkbench.model.cloud import Inventory, Network, Router, SystemVm, Vpc
from csworkbench.model.scenario import Restart

from .recorded import NET, play, router
from .support import Bench, api, paged, refusal

OLD = Router("1", "r-1-VM", "Running", version="4.17.2", scripts_version="aa", software_version="4.17.2.0")
CURRENT = replace(OLD, version="4.22.0", scripts_version="bb", software_version="4.22.0.0")
FRESH = replace(CURRENT, id="2", name="r-2-VM")
NETWORK = Network(NET, "probe-net", "Implemented", offering_id="o1", offering="Plain")
CLEANUP = Restart(cleanup=True)


def having(*routers: Router, server: str = "4.22.0.0", unsettled: tuple[str, ...] = ()) -> Inventory:
    return Inventory(server, NETWORK, routers, unsettled=unsettled)


@pytest.mark.parametrize(
    ("before", "after", "changed", "upgraded", "tells", "says"),
    [
        (OLD, replace(OLD, scripts_version="bb", software_version="4.22.0.0"), True, True, True, "scripts version aa"),
        (OLD, OLD, False, False, True, "r-1-VM was not patched"),
        (OLD, replace(OLD, software_version="4.22.0.0"), False, False, True, "not the router's word"),
        (CURRENT, CURRENT, False, False, False, "there was nothing to patch, its scripts are the same"),
        (replace(OLD, software_version=""), replace(OLD, software_version=""), False, False, False, "is unknown"),
    ],
)
def test_a_live_patch(before: Router, after: Router, changed: bool, upgraded: bool, tells: bool, says: str) -> None:
    found = verify_live_patch(having(before), having(after))
    assert (found.changed, found.sound, found.upgraded, found.tells) == (changed, True, upgraded, tells)
    assert says in "; ".join(found.reasons)


def test_a_live_patch_that_reached_one_of_two_routers_is_not_sound() -> None:
    second = replace(OLD, id="2", name="r-2-VM")
    found = verify_live_patch(
        having(OLD, second), having(replace(OLD, scripts_version="bb", software_version="4.22.0.0"), second)
    )
    assert (found.changed, found.sound, found.upgraded) == (True, False, False)
    assert found.reasons[0].startswith("r-2-VM was not patched")


def test_a_live_patch_keeps_the_router() -> None:
    found = verify_live_patch(having(OLD), having(FRESH))
    assert not found.sound
    assert "r-2-VM is new: a live patch keeps the router" in found.reasons


def test_who_may_not_list_routers_is_told_so_and_nothing_has_failed() -> None:
    unseen = Inventory("4.22.0.0", Network("n", "net", "Implemented"), unlisted=("routers",))
    for found in (
        verify_restart(unseen, unseen, Restart(cleanup=True)),
        verify_live_patch(unseen, unseen),
    ):
        assert (found.sound, found.tells, found.upgraded) == (True, False, False)
        assert "may not list routers" in found.reasons[0]
    seen = replace(unseen, unlisted=())
    assert not verify_restart(seen, seen, Restart(cleanup=True)).sound


def test_without_routers_to_be_seen_a_live_patch_proves_nothing() -> None:
    assert not verify_live_patch(having(), having()).sound


@pytest.mark.parametrize(
    ("before", "after", "sound", "upgraded", "says"),
    [
        ((OLD,), (FRESH,), True, True, "r-2-VM is new, version 4.22.0"),
        ((CURRENT,), (FRESH,), True, False, "r-1-VM is gone"),
        ((OLD,), (replace(OLD, id="2", name="r-2-VM"),), True, False, "r-2-VM is as old as before: 4.17.2.0"),
        (
            (OLD,),
            (replace(OLD, id="2", name="r-2-VM", requires_upgrade=True),),
            False,
            False,
            "r-2-VM requires an upgrade",
        ),
        ((CURRENT,), (replace(FRESH, failing_checks=("dhcp_check.py",)),), False, False, "dhcp_check.py"),
        ((CURRENT,), (replace(FRESH, failing_checks=("router_version_check.py",)),), True, False, "server's version"),
        (
            (replace(CURRENT, failing_checks=("dhcp_check.py",)),),
            (replace(FRESH, failing_checks=("dhcp_check.py",)),),
            True,
            False,
            "failed before the change too: dhcp_check.py",
        ),
    ],
)
def test_a_restart_with_cleanup(
    before: tuple[Router, ...], after: tuple[Router, ...], sound: bool, upgraded: bool, says: str
) -> None:
    found = verify_restart(having(*before), having(*after), CLEANUP)
    assert (found.changed, found.sound, found.upgraded) == (True, sound, upgraded)
    assert says in "; ".join(found.reasons)


def test_a_rule_that_is_not_on_the_router() -> None:
    stuck = "port forwarding p1 is Add"
    found = verify_restart(having(CURRENT), having(FRESH, unsettled=(stuck,)), CLEANUP)
    assert not found.sound
    assert f"{stuck}: it is not on the router, or not gone from it" in found.reasons
    known = verify_restart(having(CURRENT, unsettled=(stuck,)), having(FRESH, unsettled=(stuck,)), CLEANUP)
    assert known.sound


def pair(first: str, second: str) -> tuple[Router, Router]:
    return replace(CURRENT, redundant_state=first), replace(FRESH, redundant_state=second)


@pytest.mark.parametrize(
    ("states", "sound"),
    [(("PRIMARY", "BACKUP"), True), (("PRIMARY", "PRIMARY"), False), (("BACKUP", "BACKUP"), False)],
)
def test_exactly_one_of_a_pair_is_primary(states: tuple[str, str], sound: bool) -> None:
    redundant = replace(NETWORK, redundant=True)
    before = Inventory("4.22.0.0", redundant, pair("PRIMARY", "BACKUP"))
    after = replace(before, routers=pair(*states))
    assert roles_settled(after) is sound
    found = verify_same_router(before, after, "1")
    assert found.sound is sound


def test_roles_are_not_settled_while_one_is_unknown() -> None:
    """Only the role tells that a BACKUP's failing checks are as they should be."""
    redundant = replace(NETWORK, redundant=True)
    assert not roles_settled(Inventory("4.22.0.0", redundant, pair("PRIMARY", "UNKNOWN")))
    primary, stopped = pair("PRIMARY", "UNKNOWN")
    assert roles_settled(Inventory("4.22.0.0", redundant, (primary, replace(stopped, state="Stopped"))))


def test_the_checks_of_a_backup_do_not_count() -> None:
    primary, backup = pair("PRIMARY", "BACKUP")
    before = Inventory("4.22.0.0", replace(NETWORK, redundant=True), (primary, backup))
    after = replace(before, routers=(primary, replace(backup, failing_checks=("dhcp.service",))))
    assert verify_same_router(before, after, "1").sound
    after = replace(before, routers=(replace(primary, failing_checks=("dhcp.service",)), backup))
    assert not verify_same_router(before, after, "1").sound


def test_making_a_network_redundant() -> None:
    before = having(CURRENT)
    after = Inventory("4.22.0.0", replace(NETWORK, redundant=True), pair("PRIMARY", "BACKUP"))
    wanted = Restart(cleanup=False, makeredundant=True)
    old_gone = replace(after, routers=tuple(replace(r, id=f"9{r.id}") for r in after.routers))
    assert verify_restart(before, old_gone, wanted).sound
    assert not verify_restart(before, after, wanted).sound  # the old router is one of the pair
    assert not verify_restart(before, having(FRESH), wanted).sound


def test_a_reboot_of_an_outdated_router_must_raise_its_version() -> None:
    needs = replace(OLD, requires_upgrade=True)
    same = verify_same_router(having(needs), having(needs), "1")
    assert (same.changed, same.tells, same.sound) == (False, True, True)
    better = verify_same_router(having(needs), having(CURRENT), "1")
    assert (better.changed, better.upgraded) == (True, True)
    current = verify_same_router(having(CURRENT), having(CURRENT), "1")
    assert (current.tells, current.sound) == (False, True)
    assert not verify_same_router(having(CURRENT), having(FRESH), "1").sound


def test_a_destroyed_router() -> None:
    assert verify_destroyed(having(CURRENT), having(FRESH), "1", rebuilt=True).sound
    assert not verify_destroyed(having(CURRENT), having(), "1", rebuilt=True).sound
    alone = verify_destroyed(having(CURRENT), having(), "1", rebuilt=False)
    assert (alone.changed, alone.sound) == (True, True)
    assert "no router is left" in alone.reasons[0]
    assert not verify_destroyed(having(CURRENT), having(CURRENT), "1", rebuilt=False).sound


def test_another_offering() -> None:
    before = having(CURRENT)
    after = replace(having(FRESH), network=replace(NETWORK, offering_id="o2", offering="Better"))
    found = verify_offering(before, after, "o2")
    assert (found.changed, found.sound) == (True, True)
    assert "offering Plain → Better" in found.reasons
    assert not verify_offering(before, having(FRESH), "o2").sound


def test_a_vpc_that_needs_a_restart() -> None:
    vpc = Vpc("v", "probe-vpc", "Enabled")
    before = replace(having(CURRENT), vpc=vpc)
    after = replace(having(FRESH), vpc=replace(vpc, restart_required=True))
    assert "the VPC needs a restart" in verify_restart(before, after, CLEANUP).reasons[0]


SSVM = SystemVm("s1", "s-1-VM", "secondarystoragevm", "Running", "Up", "4.17.2.0", "203.0.113.240")


def vms(*found: SystemVm) -> Inventory:
    return Inventory("4.22.0.0", Network("", "", ""), systemvms=found)


def test_system_vms() -> None:
    newer = replace(SSVM, version="4.22.0.0")
    patched = verify_patched_system_vm(vms(SSVM), vms(newer), "Successfully patched")
    assert (patched.changed, patched.sound, patched.upgraded, patched.tells) == (True, True, True, True)
    silent = verify_patched_system_vm(vms(SSVM), vms(SSVM), "Successfully patched")
    assert (silent.changed, silent.sound, silent.tells) == (False, True, True)
    assert "was not patched" in silent.reasons[0]
    idle = verify_patched_system_vm(vms(newer), vms(newer), "")
    assert (idle.tells, idle.sound) == (False, True)
    away = verify_same_system_vm(vms(SSVM), vms(replace(SSVM, agent_state="Disconnected")))
    assert not away.sound
    other = replace(newer, id="s2", name="s-2-VM", public_ip="203.0.113.241")
    made = verify_recreated_system_vm(vms(SSVM), vms(other))
    assert (made.changed, made.sound, made.upgraded) == (True, True, True)
    assert "clients that kept the old one do not find it" in "; ".join(made.reasons)
    assert not verify_recreated_system_vm(vms(SSVM), vms()).sound
    assert not verify_recreated_system_vm(vms(SSVM), vms(SSVM, other)).sound


@given(st.lists(st.integers(0, 99), min_size=2, max_size=4))
def test_trailing_zeros_and_suffixes_do_not_make_another_release(parts: list[int]) -> None:
    text = ".".join(map(str, parts))
    assert same_release(text, f"{text}.0")
    assert same_release(text, f"{text}-SNAPSHOT")
    assert not same_release(text, f"{text}.1")


def test_what_a_server_does_not_tell_is_unknown() -> None:
    assert outdated(OLD, "") is None
    assert outdated(replace(OLD, requires_upgrade=True), "") is True
    assert outdated(CURRENT, "4.22.0.0-SNAPSHOT") is False


async def test_evidence_waits_for_the_roles_and_takes_what_it_gets(bench: Bench) -> None:
    play(bench.cloud)
    cloud = bench.cloud
    first = {"isredundantrouter": True, "redundantstate": "BACKUP"}
    apis = cloud.answers["listApis"]
    assert isinstance(apis, dict)
    more = [api("getRouterHealthCheckResults", "routerid"), api("listLoadBalancerRules", "networkid")]
    cloud.answers |= {
        "listApis": {"api": [*apis["api"], *more]},
        "listRouters": [
            paged("router", [router(1, **first), router(2, **first)]),
            paged("router", [router(1, **first), router(2, **(first | {"redundantstate": "PRIMARY"}))]),
        ],
        "getRouterHealthCheckResults": [
            refusal(530, "no results yet"),
            {"routerhealthchecks": {"healthchecks": [
                {"checkname": "dns_check.py", "success": False}, {"checkname": "x", "success": True},
            ]}},
        ],
        "listLoadBalancerRules": paged("loadbalancerrule", [{"id": "lb1", "state": "Revoke"}]),
    }  # fmt: skip
    before = Inventory("4.22.0.0", replace(NETWORK, redundant=True))
    found = await read_after(bench.client, before, wanted=roles_settled)
    assert [r.redundant_state for r in found.routers] == ["BACKUP", "PRIMARY"]
    assert [r.failing_checks for r in found.routers] == [(), ("dns_check.py",)]
    assert found.unsettled == ("load balancer lb1 is Revoke",)
    cloud.answers["listRouters"] = paged("router", [router(1, **first), router(2, **first)])
    assert not roles_settled(await read_after(bench.client, before, wanted=roles_settled))
    assert sum(bench.clock.slept) > 40
