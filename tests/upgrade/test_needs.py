# SPDX-License-Identifier: Apache-2.0
"""What a system VM needs, which operation fits, and what its server's own flag hides."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model.fleet import Fleet, SystemVm
from csworkbench.upgrade import Assessment, Need, Operation, assess
from csworkbench.upgrade.versions import same_release, version_of

from .fleets import (
    NEW_SUM,
    OLD_SUM,
    RELEASE,
    STARTED_S,
    GuestNetwork,
    Kind,
    SettingSeen,
    Vpc,
    fleet,
    host,
    old_fleet,
    replace,
    router,
)  # fmt: skip


def judged(vm: SystemVm, **others: Any) -> Assessment:
    return assess(fleet(vm, **others))[-1]


def alone(found: Fleet) -> Assessment:
    return assess(found)[-1]


OLD: dict[str, Any] = {
    "version": "4.19.1",
    "software_version": "4.19.1.0",
    "scripts_version": OLD_SUM,
    "requires_upgrade": True,
}
CODE: dict[str, Any] = {"software_version": "4.21.0.0", "scripts_version": OLD_SUM}


@pytest.mark.parametrize(
    ("what", "need", "operation", "said"),
    [
        ({}, Need.CURRENT, Operation.NONE, "template 4.22.0 is the required one"),
        (OLD, Need.TEMPLATE, Operation.RESTART, "template 4.19.1 is older than 4.22.0"),
        (CODE, Need.SCRIPTS, Operation.LIVE_PATCH, "scripts of 4.21.0.0, the server has 4.22.0.0"),
        ({"scripts_version": OLD_SUM}, Need.SCRIPTS, Operation.LIVE_PATCH, "the checksum does not"),
        ({"version": "4.19.1"}, Need.TEMPLATE, Operation.RESTART, "requiresupgrade is false: it was live patched"),
        ({"requires_upgrade": True}, Need.CURRENT, Operation.NONE, "the template says otherwise"),
        ({**OLD, "requires_upgrade": False}, Need.TEMPLATE, Operation.RESTART, "the versions say otherwise"),
        ({"software_version": "4.21.0.0"}, Need.SCRIPTS, Operation.LIVE_PATCH, "scripts of 4.21.0.0"),
        ({"version": "", "software_version": "4.19.1.0"}, Need.TEMPLATE, Operation.RESTART, "under 4.19.1, before"),
        ({"version": ""}, Need.UNKNOWN, Operation.LOOK, "the API does not tell its template"),
        ({"version": "4.23.0"}, Need.CURRENT, Operation.NONE, "template 4.23.0 is newer"),
        ({**OLD, "state": "Stopped"}, Need.TEMPLATE, Operation.RESTART, "it is Stopped"),
        ({**CODE, "state": "Stopped"}, Need.SCRIPTS, Operation.RESTART, "it is Stopped"),
        ({"redundant": True, "redundant_state": "BACKUP"}, Need.CURRENT, Operation.NONE, "no router of its pair"),
    ],
)  # fmt: skip
def test_a_router(what: dict[str, Any], need: Need, operation: Operation, said: str) -> None:
    found = judged(router(**what))
    assert (found.need, found.remedy.operation) == (need, operation)
    assert said in found.reason
    if operation in (Operation.NONE, Operation.LOOK):
        assert found.remedy.call == ""
    else:
        assert "id=net-1" in found.remedy.call
        assert len(found.remedy.consequence) > 40


@pytest.mark.parametrize(
    ("template", "answer", "why"),
    [
        ("4.13.1", "no", "4.13 and older"),
        ("4.6.0", "no", "4.13 and older"),
        ("4.14.0", "caveat", "VPNs"),
        ("4.15.0", "yes", ""),
        ("4.22.0", "yes", ""),
    ],
)
def test_live_patch_by_template(template: str, answer: str, why: str) -> None:
    patch = judged(router(version=template, **CODE)).remedy.patch
    assert patch.answer == answer
    assert why in patch.why


def test_live_patch_waits_for_the_hosts_agent() -> None:
    found = judged(router(**CODE), hosts=(host(version="4.21.0.0"),))
    assert found.remedy.operation is Operation.RESTART
    assert "kvm-01 first: it is 4.21.0.0" in found.remedy.patch.why


def vpc_router(**others: Any) -> SystemVm:
    return router(kind=Kind.VPC_ROUTER, vpc_id="vpc-1", vpc="shop", network_ids=("tier-1", "tier-2"), **others)


@pytest.mark.parametrize(
    ("tiers", "operation", "call", "said"),
    [
        ((), Operation.RESTART_VPC, "restartVPC id=vpc-1 cleanup=true", "no tiers"),
        (("web",), Operation.LIVE_PATCH, "restartVPC id=vpc-1 cleanup=false livepatch=true", "haproxy"),
        (("web", "app"), Operation.LIVE_PATCH, "restartVPC id=vpc-1 cleanup=false livepatch=true", "2 times"),
    ],
)
def test_a_vpc_router_and_its_tiers(tiers: tuple[str, ...], operation: Operation, call: str, said: str) -> None:
    found = judged(vpc_router(**CODE), vpcs=(Vpc("vpc-1", "shop", "zone-id", False, False, tiers),))
    assert (found.remedy.operation, found.remedy.call) == (operation, call)
    assert said in found.remedy.consequence


def test_a_vpc_restart_names_all_its_tiers() -> None:
    found = judged(vpc_router(**OLD), vpcs=(Vpc("vpc-1", "shop", "zone-id", False, False, ("web", "app")),))
    assert "all its tiers with it (web, app)" in found.remedy.consequence


@pytest.mark.parametrize(
    ("settings", "release", "said"),
    [
        ((), RELEASE, "comes up beside the old one"),
        ((SettingSeen("network.rolling.restart", "false"),), RELEASE, "destroyed first"),
        ((), "4.11.0.0", "destroyed first"),
    ],
)
def test_the_consequence_is_that_of_this_server(settings: tuple[SettingSeen, ...], release: str, said: str) -> None:
    required = SettingSeen("minreq.sysvmtemplate.version", "4.22.0")
    found = judged(router(**OLD), settings=(required, *settings), server_version=release)
    assert said in found.remedy.consequence


def test_a_whole_pair_loses_three_seconds() -> None:
    pair = [
        router(n, redundant=True, redundant_state=role, network_ids=("net-1",), **OLD)
        for n, role in ((1, "PRIMARY"), (2, "BACKUP"))
    ]
    found = assess(fleet(*pair))[-1]
    assert "about 3 s" in found.remedy.consequence
    assert "PRIMARY" not in found.reason


def agent(kind: Kind = Kind.SSVM, **others: Any) -> SystemVm:
    base = SystemVm(
        "s-1",
        "s-1-VM",
        kind,
        "Running",
        agent_version=RELEASE,
        agent_state="Up",
        created_s=STARTED_S,
        zone_id="zone-id",
    )
    return replace(base, **others)


@pytest.mark.parametrize(
    ("vm", "need", "operation", "said"),
    [
        (agent(), Need.CURRENT, Operation.NONE, "created since the management server runs this release"),
        (agent(created_s=1), Need.UNKNOWN, Operation.LOOK, "the API does not tell its template"),
        (agent(agent_version="4.19.1.0"), Need.TEMPLATE, Operation.RECREATE, "last started or patched under 4.19.1"),
        (agent(agent_version=""), Need.UNKNOWN, Operation.LOOK, "its agent's version cannot be seen"),
        (agent(Kind.CPVM, agent_state="Disconnected"), Need.CURRENT, Operation.NONE, "its agent is Disconnected"),
    ],
)
def test_system_vms_with_agents(vm: SystemVm, need: Need, operation: Operation, said: str) -> None:
    found = judged(vm)
    assert (found.need, found.remedy.operation) == (need, operation)
    assert said in found.reason


def test_an_internal_balancer_has_no_version() -> None:
    vm = router(kind=Kind.INTERNAL_LB, version="", vpc_id="vpc-1", software_version="4.19.1.0", scripts_version=OLD_SUM)
    found = judged(vm)
    assert (found.need, found.remedy.operation) == (Need.TEMPLATE, Operation.STOP_START)


@pytest.mark.parametrize(
    ("release", "required"), [("4.9.3.0", "4.6.0"), ("4.11.1.0", "4.11.1"), ("4.15.2.0", "4.15.1")]
)
def test_old_releases_are_judged_by_their_templates(release: str, required: str) -> None:
    current = router(1, version=required, scripts_version="")
    assert alone(old_fleet(release, required, current)).need is Need.CURRENT
    outdated = router(1, version="4.5.1", scripts_version="", requires_upgrade=True)
    found = alone(old_fleet(release, required, outdated))
    assert (found.need, found.remedy.operation) == (Need.TEMPLATE, Operation.RESTART)
    assert "no live patch" in found.remedy.patch.why


def test_old_releases_compare_the_scripts_of_their_routers() -> None:
    others = [router(n, version="4.11.1") for n in range(2, 5)]
    odd = router(1, version="4.11.1", scripts_version=OLD_SUM)
    found = alone(old_fleet("4.11.1.0", "4.11.1", *others, odd))
    assert found.need is Need.SCRIPTS
    assert "3 of 4 routers" in found.reason
    assert found.remedy.operation is Operation.RESTART


def test_two_against_two_is_no_proof() -> None:
    sums = (NEW_SUM, NEW_SUM, OLD_SUM, OLD_SUM)
    found = assess(fleet(vms=tuple(router(n, scripts_version=s) for n, s in enumerate(sums))))
    assert [a.need for a in found] == [Need.UNKNOWN] * 4
    assert "scripts differ among 4 routers" in found[0].reason


def test_scripts_that_a_host_of_the_old_release_brought() -> None:
    waiting = router(1, software_version="4.21.0.0", scripts_version=OLD_SUM)
    patched = router(2, scripts_version=OLD_SUM)
    found = assess(fleet(vms=(waiting, patched)))
    assert [a.need for a in found] == [Need.SCRIPTS, Need.UNKNOWN]
    assert "its scripts are those of routers of 4.21.0.0" in found[1].reason


def test_a_key_that_may_not_list_settings_or_templates() -> None:
    found = judged(router(version="4.19.1"), settings=(), templates=())
    assert found.need is Need.UNKNOWN
    assert "cannot be seen with this key" in found.reason
    assert judged(router(), settings=(), templates=()).need is Need.CURRENT
    assert judged(router(**OLD), settings=(), templates=()).need is Need.TEMPLATE


def test_the_zone_decides_which_template_is_required() -> None:
    name = "minreq.sysvmtemplate.version"
    settings = (SettingSeen(name, "4.22.0"), SettingSeen(name, "4.19.1", "z2"))
    vms = (router(1, version="4.19.1"), router(2, version="4.19.1", zone_id="z2"))
    assert [a.need for a in assess(fleet(vms=vms, settings=settings))] == [Need.TEMPLATE, Need.CURRENT]


versions = st.sampled_from(
    ["", "UNKNOWN", "4.9.3", "4.13.1", "4.14.0", "4.19.1", "4.22.0", "4.22.0.0", "9999", "x\x1b[2J"]
)


@given(
    version=versions,
    software_version=versions,
    scripts_version=st.sampled_from(["", NEW_SUM, OLD_SUM]),
    requires_upgrade=st.sampled_from([None, True, False]),
    state=st.sampled_from(["Running", "Stopped", "Error", ""]),
    kind=st.sampled_from(list(Kind)),
    release=versions,
    live_patch=st.booleans(),
    networks=st.booleans(),
)
def test_whatever_the_server_tells_there_is_a_reasoned_judgement(
    release: str, live_patch: bool, networks: bool, **fields: Any
) -> None:
    known = (GuestNetwork("net-1", "n", "Implemented", "zone-id", False, False),) if networks else ()
    found = assess(fleet(router(**fields), server_version=release, live_patch=live_patch, networks=known))[-1]
    assert found.reasons
    assert (found.need is Need.CURRENT) == (found.remedy.operation is Operation.NONE)
    if found.remedy.operation not in (Operation.NONE, Operation.LOOK):
        assert found.remedy.call
        assert found.remedy.consequence
    if found.remedy.operation is Operation.LIVE_PATCH:
        assert found.remedy.patch.answer != "no"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("4.22.0", (4, 22, 0)),
        ("systemvm-kvm-4.22.0-x86_64", (4, 22, 0)),
        ("4.23.0.0-SNAPSHOT", (4, 23, 0)),
        ("SystemVM Template (KVM)", None),
        ("", None),
    ],
)
def test_versions(text: str, version: tuple[int, int, int] | None) -> None:
    assert version_of(text) == version


def test_the_same_release() -> None:
    assert same_release("4.22.0", "4.22.0.0")
    assert same_release("4.22.0.0-SNAPSHOT", "4.22.0.0")
    assert not same_release("4.22.0.1", "4.22.0.0")
    assert not same_release("4.2", "4.20")
