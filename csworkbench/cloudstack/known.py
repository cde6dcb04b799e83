# SPDX-License-Identifier: Apache-2.0
"""The changes that an engine sent which is gone, as its run's history tells of them. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from csworkbench.model.event import CloudEventSeen, JobChanged
from csworkbench.model.state import JobState, RunState

MARGIN_S = 2  # several management servers: stamps come from clocks that differ
_PENDING = re.compile(r'"jobstatus"\s*:\s*"?0')


@dataclass(frozen=True, slots=True)
class KnownCall:
    """A change that was sent, or about to be, at `sent_ns` (recorder's clock). It must not be sent again.

    `job` is empty when its reply was not recorded. `pending_ns`: when the last poll that found the job pending was
    sent; 0: none did. `from_s`: no event of it is older, by the server's clock; 0: that clock is not known.
    """

    command: str
    params: Mapping[str, str]
    sent_ns: int
    job: str = ""
    pending_ns: int = 0
    ended: JobChanged | None = None
    from_s: int = 0
    events: tuple[CloudEventSeen, ...] = ()


def known_calls(state: RunState) -> list[KnownCall]:
    """In the order in which they were sent."""
    jobs, found = list(state.jobs.values()), []
    for sent_ns, sent in state.sent:
        job = next((job for job in jobs if job.command == sent.command), None)
        if job is not None:
            jobs.remove(job)
        found.append(
            KnownCall(
                sent.command,
                sent.params,
                sent_ns,
                job.job if job is not None else "",
                _pending_ns(state, job),
                job.ended if job is not None else None,
                _from_s(state, sent_ns),
                tuple(event for _, event in state.cloud_events),
            )
        )
    return found


def _pending_ns(state: RunState, job: JobState | None) -> int:
    if job is None:
        return 0
    for call in reversed(state.calls):
        asked = call.command == "queryAsyncJobResult" and call.params.get("jobid") == job.job
        if asked and not call.error and _PENDING.search(call.reply):
            return call.started_ns
    return job.changes[0].last_old_ns if job.changes else 0


def _from_s(state: RunState, sent_ns: int) -> int:
    clock = state.server_clock
    return int(sent_ns / 1e9 + clock.low_s) - MARGIN_S if clock is not None else 0
