# SPDX-License-Identifier: Apache-2.0
"""The change itself: the operation runs while the probers measure, and whatever it does they go on."""

import asyncio

from csworkbench.model.event import Level, Notice, Phase, PhaseEntered
from csworkbench.model.protocols import EndUnknown, Journal, Step, StepFailed
from csworkbench.model.state import RunState

from .stop import Stop


class Operating:
    """Does a run's operation. `end_known` turns False when nobody can know how it ended."""

    def __init__(self, state: RunState, journal: Journal, stop: Stop) -> None:
        self.under_way = False
        self.end_known = True
        self._state, self._journal, self._stop = state, journal, stop

    async def operate(self, step: Step) -> str | None:
        """Do it; returns the failure as one line, or None. Errors here never end the measurement."""
        self.under_way = True
        if self._state.phase is not Phase.CHANGE:
            self._journal.write(PhaseEntered(Phase.CHANGE, step.title))
        operation = asyncio.create_task(step.run(self._journal))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({operation, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.broken is not None:
                raise self._stop.broken
            if not operation.done():
                return self.stopped_midway()
            operation.result()
        except StepFailed as error:
            failure, self.end_known = str(error), not isinstance(error, EndUnknown)
        except Exception as error:
            if self._stop.broken is not None:
                raise
            failure = f"{step.title} broke off: {type(error).__name__}: {error}"
        else:
            return None
        finally:
            self.under_way = False
            for task in (operation, stopped):
                task.cancel()
            await asyncio.gather(operation, stopped, return_exceptions=True)
        self._journal.write(Notice(Level.ERROR, failure))
        return failure

    def stopped_midway(self) -> str:
        """Say which jobs go on without us, and return that."""
        going_on = [f"{job.command} (job {job.job})" for job in self._state.jobs.values() if job.ended is None]
        who = f"{', '.join(going_on)} goes on in CloudStack and nobody follows it: " if going_on else ""
        text = f"stopped by the operator during the change: {who}how the operation ends is unknown; look at the routers"
        self._journal.write(Notice(Level.ERROR, text))
        return text
