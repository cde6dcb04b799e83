# SPDX-License-Identifier: Apache-2.0
"""`push`, `pull`: runs between this machine and the team's store; `publish`: the process that does so live."""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from csworkbench.config.store import TEAM, VARIABLE
from csworkbench.recording import publisher
from csworkbench.recording.folder_store import FolderStore
from csworkbench.recording.labels import Labels
from csworkbench.recording.library import RUN_FILE, RunFolder, all_runs, runs_dir
from csworkbench.recording.store import Store, StoreError, StoreLost, carry

from .common import fail
from .team import Team, clearly, open_store, team_of

_to = click.option("--store", default=TEAM, metavar="ADDRESS", help="The team store; the configured one otherwise.")


def _team(text: str) -> Team:
    team = team_of(text)
    if team is None:
        fail("which store? Give --store postgresql://…", 2)
    return team


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--all", "everything", is_flag=True, help="Every run on this machine.")
@_to
def push(runs: Sequence[str], everything: bool, store: str) -> None:
    """Copy RUNs to the team's store. What is there already is not sent again, so it may be repeated at any time."""
    from .find import find

    team = _team(store)
    folders = all_runs(runs_dir()) if everything else [find(run) for run in runs]
    if not folders:
        fail("name the runs to push (`csworkbench runs` lists them), or use --all", 2)
    failed = False
    for folder in folders:
        if folder.file_name != RUN_FILE:
            fail(f"{folder.file} is not in a folder of its own; `csworkbench import` takes it in", 2)
        try:
            _tell(*_carried(FolderStore(folder.path.parent), folder.name, team.store, folder.labels), team.store)
        except StoreError as error:
            click.echo(f"csworkbench: {error}", err=True)
            failed = True
        except StoreLost as error:
            fail(str(error), 1)
    team.close()
    raise SystemExit(1 if failed else 0)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@_to
def pull(runs: Sequence[str], store: str) -> None:
    """Copy RUNs of the team's store to this machine: an id, the beginning of one, or `last`."""
    team = _team(store)
    with clearly():
        for run in [team.find(text) for text in runs]:
            here = FolderStore(runs_dir())
            _tell(*_carried(team.store, run.stored.name, here, run.labels), here)
    team.close()


def _carried(source: Store, name: str, target: Store, own: Labels) -> tuple[str, int, int]:
    """As carry; the labels go along to where there are none yet."""
    there, before, position = carry(source, name, target)
    if own != Labels():
        target.change_labels(there, lambda labels: own if labels == Labels() else labels)
    return there, before, position


def _tell(name: str, before: int, position: int, target: Store) -> None:
    click.echo(f"{name}  {position - before} of {position} entries sent" if position > before else f"{name}  is there")
    click.echo(f"  in {target.shown}", err=True)


@click.command(hidden=True)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def publish(folder: Path) -> None:
    """Publish the run in FOLDER until stdin ends; the store's address is in the environment, where nobody reads it."""
    # Ctrl-C and the end of a terminal are for the run; it says when it is over by closing our stdin.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(10)
    gone = False

    def ended() -> bool:
        return gone

    def pause(seconds: float) -> None:
        nonlocal gone
        if gone:
            select.select([], [], [], seconds)
        elif select.select([sys.stdin], [], [], seconds)[0] and not os.read(sys.stdin.fileno(), 4096):
            gone = True
            signal.alarm(round(publisher.PATIENCE_S * 2))  # a server that holds a connection and says nothing

    def say(line: str) -> None:
        with contextlib.suppress(OSError):
            click.echo(f"csworkbench: {line}", err=True)

    run = RunFolder(folder)
    try:
        done = publisher.publish(run, open_store(os.environ.get(VARIABLE, "")), ended=ended, say=say, pause=pause)
    except StoreError as error:
        fail(str(error), 2)
    if done.why:
        say(f"{done.why}; {done.behind} entries of {run.name} are only here: `csworkbench push {run.name}` sends them")
        raise SystemExit(1)
