# SPDX-License-Identifier: Apache-2.0
"""Maintenance windows: across midnight, on some days, in a time zone whose clock is changed."""

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.upgrade.campaign import Caps, Window, estimate, schedule
from csworkbench.upgrade.campaign.window import DAYS

from .support import START, Fake, plan, targets

moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC))
windows = st.builds(
    Window, st.times(), st.times(), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
    st.lists(st.sampled_from(DAYS), unique=True).map(tuple), st.just(0.0),
)  # fmt: skip


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2026-11-20T20:59", "2026-11-20T21:00"),  # 22:00 in Berlin
        ("2026-11-20T21:00", "2026-11-20T21:00"),
        ("2026-11-21T03:59", "2026-11-21T03:59"),
        ("2026-11-21T04:00", "2026-11-21T21:00"),
        ("2026-11-22T04:00", "2026-11-27T21:00"),  # after Saturday's comes Friday's
    ],
)
def test_across_midnight_on_some_days(now: str, opens: str) -> None:
    window = Window(time(22), time(5), "Europe/Berlin", ("fri", "sat"))
    assert window.opens(at(now)) == at(opens)
    assert window.is_open(at(now)) is (now == opens)


def test_the_night_in_which_the_clock_is_put_back_is_longer() -> None:
    window = Window(time(0), time(4), "Europe/Berlin")
    opens = window.opens(at("2026-10-24T12:00"))
    closes = window.closes(opens)
    assert closes is not None
    assert closes - opens == timedelta(hours=5)


@given(windows, moments)
def test_it_opens_at_a_time_when_it_is_open(window: Window, now: datetime) -> None:
    opens = window.opens(now)
    assert window.is_open(opens)
    assert window.is_open(now) is (opens == now)
    closes = window.closes(opens)
    assert closes is not None
    assert closes > opens
    assert not window.is_open(now) or window.closes(now) is not None


def test_an_estimate_comes_from_the_campaigns_own_runs_and_keeps_to_the_window() -> None:
    fake = Fake(plan(caps=Caps(2), window=Window(time(22), time(23)))).open(targets([1] * 9))
    first = estimate(fake.plan, fake.state, fake.now)
    assert (first.settled, first.total, first.runs) == (0, 9, 0)
    fake.start()
    fake.later(1200)
    for target, _ in fake.running():
        fake.end(target)
    found = estimate(fake.plan, fake.state, fake.now)
    assert (found.settled, found.runs, found.run_s) == (2, 2, 1200.0)
    # Seven are left, two at a time: 80 minutes of work, of which 40 are left tonight and 40 come tomorrow.
    assert found.ends == START + timedelta(days=1, seconds=2400)
    fake.later(-1200)
    assert schedule(fake.plan, fake.state, fake.now).start


def test_no_estimate_while_a_person_is_awaited() -> None:
    fake = Fake(plan()).open(targets([1]))
    fake.start()
    fake.end("id-01", verdict="failed")
    assert estimate(fake.plan, fake.state, fake.now).left_s == 0
