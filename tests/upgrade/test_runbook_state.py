# SPDX-License-Identifier: Apache-2.0
"""What becomes of the steps: any entries in any order, conditions, the way back, and walks that were cut off."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csworkbench.upgrade.runbook.entry import TEXT_LIMIT, Did, Entry, EntryError, decode, encode
from csworkbench.upgrade.runbook.markdown import block, inline, render
from csworkbench.upgrade.runbook.model import Check, Kind, Result, Runbook, Step, When
from csworkbench.upgrade.runbook.record import Record, RecordBusy
from csworkbench.upgrade.runbook.state import SETTLED, Outcome, State, Status, fold, replay
from csworkbench.upgrade.runbook.walk import Refused, Walk

UNHURRIED = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # the machine may be busy
BOOK = Runbook(
    "walk",
    (
        Step("one", "First", rollback="none"),
        Step("two", "Second"),
        Step("mend", "Mend", when=When("two", Result.FAILED), rollback="b"),
        Step("check", "Check", Kind.CHECK, check=Check("listHosts", every={"state": ("Up",)})),
        Step("last", "Last", Kind.COMMAND, run=("doctor",), rollback="b"),
    ),
    (Step("a", "Back"), Step("b", "Back to the beginning")),
)
IDS = [step.id for step in BOOK]
START = datetime(2026, 11, 20, 23, 0, tzinfo=UTC)

entries = st.builds(
    Entry, st.just("2026-11-20T23:00:00.000Z"), st.text(max_size=5), st.sampled_from(Did),
    st.sampled_from([*IDS, "", "other"]), st.text(max_size=20), st.none() | st.integers(0, 255), st.text(max_size=20),
)  # fmt: skip


def state(*words: str) -> State:
    """From words such as `one:done`."""
    rows = [word.split(":") for word in words]
    return replay(BOOK, [Entry("2026-11-20T23:00:00.000Z", "me", Did(did), step) for step, did in rows])


@UNHURRIED
@given(st.lists(entries, max_size=40))
def test_any_entries_make_a_state_that_can_be_told(rows: list[Entry]) -> None:
    found = replay(BOOK, rows)
    assert found.outcome in Outcome
    current = found.current
    assert (current is None) == (found.outcome in (Outcome.DONE, Outcome.ROLLED_BACK))
    if current is not None:
        before = found.branch[: found.branch.index(current)]
        assert all(found.settled(step) for step in before)
    assert render(found, "record").startswith("# walk")


@UNHURRIED
@given(st.lists(entries, max_size=20), st.lists(entries, max_size=20))
def test_a_finished_step_stays_finished_unless_asked(first: list[Entry], then: list[Entry]) -> None:
    middle = replay(BOOK, first)
    finished = {step.id for step in BOOK if middle.of(step).status in SETTLED}
    after = middle
    for entry in then:
        if entry.did is not Did.AGAIN:
            after = fold(after, entry)
    assert finished <= {step.id for step in BOOK if after.of(step).status in SETTLED}


@UNHURRIED
@given(st.lists(entries, max_size=30), st.integers(0, 30))
def test_a_walk_that_was_cut_off_goes_on_as_if_it_had_not_been(rows: list[Entry], at: int) -> None:
    kept = [decode(encode(entry)) for entry in rows[:at]]
    resumed = replay(BOOK, kept)
    for entry in rows[at:]:
        resumed = fold(resumed, entry)
    assert resumed == replay(BOOK, rows)


def test_steps_come_in_order_and_conditions_are_minded() -> None:
    assert state().current is BOOK.steps[0]
    done = state("one:done", "two:done")
    assert done.of(BOOK.steps[2]).status is Status.OUT
    assert done.current is BOOK.steps[3]
    failed = state("one:done", "two:failed")
    assert failed.current is BOOK.steps[2], "a later step is for that case"
    assert state("one:failed").outcome is Outcome.FAILED
    assert state("one:done", "two:skipped", "check:done", "last:done").outcome is Outcome.DONE


def test_the_way_back_begins_where_the_failed_step_says() -> None:
    before = ("one:done", "two:done", "check:done")
    back = state(*before, "last:failed", "last:rollback")
    assert [s.id for s in back.branch] == ["b"]
    assert back.outcome is Outcome.ROLLING_BACK
    assert state(*before, "last:failed", "last:rollback", "b:done").outcome is Outcome.ROLLED_BACK
    assert [s.id for s in state("one:done", "two:done", "check:failed", "check:rollback").branch] == ["a", "b"]
    assert state("one:failed", "one:rollback").outcome is Outcome.FAILED, "nothing leads back from the first"
    assert state("last:rollback").rolled_from == "", "only from what has failed"


def test_an_interrupted_step_is_told_from_one_that_has_not_begun() -> None:
    found = state("one:started")
    assert found.of(BOOK.steps[0]).status is Status.BEGUN
    assert found.current is BOOK.steps[0]


def walk_in(folder: Path) -> Walk:
    ticks = iter(range(10_000))
    return Walk(State(BOOK), Record(folder), "me@here", now=lambda: START + timedelta(seconds=next(ticks)))


def test_a_person_is_refused_what_cannot_be(tmp_path: Path) -> None:
    walk = walk_in(tmp_path)
    one, two, _, check, last = BOOK.steps
    for step, did, why in (
        (two, Did.DONE, "one comes first"),
        (one, Did.SKIPPED, "say why"),
        (one, Did.ROLLBACK, "has not failed"),
        (one, Did.AGAIN, "not been done"),
        (BOOK.rollback[0], Did.DONE, "not on the way"),
    ):
        with pytest.raises(Refused, match=why):
            walk.mark(step, did)
    walk.mark(one, Did.DONE)
    with pytest.raises(Refused, match="done already"):
        walk.mark(one, Did.DONE)
    walk.mark(two, Did.SKIPPED, "not here")
    with pytest.raises(Refused, match="done when it holds"):
        walk.mark(check, Did.DONE, "I looked")
    walk.mark(check, Did.SKIPPED, "no cloud")
    with pytest.raises(Refused, match="say what shows"):
        walk.mark(last, Did.DONE)
    assert replay(BOOK, Record(tmp_path).entries()) == walk.state


async def test_a_command_leaves_its_output_and_exit_code(tmp_path: Path) -> None:
    walk = walk_in(tmp_path)
    walk.words = ("sh", "-c", "echo said; echo `pwd`; exit 3")
    walk.folder = tmp_path
    for step in BOOK.steps[:4]:
        walk.write(Did.SKIPPED, step.id, "not now")
    last = BOOK.steps[4]
    assert not await walk.perform(last)
    ended = walk.state.of(last).entries[-1]
    assert (ended.code, ended.output) == (3, f"said\n{tmp_path}\n")
    assert (tmp_path / ended.log).read_text() == ended.output
    walk.words = ("true",)
    assert await walk.perform(last)
    with pytest.raises(Refused, match="done already"):
        await walk.perform(last)
    assert walk.state.outcome is Outcome.DONE
    assert [e.log for e in walk.state.of(last).entries if e.did is Did.STARTED] == ["last-1.log", "last-2.log"]


def test_a_torn_journal_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    walk = walk_in(tmp_path)
    walk.mark(BOOK.steps[0], Did.DONE)
    with walk.record.journal.open("ab") as file:
        file.write(b'{"at":"2026-11-2')
    record = Record(tmp_path)
    assert len(record.entries()) == 1
    assert record.damaged == 1
    record.append(Entry("2026-11-20T23:00:00.000Z", "me", Did.DONE, "two"))
    assert [e.step for e in record.entries()] == ["one", "two"]


def test_two_do_not_walk_one_record(tmp_path: Path) -> None:
    first, second = Record(tmp_path), Record(tmp_path)
    first.lock()
    with pytest.raises(RecordBusy, match="another process"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()


@UNHURRIED
@given(st.binary(max_size=60))
def test_no_line_but_an_entry_is_one(line: bytes) -> None:
    with pytest.raises(EntryError):
        decode(line)


def test_a_long_text_keeps_its_end() -> None:
    found = decode(encode(Entry("t", "me", Did.DONE, "one", output="x" * TEXT_LIMIT + "end")))
    assert len(found.output) == TEXT_LIMIT
    assert found.output.endswith("end")


HOSTILE = "<script>alert(1)</script> [x](javascript:y) `a` | b\x1b[2J\u202e http://evil ![i](u)\r\n# head"


@UNHURRIED
@given(st.text(max_size=80))
def test_text_stays_text_in_markdown(text: str) -> None:
    line = inline(text)
    assert "\n" not in line
    bare = line.replace("\\\\", "").replace("\\<", "").replace("\\[", "").replace("\\`", "").replace("\\|", "")
    assert not set(bare) & set("<[`|"), "what begins HTML, a link, code or a cell is escaped"
    fence, *lines, end = block(text)
    assert fence == end
    assert all(fence not in body for body in lines)


def test_hostile_text_is_harmless_in_the_evidence() -> None:
    found = replay(BOOK, [Entry(HOSTILE, HOSTILE, Did.EVIDENCE, "one", HOSTILE, output="```\n" + HOSTILE)])
    text = render(found, HOSTILE)
    assert "\x1b" not in text
    assert "\u202e" not in text
    outside = []
    fence = ""
    for line in text.splitlines():
        mark = line.strip()
        if fence:
            fence = "" if mark == fence else fence
        elif mark.startswith("```"):
            fence = mark.removesuffix("console")
        else:
            outside.append(line)
    assert not fence, "every fence is closed"
    assert not any("<script" in line.replace("\\<", "") or line.startswith("# head") for line in outside)


async def test_a_command_that_is_interrupted_is_ended_and_has_failed(tmp_path: Path) -> None:
    walk = walk_in(tmp_path)
    walk.words = ("sh", "-c", "echo ready; exec sleep 600")
    for step in BOOK.steps[:4]:
        walk.write(Did.SKIPPED, step.id, "not now")
    last = BOOK.steps[4]
    log = tmp_path / "last-1.log"
    running = asyncio.create_task(walk.perform(last))
    async with asyncio.timeout(30):
        while not (log.exists() and log.stat().st_size):  # noqa: ASYNC110 - a file has no event
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    ended = walk.state.of(last).entries[-1]
    assert (ended.did, ended.code, ended.output) == (Did.FAILED, -15, "ready\n")
    assert "interrupted" in ended.text
