# SPDX-License-Identifier: Apache-2.0
"""Walking a runbook: says what may be done with a step now, does it, and writes it down first and afterwards."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .check import Finding, judge
from .entry import TEXT_LIMIT, Did, Entry, stamp
from .model import CLOUD, Check, Kind, Step
from .record import Record
from .state import State, Status, fold

Rows = Callable[[Check], Awaitable[list[dict[str, Any]]]]
"""Makes a check's one API call; raises CheckFailed."""


class CheckFailed(Exception):
    """The API gave no answer to judge; the message is one line."""


class Refused(Exception):
    """That cannot be done with the step now; the message says why."""


@dataclass(slots=True)
class Walk:
    """One walk. `rows` is None without a cloud; commands run in `folder`, with `words` before their own."""

    state: State
    record: Record
    who: str
    cloud: str = ""
    rows: Rows | None = None
    folder: Path = field(default_factory=Path.cwd)
    words: Sequence[str] = (sys.executable, "-m", "csworkbench")
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def write(self, did: Did, step: str = "", text: str = "", **more: Any) -> None:
        """Write an entry down and take it into the state. Raises OSError when it cannot be kept."""
        entry = Entry(stamp(self.now()), self.who, did, step, text, **more)
        self.record.append(entry)
        self.state = fold(self.state, entry)

    def why_not(self, step: Step, did: Did) -> str:  # noqa: PLR0911 - one refusal each
        """Why a person cannot do that to the step now; empty when it is possible."""
        status = self.state.of(step).status
        if did is Did.EVIDENCE:
            return ""
        if did is Did.AGAIN:
            return "it has not been done yet" if status in (Status.PENDING, Status.OUT) else ""
        if step not in self.state.branch:
            return "it is not on the way that is being walked"
        if status in (Status.DONE, Status.SKIPPED):
            return f"it is {status.value} already; ask for it again to repeat it"
        if did is Did.ROLLBACK:
            if self.state.rolled_from:
                return "the way back is being walked already"
            if status is not Status.FAILED:
                return "it has not failed"
            return "" if self.state.runbook.way_back(step) else "nothing leads back from this step"
        if status is Status.OUT or self.state.waits(step):
            return "its condition does not hold"
        current = self.state.current
        if current is not None and current.id != step.id:
            return f"{current.id} comes first"
        return ""

    def mark(self, step: Step, did: Did, text: str = "") -> None:
        """What a person says about a step. Raises Refused, OSError."""
        if why := self.why_not(step, did):
            raise Refused(f"{step.id}: {why}")
        if did in (Did.SKIPPED, Did.FAILED, Did.EVIDENCE) and not text.strip():
            raise Refused(f"{step.id}: say {'what was seen' if did is Did.EVIDENCE else 'why'}")
        if did is Did.DONE and step.kind is Kind.CHECK:
            raise Refused(f"{step.id}: a check is done when it holds; to go on without it, skip it and say why")
        if did is Did.DONE and step.kind is Kind.COMMAND and not text.strip():
            raise Refused(f"{step.id}: csworkbench did not see it end well; say what shows that it is done")
        self.write(did, step.id, text)

    async def perform(self, step: Step) -> bool:
        """Do an automatic step; True when it ended well. Raises Refused, OSError."""
        if step.kind is Kind.MANUAL:
            raise Refused(f"{step.id}: a person does it")
        if why := self.why_not(step, Did.STARTED):
            raise Refused(f"{step.id}: {why}")
        if step.kind is Kind.CHECK and self.rows is None:
            raise Refused(f"{step.id}: a check asks the API: name a cloud with --cloud")
        if step.kind is Kind.COMMAND and CLOUD in step.run and not self.cloud:
            raise Refused(f"{step.id}: the command needs a cloud: name one with --cloud")
        if step.kind is Kind.CHECK:
            self.write(Did.STARTED, step.id)
            finding = await self._ask(step)
            self.write(Did.DONE if finding.good else Did.FAILED, step.id, finding.text)
            return finding.good
        return await self._run(step)

    async def _ask(self, step: Step) -> Finding:
        assert step.check is not None and self.rows is not None  # noqa: S101 - a check has one; asked before
        try:
            return judge(step.check, await self.rows(step.check))
        except CheckFailed as error:
            return Finding(False, (str(error),))

    async def _run(self, step: Step) -> bool:
        number = 1 + sum(e.did is Did.STARTED for e in self.state.of(step).entries)
        log = f"{step.id}-{number}.log"
        words = [*self.words, *(self.cloud if word == CLOUD else word for word in step.run)]
        self.write(Did.STARTED, step.id, " ".join(["csworkbench", *words[len(self.words) :]]), log=log)
        with (self.record.path / log).open("wb") as out:
            try:
                child = await asyncio.create_subprocess_exec(
                    *words, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=asyncio.subprocess.STDOUT,
                    cwd=self.folder, start_new_session=True,  # Ctrl-C is ours to pass on, once
                )  # fmt: skip
            except OSError as error:
                self.write(Did.FAILED, step.id, f"cannot be started: {error.strerror or error}", log=log)
                return False
            try:
                code = await child.wait()
            finally:
                if child.returncode is None:  # we are leaving: it would go on with nobody to write its end down
                    with contextlib.suppress(ProcessLookupError):
                        child.terminate()
                    code = await child.wait()
                    text = f"interrupted; exit code {code}"
                    self.write(Did.FAILED, step.id, text, code=code, output=tail(self.record.path / log), log=log)
            os.fsync(out.fileno())
        good = code in step.accept
        text = f"exit code {code}" + ("" if good else f", expected {' or '.join(map(str, step.accept))}")
        self.write(
            Did.DONE if good else Did.FAILED, step.id, text, code=code, output=tail(self.record.path / log), log=log
        )
        return good


def tail(path: Path) -> str:
    """The end of a file as text, at most what an entry keeps."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TEXT_LIMIT + 1))
        return file.read().decode("utf-8", "replace")
