# SPDX-License-Identifier: Apache-2.0
"""A workbench whose terminal takes nothing any more for a minute costs the measurement nothing."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

from .support import COMMAND
from .test_accuracy import breaks, check, measure

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(600)]
STALLED_S = 60.0


@contextmanager
def stalled() -> Iterator[None]:
    """`csworkbench attach` on a terminal that is read until the run is on the screen, and then never again."""
    terminal = Terminal([*COMMAND, "attach"], os.environ, columns=200, rows=60)
    try:
        terminal.until("probe-net")
        begun = time.monotonic()
        yield
        assert time.monotonic() - begun >= STALLED_S, "it was not stalled for long enough to tell"
        assert terminal.process.poll() is None, "the viewer did not live through it"
    finally:
        terminal.process.kill()
        terminal.process.wait(30)


def test_the_same_outages_with_and_without_a_stalled_viewer(tmp_path: Path) -> None:
    for name, viewer in (("without", None), ("stalled", stalled())):
        folder = tmp_path / name
        folder.mkdir()
        print(f"{name}:")
        found = measure(folder, breaks(24, seed=3), viewer)
        check(found)  # inside the bounds, which are no wider than two intervals
