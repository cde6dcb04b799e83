# SPDX-License-Identifier: Apache-2.0
"""What the engine is handed: the command line composes it, so the engine never learns what a test cloud is."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from csworkbench.model.cloud import Inventory
from csworkbench.model.event import Level, Notice, OperationPlanned
from csworkbench.model.lane import Vantage
from csworkbench.model.protocols import Journal, Step
from csworkbench.probing.agent import Connect
from csworkbench.probing.derive import Targets

WATCH_EVERY_S = 2.0


class NotPrepared(Exception):
    """The run cannot begin; one clear line. `exit_code` is that of the design: 1 failed, 2 usage, 4 not measurable."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Proof:
    """What a verification found. `changed` is None when the operation leaves nothing to compare.

    `upgraded`: versions are higher than before.
    """

    changed: bool | None
    sound: bool
    reasons: tuple[str, ...] = ()
    upgraded: bool = False


async def _nothing() -> None:
    return None


@dataclass(slots=True)
class Prepared:
    """A cloud that answers, a network that was found, and what to do with it.

    `watch` refreshes the routers while the operation runs; `verify` compares before and after; `close` gives everything
    back, a test cloud that the run started included.
    """

    inventory: Inventory
    vantages: list[tuple[Vantage, Connect]]
    left_out: list[tuple[str, str]]
    egress_target: str
    operation: Step | None = None
    planned: OperationPlanned | None = None
    watch: Callable[[], Awaitable[None]] = _nothing
    verify: Callable[[], Awaitable[Proof]] | None = None
    close: Callable[[], Awaitable[None]] = field(default=_nothing)
    evidence: Callable[[Path], Awaitable[None]] | None = None
    """Collects what tells of an operation that went wrong, beside the run file; ends by itself."""
    targets: Targets = field(default_factory=Targets)


Prepare = Callable[[Journal], Awaitable[Prepared]]


async def keep_watching(prepared: Prepared, journal: Journal) -> None:
    """Refresh what is shown until cancelled. It is for the eye only: what goes wrong here ends nothing, but is said."""
    try:
        while True:
            await prepared.watch()
            await asyncio.sleep(WATCH_EVERY_S)
    except Exception as error:
        journal.write(Notice(Level.WARN, f"the routers are not shown any more: {error}"))
