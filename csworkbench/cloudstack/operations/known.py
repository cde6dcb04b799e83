# SPDX-License-Identifier: Apache-2.0
"""Going on with a change that an engine sent which is gone: by its job's id, by the list of jobs, by the event log."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from csworkbench.cloudstack.client import Client, written
from csworkbench.cloudstack.events import EventFeed
from csworkbench.cloudstack.jobs import JobResult, follow_job
from csworkbench.cloudstack.known import KnownCall
from csworkbench.cloudstack.text import shown_params
from csworkbench.cloudstack.transport import Reply
from csworkbench.model.event import JobStatus, Level, Notice
from csworkbench.model.protocols import EndUnknown, Journal

if TYPE_CHECKING:
    from .calling import Change

ASK_EVERY_S = 1.0
LAST_EVENT_S = 60.0  # a job that is not pending any more has written its last event

Find = Callable[[], Awaitable[tuple[Reply, str] | None]]


def take_known(client: Client, change: "Change") -> KnownCall | None:
    """The change as it was sent before, once; None when it never was."""
    params = shown_params(written(change.params))
    for place, known in enumerate(client.known):
        if known.command == change.command and dict(known.params) == params:
            return client.known.pop(place)
    return None


async def follow_known(
    client: Client, journal: Journal, change: "Change", past: KnownCall, feed: EventFeed, find: Find
) -> JobResult:
    """How it ended, without sending anything that changes something. `find` looks for its job in the list of jobs.

    Raises EndUnknown when nothing tells of it.
    """
    if (ended := past.ended) is not None:
        return JobResult(ended.job, change.command, ended.status, ended.error_code, ended.text)
    if past.job:
        journal.write(Notice(Level.INFO, f"following job {past.job} of {change.command} again; nothing is sent"))
        seen = Reply({}, past.pending_ns, client.around.clock_ns())
        return await follow_job(
            client, journal, change.command, past.job, seen, announce=False, since_ns=past.sent_ns
        )  # fmt: skip
    journal.write(
        Notice(
            Level.WARN,
            f"{change.command} was sent, or about to be, and the engine was gone before it knew the job's id: looking"
            " for its job and its events; it is not sent again",
        )
    )
    found = await find()
    if found is not None:
        return await follow_job(client, journal, change.command, found[1], found[0])
    return await _by_events(client, journal, change, past, feed)


async def _by_events(client: Client, journal: Journal, change: "Change", past: KnownCall, feed: EventFeed) -> JobResult:
    """What the event log says of a job that is not in the list: it has ended, or this key may not see it."""
    pending_listed = (await client.capabilities()).has("listAsyncJobs")
    limit_s = LAST_EVENT_S if pending_listed else client.around.job_limit_s
    give_up_ns = client.around.clock_ns() + int(limit_s * 1e9)
    await feed.poll()
    while feed.begun and feed.ended is None and client.around.clock_ns() < give_up_ns:
        await client.around.sleep(ASK_EVERY_S)
        await feed.poll()
    if feed.ended is not None:
        good = feed.ended.level.upper() != "ERROR"
        text = f"{change.command} has {'ended' if good else 'failed'}, says the event log; its job's id is unknown"
        journal.write(Notice(Level.WARN, f"{text}, and so is when it ended, but for the log's seconds"))
        return JobResult("", change.command, JobStatus.SUCCEEDED if good else JobStatus.FAILED, 0, text)
    what = (
        "the event log says that it was begun, and not that it ended"
        if feed.begun
        else "neither a pending job nor an event tells of it, so it is unknown whether the server took the call"
    )
    raise EndUnknown(
        f"{change.command}: {what}. The engine was gone before it knew the job's id, and nothing was sent again: look"
        f" at {change.subject} before you repeat it."
    )
