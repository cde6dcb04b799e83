# SPDX-License-Identifier: Apache-2.0
"""What a campaign came to, as the exit codes of runs: 1 failed, 5 changed nothing, 4 not measurable, 3 over budget."""

from csworkbench.model.event import Verdict

from .state import GOOD, CampaignState, Status

DONE, FAILED, OVER_BUDGET, NOT_MEASURABLE, CHANGED_NOTHING = 0, 1, 3, 4, 5
ORDER = (FAILED, CHANGED_NOTHING, NOT_MEASURABLE, OVER_BUDGET)
_CODES = {str(Verdict.CHANGED_NOTHING): CHANGED_NOTHING, str(Verdict.NOT_MEASURABLE): NOT_MEASURABLE}


def exit_code(state: CampaignState) -> int:
    """The first that applies of 1, 5, 4, 3; what a breach kept from starting does not make it a failure."""
    found = set(_codes(state))
    return next((code for code in ORDER if code in found), DONE)


def _codes(state: CampaignState) -> list[int]:
    codes = [OVER_BUDGET for _, attempt in state.runs() if attempt.over_budget]
    for target in state.targets.values():
        result = target.result
        if target.status is Status.UNKNOWN:
            codes.append(FAILED)
        elif target.status is Status.FAILED and result is not None and result.verdict not in GOOD:
            codes.append(_CODES.get(result.verdict, FAILED))
        elif target.status is Status.SKIPPED and target.target.unmeasured:
            codes.append(NOT_MEASURABLE)
    return codes or [FAILED for _ in state.of(Status.WAITING)]
