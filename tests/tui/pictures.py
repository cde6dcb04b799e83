# SPDX-License-Identifier: Apache-2.0
"""A picture of each screen at each size, to be looked at: `python -m tests.tui.pictures DIR` (SVG files)."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from csworkbench.cloudstack.diagnostics import Answer
from csworkbench.tui.campaign import LiveRun

from . import test_campaign, test_cloud, test_diagnostics, test_home, test_plan, test_runbook, test_runs
from .helpers import at_end, at_ready
from .piloted import Piloted
from .plans import HandHome
from .run_library import HandLibrary, row

SIZES = ((80, 24), (120, 40), (200, 60))
Size = tuple[int, int]
Scene = Callable[[Size], AbstractAsyncContextManager[Piloted[Any]]]


@asynccontextmanager
async def _cloud(size: Size) -> AsyncIterator[Piloted[Any]]:
    source = test_cloud.HandSource(test_cloud.view(test_cloud.OLD, test_cloud.CODE))
    async with test_cloud.shown(source, size) as (app, pilot):
        yield Piloted(app, pilot)


@asynccontextmanager
async def _runbook(size: Size) -> AsyncIterator[Piloted[Any]]:
    with tempfile.TemporaryDirectory() as folder:
        async with test_runbook.bench(Path(folder), size) as b:
            yield b


def _runs(size: Size) -> AbstractAsyncContextManager[Piloted[Any]]:
    return test_runs.shown(HandLibrary(*(row(n, tags=("old",) if n % 2 else ()) for n in range(12))), size)


def _campaign(size: Size) -> AbstractAsyncContextManager[Piloted[Any]]:
    live = {"run-2": LiveRun("change", {"egress": 3.25, "ingress": 0.0})}
    return test_campaign.shown(test_campaign.HandLink(test_campaign.small(), live), size)


def _diagnostics(size: Size) -> AbstractAsyncContextManager[Piloted[Any]]:
    return test_diagnostics.shown(test_diagnostics.Router(Answer(test_diagnostics.PING, "", 0)), size)


def _choose(size: Size) -> AbstractAsyncContextManager[Piloted[Any]]:
    return test_home.home_of(HandHome(test_home.CMK, test_home.START), size)


def _plan(size: Size) -> AbstractAsyncContextManager[Piloted[Any]]:
    return test_plan.planning(size=size)


SCENES: dict[str, tuple[Scene, tuple[str, ...]]] = {
    "choose": (_choose, ()),
    "profile": (_choose, ("n",)),
    "cloud": (_cloud, ()),
    "cloud-detail": (_cloud, ("enter",)),
    "cloud-preflight": (_cloud, ("p",)),
    "plan": (_plan, ()),
    "session-ready": (at_ready, ()),
    "session-question": (at_ready, ("r",)),
    "session-end": (at_end, ()),
    "session-help": (at_end, ("question_mark",)),
    "runs": (_runs, ()),
    "result": (_runs, ("enter",)),
    "comparison": (_runs, ("a", "c")),
    "campaign": (_campaign, ()),
    "diagnostics": (_diagnostics, ("p", *"192.0.2.1", "enter")),
    "runbook": (_runbook, ()),
}


async def draw(folder: Path) -> None:
    """One file for each scene and size."""
    for name, (scene, keys) in SCENES.items():
        for size in SIZES:
            async with scene(size) as shown:
                await shown.press(*keys)
                await shown.pilot.pause(0.5)
                title = f"{name}-{size[0]}x{size[1]}"
                (folder / f"{title}.svg").write_text(shown.app.export_screenshot(title=title), encoding="utf-8")


if __name__ == "__main__":
    to = Path(sys.argv[1])
    to.mkdir(parents=True, exist_ok=True)
    asyncio.run(draw(to))
