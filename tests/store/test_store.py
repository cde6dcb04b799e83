# SPDX-License-Identifier: Apache-2.0
"""One suite for both stores: what is kept is what was given, whoever writes at the same time."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from csworkbench.model import event as ev
from csworkbench.model.event import Event, Level, Notice
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.recording.entry import Entry, Row, origin_of
from csworkbench.recording.folder_store import FolderStore
from csworkbench.recording.labels import BadLabel, change_note, change_tags
from csworkbench.recording.library import RunFolder
from csworkbench.recording.postgres_store import PostgresStore
from csworkbench.recording.reader import RunFileReader
from csworkbench.recording.store import NoSuchRun, Store, StoreError, carry, find
from csworkbench.recording.writer import RunFileWriter
from tests.measurement.synthetic_run import Plan, SyntheticRun
from tests.recording.run_files import write_events

RUN = "20261120-140311-synthetic"
HOSTILE = "=cmd\x1b[2J\ud800\x00\u202e<b>'; DROP TABLE journal; --"
BIG = 2**63 - 1


@pytest.fixture(params=["folder", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store
    if request.param == "folder":
        made = FolderStore(tmp_path / "store")
    else:
        made = PostgresStore(request.getfixturevalue("address"))
    yield made
    made.close()


@pytest.fixture
def another(store: Store) -> Iterator[Store]:
    """The same store through a connection of its own."""
    made = PostgresStore(store._address) if isinstance(store, PostgresStore) else store
    yield made
    made.close()


@pytest.fixture(scope="module")
def story() -> list[Event]:
    return SyntheticRun(Plan(vms=1, length=18.0, downs={0: ((9.0, 10.0),)})).events()


@pytest.fixture
def recorded(tmp_path: Path, story: list[Event]) -> FolderStore:
    """A library with that run in it."""
    folder = RunFolder(tmp_path / "library" / RUN)
    folder.path.mkdir(parents=True)
    write_events(folder.file, story)
    return FolderStore(tmp_path / "library")


def notes(first: int, last: int) -> list[Entry]:
    return [Entry(n, n * 10, n * 20, "notice", f'{{"level":"info","text":"{n}"}}') for n in range(first, last + 1)]


def batch(seq: int, count: int) -> Entry:
    rows: tuple[Row, ...] = tuple((3, n, n, n + 1, n + 2, 0, 0, 0, BIG - n) for n in reversed(range(count)))
    return Entry(seq, seq, seq, "samples_arrived", f'{{"lane":3,"count":{count}}}', rows)


def everything(store: Store, name: str) -> list[Entry]:
    found: list[Entry] = []
    while more := store.entries(name, found[-1].seq if found else 0):
        found += more
    return found


def test_what_is_read_is_what_was_given_in_order_and_from_any_position(store: Store) -> None:
    given = [*notes(1, 3), batch(4, 7), *notes(5, 6), batch(7, 0)]
    assert store.create(RUN, "a" * 40, {"run": RUN, "name": "n", "pid": "7"}) == RUN
    assert store.position(RUN) == 0
    assert store.entries(RUN) == []
    assert store.append(RUN, given[:4]) == 4
    assert store.append(RUN, given[4:]) == 7
    assert store.position(RUN) == 7
    assert store.entries(RUN) == given
    assert store.entries(RUN, 3, 2) == given[3:5]
    assert store.entries(RUN, 7) == []
    assert store.header(RUN)["name"] == "n"


def test_what_is_there_is_left_out_however_often_it_is_sent(store: Store) -> None:
    store.create(RUN, "a" * 40, {})
    given = [*notes(1, 4), batch(5, 9)]
    for upto in (2, 5, 3, 5, 0):
        store.append(RUN, given[:upto])
    assert store.append(RUN, []) == 5
    assert everything(store, RUN) == given


def test_entries_are_added_all_or_none(store: Store) -> None:
    store.create(RUN, "a" * 40, {})
    store.append(RUN, notes(1, 1))
    damaged = batch(3, 2)._replace(samples=((1, 2, 3, 4, 5, 6, 7, 8, 2**70),))
    with pytest.raises(StoreError, match="entry 3"):
        store.append(RUN, [*notes(2, 2), damaged])
    assert everything(store, RUN) == notes(1, 1)
    assert store.append(RUN, notes(2, 3)) == 3, "it goes on"


@pytest.mark.parametrize(
    "damaged",
    [
        Entry(1, 1, 1, "no\0tice", "{}"),
        Entry(1, 1, 1, "notice", '{"text":"\0"}'),
        Entry(1, 1, 1, "notice", '"\ud800"'),
        Entry(2**64, 1, 1, "notice", "{}"),
        Entry(0, 1, 1, "notice", "{}"),
        Entry(1, 2**63, 1, "notice", "{}"),
        Entry(1, 1, 1, "x" * 1001, "{}"),
        Entry(1, 1, 1, "notice", b"{}"),  # type: ignore[arg-type]
        Entry(1, 1, 1, "late_arrived", "{}", ((1, 1, 1, 1, 1, 70_000, 0, 0, 0),)),
        Entry(1, 1, 1, "late_arrived", "{}", (("x", 1, 1, 1, 1, 0, 0, 0, 0),)),  # type: ignore[arg-type]
    ],
    ids=range(10),
)
def test_what_no_workbench_writes_is_refused_by_name_and_keeps_nothing(store: Store, damaged: Entry) -> None:
    store.create(RUN, "a" * 40, {})
    with pytest.raises(StoreError, match="entry"):
        store.append(RUN, [damaged])
    assert store.position(RUN) == 0


def test_a_run_carried_through_the_store_is_the_same_run(
    store: Store, recorded: FolderStore, story: list[Event], tmp_path: Path
) -> None:
    assert carry(recorded, RUN, store) == (RUN, 0, len(story))
    assert carry(recorded, RUN, store) == (RUN, len(story), len(story))
    back = FolderStore(tmp_path / "back")
    carry(store, RUN, back)
    reader = RunFileReader(tmp_path / "back" / RUN / "run.db")
    assert list(reader) == story
    reader.close()
    stored = store.runs()[0]
    assert (stored.name, stored.position, stored.closed, stored.live) == (RUN, len(story), True, False)
    assert stored.origin == origin_of(recorded.entries(RUN, limit=1)[0])


def test_hostile_text_and_numbers_arrive_as_they_were(store: Store, tmp_path: Path) -> None:
    bodies: list[ev.Body] = [
        ev.RunOpened(RUN, HOSTILE, "1", HOSTILE, "", HOSTILE),
        Notice(Level.WARN, HOSTILE),
        ev.ApiCalled(HOSTILE, {"id": HOSTILE}, "GET", -(2**200), 2**300, 200, HOSTILE, HOSTILE),
        ev.LaneAdded(Lane(1, Service.EGRESS, Prober.ICMP, HOSTILE, "é\U0001f600", 1, 1, subject=HOSTILE)),
        ev.SamplesArrived(1, (Sample(BIG, -BIG, BIG, 0, Outcome.FAIL, Reason.OTHER, BIG, -BIG),)),
    ]
    folder = RunFolder(tmp_path / "library" / RUN)
    folder.path.mkdir(parents=True)
    writer = RunFileWriter(folder.file, {"run": RUN, "name": "a\0b; DROP TABLE runs"})
    for body in bodies:
        writer.write(body)
    writer.close()
    carry(FolderStore(tmp_path / "library"), RUN, store)
    assert store.header(RUN)["name"] == "a\0b; DROP TABLE runs"
    carry(store, RUN, FolderStore(tmp_path / "back"))
    reader = RunFileReader(tmp_path / "back" / RUN / "run.db")
    assert [event.body for event in reader] == bodies
    reader.close()


def test_kinds_of_a_later_version_are_carried_too(store: Store, recorded: FolderStore, tmp_path: Path) -> None:
    later = Entry(10_000, 1, 1, "from_the_future", '{"a":[1]}')
    recorded.append(RUN, [later])
    carry(recorded, RUN, store)
    assert everything(store, RUN)[-1] == later


def test_two_runs_of_one_name_are_both_kept(store: Store) -> None:
    for origin, name in (("a", RUN), ("b", f"{RUN}-2"), ("a", RUN), ("c", f"{RUN}-3"), ("b", f"{RUN}-2")):
        assert store.create(RUN, origin * 40, {}) == name
    store.append(f"{RUN}-2", notes(1, 2))
    assert store.position(RUN) == 0


@pytest.mark.parametrize("name", ["../x", "", ".hidden", "a/b", "x" * 200, "a\0", "-rf"])
def test_a_name_that_is_no_id_is_refused(store: Store, name: str) -> None:
    with pytest.raises(StoreError, match="not a run's id"):
        store.create(name, "a" * 40, {})


def test_runs_are_listed_newest_first_and_found_as_everywhere(store: Store) -> None:
    assert store.runs() == []
    for day in ("20261118", "20261120", "20261119"):
        store.create(f"{day}-140311-x", day, {})
        store.append(f"{day}-140311-x", notes(1, 2))
    runs = store.runs()
    assert [run.name[:8] for run in runs] == ["20261120", "20261119", "20261118"]
    assert all(run.live and run.position == 2 and not run.closed for run in runs)
    assert find(runs, "last").name.startswith("20261120")
    assert find(runs, "20261119").name == "20261119-140311-x"
    for text, why in (("2026", "fits 3 runs"), ("2025", "no run called")):
        with pytest.raises(NoSuchRun, match=why):
            find(runs, text)


def test_labels_are_changed_one_after_the_other(store: Store, another: Store) -> None:
    store.create(RUN, "a" * 40, {})
    store.append(RUN, notes(1, 1))

    def tag(by: Store, name: str) -> None:
        for n in range(5):
            by.change_labels(RUN, partial(change_tags, changes=[f"+{name}{n}"]))

    threads = [threading.Thread(target=tag, args=(by, name)) for by, name in ((store, "a"), (another, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    store.change_labels(RUN, lambda labels: change_note(labels, "\ud800 é \x1b"))
    with pytest.raises(BadLabel, match="is no tag"):
        store.change_labels(RUN, partial(change_tags, changes=["+Not A Tag"]))
    labels = store.runs()[0].labels
    assert labels.tags == tuple(f"{name}{n}" for name in "ab" for n in range(5))
    assert labels.note == "? é \x1b"


def test_a_deleted_run_is_gone_and_the_others_are_not(store: Store) -> None:
    for name, origin in ((RUN, "a"), ("20261120-140311-other", "b")):
        store.create(name, origin, {})
        store.append(name, [*notes(1, 1), batch(2, 3)])
    store.delete(RUN)
    assert [run.name for run in store.runs()] == ["20261120-140311-other"]
    assert len(everything(store, "20261120-140311-other")) == 2
    for call in (store.position, store.entries, store.header, store.delete):
        with pytest.raises(NoSuchRun):
            call(RUN)
    with pytest.raises(NoSuchRun):
        store.append(RUN, notes(1, 1))
    assert store.create(RUN, "c", {}) == RUN
    assert store.entries(RUN) == [], "nothing of the old one"


def test_a_run_is_followed_until_it_ends(store: Store, another: Store) -> None:
    store.create(RUN, "a" * 40, {})
    store.append(RUN, notes(1, 2))
    seen = store.entries(RUN)
    for more in (notes(3, 3), [batch(4, 2)], [Entry(5, 5, 5, "run_closed", '{"exit_code":0}')]):
        assert store.entries(RUN, seen[-1].seq) == []
        assert not store.runs()[0].closed
        another.append(RUN, more)
        seen += store.entries(RUN, seen[-1].seq)
    assert [entry.seq for entry in seen] == [1, 2, 3, 4, 5]
    assert store.runs()[0].closed


def test_many_writers_of_many_runs_lose_nothing(store: Store, another: Store) -> None:
    """Two workbenches, ten runs each, and one run that both of them send."""
    shared = "20261120-000000-shared"
    errors: list[BaseException] = []

    def work(by: Store, who: str) -> None:
        try:
            by.create(shared, "s" * 40, {})
            for n in range(10):
                name = by.create(f"20261120-{n:06}-{who}", f"{who}{n}", {})
                by.append(name, [*notes(1, 3), batch(4, 20)])
                by.append(shared, notes(1, 2 * n + 2))
                by.append(name, [*notes(5, 6), batch(7, 20)])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(by, who)) for by, who in ((store, "a"), (another, "b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert errors == []
    runs = store.runs()
    assert len(runs) == 21
    for run in runs:
        expected = notes(1, 20) if run.name == shared else [*notes(1, 3), batch(4, 20), *notes(5, 6), batch(7, 20)]
        assert everything(store, run.name) == expected
