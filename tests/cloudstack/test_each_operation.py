# SPDX-License-Identifier: Apache-2.0
"""Each operation on each kind of target: what it shows, what it sends, what it refuses."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from csworkbench.cloudstack import PlannedStep, prepare_operation, read_target
from csworkbench.cloudstack.errors import BadTarget, CloudStackError, Unsupported
from csworkbench.model import operation as op
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import CloudEventSeen, JobChanged, Notice
from csworkbench.model.protocols import StepFailed

from .recorded import APIS, NET, NETWORK, networks, play, router, vm
from .support import Bench, api, paged
from .test_events import row
from .test_jobs import DONE, PENDING

VPC = {
    "id": "vpc-1", "name": "probe-vpc", "state": "Enabled", "cidr": "10.1.0.0/16", "restartrequired": False,
    "redundantvpcrouter": False,
    "network": [
        NETWORK | {"id": NET, "name": "web", "vpcid": "vpc-1"},
        NETWORK | {"id": "app", "name": "app", "cidr": "10.1.2.0/24", "gateway": "10.1.2.1", "vpcid": "vpc-1"},
    ],
}  # fmt: skip
SSVM = {
    "id": "ssvm-1", "name": "s-1-VM", "systemvmtype": "secondarystoragevm", "state": "Running", "agentstate": "Up",
    "version": "4.20.1.0", "publicip": "203.0.113.240", "zoneid": "z1",
}  # fmt: skip
MORE = [
    api("restartVPC", "id", "cleanup", "makeredundant", "livepatch", is_async=True), api("listVPCs", "name", "id"),
    api("listNetworkACLs"), api("rebootRouter", "id", "forced", is_async=True),
    api("stopRouter", "id", "forced", is_async=True), api("startRouter", "id", is_async=True),
    api("destroyRouter", "id", is_async=True), api("listSystemVms", "id", "name"),
    api("patchSystemVm", "id", "forced", is_async=True), api("rebootSystemVm", "id", "forced", is_async=True),
    api("destroySystemVm", "id", is_async=True), api("listNetworkOfferings"),
    api("updateNetwork", "id", "networkofferingid", "updateinsequence", is_async=True),
]  # fmt: skip
OFFERINGS = [{"id": "o1", "name": "Plain", "state": "Enabled"}, {"id": "o2", "name": "Redundant", "state": "Enabled"}]
ROUTER = "router-42"


def filtered(key: str, found: list[dict[str, Any]]) -> Callable[[dict[str, str]], dict[str, Any]]:
    def answer(params: dict[str, str]) -> dict[str, Any]:
        names = ("id", "name")
        rows = [r for r in found if all(params.get(name, r[name]) == r[name] for name in names)]
        return paged(key, [] if params.get("projectid") == "-1" else rows)(params)

    return answer


@pytest.fixture
def everything(bench: Bench) -> Bench:
    play(bench.cloud)
    tenant = vm(31, nic=[{"networkid": "app", "ipaddress": "10.1.2.101", "macaddress": "02:00:00:00:02:01"}])
    changeable = NETWORK | {"networkofferingid": "o1", "networkofferingname": "Plain"}
    bench.cloud.answers |= {
        "listApis": {"api": [*APIS, *MORE]},
        "listNetworks": networks(bench.cloud, [changeable]),
        "listVPCs": filtered("vpc", [VPC]),
        "listRouters": filtered("router", [router(guestnetworkid=NET)]),
        "listVirtualMachines": paged("virtualmachine", [tenant, vm(10), vm(2)]),
        "listNetworkACLs": paged("networkacl", [{"id": "a1", "traffictype": "Ingress", "state": "Add"}]),
        "listSystemVms": filtered("systemvm", [SSVM]),
        "listNetworkOfferings": paged("networkoffering", OFFERINGS),
        "queryAsyncJobResult": [PENDING, DONE],
    }
    return bench


async def prepared(bench: Bench, kind: str, name: str, chosen: op.AnyOperation) -> tuple[Inventory, PlannedStep]:
    inventory = await read_target(bench.client, kind, name)
    return inventory, await prepare_operation(bench.client, inventory, chosen)


async def test_a_vpc_with_its_tiers(everything: Bench) -> None:
    found = await read_target(everything.client, "vpc", "probe-vpc")
    assert (found.name, found.state, found.network.name) == ("probe-vpc", "Enabled", "web")
    assert [tier.name for tier in found.tiers] == ["web", "app"]
    assert [one.name for one in found.vms] == ["vm2", "vm10", "vm31"]
    assert [found.network_of(one.ip).gateway for one in found.vms] == ["10.1.1.1", "10.1.1.1", "10.1.2.1"]
    assert (len(found.forwardings), found.firewall_rules) == (2, 1)  # each once, though both tiers list them
    assert found.unsettled == ("firewall rule a1 is Add",)


async def test_a_router_stands_for_its_network_or_its_vpc(everything: Bench) -> None:
    found = await read_target(everything.client, "router", "r-42-VM")
    assert (found.name, found.target_router, found.vpc) == ("probe-net", ROUTER, None)
    everything.cloud.answers["listRouters"] = filtered("router", [router(vpcid="vpc-1")])
    everything.cloud.answers["listVPCs"] = filtered("vpc", [VPC])
    found = await read_target(everything.client, "router", ROUTER)
    assert (found.name, found.target_router) == ("probe-vpc", ROUTER)


@pytest.mark.parametrize(("kind", "near"), [("vpc", "probe-vpc"), ("router", "r-42-VM"), ("systemvm", "s-1-VM")])
async def test_what_is_not_there(everything: Bench, kind: str, near: str) -> None:
    with pytest.raises(BadTarget, match=near):
        await read_target(everything.client, kind, "nowhere")


PLANS = [
    (
        "vpc",
        "probe-vpc",
        op.Restart(cleanup=True),
        ["restartVPC id=vpc-1 cleanup=true makeredundant=false livepatch=false"],
        ["A new router is built beside r-42-VM"],
    ),
    (
        "network",
        "probe-net",
        op.Restart(cleanup=False, makeredundant=True),
        [f"restartNetwork id={NET} cleanup=false makeredundant=true livepatch=false"],
        ["redundant pair of routers, for good"],
    ),
    (
        "network",
        "probe-net",
        op.LivePatch(),
        [f"restartNetwork id={NET} cleanup=false makeredundant=false livepatch=true"],
        ["r-42-VM has 4.20.1.0; the server has 4.22.0.0", "dnsmasq is restarted"],
    ),
    (
        "vpc",
        "probe-vpc",
        op.LivePatch(),
        ["restartVPC id=vpc-1 cleanup=false makeredundant=false livepatch=true"],
        ["All of this happens 2 times"],
    ),
    ("router", "r-42-VM", op.RebootRouter(), [f"rebootRouter id={ROUTER} forced=false"], ["only router of 2 VMs"]),
    (
        "network",
        "probe-net",
        op.StopStartRouter(forced=True),
        [f"stopRouter id={ROUTER} forced=true", f"startRouter id={ROUTER}"],
        ["powered off, then started"],
    ),
    (
        "router",
        "r-42-VM",
        op.DestroyRouter(),
        [f"destroyRouter id={ROUTER}", f"restartNetwork id={NET} cleanup=true makeredundant=false livepatch=false"],
        ["expunged", "has built a new one"],
    ),
    (
        "router",
        "r-42-VM",
        op.DestroyRouter(rebuild=False),
        [f"destroyRouter id={ROUTER}"],
        ["nothing here builds a new one"],
    ),
    (
        "systemvm",
        "s-1-VM",
        op.LivePatch(forced=True),
        ["patchSystemVm id=ssvm-1 forced=true"],
        ["s-1-VM has 4.20.1.0; the server has 4.22.0.0", "no VM's network is touched"],
    ),
    (
        "systemvm",
        "s-1-VM",
        op.RebootSystemVm(),
        ["rebootSystemVm id=ssvm-1 forced=false"],
        ["with the disk that it has"],
    ),
    ("systemvm", "s-1-VM", op.DestroySystemVm(), ["destroySystemVm id=ssvm-1"], ["makes a new one with another name"]),
    (
        "network",
        "probe-net",
        op.ChangeOffering("Redundant", in_sequence=True),
        [f"updateNetwork id={NET} networkofferingid=o2 updateinsequence=true"],
        ["Plain becomes Redundant", "One router goes after the other"],
    ),
]


@pytest.mark.parametrize(("kind", "name", "chosen", "calls", "says"), PLANS)
async def test_the_plan_spells_out_every_flag_and_consequence(
    everything: Bench, kind: str, name: str, chosen: op.AnyOperation, calls: list[str], says: list[str]
) -> None:
    inventory, step = await prepared(everything, kind, name, chosen)
    plan = step.plan()
    assert list(plan.calls) == calls
    for text in says:
        assert text in plan.consequence
    assert plan.target.startswith(("probe-", "r-42-VM", "s-1-VM"))
    undoable = isinstance(chosen, op.DestroyRouter | op.DestroySystemVm) or getattr(chosen, "makeredundant", False)
    assert plan.destructive is undoable
    assert bool(plan.target_name) is undoable
    changing = {call.split()[0] for _, _, _, all_calls, _ in PLANS for call in all_calls}
    assert not [asked for asked in everything.cloud.asked if asked.params["command"] in changing]
    assert inventory.name


@pytest.mark.parametrize(("kind", "name", "chosen", "calls", "says"), PLANS)
async def test_what_was_shown_is_what_is_sent_by_post(
    everything: Bench, kind: str, name: str, chosen: op.AnyOperation, calls: list[str], says: list[str]
) -> None:
    _, step = await prepared(everything, kind, name, chosen)
    cloud = everything.cloud
    for call in calls:
        cloud.answers[call.split()[0]] = {"jobid": call.split()[0]}
    if isinstance(chosen, op.DestroySystemVm):
        fresh = SSVM | {"id": "ssvm-2", "name": "s-7-VM"}
        cloud.answers["listSystemVms"] = [
            paged("systemvm", []), paged("systemvm", [fresh | {"agentstate": "Alert"}]), paged("systemvm", [fresh]),
        ]  # fmt: skip
    await step.run(everything.journal)
    for call in calls:
        command, *flags = call.split()
        (asked,) = cloud.calls(command)
        assert asked.method == "POST"
        assert {f"{key}={asked.params[key]}" for key in (f.split("=")[0] for f in flags)} == set(flags)
    assert [c.command for c in everything.journal.of(JobChanged) if c.status == "succeeded"] == [
        call.split()[0] for call in calls
    ]
    if isinstance(chosen, op.DestroySystemVm):
        assert "s-7-VM in its place" in everything.journal.of(Notice)[0].text


REFUSALS = [
    (
        "network",
        "probe-net",
        op.LivePatch(),
        {"listRouters": [router(version="4.13.1")]},
        Unsupported,
        "live patch needs 4.15",
    ),
    ("network", "probe-net", op.LivePatch(), {"listRouters": [router(state="Stopped")]}, Unsupported, "no router runs"),
    (
        "network",
        "probe-net",
        op.RebootRouter(),
        {"listRouters": [router(), router(43)]},
        BadTarget,
        "2 routers: r-42-VM, r-43-VM",
    ),
    (
        "network",
        "probe-net",
        op.RebootRouter(),
        {"listRouters": [router(state="Stopped")]},
        Unsupported,
        "stop_start_router",
    ),
    ("network", "probe-net", op.RebootRouter(), {"listRouters": []}, BadTarget, "no router that this key can see"),
    (
        "systemvm",
        "s-1-VM",
        op.LivePatch(),
        {"listSystemVms": [SSVM | {"state": "Stopped"}]},
        Unsupported,
        "destroy_systemvm",
    ),
    ("network", "probe-net", op.ChangeOffering("Plain"), {}, BadTarget, "has the offering Plain already"),
    ("network", "probe-net", op.ChangeOffering("Redundent"), {}, BadTarget, "There are Redundant"),
]


@pytest.mark.parametrize(("kind", "name", "chosen", "instead", "error", "says"), REFUSALS)
async def test_what_cannot_be_done_is_refused_before_anything_is_changed(
    everything: Bench,
    kind: str,
    name: str,
    chosen: op.AnyOperation,
    instead: dict[str, list[dict[str, Any]]],
    error: type[CloudStackError],
    says: str,
) -> None:
    keys = {"listRouters": "router", "listSystemVms": "systemvm"}
    everything.cloud.answers |= {command: paged(keys[command], rows) for command, rows in instead.items()}
    with pytest.raises(error, match=says):
        await prepared(everything, kind, name, chosen)


@pytest.mark.parametrize(
    ("missing", "kind", "name", "chosen"),
    [
        ("restartVPC", "vpc", "probe-vpc", op.Restart(cleanup=True)),
        ("rebootRouter", "network", "probe-net", op.RebootRouter()),
        ("startRouter", "network", "probe-net", op.StopStartRouter()),
        ("destroyRouter", "network", "probe-net", op.DestroyRouter()),
        ("patchSystemVm", "systemvm", "s-1-VM", op.LivePatch()),
        ("destroySystemVm", "systemvm", "s-1-VM", op.DestroySystemVm()),
        ("updateNetwork", "network", "probe-net", op.ChangeOffering("Redundant")),
    ],
)
async def test_a_role_that_may_not(
    everything: Bench, missing: str, kind: str, name: str, chosen: op.AnyOperation
) -> None:
    everything.cloud.answers["listApis"] = {"api": [a for a in [*APIS, *MORE] if a["name"] != missing]}
    with pytest.raises(Unsupported, match=f"^{missing}: this key may not"):
        await prepared(everything, kind, name, chosen)


@pytest.mark.parametrize("chosen", [op.LivePatch(), op.Restart(cleanup=False, makeredundant=True)])
async def test_a_server_that_is_too_old(everything: Bench, chosen: op.AnyOperation) -> None:
    others = [a for a in [*APIS, *MORE] if a["name"] != "restartNetwork"]
    everything.cloud.answers |= {
        "listApis": {"api": [*others, api("restartNetwork", "id", "cleanup", is_async=True)]},
        "listCapabilities": {"capability": {"cloudstackversion": "4.9.3.0"}},
    }
    with pytest.raises(Unsupported, match=r"4\.9\.3\.0\) has no (livepatch|makeredundant); it came with"):
        await prepared(everything, "network", "probe-net", chosen)


async def test_when_the_destroy_fails_nothing_is_restarted(everything: Bench) -> None:
    _, step = await prepared(everything, "router", "r-42-VM", op.DestroyRouter())
    everything.cloud.answers |= {
        "destroyRouter": {"jobid": "j"},
        "queryAsyncJobResult": {"jobstatus": 2, "jobresult": {"errorcode": 530, "errortext": "no"}},
    }
    with pytest.raises(StepFailed, match="destroyRouter failed"):
        await step.run(everything.journal)
    assert not everything.cloud.calls("restartNetwork")


async def test_events_of_a_router_are_in_the_journal(everything: Bench) -> None:
    _, step = await prepared(everything, "router", "r-42-VM", op.RebootRouter())
    about = {"description": "rebooting router", "resourcetype": "DomainRouter"}
    event = row("e1", "ROUTER.REBOOT", "Scheduled", 0, resourceid=ROUTER, **about)
    other = row("e2", "ROUTER.REBOOT", "Scheduled", 0, resourceid="another", **about)
    everything.cloud.answers |= {"rebootRouter": {"jobid": "j"}, "listEvents": [{}, paged("event", [event, other])]}
    await step.run(everything.journal)
    assert [seen.id for seen in everything.journal.of(CloudEventSeen)] == ["e1"]


async def test_after_a_pair_loses_one_only_the_missing_one_is_built(everything: Bench) -> None:
    pair = [
        router(42, isredundantrouter=True, redundantstate="PRIMARY", guestnetworkid=NET),
        router(43, isredundantrouter=True, redundantstate="BACKUP", guestnetworkid=NET),
    ]
    everything.cloud.answers["listRouters"] = filtered("router", pair)
    inventory, step = await prepared(everything, "router", "r-43-VM", op.DestroyRouter())
    assert "cleanup=false" in step.plan().calls[1]
    assert "r-42-VM goes on serving" in step.plan().consequence
    old = replace(inventory, routers=tuple(replace(r, requires_upgrade=True) for r in inventory.routers))
    step = await prepare_operation(everything.client, old, op.DestroyRouter())
    assert "cleanup=true" in step.plan().calls[1]  # cleanup=false is refused while the other one is outdated


async def test_a_router_named_by_its_tier_is_rebuilt_with_its_vpc(everything: Bench) -> None:
    everything.cloud.answers["listNetworks"] = networks(everything.cloud, [NETWORK | {"vpcid": "vpc-1"}])
    _, step = await prepared(everything, "network", "probe-net", op.DestroyRouter())
    assert step.plan().calls[1].startswith("restartVPC id=vpc-1 cleanup=true")
