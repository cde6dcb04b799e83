# SPDX-License-Identifier: Apache-2.0
"""What only a database does: made by the first who writes, lost, of another version, and it keeps a secret."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from csworkbench.model.event import Event, Level, Notice, RunClosed, RunOpened
from csworkbench.recording import postgres_address, postgres_store, publisher
from csworkbench.recording.entry import Entry
from csworkbench.recording.folder_store import FolderStore
from csworkbench.recording.library import RunFolder
from csworkbench.recording.postgres_schema import MIGRATIONS
from csworkbench.recording.postgres_store import PostgresStore
from csworkbench.recording.publisher import Published, publish
from csworkbench.recording.store import Store, StoreError, StoreLost, carry
from csworkbench.recording.writer import RunFileWriter
from tests.measurement.synthetic_run import Plan, SyntheticRun
from tests.recording.run_files import write_events

from .server import Server

RUN = "20261120-140311-synthetic"


@pytest.fixture
def store(address: str) -> Iterator[PostgresStore]:
    made = PostgresStore(address)
    yield made
    made.close()


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(tmp_path / "library" / RUN)
    folder.path.mkdir(parents=True)
    return folder


def whole(folder: RunFolder) -> int:
    """Record a whole run there; the number of its entries."""
    events = SyntheticRun(Plan(vms=1, length=12.0)).events()
    write_events(folder.file, events)
    return len(events)


def opened(folder: RunFolder) -> RunFileWriter:
    writer = RunFileWriter(folder.file, {"run": folder.name})
    writer.write(RunOpened(folder.name, "n", "1", "lab", "", "{}"))
    return writer


def test_the_tables_are_made_once_whoever_comes_first(address: str, server: Server, database: str) -> None:
    errors: list[BaseException] = []

    def create(n: int) -> None:
        made = PostgresStore(address)
        try:
            made.create(f"20261120-14031{n}-x", f"origin{n}", {})
        except BaseException as error:
            errors.append(error)
        finally:
            made.close()

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert server.execute("SELECT count(*) FROM csworkbench.runs", database) == [(8,)]
    versions = server.execute("SELECT version FROM csworkbench.migrations ORDER BY 1", database)
    assert versions == [(n,) for n in range(1, len(MIGRATIONS) + 1)]


def test_reading_makes_nothing(store: PostgresStore, server: Server, database: str) -> None:
    assert store.runs() == []
    with pytest.raises(StoreError, match="no run x"):
        store.entries("x")
    assert server.execute("SELECT to_regnamespace('csworkbench') IS NULL", database) == [(True,)]


def test_a_later_step_is_applied_by_the_next_writer_and_refused_by_older_ones(
    address: str, store: PostgresStore, run: RunFolder, monkeypatch: pytest.MonkeyPatch, server: Server, database: str
) -> None:
    whole(run)
    carry(FolderStore(run.path.parent), RUN, store)
    store.close()
    older = MIGRATIONS
    monkeypatch.setattr(postgres_store, "MIGRATIONS", (*older, "ALTER TABLE csworkbench.runs ADD COLUMN extra text"))
    newer = PostgresStore(address)
    with pytest.raises(StoreError, match=r"of version 1, this csworkbench wants 2: any `push` updates them"):
        newer.runs()
    newer.create("20261121-000000-y", "y", {})
    assert len(newer.entries(RUN)) > 0
    newer.close()
    assert server.execute("SELECT count(extra) FROM csworkbench.runs", database) == [(0,)]
    monkeypatch.setattr(postgres_store, "MIGRATIONS", older)
    for call in (store.runs, lambda: store.create("20261121-000000-z", "z", {})):
        with pytest.raises(StoreError, match=r"of version 2, this csworkbench knows 1: use a newer one"):
            call()


def test_a_role_that_may_only_read_can_read_and_is_told_that_it_may_not_write(
    store: PostgresStore, run: RunFolder, server: Server, database: str
) -> None:
    count = whole(run)
    carry(FolderStore(run.path.parent), RUN, store)
    role = "reader"
    server.execute(f"CREATE ROLE {role} LOGIN", database)
    server.execute(f"GRANT USAGE ON SCHEMA csworkbench TO {role}", database)
    server.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA csworkbench TO {role}", database)
    reader = PostgresStore(server.address(database, role))
    assert reader.position(RUN) == count
    assert reader.runs()[0].closed
    with pytest.raises(StoreError, match="permission denied"):
        reader.delete(RUN)
    reader.close()


def test_a_lost_connection_is_said_and_the_next_call_connects_again(
    store: PostgresStore, run: RunFolder, server: Server, database: str
) -> None:
    count = whole(run)
    carry(FolderStore(run.path.parent), RUN, store)
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
    with pytest.raises(StoreLost, match="postgresql://team@"):
        store.position(RUN)
    assert store.position(RUN) == count


class Lived:
    """An engine that goes on until it is told to end, on a clock that moves with each pause."""

    def __init__(self) -> None:
        self.over, self.now, self.said = False, 0.0, list[str]()

    def run(
        self, folder: RunFolder, store: PostgresStore, steps: list[Callable[[], None] | None]
    ) -> publisher.Published:
        todo = iter(steps)

        def pause(seconds: float) -> None:
            self.now += seconds
            step = next(todo, None)
            if step is None:
                self.over = True
            else:
                step()

        return publish(
            folder, store, ended=lambda: self.over, say=self.said.append, pause=pause, clock=lambda: self.now
        )


def test_a_run_is_published_while_it_goes_on(store: PostgresStore, address: str, run: RunFolder) -> None:
    other, positions = PostgresStore(address), []
    writer = opened(run)

    def more() -> None:
        positions.append(other.position(RUN))
        writer.write(Notice(Level.INFO, "more"))

    done = Lived().run(run, store, [more, more, lambda: writer.write(RunClosed(0)), None])
    writer.close()
    assert positions == [1, 2], "each look sees what was there before"
    assert (done.position, done.behind, done.why) == (4, 0, "")
    assert other.runs()[0].closed
    other.close()


def test_a_server_that_comes_and_goes_loses_nothing_and_disturbs_nobody(
    run: RunFolder, server: Server, store: PostgresStore
) -> None:
    writer, lived = opened(run), Lived()

    def write() -> None:
        writer.write(Notice(Level.INFO, "more"))

    def crash() -> None:
        server.stop()
        write()

    def back() -> None:
        server.start()
        write()

    try:
        done = lived.run(run, store, [write, crash, write, write, back, write, None])
    finally:
        if server._process is None:
            server.start()
    writer.close()
    assert done == Published(7, 0)
    here = FolderStore(run.path.parent)
    assert store.entries(RUN) == here.entries(RUN), "what was committed before the crash too"
    assert len(lived.said) == 3, lived.said
    assert "will be sent when it answers" in lived.said[1]
    assert "answers again" in lived.said[2]


def test_a_server_that_never_answers_is_given_up_when_the_run_is_over(run: RunFolder, tmp_path: Path) -> None:
    opened(run).close()
    lived = Lived()
    done = lived.run(run, PostgresStore(f"postgresql://team@/x?host={tmp_path}"), [lambda: None] * 3)
    assert (done.position, done.behind) == (0, 1)
    assert lived.now > publisher.PATIENCE_S
    assert len(lived.said) == 1


SENDER = """
import os, signal, sys
from pathlib import Path
import psycopg
from csworkbench.recording.folder_store import FolderStore
from csworkbench.recording.postgres_store import PostgresStore
from csworkbench.recording.store import carry
base, address, rows = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
write_row = psycopg.Copy.write_row
def counted(self, row):
    global rows
    rows -= 1
    if not rows:
        os.kill(os.getpid(), signal.SIGKILL)
    write_row(self, row)
psycopg.Copy.write_row = counted
source, target = FolderStore(base), PostgresStore(address)
few = source.entries
source.entries = lambda name, after=0, limit=0: few(name, after, 20)
for run in source.runs():
    carry(source, run.name, target)
"""


def sender(base: Path, address: str, dies_at_row: int = -1) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", SENDER, str(base), address, str(dies_at_row)])


def test_two_workbenches_one_killed_in_the_middle_and_sent_again(
    tmp_path: Path, address: str, store: PostgresStore
) -> None:
    """Both write to one database; kill -9 of one within a transaction leaves what it had committed, no more."""
    events = SyntheticRun(Plan(vms=1, length=12.0)).events()
    for who in ("a", "b"):
        for n in range(8):
            folder = RunFolder(tmp_path / who / f"20261120-14031{n}-same")  # the names of both are the same
            folder.path.mkdir(parents=True)
            write_events(folder.file, [e if e.seq > 1 else moved(e, n, who) for e in events])
    killed, other = sender(tmp_path / "a", address, 1500), sender(tmp_path / "b", address)
    assert killed.wait(120) == -signal.SIGKILL
    assert other.wait(120) == 0
    own = {run.origin for run in FolderStore(tmp_path / "a").runs()}
    assert 0 < sum(run.position for run in store.runs() if run.origin in own) < 8 * len(events)
    again = sender(tmp_path / "a", address)
    assert again.wait(120) == 0
    runs = store.runs()
    assert len(runs) == 16
    for who in ("a", "b"):
        here = FolderStore(tmp_path / who)
        for run in here.runs():
            there = next(r for r in runs if r.origin == run.origin)
            assert all_entries(store, there.name) == all_entries(here, run.name)


def moved(event: Event, n: int, who: str) -> Event:
    """The first event of another run."""
    return replace(event, wall_ns=n + 1 + 10 * (who == "b"))


def all_entries(store: Store, name: str) -> list[Entry]:
    found: list[Entry] = []
    while more := store.entries(name, len(found)):
        found += more
    return found


def test_the_publisher_outlives_ctrl_c_and_its_engine_and_ends(
    run: RunFolder, address: str, store: PostgresStore
) -> None:
    """The process that `run` starts: stdin is its only tie to the engine."""
    count = whole(run)
    process = subprocess.Popen(
        [sys.executable, "-m", "csworkbench", "publish", str(run.path)],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "CSWORKBENCH_STORE": address},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stderr is not None
    assert b"publishing" in process.stderr.readline()
    for number in (signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.stdin.close()
    assert process.wait(30) == 0
    assert store.position(RUN) == count
    assert store.runs()[0].closed


SECRET = "tr3s%40geheim"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/team",
        f"postgresql://me@127.0.0.1:1/team?password={SECRET}&sslmode=disable",
        f"postgresql://me:{SECRET}%zz@127.0.0.1:1/team",
        f"postgresql://me@127.0.0.1:1/team?pass word={SECRET}",
        f"postgresql://me:{SECRET}@127.0.0.1:99999999/team",
        f"postgresql://me:{SECRET}@[::1/team",
        f"mysql://me:{SECRET}@h/team",
    ],
)
def test_a_password_is_never_shown(text: str) -> None:
    with pytest.raises((StoreError, StoreLost, ValueError)) as error:
        PostgresStore(text).runs()
    assert "geheim" not in str(error.value)
    assert "\n" not in str(error.value)


def test_an_address_is_shown_without_what_is_secret() -> None:
    shown = postgres_address.shown(f"postgresql://me:{SECRET}@db.example:6432/team?sslmode=require&password=x")
    assert shown == "postgresql://me@db.example:6432/team"
    assert postgres_address.shown("postgresql:///?service=team") == "postgresql:///?service=team"
    assert not postgres_address.has_password("postgresql://me@h/team")
    assert postgres_address.has_password(f"postgresql://me:{SECRET}@h/team")
    assert postgres_address.has_password("postgresql://h/team?password=x")


def test_the_tables_can_be_asked_with_sql(store: PostgresStore, run: RunFolder, server: Server, database: str) -> None:
    whole(run)
    carry(FolderStore(run.path.parent), RUN, store)
    with psycopg.connect(server.address(database)) as db:
        found = db.execute(
            "SELECT r.name, s.lane, count(*) FILTER (WHERE s.outcome = 0) FROM csworkbench.samples s"
            " JOIN csworkbench.runs r ON r.id = s.run_id GROUP BY 1, 2 ORDER BY 2"
        ).fetchall()
    assert [row[:2] for row in found] == [(RUN, 0), (RUN, 100), (RUN, 200)]


def test_the_documentation_has_the_tables_as_they_are(store: PostgresStore, server: Server, database: str) -> None:
    store.create("20261121-000000-y", "y", {})
    text = (Path(__file__).resolve().parents[2] / "docs/store.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| (`id`.*|`run_id`.*|`version`.*) \|$", text, re.M))
    rows = server.execute(
        "SELECT table_name::text, array_agg(column_name::text ORDER BY ordinal_position)"
        " FROM information_schema.columns WHERE table_schema = 'csworkbench' GROUP BY 1",
        database,
    )
    columns = {str(name): words for name, words in rows}
    assert {n: re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", words)) for n, words in told.items()} == columns
