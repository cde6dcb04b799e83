# SPDX-License-Identifier: Apache-2.0
"""What was collected of an operation that went wrong, in words and for summary.json."""

from typing import Any

from csworkbench.model.state import RunState


def evidence_lines(state: RunState) -> list[str]:
    """A line for each file, and for each that is missing."""
    kept = [f"evidence: {e.what}: {e.path} ({e.size} bytes, sha256 {e.sha256})" for e in state.evidence if e.path]
    return kept + [f"evidence not collected: {e.what}: {e.why}" for e in state.evidence if not e.path]


def evidence_json(state: RunState) -> list[dict[str, Any]]:
    """`path` is relative to the run's folder; null for what was not collected."""
    return [
        {"what": e.what, "path": e.path or None, "bytes": e.size, "sha256": e.sha256 or None, "why": e.why}
        for e in state.evidence
    ]
