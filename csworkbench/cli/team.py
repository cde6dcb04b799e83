# SPDX-License-Identifier: Apache-2.0
"""`--store`: commands on runs of the team's store, read through a copy on this machine that is brought up to date."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from csworkbench.config import ConfigError
from csworkbench.config.clouds import config_file
from csworkbench.config.store import configured_store, store_address
from csworkbench.recording.folder_store import FolderStore
from csworkbench.recording.labels import Labels
from csworkbench.recording.library import RunFolder, runs_dir
from csworkbench.recording.store import NoSuchRun, Store, Stored, StoreError, StoreLost, carry, find

from .common import fail

META = "csworkbench.team"
PUBLISH = "csworkbench.publish"
MOST_COPIES = 8 * 2**30  # bytes; the copies that were not used for longest go first
SPARED_S = 3600.0  # a copy that was used so lately may be in use


class Team:
    """A team store and the copies of its runs."""

    def __init__(self, address: str) -> None:
        self.store = open_store(address)
        name = hashlib.sha256(self.store.shown.encode()).hexdigest()[:16]
        self.base = runs_dir().parent / "team" / name
        self._runs: list[Stored] | None = None
        self._fetched = False

    def runs(self) -> "list[TeamRun]":
        """All runs, newest first."""
        if self._runs is None:
            self._runs = self.store.runs()
        return [TeamRun(self._folder(run) / run.name, team=self, stored=run) for run in self._runs]

    def find(self, text: str) -> "TeamRun":
        """A run by id, unique beginning, or `last`. Raises NoSuchRun."""
        runs = self.runs()
        try:
            wanted = find([run.stored for run in runs], text)
        except NoSuchRun as error:
            raise NoSuchRun(f"{self.store.shown}: {error}") from None
        return next(run for run in runs if run.stored is wanted)

    def fetch(self, run: Stored) -> None:
        """Bring the copy on this machine up to the run's position. Raises StoreError, StoreLost."""
        place = self._folder(run)
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (place / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                os.utime(place)
                copies = FolderStore(place)
                if not (place / run.name / "run.db").is_file() or copies.position(run.name) < run.position:
                    carry(self.store, run.name, copies)
        except OSError as error:
            raise StoreError(f"{place}: {error.strerror or error}") from None
        self._fetched = True

    def close(self) -> None:
        """Let go of the store, and of copies that take too much room."""
        self.store.close()
        if self._fetched:
            self._tidy()

    def _folder(self, run: Stored) -> Path:
        return self.base / run.origin[:16]

    def _tidy(self) -> None:
        """Remove the copies that were not used for longest while all of them take too much room."""
        with contextlib.suppress(OSError):
            copies = sorted((p for p in self.base.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime)
            sizes = {p: sum(f.stat().st_size for f in p.rglob("*") if f.is_file()) for p in copies}
            room = sum(sizes.values())
            for copy in copies:
                if room <= MOST_COPIES or time.time() - copy.stat().st_mtime < SPARED_S:
                    continue
                shutil.rmtree(copy, ignore_errors=True)
                room -= sizes[copy]


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamRun(RunFolder):
    """A run of a team store: a folder whose run file is a copy, made or brought up to date when it is asked for."""

    team: Team = field(compare=False, repr=False)
    stored: Stored = field(compare=False)

    @property
    def file(self) -> Path:
        """The copy. Raises StoreError, StoreLost."""
        self.team.fetch(self.stored)
        return self.path / self.file_name

    @property
    def exports(self) -> Path:
        """Not beside the copy, which may go at any time."""
        return runs_dir().parent / "exports" / self.name

    @property
    def labels(self) -> Labels:
        """Those that the team gave it."""
        return self.stored.labels

    def change_labels(self, change: Callable[[Labels], Labels]) -> Labels:
        """See Store."""
        return self.team.store.change_labels(self.stored.name, change)


def open_store(address: str) -> Store:
    """The store at that address, not connected yet. Raises StoreError, also when psycopg is not installed."""
    try:
        from csworkbench.recording.postgres_store import PostgresStore
    except ImportError:
        raise StoreError("a team store needs psycopg: pip install 'csworkbench[postgres]'") from None
    try:
        return PostgresStore(address)
    except ValueError as error:
        raise StoreError(str(error)) from None


def current() -> Team | None:
    """The store that this command reads; None for the runs of this machine."""
    context = click.get_current_context(silent=True)
    found = context.meta.get(META) if context is not None else None
    return found if isinstance(found, Team) else None


@contextmanager
def clearly() -> Iterator[None]:
    """What a store says as one line: 2 for a wrong name, 1 for a store that cannot be used."""
    try:
        yield
    except NoSuchRun as error:
        fail(str(error), 2)
    except (StoreError, StoreLost) as error:
        fail(str(error), 1)


def team_of(text: str | None) -> Team | None:
    """The store of `--store TEXT`; ends with 2 when it is none."""
    try:
        address = store_address(text, os.environ, config_file())
        return Team(address) if address else None
    except ConfigError as error:
        fail(str(error), 2)
    except StoreError as error:
        fail(str(error), 2)


def _read_from(context: click.Context, _param: click.Parameter, value: str | None) -> None:
    team = team_of(value)
    if team is not None:
        context.meta[META] = team
        context.call_on_close(team.close)


def _publish_to(context: click.Context, _param: click.Parameter, value: str | None) -> None:
    try:
        env, config = os.environ, config_file()
        address = configured_store(env, config) if value is None else store_address(value, env, config)
        if address:
            open_store(address)
    except (ConfigError, StoreError) as error:
        fail(str(error), 2)
    context.meta[PUBLISH] = address


Decorator = Callable[[Callable[..., None]], Callable[..., None]]
store_option: Decorator = click.option(
    "--store", metavar="ADDRESS|team", callback=_read_from, expose_value=False,
    help="Runs of a team store: its address (postgresql://…), or `team` for the configured one.",
)  # fmt: skip
publish_option: Decorator = click.option(
    "--store", metavar="ADDRESS|none", callback=_publish_to, expose_value=False,
    help="Publish the run to this team store while it goes on; the configured one otherwise.",
)  # fmt: skip


def address_to_publish() -> str:
    """Where this command's run is published; empty for nowhere. Raises ConfigError."""
    context = click.get_current_context(silent=True)
    if context is not None and PUBLISH in context.meta:
        return str(context.meta[PUBLISH])
    return configured_store(os.environ, config_file())
