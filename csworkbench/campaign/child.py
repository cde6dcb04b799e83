# SPDX-License-Identifier: Apache-2.0
"""One run of a campaign as a process that outlives it, and whether that process is there."""

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from csworkbench.model.scenario import Scenario
from csworkbench.recording.labels import Labels, write_labels
from csworkbench.recording.library import RunFolder
from csworkbench.recording.on_disk import is_locked, take_lock

ALIVE = "process.lock"  # the engine itself takes one of its own later, when it is up
LOG = "engine.log"
Words = Callable[[RunFolder], Sequence[str]]
"""The command that runs the scenario of a folder."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """How runs are started. `env` is added to this process's own; `spec` lays the scenario into the folder."""

    runs: Path
    words: Words
    spec: Callable[[Scenario, RunFolder], None]
    env: Mapping[str, str]
    tag: str = ""

    def folder(self, run: str) -> RunFolder:
        """A run's folder, there or not."""
        return RunFolder(self.runs / run)

    def start(self, scenario: Scenario, folder: RunFolder) -> "Child":
        """Start the run in a session of its own. Raises OSError."""
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.spec(scenario, folder)
        if self.tag:
            write_labels(folder.path, Labels(tags=(self.tag,)))
        log = os.open(folder.path / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        alive = -1
        try:
            # The lock goes over to the child with its descriptor, and is free again when the child is no more,
            # however it ended: whoever resumes the campaign can tell.
            alive = take_lock(folder.path / ALIVE)
            process = subprocess.Popen(
                list(self.words(folder)), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                pass_fds=(alive,), env={**os.environ, **self.env},
            )  # fmt: skip
        finally:
            if alive >= 0:
                os.close(alive)
            os.close(log)
        return Child(folder, process)


@dataclass(slots=True)
class Child:
    """A run's process: one that we started, or one that an earlier process of the campaign did (`process` None)."""

    folder: RunFolder
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        """Its number; 0 when another process started it."""
        return self.process.pid if self.process is not None else 0

    def is_alive(self) -> bool:
        """Whether the run's process is there."""
        if self.process is not None and self.process.poll() is not None:
            return False
        return is_alive(self.folder)

    @property
    def last_words(self) -> str:
        """The last line of its log, for a run that never began."""
        with contextlib.suppress(OSError), (self.folder.path / LOG).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
            lines = file.read().decode("utf-8", "replace").split("\n")
            return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
        return ""


def is_alive(folder: RunFolder) -> bool:
    """Whether a process holds the run's lock."""
    return is_locked(folder.path / ALIVE)


def run_name(target: str, taken: Callable[[str], bool], now: datetime) -> str:
    """A run's id, as those of other runs: UTC time and the target's name."""
    words = "-".join(re.findall(r"[a-z0-9]+", target.lower())[:6])[:40].strip("-") or "run"
    base = f"{now.astimezone(UTC).strftime('%Y%m%d-%H%M%S')}-{words}"
    names = (base, *(f"{base}-{n}" for n in range(2, 1000)))
    return next(name for name in names if not taken(name))
