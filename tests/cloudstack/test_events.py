# SPDX-License-Identifier: Apache-2.0
"""The event log of section 3.6: whose events are ours, each one once, oldest first."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack.events import EventFeed
from csworkbench.cloudstack.family import Family, parse_created, seen
from csworkbench.model.event import CloudEventSeen, Notice

from .support import Bench, Raw, api, paged, refusal

NET = "0f3b9d4e-6c1a-4f7b-9a53-2d8e7c61b0aa"
OTHER = "77777777-6c1a-4f7b-9a53-2d8e7c61b0aa"
START_S = 1_900_000_000


def stamp(second: int, offset: str = "+0000") -> str:
    sign = -1 if offset[0] == "-" else 1
    zone = timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[3:])))
    return datetime.fromtimestamp(START_S + second, UTC).astimezone(zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def row(id: str, type: str, state: str, second: int, **others: Any) -> dict[str, Any]:
    base = {"id": id, "type": type, "level": "INFO", "state": state, "created": stamp(second), "description": ""}
    return base | others


def restart_events(*, resources: bool = True) -> list[dict[str, Any]]:
    """A restart's family among foreign events, oldest first."""
    ours = {"resourceid": NET, "resourcetype": "Network"} if resources else {}
    foreign = {"resourceid": OTHER, "resourcetype": "Network"} if resources else {}
    about = f"Restarting Network with ID: {NET}"
    return [
        row("e1", "NETWORK.RESTART", "Scheduled", 0, description=about, **ours),
        row("f1", "NETWORK.RESTART", "Scheduled", 0, description=f"Restarting Network with ID: {OTHER}", **foreign),
        row("e2", "NETWORK.RESTART", "Started", 0, parentid="e1", description="Restarting network", **ours),
        row("f2", "ROUTER.STOP", "Started", 1, parentid="f1", description="Stopping router r-9-VM", **foreign),
        row("e3", "ROUTER.STOP", "Started", 2, parentid="e1", description="stopping router", **ours),
        row(
            "f3", "VM.START", "Completed", 2, description="Starting VM 5", **({"resourceid": "v"} if resources else {})
        ),
        row("e4", "ROUTER.STOP", "Completed", 3, parentid="e1", description="stopping router", **ours),
        row("e5", "NETWORK.RESTART", "Completed", 4, parentid="e1", description="restarted", **ours),
    ]


def family() -> Family:
    return Family("NETWORK.RESTART", [NET, "router-4"], ["r-4-VM"])


@pytest.mark.parametrize("resources", [True, False])
def test_the_family_in_one_go(resources: bool) -> None:
    found = family()
    members = found.select([seen(r) for r in restart_events(resources=resources)])
    assert [e.id for e in members] == ["e1", "e2", "e3", "e4", "e5"]
    assert found.root == "e1"


def test_a_foreign_child_before_our_root_is_not_ours() -> None:
    events = [seen(r) for r in restart_events(resources=False)]
    assert {e.id for e in family().select([events[3], *events])} == {"e1", "e2", "e3", "e4", "e5"}


def test_another_routers_reboot_is_not_ours_on_an_old_server() -> None:
    assert (
        family().select([seen(row("x", "ROUTER.REBOOT", "Scheduled", 0, description=f"router with ID: {OTHER}"))]) == []
    )


@given(st.permutations(range(8)), st.lists(st.integers(1, 7), max_size=3))
def test_the_family_in_any_order_and_any_pieces(order: list[int], cuts: list[int]) -> None:
    events = [seen(r) for r in restart_events()]
    found, got = family(), set()
    for cut in sorted({*cuts, 8}):
        got |= {e.id for e in found.select([events[i] for i in order[:cut]])}
    assert got == {"e1", "e2", "e3", "e4", "e5"}


def test_router_events_are_not_lost() -> None:
    found = family()
    rows_ = [
        row("a", "ROUTER.START", "Started", 0, resourceid="router-4", resourcetype="DomainRouter"),
        row("b", "ROUTER.HEALTH.CHECKS", "Completed", 0, description="health checks of r-4-VM failed"),
        row("c", "ROUTER.STOP", "Started", 0, description="stopping router"),
        row("d", "ROUTER.START", "Started", 0, resourceid="router-5", description="starting r-44-VM"),
    ]
    assert [e.id for e in found.select([seen(r) for r in rows_])] == ["a", "b", "c"]
    found.learn(["router-5"], [])
    assert [e.id for e in found.select([seen(rows_[3])])] == ["d"]


def test_the_internal_number_of_4_9_is_taken_for_ours() -> None:
    found = family()
    event = seen(row("e1", "NETWORK.RESTART", "Scheduled", 0, description="Restarting Network with ID: 204"))
    assert found.select([event]) == [event]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-31T13:05:09+0000", (1_738_328_709, 0)),
        ("2025-01-31T18:35:09+0530", (1_738_328_709, 19_800)),
        ("2025-01-31T13:05:09Z", (1_738_328_709, 0)),
        ("2025-01-31T06:05:09-07:00", (1_738_328_709, -25_200)),
        ("2025-01-31T13:05:09", None),
        ("31 January", None),
        (None, None),
    ],
)
def test_created(text: str | None, expected: tuple[int, int] | None) -> None:
    assert parse_created(text) == expected


class Log:
    """listEvents over a list that grows; newest first, as the server has it."""

    def __init__(self, bench: Bench) -> None:
        self.rows: list[dict[str, Any]] = []
        bench.cloud.answers["listEvents"] = self.answer
        bench.cloud.answers["listApis"] = {"api": [api("listEvents", "startdate", "startid")]}
        bench.cloud.answers["listCapabilities"] = {"capability": {}}
        self.feed = EventFeed(bench.client, bench.journal, family())

    def answer(self, params: dict[str, str]) -> Any:
        found = list(reversed(self.rows))
        if "startid" in params:
            found = [r for r in found if params["startid"] in (r["id"], r.get("parentid"))]
        if "startdate" in params:
            found = [r for r in found if r["created"][:19].replace("T", " ") >= params["startdate"]]
        return paged("event", found)(params)


def emitted(bench: Bench) -> list[str]:
    return [e.id for e in bench.journal.of(CloudEventSeen)]


async def test_each_event_once_oldest_first_in_the_servers_zone(bench: Bench) -> None:
    log = Log(bench)
    log.rows = [row("old", "NETWORK.RESTART", "Completed", -1, resourceid=NET, created=stamp(-1, "+0530"))]
    await log.feed.start()
    for event in restart_events():
        moment = parse_created(event["created"])
        assert moment is not None
        log.rows.append({**event, "created": stamp(moment[0] - START_S, "+0530")})
        await log.feed.poll()
    await log.feed.finish()
    assert emitted(bench) == ["e1", "e2", "e3", "e4", "e5"]
    asked = bench.cloud.calls("listEvents")[1].params
    local = datetime.fromtimestamp(START_S - 11, UTC) + timedelta(hours=5, minutes=30)
    assert asked["startdate"] == local.strftime("%Y-%m-%d %H:%M:%S")
    assert asked["listall"] == "true"


async def test_the_last_sweep_waits_for_the_end_and_asks_by_root(bench: Bench) -> None:
    log = Log(bench)
    log.rows = [row("old", "VM.START", "Completed", -5)]
    await log.feed.start()
    log.rows += restart_events()[:-1]
    hidden = row("n", "ROUTER.REBOOT", "Started", 2, parentid="e1", created="?", resourceid="unheard")
    log.rows.append(hidden)
    await log.feed.finish()
    assert bench.clock.slept.count(1.0) == 2
    assert sorted(emitted(bench)) == ["e1", "e2", "e3", "e4", "n"]
    assert any("startid" in a.params for a in bench.cloud.asked)


async def test_an_empty_log_has_no_zone_and_needs_none(bench: Bench) -> None:
    log = Log(bench)
    await log.feed.start()
    log.rows = restart_events()
    await log.feed.finish()
    assert emitted(bench) == ["e1", "e2", "e3", "e4", "e5"]
    assert all("startdate" not in a.params for a in bench.cloud.asked)


async def test_an_outage_of_the_server_costs_no_event(bench: Bench) -> None:
    log = Log(bench)
    log.rows = [row("old", "VM.START", "Completed", -5)]
    await log.feed.start()
    bench.cloud.answers["listEvents"] = refusal(503, "away")
    await log.feed.poll()
    bench.cloud.answers["listEvents"] = Raw(200, b"<html>")
    await log.feed.poll()
    bench.cloud.answers["listEvents"] = log.answer
    log.rows += restart_events()
    await log.feed.finish()
    assert emitted(bench) == ["e1", "e2", "e3", "e4", "e5"]


async def test_a_log_that_is_closed_to_us_is_said_once_and_left_alone(bench: Bench) -> None:
    log = Log(bench)
    bench.cloud.answers["listEvents"] = refusal(432, "not allowed")
    await log.feed.start()
    await log.feed.run()
    await log.feed.finish()
    assert len(bench.cloud.calls("listEvents")) == 1
    (notice,) = bench.journal.of(Notice)
    assert "no CloudStack events" in notice.text


async def test_events_of_before_are_not_ours_when_the_start_was_missed(bench: Bench) -> None:
    log = Log(bench)
    bench.cloud.answers["listZones"] = {}
    await bench.client.call("listZones")  # its Date header: today
    bench.cloud.answers["listEvents"] = refusal(530, "booting")
    await log.feed.start()
    bench.cloud.answers["listEvents"] = log.answer
    log.rows = [row("old", "NETWORK.RESTART", "Completed", 0, resourceid=NET, created="2020-01-01T00:00:00+0000")]
    await log.feed.poll()
    assert emitted(bench) == []
