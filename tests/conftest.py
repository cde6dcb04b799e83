# SPDX-License-Identifier: Apache-2.0
"""For all tests: runs and configuration never touch the user's own, and in CI a skipped test is a failure."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

TIMED_FOLDERS = frozenset({"bench", "engine", "probes", "probing"})
TIMED_FILES = frozenset(
    {
        *("test_accuracy", "test_cloud", "test_gone", "test_handover", "test_process"),
        *("test_redundancy", "test_runs", "test_terminal", "test_tiers"),
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what must not share the machine with another test."""
    for item in items:
        if item.path.parent.name in TIMED_FOLDERS or item.path.stem in TIMED_FILES or "witness" in item.path.stem:
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
