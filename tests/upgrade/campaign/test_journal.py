# SPDX-License-Identifier: Apache-2.0
"""The journal: each entry comes back as it was, a torn last line was never acted on, and one process writes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model.operation import Operation
from csworkbench.upgrade.campaign import CampaignState, Entry, EntryError, apply, decode, encode, replay
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.folder import CampaignBusy, CampaignFolder, JournalDamaged, numbered

from .support import PATCH, RESTART, START, Fake, plan, targets

text = st.text(max_size=30)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
)
operations = st.sampled_from([RESTART, PATCH, Operation()])
seconds = st.floats(0, 1e6)
figures = st.lists(st.builds(rec.Figures, text, seconds, seconds, seconds, text), max_size=3).map(tuple)
bodies = st.one_of(
    st.builds(rec.Opened, text, text, text, st.just(targets([0, 1], PATCH, vantages=("vm01",)))),
    st.builds(rec.Resumed, text, st.integers(0)),
    st.builds(rec.Starting, text, text, operations),
    st.builds(rec.Started, text, text, st.integers(0)),
    st.builds(rec.Breached, text, text, text, seconds, seconds),
    st.builds(
        rec.Ended, text, text, text, st.booleans(), st.integers(0, 5), st.lists(text, max_size=3).map(tuple), figures,
        missing_records=st.none() | st.integers(0), began=st.none() | moments, ended=st.none() | moments,
    ),
    st.builds(rec.Requeued, text, text, text),
    st.builds(rec.Unclear, text, text, text),
    st.builds(rec.Skipped, text, text, text),
    st.builds(rec.Retried, text, text, text, st.none() | operations),
    st.builds(rec.Paused, text, text),
    st.builds(rec.Stopped, text, text),
    st.builds(rec.WentOn, text, text),
    st.builds(rec.Closed, st.integers(0, 5)),
)  # fmt: skip
entries = st.builds(Entry, st.integers(1, 2**53), moments, bodies)


@given(entries)
def test_an_entry_comes_back_as_it_was(entry: Entry) -> None:
    line = encode(entry)
    assert line.count(b"\n") == 1
    assert decode(line) == entry


@given(st.binary(max_size=80) | entries.map(encode).flatmap(lambda e: st.integers(0, len(e) - 2).map(lambda n: e[:n])))
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(EntryError):
        decode(line)


@pytest.mark.parametrize(
    "line",
    [
        b'{"seq":1,"at":"2026-11-20T22:00:00Z","did":"closed"}',
        b'{"seq":0,"at":"2026-11-20T22:00:00Z","did":"closed","exit_code":0}',
        b'{"seq":1,"at":"2026-11-20T22:00:00","did":"closed","exit_code":0}',
        b'{"seq":1,"at":"2026-11-20T22:00:00Z","did":"closed","exit_code":0,"more":1}',
        b'{"seq":1,"at":"2026-11-20T22:00:00Z","did":"exploded"}',
        b'{"seq":1,"at":"2026-11-20T22:00:00Z","did":"starting","target":"t","run":"r","operation":{"explode":{}}}',
    ],
)
def test_what_is_missing_or_unknown_is_refused(line: bytes) -> None:
    with pytest.raises(EntryError):
        decode(line)


@given(st.lists(bodies, max_size=20))
def test_replaying_a_journal_again_changes_nothing(found: list[rec.Body]) -> None:
    opened = rec.Opened("me", "small", "lab", targets([0, 1, 1]))
    journal = numbered([opened, *found], 0, START)
    once = replay(journal)
    twice = replay([*journal, *journal])
    assert once == twice
    for entry in journal:
        apply(once, entry)
    assert once == twice


def test_a_whole_campaign_read_back_is_the_same() -> None:
    fake = Fake(plan()).open(targets([0, 1, 1, 2]))
    rounds = list(fake.walk())
    assert [len(r) for r in rounds] == [1, 2, 1]
    assert replay(decode(encode(e)) for e in fake.journal) == fake.state
    assert fake.state.settled


def folder(tmp_path: Path, count: int = 3) -> CampaignFolder:
    found = CampaignFolder(tmp_path)
    found.append(numbered([rec.Paused("me", f"{n} ä") for n in range(count)], 0, START))
    return found


@given(cut=st.integers(1, 400))
def test_a_torn_last_line_is_dropped_and_written_over(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    found = folder(tmp_path_factory.mktemp("c"))
    whole = found.journal.read_bytes()
    found.journal.write_bytes(whole[: max(0, len(whole) - cut)])
    left = found.entries()
    assert len(left) == whole[: max(0, len(whole) - cut)].count(b"\n")
    found.mend()
    found.append(numbered([rec.WentOn("me")], len(left), START + timedelta(seconds=1)))
    assert isinstance(found.entries()[-1].body, rec.WentOn)
    assert len(found.entries()) == len(left) + 1


def test_damage_in_the_midst_is_said(tmp_path: Path) -> None:
    found = folder(tmp_path)
    lines = found.journal.read_bytes().splitlines(keepends=True)
    found.journal.write_bytes(b"".join([lines[0], b"{}\n", lines[2]]))
    with pytest.raises(JournalDamaged, match=r"journal\.jsonl:2"):
        found.entries()
    found.journal.write_bytes(b"".join([lines[0], lines[2]]))
    with pytest.raises(JournalDamaged, match="entry 3 after 1"):
        found.entries()


def test_one_writer(tmp_path: Path) -> None:
    one, other = CampaignFolder(tmp_path), CampaignFolder(tmp_path)
    assert not one.busy
    one.lock()
    assert other.busy
    with pytest.raises(CampaignBusy):
        other.lock()
    one.unlock()
    other.lock()
    other.unlock()
    assert CampaignState() == replay(one.entries())
