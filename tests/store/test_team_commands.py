# SPDX-License-Identifier: Apache-2.0
"""The commands on runs of a team's store: what they say is what they say of the same run on this machine."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from csworkbench.cli import cli
from csworkbench.cli.team import Team
from csworkbench.cli.team_feed import TeamFeed
from csworkbench.model.event import Event
from csworkbench.recording.entry import origin_of
from csworkbench.recording.folder_store import FolderStore
from csworkbench.recording.library import RunFolder, runs_dir
from csworkbench.recording.postgres_store import PostgresStore
from csworkbench.recording.reader import RunFileReader
from csworkbench.recording.store import carry
from tests.cli.test_library import SMALL, made
from tests.measurement.synthetic_run import Plan

from .server import Server


def call(*words: str) -> Result:
    done = CliRunner().invoke(cli, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    assert "Traceback" not in done.output
    return done


@pytest.fixture
def team(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """It is configured."""
    monkeypatch.setenv("CSWORKBENCH_STORE", address)
    return address


def elsewhere() -> None:
    """From here on it is another machine: no runs, no copies."""
    shutil.rmtree(runs_dir().parent)


def test_push_sends_once_and_says_so(team: str) -> None:
    run = made("alpha").name
    first, again = call("push", run), call("push", "--all")
    assert first.exit_code == again.exit_code == 0
    assert first.stdout.startswith(f"{run}  ")
    assert "entries sent" in first.stdout
    assert again.stdout == f"{run}  is there\n"


def test_every_command_says_of_a_team_run_what_it_says_of_a_local_one(team: str, tmp_path: Path) -> None:
    runs = [made(name, SMALL, age).name for name, age in (("alpha", 2), ("beta", 1), ("gamma", 0))]
    call("tag", runs[0], "+baseline")
    call("note", runs[0], "after the move")
    compared = ("compare", *runs, "--form", "json")
    commands: dict[tuple[str, ...], str] = {
        words: call(*words).stdout
        for words in [
            ("show", runs[0]), ("show", "last", "--json"), compared, ("compare", "--tag", "baseline"),
            ("replay", "--plain", runs[1]), ("tag", runs[0]), ("note", runs[0]),
            ("gate", runs[0], "--against", "a", "--percentile", "50", "--json"), ("runs", "--json"), ("runs",),
            ("runs", "--tag", "baseline"), ("runs", "--verdict", "restarted", "--limit", "1"),
        ]
    }  # fmt: skip
    for form in (".html", ".xml", ".jsonl"):
        assert call("report", *runs, "--to", str(tmp_path / f"here{form}")).exit_code == 0
    assert call("export", runs[2], "--to", str(tmp_path / "here")).exit_code == 0
    assert call("push", "--all").exit_code == 0
    elsewhere()
    for words, said in commands.items():
        assert said
        assert call(*words, "--store", "team").stdout == said, words
    for form in (".html", ".xml", ".jsonl"):
        assert call("report", *runs, "--to", str(tmp_path / f"there{form}"), "--store", "team").exit_code == 0
        assert (tmp_path / f"here{form}").read_text() == (tmp_path / f"there{form}").read_text()
    assert call("export", runs[2], "--to", str(tmp_path / "there"), "--store", "team").exit_code == 0
    for file in (tmp_path / "here").iterdir():
        assert file.read_bytes() == (tmp_path / "there" / file.name).read_bytes()
    assert not runs_dir().exists(), "nothing of it is in the library of this machine"


def test_labels_of_a_team_run_are_the_teams(team: str) -> None:
    run = made("alpha").name
    call("push", run)
    assert call("tag", run, "+gold", "--store", "team").stdout == f"{run} +gold\n"
    assert call("note", run, "for all", "--store", "team").exit_code == 0
    assert "+gold for all" in call("runs", "--store", "team").stdout
    assert "gold" not in call("runs").stdout
    assert call("tag", run, "+Not A Tag", "--store", "team").exit_code == 2
    elsewhere()
    assert call("pull", "last").exit_code == 0
    assert "+gold for all" in call("runs").stdout, "they come along"


def test_pull_brings_the_run_and_only_what_is_new(team: str, address: str) -> None:
    folder = made("alpha", closed=False)
    call("push", "last")
    before = folder.file.read_bytes()
    assert call("pull", "last").stdout == f"{folder.name}  is there\n"
    assert folder.file.read_bytes() == before
    other = RunFolder(runs_dir().parent / "other" / folder.name)
    shutil.copytree(folder.path, other.path)
    store = PostgresStore(address)
    last = FolderStore(other.path.parent).entries(folder.name)[-1]
    store.append(folder.name, [last._replace(seq=99_999, kind="run_closed", body='{"exit_code":0,"why":""}')])
    store.close()
    assert "sent" in call("pull", folder.name).stdout
    assert FolderStore(runs_dir()).position(folder.name) == 99_999


def test_a_copy_is_brought_up_to_date_when_the_run_goes_on(team: str, address: str) -> None:
    folder = made("alpha")
    here, store = FolderStore(runs_dir()), PostgresStore(address)
    half = here.entries(folder.name, limit=200)
    store.create(folder.name, origin_of(half[0]), {"format": "1"})
    store.append(folder.name, half)
    assert call("show", "last", "--store", "team").stdout.splitlines()[1] == "verdict: unfinished"
    assert "live" in call("runs", "--store", "team").stdout
    carry(here, folder.name, store)
    store.close()
    assert call("show", "last", "--store", "team").stdout.splitlines()[1] == "verdict: restarted"


def test_a_run_that_goes_on_elsewhere_can_be_watched_to_its_end(team: str, address: str) -> None:
    folder = made("alpha")
    here, store = FolderStore(runs_dir()), PostgresStore(address)
    half = here.entries(folder.name, limit=200)
    store.create(folder.name, origin_of(half[0]), {"format": "1"})
    store.append(folder.name, half)
    seen: list[Event] = []

    async def watch() -> None:
        watched = Team(address)
        async for batch in TeamFeed(watched.find("last")).events():
            if not seen:
                carry(here, folder.name, store)
            seen.extend(batch)
        watched.store.close()

    asyncio.run(watch())
    reader = RunFileReader(folder.file)
    assert seen == list(reader)
    reader.close()
    store.close()
    said = call("replay", folder.name, "--plain").stdout
    assert call("attach", folder.name, "--store", "team", "--plain").stdout == said


def test_a_run_that_goes_on_elsewhere_is_not_replayed_but_attached_to(team: str) -> None:
    run = made("alpha", closed=False).name
    call("push", run)
    done = call("replay", run, "--store", "team")
    assert done.exit_code == 2
    assert f"`csworkbench attach {run}`" in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("runs", "--store", "team"), 2, "no team store is set"),
        (("push", "last"), 2, "no team store is set"),
        (("runs", "--store", "mysql://h/x"), 2, "begins with postgresql://"),
        (("runs", "--store", "postgresql://me:hunter2@h/x"), 2, "put it into ~/.pgpass"),
        (("runs", "--store", "postgresql://me@127.0.0.1:1/x"), 1, "postgresql://me@127.0.0.1:1/x: "),
        (("push", "--store", "postgresql://me@127.0.0.1:1/x"), 2, "name the runs to push"),
    ],
)
def test_what_is_wrong_is_one_line(words: tuple[str, ...], code: int, said: str) -> None:
    done = call(*words)
    assert done.exit_code == code
    assert said in done.stderr
    assert "hunter2" not in done.output
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_name_and_an_empty_store(team: str) -> None:
    assert "no runs yet in postgresql://team@" in call("runs", "--store", "team").stderr
    done = call("show", "nothing", "--store", "team")
    assert done.exit_code == 2
    assert "no run called 'nothing'" in done.stderr


def test_the_address_in_the_configuration(tmp_path: Path, address: str) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(f"store: {address}\n")
    config.chmod(0o644)
    assert call("runs", "--store", "team").exit_code == 0
    config.write_text("store: postgresql://me:hunter2@127.0.0.1:1/x\n")
    done = call("runs", "--store", "team")
    assert done.exit_code == 2
    assert "others may read it" in done.stderr
    config.chmod(0o600)
    assert "127.0.0.1:1/x" in call("runs", "--store", "team").stderr
    config.write_text("name: x\nstore: [1]\n")
    assert f"{config}:2" in call("runs", "--store", "team").stderr


def test_the_list_reads_each_team_run_once(team: str, server: Server, database: str) -> None:
    made("alpha", Plan(vms=1, length=11.0, settle=10.5))
    call("push", "--all")
    said = call("runs", "--store", "team").stdout
    server.execute("DELETE FROM csworkbench.samples", database)  # a list that read them again would say so
    assert json.loads(call("runs", "--store", "team", "--json").stdout)["verdict"] == "restarted"
    assert call("runs", "--store", "team").stdout == said


def test_deleting_from_the_team_store_leaves_what_is_here(team: str) -> None:
    run, gold = made("alpha").name, made("gold").name
    call("push", "--all")
    call("tag", gold, "+gold", "--store", "team")
    assert call("delete", run, "--store", "team").exit_code == 2, "nobody can be asked"
    done = call("delete", run, gold, "--keep-tagged", "--yes", "--store", "team")
    assert done.stdout == f"deleted {run}\n"
    assert f"kept     {gold}  it is tagged: +gold" in done.stderr
    assert [json.loads(line)["run"] for line in call("runs", "--json", "--store", "team").stdout.splitlines()] == [gold]
    assert len(call("runs", "--json").stdout.splitlines()) == 2
    assert call("delete", "--older-than", "2026-12-31", "--yes", "--store", "team").stdout == f"deleted {gold}\n"
    unfinished = made("unfinished", closed=False).name
    call("push", unfinished)
    done = call("delete", unfinished, "--yes", "--store", "team")
    assert "it is going on" in done.stderr
    assert done.stdout == ""


def test_a_service_file_says_where_the_store_is(
    server: Server, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services.conf"
    services.write_text(f"[team]\nhost={server.folder}\ndbname={database}\nuser=team\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    run = made("alpha").name
    assert "entries sent" in call("push", run, "--store", "postgresql:///?service=team").stdout


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "csworkbench.recording.postgres_store", None)
    done = call("runs", "--store", "postgresql://team@h/x")
    assert done.exit_code == 2
    assert "pip install 'csworkbench[postgres]'" in done.stderr
