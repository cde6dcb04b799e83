# SPDX-License-Identifier: Apache-2.0
"""A cloud that does not come up says why: the first real error, in one line."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from csworkbench.lab import outer
from csworkbench.lab.hosts import LabError
from csworkbench.lab.options import Options
from csworkbench.lab.state import StateDirectory
from csworkbench.lab.systemvm_manager import SystemVms

pytestmark = pytest.mark.lab


@pytest.mark.parametrize(
    ("error", "told", "crashed"),
    [
        (LabError("s-1-VM does not start: no disk"), "s-1-VM does not start: no disk", False),
        (KeyError("a\nb"), r"it crashed: KeyError: 'a\nb'", True),
        (ExceptionGroup("inner", [ValueError("no\nnumber")]), "it crashed: ValueError: no number", True),
    ],
)
async def test_the_first_real_error_is_told(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    told: str,
    crashed: bool,
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(SystemVms, "bring_up", fail)
    with caplog.at_level(logging.ERROR, "csworkbench.lab.outer"), pytest.raises(LabError) as raised:
        await outer.run(Options(vms=1), StateDirectory(tmp_path), lambda _: None, started_at=0.0, until_eof=False)
    assert str(raised.value) == told
    assert any(record.exc_info for record in caplog.records) is crashed
