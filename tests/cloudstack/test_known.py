# SPDX-License-Identifier: Apache-2.0
"""A change that an engine sent which is gone: found again, followed, and never sent a second time."""

from dataclasses import replace

import pytest

from csworkbench.cloudstack import Client, RestartNetwork, read_inventory
from csworkbench.cloudstack.known import known_calls
from csworkbench.model import event as ev
from csworkbench.model.event import CloudEventSeen, Event, JobChanged, JobStatus
from csworkbench.model.protocols import EndUnknown, StepFailed
from csworkbench.model.scenario import Restart
from csworkbench.model.state import RunState, apply

from .recorded import NET, play
from .support import Bench, MemoryJournal, paged
from .test_events import restart_events
from .test_jobs import DONE, PENDING

JOB = {"jobid": "j1", "jobinstanceid": NET, "cmd": "x.RestartNetworkCmd", "created": "2099-01-31T13:05:09+0000"}


async def until_sent(bench: Bench, restart: Restart, *, stop_at: str) -> RunState:
    """Run a restart until the engine writes an event of that kind, and is gone just after it."""

    class Gone(Exception):
        pass

    class Mortal(MemoryJournal):
        def write(self, *bodies: ev.Body) -> None:
            super().write(*bodies)
            if any(type(body).__name__ == stop_at for body in bodies):
                raise Gone

    journal = Mortal()
    async with Client(bench.cloud.credentials, journal=journal, around=bench.clock.surroundings()) as client:
        step = await RestartNetwork.prepare(client, await read_inventory(client, "probe-net"), restart)
        with pytest.raises(Gone):
            await step.run(journal)
    state = RunState()
    for number, body in enumerate(journal.bodies, 1):
        apply(state, Event(number, bench.clock.clock_ns(), 0, body))
    return state


async def resumed(bench: Bench, state: RunState) -> tuple[RestartNetwork, MemoryJournal]:
    journal = MemoryJournal()
    around = bench.clock.surroundings()
    async with Client(bench.cloud.credentials, journal=journal, around=around, known=known_calls(state)) as client:
        step = await RestartNetwork.prepare(client, await read_inventory(client, "probe-net"), Restart(cleanup=True))
        await step.run(journal)
    return step, journal


def sends(bench: Bench) -> int:
    return len(bench.cloud.calls("restartNetwork"))


async def test_a_job_that_is_known_is_followed(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers |= {"restartNetwork": {"jobid": "j1"}, "queryAsyncJobResult": [PENDING, PENDING, DONE]}
    state = await until_sent(bench, Restart(cleanup=True), stop_at="JobChanged")
    bench.cloud.answers |= {"listEvents": paged("event", restart_events()[::-1])}
    step, journal = await resumed(bench, state)
    assert sends(bench) == 1
    assert step.result is not None and step.result.status is JobStatus.SUCCEEDED
    (ended,) = journal.of(JobChanged)
    assert (ended.job, ended.status) == ("j1", JobStatus.SUCCEEDED)
    assert ended.last_old_ns < ended.first_new_ns


async def test_one_that_ended_before_is_not_asked_for(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers |= {"restartNetwork": {"jobid": "j1"}, "queryAsyncJobResult": [DONE]}
    state = await until_sent(bench, Restart(cleanup=True), stop_at="JobChanged")
    apply(state, Event(900, 10**12, 0, JobChanged("j1", "restartNetwork", JobStatus.FAILED, 1, 2, 530, "no host")))
    with pytest.raises(StepFailed, match=r"restartNetwork failed \(530\): no host"):
        await resumed(bench, state)
    assert (sends(bench), bench.cloud.calls("queryAsyncJobResult")) == (1, [])


@pytest.mark.parametrize("listed", [True, False])
async def test_gone_between_sending_and_the_jobs_id(bench: Bench, listed: bool) -> None:
    """What was about to be sent is never sent again: the list of jobs tells, or the event log, or nobody."""
    play(bench.cloud)
    state = await until_sent(bench, Restart(cleanup=True), stop_at="ChangeSent")
    assert sends(bench) == 0, "gone in the very moment before"
    bench.cloud.answers |= {
        "listAsyncJobs": {"count": 1, "asyncjobs": [JOB]} if listed else {},
        "queryAsyncJobResult": [PENDING, DONE],
        "listEvents": {} if listed else paged("event", restart_events()[::-1]),
    }
    step, journal = await resumed(bench, state)
    assert sends(bench) == 0
    assert step.result is not None
    assert (step.result.job, step.result.status) == ("j1" if listed else "", JobStatus.SUCCEEDED)
    if listed:
        assert journal.of(JobChanged)[0].last_old_ns == known_calls(state)[0].sent_ns
    else:
        assert journal.of(CloudEventSeen)
        assert any("its job's id is unknown" in notice.text for notice in journal.of(ev.Notice))


async def test_when_nothing_tells_of_it_that_is_said_and_nothing_sent(bench: Bench) -> None:
    play(bench.cloud)
    state = await until_sent(bench, Restart(cleanup=True), stop_at="ChangeSent")
    old = JOB | {"created": "2001-01-31T13:05:09+0000"}
    bench.cloud.answers |= {"listAsyncJobs": {"count": 1, "asyncjobs": [old]}, "listEvents": {}}
    with pytest.raises(EndUnknown, match=r"it is unknown whether the server took the call.*nothing was sent again"):
        await resumed(bench, state)
    assert sends(bench) == 0


async def test_another_change_is_sent(bench: Bench) -> None:
    """What is known is known by its parameters: a later step of the same operation was not sent yet."""
    play(bench.cloud)
    bench.cloud.answers |= {"restartNetwork": {"jobid": "j1"}, "queryAsyncJobResult": [PENDING, DONE], "listEvents": {}}
    state = await until_sent(bench, Restart(cleanup=False), stop_at="JobChanged")
    await resumed(bench, state)
    assert [call.params["cleanup"] for call in bench.cloud.calls("restartNetwork")] == ["false", "true"]


async def test_a_job_that_never_ends_is_not_waited_for_for_ever(bench: Bench) -> None:
    play(bench.cloud)
    bench.cloud.answers |= {"restartNetwork": {"jobid": "j1"}, "queryAsyncJobResult": PENDING, "listEvents": {}}
    around = replace(bench.clock.surroundings(), job_limit_s=60.0)
    async with Client(bench.cloud.credentials, journal=bench.journal, around=around) as client:
        step = await RestartNetwork.prepare(client, await read_inventory(client, "probe-net"), Restart(cleanup=True))
        began = bench.clock.ns
        with pytest.raises(EndUnknown, match=r"has not ended after 60 s.*asyncjobresult jobid=j1"):
            await step.run(bench.journal)
    assert 60 <= (bench.clock.ns - began) / 1e9 < 75
    assert bench.journal.of(JobChanged)[-1].status is JobStatus.LOST
