# SPDX-License-Identifier: Apache-2.0
"""restartNetwork from plan to verdict, against a server that plays the reference's replies."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from csworkbench.cloudstack import RestartNetwork, read_inventory
from csworkbench.cloudstack.discovery import Api, Capabilities
from csworkbench.cloudstack.errors import Unsupported
from csworkbench.cloudstack.plan import manner, planned, restart_params
from csworkbench.cloudstack.verify import verify_restart
from csworkbench.model.cloud import Inventory, Network, Router
from csworkbench.model.event import CloudEventSeen, JobChanged, JobStatus, Notice
from csworkbench.model.protocols import Step, StepFailed
from csworkbench.model.scenario import Restart

from .recorded import APIS, NET, NETWORK, networks, play, router
from .support import Bench, Raw, api, paged, refusal
from .test_events import restart_events
from .test_jobs import DONE, PENDING

CLEANUP, KEEP = Restart(cleanup=True), Restart(cleanup=False)
OLD = Router("router-42", "r-42-VM", "Running", guest_mac="02:00:00:00:00:01")
NEW = Router("router-43", "r-43-VM", "Running", guest_mac="02:00:00:00:00:02", version="4.22.0")
BEFORE = Inventory("4.22.0.0", Network(NET, "probe-net", "Implemented"), (OLD,))


def after(*routers: Router, **others: Any) -> Inventory:
    return replace(BEFORE, routers=routers, network=replace(BEFORE.network, **others))


async def prepared(bench: Bench, restart: Restart = CLEANUP) -> RestartNetwork:
    step = await RestartNetwork.prepare(bench.client, await read_inventory(bench.client, "probe-net"), restart)
    as_step: Step = step
    assert as_step.title == f"restartNetwork cleanup={str(restart.cleanup).lower()}"
    return step


async def test_a_restart_from_end_to_end(bench: Bench) -> None:
    play(bench.cloud)
    step = await prepared(bench)
    assert step.plan().calls == (f"restartNetwork id={NET} cleanup=true makeredundant=false livepatch=false",)
    assert not bench.cloud.calls("restartNetwork")
    bench.cloud.answers |= {
        "restartNetwork": {"jobid": "j1"},
        "queryAsyncJobResult": [PENDING, PENDING, DONE],
        "listEvents": [{}, paged("event", restart_events()[::-1])],
        "listRouters": paged("router", [router(43)]),
    }
    await step.run(bench.journal)
    (call,) = bench.cloud.calls("restartNetwork")
    assert call.method == "POST"
    flags = {k: call.params[k] for k in ("id", "cleanup", "makeredundant", "livepatch")}
    assert flags == {"id": NET, "cleanup": "true", "makeredundant": "false", "livepatch": "false"}
    assert step.result is not None
    assert step.result.status is JobStatus.SUCCEEDED
    assert [c.status for c in bench.journal.of(JobChanged)] == ["submitted", "pending", "succeeded"]
    assert [e.id for e in bench.journal.of(CloudEventSeen)] == ["e1", "e2", "e3", "e4", "e5"]
    found = step.verify(step._inventory, await read_inventory(bench.client, "probe-net"))
    assert (found.changed, found.sound) == (True, True)
    assert found.reasons == (
        "r-42-VM is gone",
        "r-43-VM is new, version 4.20.1",
        "r-43-VM is as old as before: 4.20.1.0",
    )


async def test_a_failed_job_is_one_clear_line_and_events_are_there(bench: Bench) -> None:
    play(bench.cloud)
    step = await prepared(bench)
    failed = {
        "jobstatus": 2,
        "jobresultcode": 530,
        "jobresult": {"errorcode": 530, "errortext": "Failed to restart network"},
    }
    bench.cloud.answers |= {
        "restartNetwork": {"jobid": "j1"},
        "queryAsyncJobResult": [PENDING, failed],
        "listEvents": [{}, paged("event", restart_events()[::-1])],
    }
    with pytest.raises(StepFailed) as caught:
        await step.run(bench.journal)
    assert str(caught.value) == (
        "restartNetwork failed (530): Failed to restart network. Look at the network's routers before you repeat it."
    )
    assert len(bench.journal.of(CloudEventSeen)) == 5


@pytest.mark.parametrize(
    "answer", [refusal(431, "Unable to find network"), refusal(401, "not yours"), {"success": True}]
)
async def test_a_refused_call(bench: Bench, answer: Any) -> None:
    play(bench.cloud)
    step = await prepared(bench)
    bench.cloud.answers["restartNetwork"] = answer
    with pytest.raises(StepFailed, match=r"^restartNetwork"):
        await step.run(bench.journal)
    assert not bench.journal.of(JobChanged)
    assert not bench.cloud.calls("queryAsyncJobResult")


async def test_a_lost_reply_does_not_lose_the_job(bench: Bench) -> None:
    play(bench.cloud)
    step = await prepared(bench)
    other = {"jobid": "j0", "jobinstanceid": "another", "created": "2025-01-31T13:05:20+0000"}
    ours = {"jobid": "j1", "jobinstanceid": NET, "created": "2025-01-31T13:05:09+0000"}
    bench.cloud.answers |= {
        "restartNetwork": Raw(504, b"<html>Gateway Timeout</html>"),
        "listAsyncJobs": [refusal(503, "away"), {"count": 2, "asyncjobs": [other, ours]}],
        "queryAsyncJobResult": [PENDING, DONE],
    }
    await step.run(bench.journal)
    assert len(bench.cloud.calls("restartNetwork")) == 1
    assert {c.job for c in bench.journal.of(JobChanged)} == {"j1"}
    assert "looking for its job" in bench.journal.of(Notice)[0].text


async def test_a_lost_reply_without_a_job(bench: Bench) -> None:
    play(bench.cloud)
    step = await prepared(bench)
    bench.cloud.answers |= {"restartNetwork": Raw(504, b"<html>"), "listAsyncJobs": {}}
    with pytest.raises(StepFailed, match="504"):
        await step.run(bench.journal)
    assert len(bench.cloud.calls("listAsyncJobs")) == 3


async def test_a_cancelled_step_leaves_no_task(bench: Bench) -> None:
    play(bench.cloud)
    step = await prepared(bench)
    polled = asyncio.Event()

    def pending(params: dict[str, str]) -> dict[str, Any]:
        polled.set()
        return PENDING

    bench.cloud.answers |= {"restartNetwork": {"jobid": "j1"}, "queryAsyncJobResult": pending}
    running = asyncio.create_task(step.run(bench.journal))
    await polled.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not [t for t in asyncio.all_tasks() if "EventFeed" in repr(t)]


async def test_a_key_that_may_not(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers["listApis"] = {"api": [a for a in APIS if a["name"] != "restartNetwork"]}
    with pytest.raises(Unsupported, match="may not call it"):
        await prepared(bench)


async def test_an_old_server_knows_fewer_flags_and_destroys_first(bench: Bench) -> None:
    play(bench.cloud)
    others = [a for a in APIS if a["name"] != "restartNetwork"]
    bench.cloud.answers["listApis"] = {"api": [*others, api("restartNetwork", "id", "cleanup", is_async=True)]}
    bench.cloud.answers["listCapabilities"] = {"capability": {"cloudstackversion": "4.9.3.0"}}
    step = await prepared(bench)
    plan = step.plan()
    assert plan.calls == (f"restartNetwork id={NET} cleanup=true",)
    assert plan.consequence.startswith("r-42-VM is destroyed first and a new router is built afterwards")


@pytest.mark.parametrize(
    ("setting", "says"), [("true", "A new router is built beside r-42-VM"), ("false", "r-42-VM is destroyed first")]
)
async def test_the_rolling_setting_counts(bench: Bench, setting: str, says: str) -> None:
    play(bench.cloud)
    bench.cloud.answers["listConfigurations"] = {
        "configuration": [
            {"name": "network.rolling.restart.x", "value": "?"}, {"name": "network.rolling.restart", "value": setting},
        ]
    }  # fmt: skip
    plan = (await prepared(bench)).plan()
    assert plan.consequence.startswith(says)
    assert plan.title == "restart network probe-net cleanup=true"
    assert plan.target == f"probe-net ({NET}): r-42-VM Running; 2 VMs, 2 public addresses, 6 rules"


async def test_a_vpc_tier(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers["listNetworks"] = networks(bench.cloud, [NETWORK | {"vpcid": "v"}])
    bench.cloud.answers["listConfigurations"] = refusal(401, "no")
    assert "restart the VPC instead" in (await prepared(bench)).plan().consequence


def consequence(inventory: Inventory, restart: Restart, version: str = "4.22.0.0") -> str:
    known = {"restartNetwork": Api(True, frozenset({"id", "cleanup"}))}
    capabilities = Capabilities(known, version)
    params = restart_params(capabilities, NET, restart)
    return planned(inventory, restart, params, manner(capabilities, None, False)).consequence


def test_other_consequences() -> None:
    pair = after(OLD, replace(NEW, redundant_state="BACKUP"), redundant=True)
    assert "by VRRP" in consequence(pair, CLEANUP)
    assert "r-42-VM keeps running" in consequence(BEFORE, KEEP)
    assert "CloudStack will refuse this; use cleanup=true" in consequence(
        after(replace(OLD, requires_upgrade=True)), KEEP
    )
    assert "the network is Allocated" in consequence(after(state="Allocated"), CLEANUP)
    assert "CloudStack builds one" in consequence(after(), CLEANUP)
    assert "destroyed first" in consequence(after(replace(OLD, state="Stopped")), CLEANUP)
    assert "starts or builds one" in consequence(after(replace(OLD, state="Stopped")), KEEP)
    assert "destroyed first" in consequence(BEFORE, CLEANUP, version="")


@pytest.mark.parametrize(
    ("now", "restart", "changed", "sound", "says"),
    [
        (after(NEW), CLEANUP, True, True, "r-43-VM is new, version 4.22.0"),
        (after(OLD), CLEANUP, False, False, "r-42-VM is still there"),
        (after(OLD, NEW), CLEANUP, True, False, "2 routers now, 1 before"),
        (after(replace(NEW, state="Starting")), CLEANUP, True, False, "r-43-VM is Starting, not Running"),
        (after(), CLEANUP, True, False, "the network has no router now"),
        (after(OLD), KEEP, False, True, "no router differs from before"),
        (after(replace(OLD, software_version="4.22.0.0")), KEEP, True, True, "software version unknown → 4.22.0.0"),
        (after(NEW, restart_required=True), CLEANUP, True, False, "needs a restart"),
    ],
)
def test_verification(now: Inventory, restart: Restart, changed: bool, sound: bool, says: str) -> None:
    found = verify_restart(BEFORE, now, restart)
    assert (found.changed, found.sound) == (changed, sound)
    assert says in "; ".join(found.reasons)


def test_verification_needs_to_see_routers() -> None:
    assert not verify_restart(after(), after(), CLEANUP).sound
    assert verify_restart(after(), after(NEW), CLEANUP).sound
