# SPDX-License-Identifier: Apache-2.0
"""What every operation offers to the one who composes a run."""

from typing import Protocol

from csworkbench.cloudstack.verify import Verified
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import OperationPlanned
from csworkbench.model.protocols import Journal


class PlannedStep(Protocol):
    """A prepared operation: show `plan()`, `run(journal)`, then `verify` on a new inventory."""

    @property
    def title(self) -> str:
        """Short name for the timeline and the log."""
        ...

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        ...

    async def run(self, journal: Journal) -> None:
        """Do it, follow its jobs to their ends, and write its events. Raises StepFailed."""
        ...

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """Whether the target is now what the operation should have made of it."""
        ...
