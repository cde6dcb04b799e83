# SPDX-License-Identifier: Apache-2.0
"""Every fault of the catalogue is switched on by a test, and the manual names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from csworkbench.lab.faults import KNOWN
from tests.lab.support import REPOSITORY

_TESTS = {path: path.read_text() for path in Path(__file__).parent.glob("test_*.py")}


@pytest.mark.parametrize("name", [fault.name for fault in KNOWN])
def test_a_test_and_the_manual_know_the_fault(name: str) -> None:
    assert any(f'"{name}"' in text for text in _TESTS.values())
    assert f"`{name}`" in (REPOSITORY / "docs/test-cloud.md").read_text()
