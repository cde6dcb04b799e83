# SPDX-License-Identifier: Apache-2.0
"""Faults of replies and jobs, seen by a plain HTTP client: http.client from the standard library."""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import time
from collections.abc import AsyncIterator
from urllib.parse import urlencode

import pytest

from csworkbench.lab.api import http_faults
from csworkbench.lab.api.server import PATH
from csworkbench.lab.faults import KNOWN
from tests.lab.served import Served, served


@pytest.fixture
async def api() -> AsyncIterator[Served]:
    async with served("4.22") as running:
        yield running


async def plain(api: Served, command: str = "listZones", **given: str) -> tuple[int, dict[str, str], bytes]:
    """A GET by a client that knows nothing of CloudStack: status, headers, body. Raises what http.client raises."""

    def exchange() -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", api.http.port or 0, timeout=20)
        try:
            connection.request("GET", f"{PATH}?{urlencode(api.signed(command, **given))}")
            reply = connection.getresponse()
            return reply.status, dict(reply.getheaders()), reply.read()
        finally:
            connection.close()

    return await asyncio.to_thread(exchange)


@pytest.mark.parametrize(("fault", "code"), [("api-429", 429), ("api-530", 530)])
async def test_calls_are_refused_in_an_envelope(api: Served, fault: str, code: int) -> None:
    api.server.faults.change(fault, on=True)
    status, _, body = await plain(api)
    assert (status, json.loads(body)["listzonesresponse"]["errorcode"]) == (code, code)
    api.server.faults.change(fault, on=False)
    assert (await plain(api))[0] == 200


async def test_the_rate_limits_text_tells_the_wait(api: Served) -> None:
    api.server.faults.change("api-429", on=True)
    content = json.loads((await plain(api))[2])["listzonesresponse"]
    assert content["cserrorcode"] == 4545
    assert re.search(r"retry after \d+ ms", content["errortext"])


async def test_with_530_the_list_of_apis_still_comes(api: Served) -> None:
    api.server.faults.change("api-530", on=True)
    assert (await plain(api, "listApis"))[0] == 200
    assert (await plain(api, "restartNetwork", id=api.server.network.id))[0] == 530
    assert api.orchestrator.asked == []


async def test_503_comes_with_and_without_an_envelope(api: Served) -> None:
    api.server.faults.change("api-503", on=True)
    status, _, body = await plain(api)
    assert (status, json.loads(body)["listzonesresponse"]["errorcode"]) == (503, 503)
    status, headers, body = await plain(api)
    assert (status, headers["Content-Type"].split(";")[0]) == (503, "text/html")
    assert body.startswith(b"<html>")


async def test_a_proxys_page(api: Served) -> None:
    api.server.faults.change("api-garbage", on=True)
    status, headers, body = await plain(api, "restartNetwork", id=api.server.network.id)
    assert (status, headers["Content-Type"].split(";")[0]) == (502, "text/html")
    assert b"502 Bad Gateway" in body
    assert api.orchestrator.asked == []


async def test_a_reply_that_is_cut(api: Served) -> None:
    _, _, whole = await plain(api)
    api.server.faults.change("api-truncated", on=True)
    status, headers, body = await plain(api)
    assert (status, int(headers["Content-Length"]), len(body)) == (200, len(whole) // 2, len(whole) // 2)
    assert whole.startswith(body)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)


async def test_a_call_without_an_answer_was_carried_out(api: Served) -> None:
    api.server.faults.change("api-closed", on=True)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        await plain(api, "restartNetwork", id=api.server.network.id)
    api.server.faults.change("api-closed", on=False)
    assert len(json.loads((await plain(api, "listAsyncJobs"))[2])["listasyncjobsresponse"]["asyncjobs"]) == 1


async def test_a_slow_reply(api: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_faults, "SLOW_S", 0.3)
    api.server.faults.change("api-slow", on=True)
    began = time.monotonic()
    assert (await plain(api))[0] == 200
    assert time.monotonic() - began >= 0.3


async def job_row(api: Served, identity: str) -> dict[str, object]:
    row: dict[str, object] = json.loads((await plain(api, "queryAsyncJobResult", jobid=identity))[2])[
        "queryasyncjobresultresponse"
    ]
    return row


async def restarted(api: Served) -> str:
    body = json.loads((await plain(api, "restartNetwork", id=api.server.network.id))[2])
    return str(body["restartnetworkresponse"]["jobid"])


async def until_begun(api: Served) -> None:
    async with asyncio.timeout(10):
        while not api.orchestrator.asked:
            await plain(api)


async def test_a_lost_job_has_no_result_while_its_work_goes_on(api: Served) -> None:
    api.server.faults.change("job-lost", on=True)
    identity = await restarted(api)
    await until_begun(api)
    async with asyncio.timeout(10):
        while not (job := await job_row(api, identity))["jobstatus"]:
            pass
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert not {"jobresult", "jobresulttype"} & set(job)
    assert api.orchestrator.running == 1
    assert not api.server.faults.is_set("job-lost")
    api.orchestrator.go_on.set()
    second = await restarted(api)
    async with asyncio.timeout(10):
        while not (job := await job_row(api, second))["jobstatus"]:
            pass
    assert (job["jobstatus"], job["jobresult"]) == (1, {"success": True})


async def test_a_stuck_job_stays_pending_though_its_work_is_done(api: Served) -> None:
    api.server.faults.change("job-stuck", on=True)
    api.orchestrator.go_on.set()
    stuck = await restarted(api)
    await until_begun(api)
    async with asyncio.timeout(10):
        while api.orchestrator.running:
            await plain(api)
    assert (await job_row(api, stuck))["jobstatus"] == 0
    api.server.faults.change("job-stuck", on=False)
    second = await restarted(api)
    async with asyncio.timeout(10):
        while not (await job_row(api, second))["jobstatus"]:
            pass
    assert (await job_row(api, stuck))["jobstatus"] == 0


@pytest.mark.parametrize("on", [False, True])
async def test_events_that_are_missing(api: Served, on: bool) -> None:
    api.server.faults.change("events-missing", on=on)
    ip = api.server.network.ips[-1].id
    api.server.routers[0].state = "Stopped"  # nothing to program
    job = (await api.call("disableStaticNat", id=ip, ipaddressid=ip))[1]
    assert (await api.settled(job))["jobstatus"] == 1
    events = json.loads((await plain(api, "listEvents", listall="true"))[2])["listeventsresponse"]["event"]
    ended = set() if on else {"Completed"}
    assert {event["state"] for event in events} == {"Scheduled", "Started"} | ended


def test_names_are_unique_and_said_in_one_line() -> None:
    assert len({fault.name for fault in KNOWN}) == len(KNOWN)
    assert all("\n" not in fault.description and len(fault.description) < 100 for fault in KNOWN)
