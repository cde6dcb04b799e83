# SPDX-License-Identifier: Apache-2.0
"""Each fault that concerns a restart or a patch ends in the right verdict, with the right exit code and reason."""

from pathlib import Path

import pytest

from .faults_table import CASES, CODES, Case, reasons, run_case

SMOKE = "live-patch-silent"
pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=c.name, marks=() if c.fault == SMOKE else (pytest.mark.slow,)) for c in CASES]
)
def test_the_verdict_under_a_fault(case: Case, tmp_path: Path) -> None:
    code, summary, stderr = run_case(case, tmp_path)
    assert summary.get("verdict") in case.verdicts, stderr[-2000:]
    assert case.says in reasons(summary, stderr)
    assert code == CODES[summary["verdict"]]
    assert "Traceback" not in stderr
