# SPDX-License-Identifier: Apache-2.0
"""What the screen says of S11: who asks, who is left alone, and what an egress outage is made of."""

from dataclasses import replace

from csworkbench.model import event as ev
from csworkbench.model.event import ChannelState, Event

from .feeds import HandFeed
from .helpers import bench
from .synthetic import Story


def with_roles(events: list[Event]) -> list[Event]:
    """vm01 asks for the gateway's MAC, vm10 is the quiet one."""
    return [replace(event, body=_given_its_role(event.body)) for event in events]


def _given_its_role(body: ev.Body) -> ev.Body:
    if not isinstance(body, ev.VantageAdded):
        return body
    name = body.vantage.name
    return ev.VantageAdded(replace(body.vantage, sentinel=name == "vm01", quiet=name == "vm10"))


async def test_roles_quiet_and_parts() -> None:
    feed = HandFeed()
    events = with_roles(Story().events())
    feed.give(events[: len(events) * 9 // 10])
    last = max(events[: len(events) * 9 // 10], key=lambda e: e.seq)
    async with bench(feed, size=(160, 50)) as b:
        await b.until(lambda: "vm01 · quiet VM vm10" in b.text("network"))
        assert "sentinel" in b.text("network")
        assert "quiet now" not in b.text("network")
        await b.until(lambda: "router gap " in b.text("services"))
        egress, _, after = b.text("services").partition("gateway ARP")
        assert "router gap " in egress
        assert " ARP " in egress
        assert "router gap " not in after
        quiet = replace(last, seq=last.seq + 1, body=ev.ChannelChanged("vm10", ChannelState.QUIET))
        feed.give([quiet])
        await b.until(lambda: "quiet now: vm10" in b.text("network"))
        assert "vm10 left alone" in b.text("guide")
        opening = replace(quiet, seq=last.seq + 2, body=ev.ChannelChanged("vm10", ChannelState.OPENING))
        feed.give([opening])
        await b.until(lambda: "quiet now" not in b.text("network"))
