# SPDX-License-Identifier: Apache-2.0
"""The budget that a run's scenario gave its services."""

import json

from csworkbench.model.state import RunState


def budget_of(state: RunState) -> dict[str, float]:
    """Seconds per service; nothing when the scenario's text is not what this version writes."""
    try:
        budget = json.loads(state.opened.scenario)["budget"] if state.opened else {}
        return {str(name): float(limit_s) for name, limit_s in budget.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
