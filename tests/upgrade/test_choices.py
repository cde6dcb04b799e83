# SPDX-License-Identifier: Apache-2.0
"""Which operations fit a system VM: the recommended one first, the others with why they do not."""

import pytest

from csworkbench.model.fleet import Kind
from csworkbench.upgrade import assess
from csworkbench.upgrade.choices import Choice, choices
from csworkbench.upgrade.reference import Reference

from .fleets import OLD_SUM, GuestNetwork, Vpc, fleet, old_fleet, replace, router


def of(vm: object, **others: object) -> dict[str, Choice]:
    """The choices for the last VM of a fleet, by title, in order."""
    made = fleet(vm, **others)  # type: ignore[arg-type]
    return {c.title: c for c in choices(assess(made)[-1], Reference(made))}


OLD = router(7, version="4.19.1", software_version="4.19.1.0", scripts_version=OLD_SUM, requires_upgrade=True)
CODE = router(8, software_version="4.21.0.0", scripts_version=OLD_SUM)


def test_new_scripts_only_are_a_live_patch() -> None:
    found = of(CODE)
    first = next(iter(found.values()))
    assert (first.title, first.recommended, first.note) == ("live patch", True, "needs new scripts only")
    assert (first.kind, first.id) == ("network", "net-8")
    assert [c.title for c in found.values() if c.recommended] == ["live patch"]
    assert found["reboot the router"].kind == "router"
    assert found["reboot the router"].id == CODE.id
    assert found["measure only"].operation.is_none


def test_an_old_template_is_a_restart_and_commands_are_refused() -> None:
    found = of(OLD)
    assert next(iter(found)) == "restart network with cleanup"
    assert found["restart network with cleanup"].recommended
    assert "requires an upgrade" in found["restart network without cleanup"].why_not
    ordered = [bool(c.why_not) for c in found.values()]
    assert ordered == sorted(ordered), "what does not fit stands last"


def test_a_current_router_is_left_alone() -> None:
    first = next(iter(of(router(9)).values()))
    assert first.operation.is_none
    assert "nothing has to be operated" in first.note


def test_before_live_patches_came() -> None:
    made = old_fleet("4.11.1", "4.11.1", replace(OLD, version="4.9.0"))
    found = {c.title: c for c in choices(assess(made)[-1], Reference(made))}
    assert "4.17 is the first" in found["live patch"].why_not
    assert not found["live patch"].note


def test_a_vpc_is_operated_as_a_whole() -> None:
    vm = replace(OLD, kind=Kind.VPC_ROUTER, vpc_id="vpc-1", vpc="shop", network_ids=("t1", "t2"))
    tiers = tuple(GuestNetwork(t, t, "Implemented", vm.zone_id, False, False, "vpc-1") for t in ("t1", "t2"))
    found = of(vm, vpcs=(Vpc("vpc-1", "shop", vm.zone_id, False, False, ("t1", "t2")),), networks=tiers)
    best = found["restart VPC with cleanup"]
    assert (best.recommended, best.kind, best.id) == (True, "vpc", "vpc-1")
    assert "change the network offering" not in found
    without = of(vm, vpcs=(Vpc("vpc-1", "shop", vm.zone_id, False, False),), networks=())
    assert "without tiers" in without["live patch"].why_not


def test_a_pair_is_not_made_redundant_again() -> None:
    assert "pair" in of(replace(OLD, redundant=True))["make redundant"].why_not


def test_a_stopped_router_is_not_rebooted_and_one_without_a_network_is_left() -> None:
    assert "is Stopped" in of(replace(OLD, state="Stopped"))["reboot the router"].why_not
    assert all(c.why_not for c in of(replace(OLD, network_ids=())).values())


@pytest.mark.parametrize("kind", [Kind.SSVM, Kind.CPVM])
def test_system_vms(kind: Kind) -> None:
    agent = replace(router(3), kind=kind, version="", software_version="", agent_version="4.19.1", network_ids=())
    found = of(agent)
    assert {(c.kind, c.id) for c in found.values()} == {("systemvm", agent.id)}
    assert next(iter(found)) == "destroy, it is re-created"
    assert found["live patch"].operation.live_patch is not None


def test_internal_balancers_are_only_measured() -> None:
    found = of(replace(OLD, kind=Kind.INTERNAL_LB))
    assert [c.title for c in found.values() if not c.why_not] == ["measure only"]
    assert "does not operate these" in found["stop and start"].why_not
