# SPDX-License-Identifier: Apache-2.0
"""What needs upgrading, by which operation, and whether now is a safe time. Pure: facts in, findings out."""

from .needs import Assessment, Need, assess
from .operations import Operation, Patch
from .preflight import CHECKS, Check, Facts, Finding, Level, Route, Target, preflight

__all__ = [
    "CHECKS",
    "Assessment",
    "Check",
    "Facts",
    "Finding",
    "Level",
    "Need",
    "Operation",
    "Patch",
    "Route",
    "Target",
    "assess",
    "preflight",
]
