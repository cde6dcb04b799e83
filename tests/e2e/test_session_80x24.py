# SPDX-License-Identifier: Apache-2.0
"""The whole of an upgrade with keys alone at 80x24, in a real terminal: see session_80x24.py."""

import shutil
from pathlib import Path

import pytest

from .session_80x24 import PAGE, page, play
from .support import processes_of

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(300)]


def test_from_the_start_to_the_end_of_a_live_patch(tmp_path: Path) -> None:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not here")
    stations = list(play(tmp_path))
    for station in stations:
        lines = station.screen.text.rstrip("\n").splitlines()
        assert len(lines) <= 24
        assert all(len(line) <= 80 for line in lines)
    by_title = {station.title: station.screen.text for station in stations}
    assert "new scripts" in by_title["The cloud"]
    assert "live patch" in by_title["The plan"]
    assert "livepatch=true" in by_title["Live patch now?"]
    assert "succeeded" in by_title["The result"]
    assert "1 current" in by_title["Back at the cloud"]
    exported = list((tmp_path / "data" / "runs").glob("*/export/summary.json"))
    assert len(exported) == 1
    assert processes_of(tmp_path) == []
    titles = [line for line in page(stations).splitlines() if line.startswith("## ")]
    kept = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("## ")]
    assert titles == kept, "run: make session"
