# SPDX-License-Identifier: Apache-2.0
"""For all tests: runs and configuration never touch the user's own, and in CI a skipped test is a failure."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

TIMED_FOLDERS = frozenset({"bench", "probes"})
UNTIMED = frozenset(  # pure ones in these folders
    {"bench/test_judgement", "probes/test_old_python", "probes/test_plan", "probes/test_spool"}
)
TIMED_FILES = frozenset(
    {
        *("cli/test_process", "e2e/test_accuracy", "e2e/test_runs", "e2e/test_services"),
        *("e2e/test_tiers", "lab/test_cloud", "lab/test_gone", "lab/test_handover", "lab/test_redundancy"),
        "tui/test_terminal",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what must not share the machine with another test."""
    for item in items:
        folder, name = item.path.parent.name, f"{item.path.parent.name}/{item.path.stem}"
        timed = folder in TIMED_FOLDERS and name not in UNTIMED
        if timed or name in TIMED_FILES or "witness" in name:
            item.add_marker(pytest.mark.timed)


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSWORKBENCH_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CSWORKBENCH_CONFIG", str(tmp_path / "config.yaml"))
    monkeypatch.setenv("CSWORKBENCH_LAB_DIR", str(tmp_path / "lab"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):  # type: ignore[attr-defined]
        report.outcome = "failed"  # type: ignore[attr-defined]
        report.longrepr = f"skipped in CI: {report.longrepr}"  # type: ignore[attr-defined]
    return report
