# SPDX-License-Identifier: Apache-2.0
"""The verdict on a run, from its witnesses. A job's success flag is only one of them."""

from collections.abc import Mapping, Sequence

from csworkbench.measurement.cautions import ambiguous_line
from csworkbench.measurement.totals import ServiceReport
from csworkbench.model.event import Verdict, VerdictReached

from .prepared import Proof

EXIT_CODES = {
    Verdict.MEASURED: 0,
    Verdict.RESTARTED: 0,
    Verdict.UPGRADED: 0,
    Verdict.CHANGED_NOTHING: 5,
    Verdict.FAILED_AND_RECOVERED: 1,
    Verdict.FAILED: 1,
    Verdict.OPEN: 1,
    Verdict.NOT_MEASURABLE: 4,
}
OVER_BUDGET = 3
EXAMINED = (Verdict.FAILED, Verdict.FAILED_AND_RECOVERED, Verdict.CHANGED_NOTHING, Verdict.OPEN)
"""Verdicts on an operation after which somebody will ask what the routers' logs say."""


def decide(
    services: Sequence[ServiceReport],
    budget: Mapping[str, float],
    *,
    failure: str | None,
    proof: Proof | None,
    settled: bool = True,
    end_known: bool = True,
    lost: Sequence[str] = (),
) -> VerdictReached:
    """The verdict. `failure` is the operation's error or None; `proof` is None when nothing was operated.

    `settled`: all lanes were seen to be ok for the confirm window. `end_known`: False when nobody knows how the
    operation ended, so that nothing can be called recovered from it. `lost`: what was not measured to the end.
    """
    reasons: list[str] = []
    over = []
    for report in services:
        limit_s = budget.get(str(report.service))
        if limit_s is not None and report.down_ns > limit_s * 1e9:
            over.append(f"{report.service} was down {report.down_ns / 1e9:.2f} s, its budget is {limit_s:g} s")
    unmeasured = sorted(set(budget) - {str(report.service) for report in services})
    open_services = [str(report.service) for report in services if report.open]
    if open_services:
        reasons.append(f"still down: {', '.join(open_services)}")
    if failure is not None:
        verdict = Verdict.FAILED_AND_RECOVERED if settled and end_known and not open_services else Verdict.FAILED
        reasons.insert(0, failure)
    elif open_services:
        verdict = Verdict.OPEN
    elif not settled:
        verdict = Verdict.NOT_MEASURABLE if lost else Verdict.OPEN
        reasons.append("nobody saw all lanes ok for the confirm window")
    elif proof is None:
        verdict = Verdict.MEASURED
    elif not proof.sound:
        verdict = Verdict.FAILED
    elif proof.changed is False:
        verdict = Verdict.CHANGED_NOTHING
    else:
        verdict = Verdict.UPGRADED if proof.upgraded else Verdict.RESTARTED
    if unmeasured and EXIT_CODES[verdict] == 0:
        verdict = Verdict.NOT_MEASURABLE
    reasons += [f"{name} has a budget, but no lane told about it" for name in unmeasured]
    reasons += lost
    if proof is not None:
        reasons += proof.reasons
    doubts = [line for report in services if (line := ambiguous_line(report))]
    return VerdictReached(verdict, bool(over), (*reasons, *over, *doubts))


def exit_code(verdict: VerdictReached) -> int:
    """The exit code of the design for a verdict."""
    code = EXIT_CODES[verdict.verdict]
    return OVER_BUDGET if code == 0 and verdict.over_budget else code
