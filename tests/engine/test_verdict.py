# SPDX-License-Identifier: Apache-2.0
"""The verdict from its witnesses."""

import pytest

from csworkbench.engine.prepared import Proof
from csworkbench.engine.verdict import decide, exit_code
from csworkbench.measurement.totals import ServiceReport
from csworkbench.model.event import Verdict
from csworkbench.model.lane import Service


def report(down_s: float = 1.0, is_open: bool = False) -> ServiceReport:
    ns = int(down_s * 1e9)
    return ServiceReport(Service.EGRESS, ns, ns, ns, ns, ns, 1, "vm01", 1, 1, is_open, ns, ns)


SOUND = Proof(True, True)


@pytest.mark.parametrize(
    ("services", "budget", "failure", "proof", "verdict", "code"),
    [
        ([report()], {}, None, None, Verdict.MEASURED, 0),
        ([report()], {}, None, SOUND, Verdict.RESTARTED, 0),
        ([report()], {}, None, Proof(None, True), Verdict.RESTARTED, 0),
        ([report(2.0)], {"egress": 1.5}, None, SOUND, Verdict.RESTARTED, 3),
        ([report(1.5)], {"egress": 1.5}, None, SOUND, Verdict.RESTARTED, 0),
        ([report(2.0)], {"ingress": 1.5}, None, SOUND, Verdict.NOT_MEASURABLE, 4),
        ([report()], {}, None, Proof(False, True), Verdict.CHANGED_NOTHING, 5),
        ([report()], {}, None, Proof(True, False), Verdict.FAILED, 1),
        ([report()], {}, "job failed", SOUND, Verdict.FAILED_AND_RECOVERED, 1),
        ([report(is_open=True)], {}, "job failed", SOUND, Verdict.FAILED, 1),
        ([report(is_open=True)], {}, None, SOUND, Verdict.OPEN, 1),
        ([report(is_open=True)], {}, None, None, Verdict.OPEN, 1),
    ],
)
def test_verdicts(
    services: list[ServiceReport],
    budget: dict[str, float],
    failure: str | None,
    proof: Proof | None,
    verdict: Verdict,
    code: int,
) -> None:
    reached = decide(services, budget, failure=failure, proof=proof)
    assert (reached.verdict, exit_code(reached)) == (verdict, code)


@pytest.mark.parametrize(
    ("services", "failure", "proof", "lost", "verdict", "code"),
    [
        ([report()], None, SOUND, (), Verdict.OPEN, 1),
        ([report()], None, SOUND, ("vm01 was lost",), Verdict.NOT_MEASURABLE, 4),
        ([report(is_open=True)], None, SOUND, ("vm01 was lost",), Verdict.OPEN, 1),
        ([report()], "how it ends is unknown", None, (), Verdict.FAILED, 1),
    ],
)
def test_nobody_saw_it_recover(
    services: list[ServiceReport],
    failure: str | None,
    proof: Proof | None,
    lost: tuple[str, ...],
    verdict: Verdict,
    code: int,
) -> None:
    """The settle limit has passed without all lanes ok: that is never `restarted`, nor `recovered`."""
    reached = decide(services, {}, failure=failure, proof=proof, settled=False, lost=lost)
    assert (reached.verdict, exit_code(reached)) == (verdict, code)
    assert set(lost) <= set(reached.reasons)
