# SPDX-License-Identifier: Apache-2.0
"""A run library in memory: keeps what a screen asks of it."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from csworkbench.model.state import RunState, apply
from csworkbench.results.comparison import Comparison
from csworkbench.results.run_result import RunResult, analyse
from csworkbench.tui.runs import LibraryError, Removal, RunRow

from .synthetic import WALL, S, Story

DAY = 86_400 * S


def row(n: int, **changes: object) -> RunRow:
    """A run begun n days before the newest."""
    figures = {"egress": (1.4 + n, 1.3 + n, 1.5 + n), "ingress": (0.0, 0.0, 0.0), "dns": (2.0, 1.0, 3.0)}
    made = RunRow(f"2026-run-{n}", f"restart {n}", "restarted", False, False, WALL - n * DAY, figures)
    return replace(made, **changes)  # type: ignore[arg-type]


def story_result(run: str, operation: str = "restart cleanup=true") -> RunResult:
    """The figures of the story, under that id."""
    state = RunState()
    for event in Story().events():
        apply(state, event)
    assert state.opened is not None
    state.opened = replace(state.opened, run=run, operation=operation)
    return analyse(state)


class HandLibrary:
    """Gives its rows `at_once` at a time, then waits for `go` when it is to; refuses what `refuse` names."""

    where = "/var/lib/runs"

    def __init__(self, *rows: RunRow, at_once: int = 1000) -> None:
        self.all = list(rows)
        self.at_once = at_once
        self.go = threading.Event()
        self.go.set()
        self.refuse: dict[str, str] = {}
        self.did: list[tuple[object, ...]] = []
        self.results: dict[str, RunResult] = {}

    def _do(self, what: str, *words: object) -> None:
        self.did.append((what, *words))
        if what in self.refuse:
            raise LibraryError(self.refuse[what])

    def read(self, told: Callable[[int, int, Sequence[RunRow]], bool]) -> None:
        self._do("read")
        for start in range(0, len(self.all), self.at_once):
            part = self.all[start : start + self.at_once]
            if not told(start + len(part), len(self.all), part):
                return
            self.go.wait(20)

    def rows(self, runs: Sequence[str]) -> list[RunRow]:
        return [found for found in self.all if found.run in runs]

    def result(self, run: str, told: Callable[[int], bool]) -> RunResult:
        self._do("result", run)
        told(500)
        self.go.wait(20)
        return self.results.get(run) or story_result(run)

    def export(self, run: str) -> str:
        self._do("export", run)
        return f"/runs/{run}/export"

    def report(self, runs: Sequence[str], to: Path) -> str:
        self._do("report", tuple(runs), to)
        return str(to)

    def write(self, comparison: Comparison, to: Path) -> str:
        self._do("write", to)
        return str(to)

    def tag(self, runs: Sequence[str], changes: str) -> None:
        self._do("tag", tuple(runs), changes)
        self.all = [replace(r, tags=("new",)) if r.run in runs else r for r in self.all]

    def note(self, run: str, text: str) -> None:
        self._do("note", run, text)
        self.all = [replace(r, note=text) if r.run == run else r for r in self.all]

    def removal(self, runs: Sequence[str]) -> Removal:
        self._do("removal", tuple(runs))
        live = {r.run for r in self.all if r.live}
        doomed = tuple(run for run in runs if run not in live)
        return Removal(doomed, 2**20 * len(doomed), tuple((run, "it is going on") for run in runs if run in live))

    def delete(self, runs: Sequence[str]) -> list[str]:
        self._do("delete", tuple(runs))
        self.all = [r for r in self.all if r.run not in runs]
        return list(runs)
