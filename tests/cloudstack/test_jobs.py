# SPDX-License-Identifier: Apache-2.0
import itertools
from typing import Any

import pytest

from csworkbench.cloudstack.errors import BadReply
from csworkbench.cloudstack.jobs import follow_job, read_job
from csworkbench.cloudstack.transport import Reply
from csworkbench.model.event import ApiCalled, JobChanged, JobStatus, Notice

from .support import Bench, Raw, refusal

QUERY = "queryAsyncJobResult"
PENDING = {"jobstatus": 0, "jobprocstatus": 0, "jobresultcode": 0, "jobid": "j1"}
DONE: dict[str, Any] = {
    "accountid": "1c0b", "cmd": "org.apache.cloudstack.api.command.user.network.RestartNetworkCmd", "jobstatus": 1,
    "jobprocstatus": 0, "jobresultcode": 0, "jobresulttype": "object", "jobresult": {"success": True},
    "jobinstancetype": "Network", "created": "2025-01-31T13:05:09+0000", "jobid": "j1",
}  # fmt: skip
AWAY = refusal(503, "The management server is shutting down")


async def follow(bench: Bench, *answers: Any, limit_s: float = 1_800.0) -> tuple[Any, list[JobChanged]]:
    bench.cloud.answers[QUERY] = list(answers)
    submitted = Reply({}, bench.clock.clock_ns(), bench.clock.clock_ns())
    result = await follow_job(bench.client, bench.journal, "restartNetwork", "j1", submitted, outage_limit_s=limit_s)
    return result, bench.journal.of(JobChanged)


async def test_brackets_hold_the_truth(bench: Bench) -> None:
    result, changes = await follow(bench, PENDING, PENDING, PENDING, DONE)
    assert (result.status, result.object) == (JobStatus.SUCCEEDED, {"success": True})
    assert [c.status for c in changes] == [JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.SUCCEEDED]
    submitted, pending, ended = changes
    calls = bench.journal.of(ApiCalled)
    assert ended.last_old_ns == calls[2].started_ns
    assert ended.first_new_ns == calls[3].ended_ns
    assert submitted.last_old_ns == pending.last_old_ns < submitted.first_new_ns < calls[0].started_ns
    assert pending.first_new_ns == calls[0].ended_ns


async def test_polls_every_quarter_of_a_second(bench: Bench) -> None:
    await follow(bench, *[PENDING] * 8, DONE)
    sent = [c.started_ns for c in bench.journal.of(ApiCalled)]
    gaps = [b - a for a, b in itertools.pairwise(sent)]
    assert all(250_000_000 <= gap < 260_000_000 for gap in gaps)


async def test_a_job_that_is_over_at_the_first_poll(bench: Bench) -> None:
    _, changes = await follow(bench, DONE)
    assert [c.status for c in changes] == [JobStatus.SUBMITTED, JobStatus.SUCCEEDED]
    assert changes[1].last_old_ns == changes[0].last_old_ns


async def test_through_a_restart_of_the_server(bench: Bench) -> None:
    away: list[Any] = [AWAY, Raw(503, b"<html>"), Raw(404, b"<html>"), refusal(530, "boot"), refusal(401, "boot")]
    result, changes = await follow(bench, PENDING, *away, PENDING, DONE)
    assert result.status is JobStatus.SUCCEEDED
    assert [c.status for c in changes] == [JobStatus.SUBMITTED, JobStatus.PENDING, JobStatus.SUCCEEDED]
    texts = [n.text for n in bench.journal.of(Notice)]
    assert len(texts) == 2
    assert "cannot be asked for" in texts[0]
    assert "followed again" in texts[1]
    calls = bench.journal.of(ApiCalled)
    assert changes[-1].last_old_ns == calls[-2].started_ns


async def test_the_bracket_spans_an_outage_of_the_server(bench: Bench) -> None:
    _, changes = await follow(bench, PENDING, AWAY, AWAY, DONE)
    calls = bench.journal.of(ApiCalled)
    assert (changes[-1].last_old_ns, changes[-1].first_new_ns) == (calls[0].started_ns, calls[3].ended_ns)


async def test_a_server_that_stays_away(bench: Bench) -> None:
    result, changes = await follow(bench, PENDING, AWAY, limit_s=60.0)
    assert result.status is changes[-1].status is JobStatus.LOST
    assert "shutting down" in result.text
    assert 60 < sum(bench.clock.slept) < 70
    assert max(bench.clock.slept) <= 2.0


async def test_a_server_that_refuses_us_for_half_a_minute(bench: Bench) -> None:
    result, _ = await follow(bench, refusal(401, "no"))
    assert result.status is JobStatus.LOST
    assert 30 < sum(bench.clock.slept) < 40


async def test_an_expired_job_is_lost_at_once(bench: Bench) -> None:
    result, _ = await follow(bench, PENDING, refusal(431, "Invalid parameter jobid value=j1"))
    assert (result.status, result.error_code) == (JobStatus.LOST, 431)
    assert len(bench.cloud.asked) == 2


@pytest.mark.parametrize(
    ("payload", "status", "code", "says"),
    [
        (
            {"jobstatus": 2, "jobresultcode": 530, "jobresult": {"errorcode": 530, "errortext": "Failed to restart"}},
            JobStatus.FAILED, 530, "Failed to restart",
        ),
        ({"jobstatus": 2, "jobresultcode": 530}, JobStatus.FAILED, 530, "stopped or restarted while the job ran"),
        ({"jobstatus": 2, "jobresultcode": 0}, JobStatus.FAILED, 0, "waited too long in its queue"),
        ({"jobstatus": "2", "jobresultcode": "530", "jobresult": "te\nxt"}, JobStatus.FAILED, 530, "te xt"),
        ({"jobstatus": 3, "jobresultcode": 0}, JobStatus.CANCELLED, 0, "cancelled on the server"),
        ({"jobstatus": 7, "jobresult": {}}, JobStatus.FAILED, 0, "waited too long"),
        (
            {"jobstatus": 1, "jobresult": {"success": False, "displaytext": "not all"}},
            JobStatus.FAILED, 0, "not all",
        ),
        ({"jobstatus": 1, "jobresult": {"success": "false"}}, JobStatus.FAILED, 0, "no reason given"),
        ({"jobstatus": 1, "jobresult": {"success": True, "details": "patched"}}, JobStatus.SUCCEEDED, 0, "patched"),
        ({"jobstatus": 1, "jobresult": {"router": {"id": "r"}}}, JobStatus.SUCCEEDED, 0, ""),
        ({"jobstatus": 1}, JobStatus.SUCCEEDED, 0, ""),
    ],
)  # fmt: skip
def test_ends(payload: dict[str, Any], status: JobStatus, code: int, says: str) -> None:
    result = read_job("j1", "restartNetwork", payload)
    assert result is not None
    assert (result.status, result.error_code) == (status, code)
    assert says in result.text


def test_what_is_no_end() -> None:
    assert read_job("j1", "x", PENDING) is None
    with pytest.raises(BadReply):
        read_job("j1", "x", {})
