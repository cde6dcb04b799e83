# SPDX-License-Identifier: Apache-2.0
"""Report and table in a real browser: nothing is asked for, nothing is complained about, it fits screen and paper."""

import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli

from .browser import PROGRAM, Browser

if PROGRAM is None or os.getuid() != 0 or shutil.which("unshare") is None:
    # Optional, in CI too: that nothing is fetched is held by test_report.py and test_strategy_table.py.
    pytest.skip("needs Chromium, and root to go without network", allow_module_level=True)

pytestmark = pytest.mark.slow
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
RUNS = tuple(str(SAMPLES / "runs" / name) for name in ("destroy-first-restart", "parallel-restart", "live-patch"))
PUBLISHED = SAMPLES / "results" / "all-strategies" / "table.html"
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("which", ["report", "table"])
def test_nothing_leaves_the_file(which: str, tmp_path: Path) -> None:
    page = PUBLISHED
    if which == "report":
        page = tmp_path / "r.html"
        assert CliRunner().invoke(cli, ["report", *RUNS, "--to", str(page)]).exit_code == 0
    with Browser(tmp_path / "profile") as browser:
        for width, height in ((1280, 900), (400, 800)):
            browser.show(page, width, height)
            assert browser.value(WIDER) <= 0, f"it has to be scrolled sideways at {width}"
        assert browser.value("document.scripts.length + document.querySelectorAll('[src],[href]').length") == 0
        assert browser.value("document.querySelectorAll('table').length") >= 4
        for media in ("screen", "print"):
            made = browser.picture(media=media)
            assert made.startswith(b"\x89PNG")
            assert len(made) > 10_000
        printed = browser.pdf()
        assert printed.startswith(b"%PDF")
        assert printed.count(b"/Type /Page\n") + printed.count(b"/Type /Page ") >= 1
    assert set(browser.asked) == {page.as_uri()}
    assert browser.complaints == []
