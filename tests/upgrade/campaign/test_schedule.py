# SPDX-License-Identifier: Apache-2.0
"""Waves, the canary, caps, the stop rule and retries: what may be started now, whatever has happened before."""

from collections import Counter
from datetime import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csworkbench.upgrade.campaign import Canary, Caps, Status, StopRule, Target, Window, schedule, stop_reason
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.plan import wave_sizes
from csworkbench.upgrade.campaign.schedule import cap_of, groups

from .support import PATCH, RESTART, Fake, plan, targets

UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
caps = st.builds(Caps, st.integers(1, 6), *[st.integers(0, 3)] * 4)
happenings = st.lists(
    st.tuples(
        st.sampled_from(["start", "end", "fail", "breach", "lose", "requeue", "skip", "retry", "pause", "stop", "go"]),
        st.integers(0, 30),
    ),
    max_size=60,
)


@given(st.integers(1, 400), st.lists(st.integers(1, 50) | st.sampled_from(["25%", "1%", "100%", "rest"]), min_size=1))
def test_waves_take_in_every_target_once(total: int, waves: list[int | str]) -> None:
    sizes = wave_sizes(tuple(waves), total)
    assert sum(sizes) == total
    assert min(sizes) >= 1


def test_shares_are_of_all_targets_and_the_last_size_is_repeated() -> None:
    assert wave_sizes((5, "25%"), 30) == [5, 8, 8, 8, 1]
    assert wave_sizes((5, "rest"), 30) == [5, 25]


def test_the_canary_comes_first_and_alone() -> None:
    fake = Fake(plan(canary=Canary(soak=30), soak=10)).open(targets([0, 1, 1, 2]))
    assert fake.start() == ["id-01"]
    assert fake.start() == []
    fake.end("id-01")
    assert fake.start() == []
    found = schedule(fake.plan, fake.state, fake.now)
    assert "soaking until 2026-11-20T22:00:30" in found.waits["id-02"]
    assert found.look_again is not None
    fake.later(30)
    assert fake.start() == ["id-02", "id-03"]
    fake.end("id-02")
    assert schedule(fake.plan, fake.state, fake.now).waits["id-04"] == "wave 1 comes first"


def test_a_canary_may_wait_for_a_person() -> None:
    fake = Fake(plan(canary=Canary(confirm=True))).open(targets([0, 1, 1]))
    fake.write(rec.WentOn("me"))  # before it has ended: that says nothing of it
    fake.start()
    fake.end("id-01")
    assert fake.start() == []
    assert "go-on" in schedule(fake.plan, fake.state, fake.now).waits["id-02"]
    fake.write(rec.WentOn("me"))
    assert fake.start() == ["id-02", "id-03"]


@pytest.mark.parametrize(
    ("limits", "expected"), [(Caps(2), 2), (Caps(9, zone=1), 2), (Caps(9, host=1), 4), (Caps(9, account=1), 5)]
)
def test_caps(limits: Caps, expected: int) -> None:
    fake = Fake(plan(caps=limits)).open(targets([1] * 20))
    assert len(fake.start()) == expected
    assert all(fake.state.targets[t].status is Status.RUNNING for t in [t for t, _ in fake.running()])


def test_a_breach_starts_nothing_more_and_going_on_forgets_it() -> None:
    fake = Fake(plan(caps=Caps(2))).open(targets([1] * 4))
    fake.start()
    fake.write(rec.Breached("id-01", "run-1", "egress", 12.0, 10.0))
    fake.end("id-02")
    assert fake.start() == []
    assert stop_reason(fake.plan, fake.state) == "net-01: egress has been down 12.00 s, its budget is 10 s"
    fake.end("id-01", over_budget=True)
    assert len(fake.state.trouble) == 1  # the breach and the verdict are one
    fake.later(1)
    fake.write(rec.WentOn("me"))
    assert fake.start() == ["id-03", "id-04"]


def test_nothing_starts_while_a_breach_is_in_doubt() -> None:
    fake = Fake(plan()).open(targets([1, 1]))
    found = schedule(fake.plan, fake.state, fake.now, "egress of vm01 has not been seen up")
    assert found.start == ()
    assert set(found.waits.values()) == {"egress of vm01 has not been seen up"}
    assert len(schedule(fake.plan, fake.state, fake.now).start) == 2


def test_a_stop_rule_may_allow_some() -> None:
    fake = Fake(plan(caps=Caps(2), stop=StopRule(over_budget=2, failed=0, unknown=0))).open(targets([1] * 6))
    fake.start()
    fake.end("id-01", over_budget=True)
    fake.end("id-02", verdict="failed")
    assert fake.start() == ["id-03", "id-04"]
    fake.end("id-03", over_budget=True)
    assert fake.start() == []
    assert stop_reason(fake.plan, fake.state).startswith("2 over budget: net-01, net-03")


def test_a_failed_live_patch_becomes_a_restart_where_the_plan_allows_it() -> None:
    fake = Fake(plan(fallback=RESTART, retries=1)).open(targets([1], PATCH))
    for operation in (PATCH, PATCH, RESTART):
        assert fake.start() == ["id-01"]
        assert fake.state.targets["id-01"].attempts[-1].operation == operation
        fake.end("id-01", verdict="failed and recovered")
    assert fake.start() == []
    assert stop_reason(fake.plan, fake.state) == "net-01 failed and recovered"
    assert fake.state.targets["id-01"].retries == 2


def test_nothing_heavier_is_tried_where_nothing_was_operated_and_nothing_at_all_on_an_open_outage() -> None:
    for verdict, attempts in (("not measurable", 2), ("open", 1)):
        fake = Fake(plan(fallback=RESTART, retries=1)).open(targets([1], PATCH))
        for _ in range(attempts):
            assert fake.start() == ["id-01"]
            fake.end("id-01", verdict)
        assert fake.start() == []


def test_an_unknown_end_keeps_its_place_until_a_person_decides() -> None:
    fake = Fake(plan(caps=Caps(1), stop=StopRule(unknown=0))).open(targets([1, 1]))
    fake.start()
    fake.write(rec.Unclear("id-01", "run-1", "its engine is gone"))
    assert fake.start() == []
    fake.write(rec.Skipped("me", "id-01", "looked at by hand"))
    assert fake.start() == ["id-02"]


def test_a_run_that_was_resumed_by_hand_brings_its_verdict_after_all() -> None:
    fake = Fake(plan()).open(targets([1, 2]))
    fake.start()
    fake.write(rec.Unclear("id-01", "run-1", "its engine is gone"))
    fake.end("id-01")
    assert fake.state.targets["id-01"].status is Status.DONE


def test_only_in_the_window() -> None:
    fake = Fake(plan(window=Window(time(23), time(2), reserve=1800))).open(targets([1]))
    assert schedule(fake.plan, fake.state, fake.now).waits["id-01"] == "the window opens at 2026-11-20T23:00:00.000Z"
    fake.later(3.5 * 3600)
    assert fake.start() == []
    fake.later(-1)
    assert fake.start() == ["id-01"]


@UNHURRIED
@given(caps, st.lists(st.integers(0, 3), min_size=1, max_size=20), happenings)
def test_whatever_happens(limits: Caps, waves: list[int], happened: list[tuple[str, int]]) -> None:
    """Caps are kept, nobody is operated after his end, the canary is alone, and nothing starts after a stop."""
    fake = Fake(plan(caps=limits)).open(targets(sorted(waves)))
    all_targets = {t.target.id: t.target for t in fake.state.targets.values()}
    done: set[str] = set()
    for what, number in happened:
        fake.later(1)
        running = fake.running()
        pick, run = running[number % len(running)] if running else ("", "")
        any_one = list(all_targets)[number % len(all_targets)]
        match what:
            case "start":
                held = bool(stop_reason(fake.plan, fake.state)) or fake.state.paused is not None
                started = fake.start()
                assert not (held and started)
                assert not done & set(started)
                check(limits, [all_targets[t] for t, _ in fake.running()])
                assert len({t for t, _ in fake.running()}) == len(fake.running())
                first = {all_targets[t].wave for t, _ in fake.running()}
                assert 0 not in first or first == {0}
            case "end" if pick:
                fake.end(pick)
                done.add(pick)
            case "fail" if pick:
                fake.end(pick, verdict="failed")
            case "breach" if pick:
                fake.write(rec.Breached(pick, run, "egress", 11.0, 10.0))
            case "lose" if pick:
                fake.write(rec.Unclear(pick, run, "gone"))
            case "requeue" if pick:
                fake.write(rec.Requeued(pick, run, "never began"))
            case "skip":
                fake.write(rec.Skipped("me", any_one, "no"))
            case "retry":
                fake.write(rec.Retried("me", any_one))
            case "pause":
                fake.write(rec.Paused("me"))
            case "stop":
                fake.write(rec.Stopped("me", "enough"))
            case "go":
                fake.write(rec.WentOn("me"))
    assert {t for t in done if fake.state.targets[t].status is not Status.DONE} == set()


def check(limits: Caps, running: list[Target]) -> None:
    """No cap is exceeded."""
    assert len(running) <= limits.total
    for (kind, _), number in Counter(group for target in running for group in groups(target)).items():
        assert not cap_of(limits, kind) or number <= cap_of(limits, kind)
