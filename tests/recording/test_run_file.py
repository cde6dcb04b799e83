# SPDX-License-Identifier: Apache-2.0
"""S16: one history, written before anybody hears of it, readable whatever became of its writer."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from csworkbench.model import event as ev
from csworkbench.model.event import Event, Level, Notice
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.model.state import RunState, apply
from csworkbench.recording.reader import CHUNK, RunFileError, RunFileReader, load_state
from csworkbench.recording.schema import FORMAT
from csworkbench.recording.writer import RunFileWriter
from tests.measurement.synthetic_run import Plan, SyntheticRun, folded
from tests.recording.run_files import write_events

HOSTILE = "=cmd\x1b[2J\ud800\x00\u202e<b>'; DROP TABLE journal; --"


def events_of(path: Path) -> list[Event]:
    reader = RunFileReader(path)
    try:
        return list(reader)
    finally:
        reader.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


@pytest.fixture(scope="module")
def story() -> list[Event]:
    return SyntheticRun(Plan(vms=1, length=18.0, downs={0: ((9.0, 10.0),)})).events()


def test_s16_what_is_read_is_what_was_written(path: Path, story: list[Event]) -> None:
    write_events(path, story)
    assert len(story) > CHUNK
    assert events_of(path) == story


def test_s16_the_file_gives_the_state_that_a_listener_has(path: Path, story: list[Event]) -> None:
    live = RunState()
    stamps = iter(story)
    now: list[Event] = []
    writer = RunFileWriter(path, {}, clock_ns=lambda: now[-1].at_ns, wall_ns=lambda: now[-1].wall_ns)
    writer.subscribe(lambda event: apply(live, event))
    for event in stamps:
        now.append(event)
        writer.write(event.body)
    writer.close()
    assert load_state(path) == live == folded(story)


def test_s16_an_event_is_in_the_file_before_a_listener_hears_of_it(path: Path) -> None:
    writer = RunFileWriter(path, {"run": "r"})
    heard: list[Event] = []

    def listener(event: Event) -> None:
        heard.append(event)
        assert events_of(path) == heard, "another connection sees it already"

    writer.subscribe(listener)
    for i in range(3):
        writer.write(Notice(Level.INFO, str(i)))
    writer.write(ev.SamplesArrived(1, (Sample(0, 1, 1, 2, Outcome.OK, Reason.NONE, 0, 7),)))
    assert [e.seq for e in heard] == [1, 2, 3, 4]
    writer.close()


def test_what_could_not_be_written_is_not_told_and_leaves_nothing_behind(path: Path) -> None:
    writer = RunFileWriter(path, {})
    heard: list[Event] = []
    writer.subscribe(heard.append)
    good = Sample(0, 1, 1, 2, Outcome.OK, Reason.NONE, 0, 0)
    with pytest.raises(OverflowError):
        writer.write(ev.SamplesArrived(1, (good, good._replace(value=1 << 64))))
    assert heard == []
    writer.write(Notice(Level.INFO, "still alive"))
    assert [e.seq for e in heard] == [1]
    writer.close()
    assert events_of(path) == heard
    assert sqlite3.connect(path).execute("SELECT count(*) FROM samples").fetchone() == (0,)


def test_a_full_disk_is_an_sqlite_error_and_not_told(path: Path) -> None:
    writer = RunFileWriter(path, {})
    heard: list[Event] = []
    writer.subscribe(heard.append)
    writer._db.execute("PRAGMA max_page_count=1")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        for _ in range(100):
            writer.write(Notice(Level.INFO, "x" * 9000))
    told = list(heard)
    writer._db.execute("PRAGMA max_page_count=100000")
    writer.write(Notice(Level.INFO, "room again"))
    writer.close()
    assert events_of(path) == [*told, heard[-1]]


def test_a_reader_follows_while_the_writer_writes(path: Path) -> None:
    writer = RunFileWriter(path, {})
    reader = RunFileReader(path)
    assert reader.read() == []
    writer.write(Notice(Level.INFO, "one"))
    first = reader.read()
    writer.write(Notice(Level.INFO, "two"))
    assert [e.seq for e in first] == [1]
    assert [e.body for e in reader.read(1)] == [Notice(Level.INFO, "two")]
    assert reader.read(2) == []
    writer.close()
    assert len(reader.read()) == 2
    reader.close()


WRITER = """
import os, signal, sys
from pathlib import Path
from csworkbench.model.event import Level, Notice
from csworkbench.recording.writer import RunFileWriter
writer = RunFileWriter(Path(sys.argv[1]), {})
for i in range(700):
    writer.write(Notice(Level.INFO, str(i)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_file_of_a_killed_writer_is_read_to_its_last_event(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WRITER, str(path)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert path.with_name("run.db-wal").stat().st_size > 0, "nothing was folded in"
    assert [e.body for e in events_of(path)] == [Notice(Level.INFO, str(i)) for i in range(700)]


def test_a_copy_of_a_run_that_is_still_written_can_be_read(path: Path, tmp_path: Path) -> None:
    writer = RunFileWriter(path, {})
    for i in range(10):
        writer.write(Notice(Level.INFO, str(i)))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("run.db", "run.db-wal"):
        (copy / name).write_bytes((tmp_path / name).read_bytes())
    assert len(events_of(copy / "run.db")) == 10
    writer.close()


def test_a_closed_run_is_one_file_that_needs_no_write_access(path: Path) -> None:
    writer = RunFileWriter(path, {})
    writer.write(Notice(Level.INFO, "x"))
    writer.close()
    assert [p.name for p in path.parent.iterdir()] == ["run.db"]
    assert path.read_bytes()[18:20] == b"\x01\x01", "not in WAL mode any more"


def test_closing_while_somebody_reads_does_not_wait_for_him(path: Path) -> None:
    writer = RunFileWriter(path, {})
    writer.write(Notice(Level.INFO, "x"))
    reader = RunFileReader(path)
    reader.read()
    writer.close()
    assert len(reader.read()) == 1
    reader.close()


def test_reading_changes_nothing(path: Path, story: list[Event]) -> None:
    write_events(path, story[:100])
    before = path.read_bytes()
    events_of(path)
    assert path.read_bytes() == before
    reader = RunFileReader(path)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM journal")
    reader.close()


def test_only_the_owner_may_read_it_and_none_is_overwritten(path: Path) -> None:
    RunFileWriter(path, {}).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        RunFileWriter(path, {})


def test_header_and_views_for_any_tool_that_reads_sqlite(path: Path, story: list[Event]) -> None:
    write_events(path, story)
    reader = RunFileReader(path)
    assert reader.header == {"format": str(FORMAT)}
    reader.close()
    db = sqlite3.connect(path)
    assert db.execute("SELECT id, service, prober, vantage FROM lanes ORDER BY id").fetchall()[0] == (
        0, "egress", "icmp", "vm00",
    )  # fmt: skip
    assert db.execute("SELECT name, kind FROM vantages").fetchall() == [("outside", "outside"), ("vm00", "tenant")]
    assert db.execute("SELECT count(*) FROM api_calls").fetchone() == (0,)
    db.close()


def test_hostile_text_is_kept_as_it_is(path: Path) -> None:
    bodies: list[ev.Body] = [
        Notice(Level.WARN, HOSTILE),
        ev.ApiCalled(HOSTILE, {"id": HOSTILE}, "GET", 1, 2, 200, HOSTILE, HOSTILE),
        ev.LaneAdded(Lane(1, Service.EGRESS, Prober.ICMP, HOSTILE, HOSTILE, 1, 1, subject=HOSTILE)),
    ]
    writer = RunFileWriter(path, {})
    for body in bodies:
        writer.write(body)
    writer.close()
    assert [e.body for e in events_of(path)] == bodies


def tampered(path: Path, *statements: str) -> None:
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


def test_a_kind_of_a_later_version_is_left_out(path: Path, story: list[Event]) -> None:
    write_events(path, story[:40])
    tampered(path, "UPDATE journal SET kind = 'from_the_future' WHERE seq % 2 = 0")
    assert events_of(path) == [e for e in story[:40] if e.seq % 2]


def test_a_long_stretch_of_unknown_kinds_does_not_look_like_the_end(path: Path) -> None:
    writer = RunFileWriter(path, {})
    for i in range(CHUNK + 10):
        writer.write(Notice(Level.INFO, str(i)))
    writer.close()
    tampered(path, f"UPDATE journal SET kind = 'from_the_future' WHERE seq <= {CHUNK + 5}")
    assert [e.seq for e in events_of(path)] == list(range(CHUNK + 6, CHUNK + 11))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE journal SET body = '{' WHERE seq = 20",
        "UPDATE journal SET body = 'null' WHERE seq = 20",
        "UPDATE journal SET body = x'ff00' WHERE seq = 20",
        "UPDATE journal SET body = CAST(x'ff00' AS TEXT) WHERE seq = 20",
        "UPDATE journal SET body = 7 WHERE seq = 20",
        "UPDATE journal SET body = '[]', kind = 'samples_arrived' WHERE seq = 20",
        "UPDATE journal SET body = '{}', kind = 'samples_arrived' WHERE seq = 20",
        "UPDATE journal SET body = '{\"lane\": []}', kind = 'samples_arrived' WHERE seq = 20",
        "UPDATE journal SET kind = 'late_arrived' WHERE seq = 1",
        "UPDATE samples SET outcome = 9",
        "UPDATE samples SET sent_ns = 'x'",
        "DELETE FROM samples WHERE rowid = 1",
        "DROP TABLE samples",
    ],
)
def test_a_damaged_file_is_one_clear_line(path: Path, story: list[Event], statement: str) -> None:
    write_events(path, story[:200])
    assert any(isinstance(e.body, ev.SamplesArrived) for e in story[:200])
    tampered(path, statement)
    with pytest.raises(RunFileError) as error:
        events_of(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(RunFileError):
        load_state(path)


def test_overwritten_pages_are_a_run_file_error(path: Path, story: list[Event]) -> None:
    write_events(path, story)
    data = bytearray(path.read_bytes())
    data[8192:-4096] = os.urandom(len(data) - 12288)
    path.write_bytes(data)
    with pytest.raises(RunFileError):
        events_of(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"SQLite format 3\x00" + b"\x00" * 84, b"x" * 100_000])
def test_what_is_no_run_file_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(RunFileError, match="not a run file"):
        RunFileReader(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("version", ["'two'", "NULL", "''", "x'ff'"])
def test_a_header_that_is_none(path: Path, version: str) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE header (key, value)")
    db.execute(f"INSERT INTO header VALUES ('format', {version})")
    db.commit()
    db.close()
    with pytest.raises(RunFileError, match="not a run file"):
        RunFileReader(path)


def test_a_format_of_the_future_is_named(path: Path) -> None:
    RunFileWriter(path, {}).close()
    tampered(path, f"UPDATE header SET value = '{FORMAT + 1}' WHERE key = 'format'")
    with pytest.raises(RunFileError, match=f"format {FORMAT + 1}; this version reads format {FORMAT}"):
        RunFileReader(path)


def test_no_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.db", tmp_path):
        with pytest.raises(RunFileError, match="no such run file"):
            RunFileReader(path)
