# SPDX-License-Identifier: Apache-2.0
"""Many routers restarted or live patched in waves. Pure: a plan, a journal, what it comes to, what may start now."""

from .estimate import Estimate, estimate
from .plan import CampaignPlan, Canary, Caps, Selection, StopRule, Unmeasured, Window
from .record import Entry, EntryError, Figures, LeftOut, Target, decode, encode
from .schedule import Schedule, next_try, schedule, stop_reason
from .state import Attempt, CampaignState, Status, TargetState, apply, replay

__all__ = [
    "Attempt",
    "CampaignPlan",
    "CampaignState",
    "Canary",
    "Caps",
    "Entry",
    "EntryError",
    "Estimate",
    "Figures",
    "LeftOut",
    "Schedule",
    "Selection",
    "Status",
    "StopRule",
    "Target",
    "TargetState",
    "Unmeasured",
    "Window",
    "apply",
    "decode",
    "encode",
    "estimate",
    "next_try",
    "replay",
    "schedule",
    "stop_reason",
]
