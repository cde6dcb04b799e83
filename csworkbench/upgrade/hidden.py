# SPDX-License-Identifier: Apache-2.0
"""What the role may not see, said once for all checks. Pure."""

from collections.abc import Sequence

from .facts import Finding, Level

HIDDEN_REMEDY = "ask somebody with a root admin's key"


def hidden_line(findings: Sequence[Finding]) -> str:
    """`hosts, pending jobs: listHosts, listAsyncJobs: why`; empty when every check could judge."""
    hidden = [finding for finding in findings if finding.level is Level.HIDDEN]
    if not hidden:
        return ""
    reasons: dict[str, dict[str, None]] = {}
    for finding in hidden:
        for told in finding.evidence.split("; "):
            command, _, why = told.partition(": ")
            reasons.setdefault(why, {})[command] = None
    whys = "; ".join(f"{', '.join(commands)}{': ' if why else ''}{why}" for why, commands in reasons.items())
    return f"{', '.join(finding.title for finding in hidden)}: {whys}"
