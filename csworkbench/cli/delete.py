# SPDX-License-Identifier: Apache-2.0
"""`delete`: runs go only when somebody said so, after having seen which."""

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from csworkbench.recording.library import RUN_FILE, RunFolder, all_runs, runs_dir
from csworkbench.recording.removal import remove, size_bytes

from .common import fail
from .find import find
from .live import is_live
from .run_list import Since, Wanted, listed
from .team import TeamRun, clearly, current, store_option


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN...]")
@click.option("--older-than", type=Since(), help="All runs begun before: an age (90d, 12h) or a UTC date.")
@click.option("--keep-tagged", is_flag=True, help="Leave out runs that have a tag.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_option
def delete(runs: Sequence[str], older_than: datetime | None, keep_tagged: bool, yes: bool) -> None:
    """Delete RUNs with all that lies in their folders, after a preview and a question. Never one that goes on."""
    if not runs and older_than is None:
        fail("name the runs to delete (`csworkbench runs` lists them), or use --older-than 90d", 2)
    folders = list({folder.path.resolve(): folder for folder in _wanted(runs, older_than)}.values())
    doomed = []
    for folder in folders:
        why = _kept(folder, keep_tagged)
        if why:
            click.echo(f"kept     {folder.name}  {why}", err=True)
        else:
            doomed.append(folder)
            click.echo(f"delete   {folder.name}  {_size(folder)}  {_tags(folder)}".rstrip(), err=True)
    if not doomed:
        click.echo("nothing to delete", err=True)
        return
    if not yes:
        if not sys.stdin.isatty():
            fail("nothing was deleted: nobody can be asked here; repeat it with --yes", 2)
        click.confirm(f"Delete these {len(doomed)} runs for good?", abort=True, err=True)
    for folder in doomed:
        _delete(folder)


def _wanted(runs: Sequence[str], older_than: datetime | None) -> list[RunFolder]:
    base = runs_dir()
    named = [find(run) for run in runs]
    own = {folder.path.resolve() for folder in (all_runs(base) if current() is None else named)}
    for folder in named:
        if folder.path.resolve() not in own or folder.file_name != RUN_FILE:
            fail(f"{folder.file} is no run under {base}: only runs of the library are deleted", 2)
    if older_than is None:
        return named
    # A run without a time (an unreadable one) is of no known age: it goes only by name.
    limit_ns = older_than.timestamp() * 1e9
    with clearly():
        return named + [run.folder for run in listed(base, Wanted()) if 0 < run.entry.started_ns < limit_ns]


def _kept(folder: RunFolder, keep_tagged: bool) -> str:
    if is_live(folder):
        return "it is going on"
    return f"it is tagged: {_tags(folder)}" if keep_tagged and folder.labels.tags else ""


def _tags(folder: RunFolder) -> str:
    return " ".join(f"+{tag}" for tag in folder.labels.tags)


def _size(folder: RunFolder) -> str:
    if isinstance(folder, TeamRun):
        return f"{folder.stored.position} entries"
    return f"{size_bytes(folder) / 2**20:.1f} MiB"


def _delete(folder: RunFolder) -> None:
    if is_live(folder):  # it may have been started while somebody thought about it
        fail(f"{folder.name} is going on; it and those after it were kept", 1)
    if isinstance(folder, TeamRun):
        with clearly():
            folder.team.store.delete(folder.stored.name)
        click.echo(f"deleted {folder.name}")
        return
    try:
        remove(folder)
    except OSError as error:
        fail(f"cannot delete {folder.path}: {error.strerror or error}", 1)
    click.echo(f"deleted {folder.name}")
