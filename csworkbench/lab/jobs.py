# SPDX-License-Identifier: Apache-2.0
"""Asynchronous jobs: accepted at once, run one at a time per queue, kept for a day after their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from csworkbench.lab import records
from csworkbench.lab.api.errors import INTERNAL, ApiError
from csworkbench.lab.faults import Faults
from csworkbench.lab.sessions import Caller, current
from csworkbench.lab.timing import QUEUE_SCAN_S, Pace

_log = logging.getLogger(__name__)
_KEPT = timedelta(minutes=1440)
"""`job.expire.minutes`."""

Result = dict[str, Any]


class Status(IntEnum):
    """`jobstatus`."""

    PENDING = 0
    SUCCEEDED = 1
    FAILED = 2


@dataclass(slots=True)
class Job:
    """One job's row."""

    id: str
    command: str
    """The Java class name, e.g. `org.apache.cloudstack.api.command.user.network.RestartNetworkCmd`."""
    instance_type: str
    instance_id: str
    caller: Caller = field(default_factory=current)
    created: datetime = field(default_factory=records.now)
    completed: datetime | None = None
    status: Status = Status.PENDING
    code: int = 0
    result: Result | None = None


class Jobs:
    """All jobs of the management server."""

    def __init__(self, new_id: Callable[[], str], pace: Pace) -> None:
        self._new_id, self._pace = new_id, pace
        self._jobs: dict[str, Job] = {}
        self._queues: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.faults = Faults()
        self.lost_with: Callable[[], None] = self.lose
        """What the fault `job-lost` does while the next job runs."""

    def submit(
        self, command: str, instance: tuple[str, str], work: Callable[[], Awaitable[Result]], queue: str | None = None
    ) -> Job:
        """Accept a job about `(type, id)`; jobs of the same queue run one after the other."""
        self._expire()
        job = Job(self._new_id(), command, *instance)
        self._jobs[job.id] = job
        task = asyncio.create_task(self._run(job, work, queue), name=f"job {job.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def find(self, identity: str) -> Job | None:
        """The job with that id, unless it has expired."""
        self._expire()
        return self._jobs.get(identity)

    def pending(self, instance_id: str | None = None) -> list[Job]:
        """Jobs that have not ended, of that object if one is named."""
        return [
            job
            for job in self._jobs.values()
            if job.status is Status.PENDING and instance_id in (None, job.instance_id)
        ]

    def lose(self) -> None:
        """The management server ends: unfinished jobs fail without a result, but what the routers do goes on."""
        for job in self.pending():
            job.code, job.status, job.completed = INTERNAL, Status.FAILED, records.now()
        self._queues.clear()

    async def close(self) -> None:
        """Cancel what runs and wait for it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, job: Job, work: Callable[[], Awaitable[Result]], queue: str | None) -> None:
        lock = asyncio.Lock() if queue is None else self._queues.setdefault(queue, asyncio.Lock())
        waited = lock.locked()
        async with lock:
            if waited:  # the queue is looked at every so often, not at once
                await self._pace.wait(QUEUE_SCAN_S)
            if job.status is Status.PENDING:  # else it was lost while it waited
                await self._work(job, work)

    async def _work(self, job: Job, work: Callable[[], Awaitable[Result]]) -> None:
        try:
            working = work() if not self.faults.take("job-lost") else await self._lost(work())
            outcome, code, status = await working, 0, Status.SUCCEEDED
        except ApiError as error:
            outcome, code, status = {"errorcode": error.status, "errortext": error.text}, error.status, Status.FAILED
        except Exception as error:
            _log.exception("job %s", job.id)
            text = f"{type(error).__name__}: {error}"
            outcome, code, status = {"errorcode": INTERNAL, "errortext": text}, INTERNAL, Status.FAILED
        if job.status is Status.PENDING and not self.faults.is_set("job-stuck"):  # else it was lost while it worked
            job.result, job.code, job.status, job.completed = outcome, code, status, records.now()

    async def _lost(self, working: Awaitable[Result]) -> Awaitable[Result]:
        """The management server restarts under the job's feet; the work itself goes on."""
        begun = asyncio.ensure_future(working)
        await asyncio.sleep(0)
        self.lost_with()
        return begun

    def _expire(self) -> None:
        limit = records.now() - _KEPT
        for job in [job for job in self._jobs.values() if (job.completed or job.created) < limit]:
            del self._jobs[job.id]
