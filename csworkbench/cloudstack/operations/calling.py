# SPDX-License-Identifier: Apache-2.0
"""One call that changes something, from its submission to its job's end, with its events (cloudstack-api.md 2, 5)."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from csworkbench.cloudstack.client import Client, Value, written
from csworkbench.cloudstack.discovery import Capabilities
from csworkbench.cloudstack.envelope import Row, rows, string
from csworkbench.cloudstack.errors import BadReply, CloudStackError, Unreachable, Unsupported
from csworkbench.cloudstack.events import EventFeed
from csworkbench.cloudstack.family import Family, parse_created
from csworkbench.cloudstack.jobs import JobResult, follow_job
from csworkbench.cloudstack.targets import refresh
from csworkbench.cloudstack.text import one_line, shown_params
from csworkbench.cloudstack.transport import Reply
from csworkbench.model.cloud import Inventory, Router, SystemVm
from csworkbench.model.event import ChangeSent, JobStatus, Level, Notice
from csworkbench.model.protocols import EndUnknown, Journal, StepFailed

from .known import follow_known, take_known

FIND_JOB_TRIES = 10
FIND_JOB_EMPTY = 3  # replies without it until we believe that it never arrived, or is over already
FIND_JOB_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class Change:
    """An asynchronous call. `java` is the end of its class name in listAsyncJobs, `event` its event's type.

    `instance` is the object that the job is about; `subject` is what to look at when something went wrong.
    """

    command: str
    params: dict[str, Value]
    java: str
    event: str
    instance: str
    subject: str = "the network's routers"

    @property
    def words(self) -> str:
        """The call as it is shown for confirmation, every flag spelled out."""
        return " ".join([self.command, *(f"{name}={value}" for name, value in written(self.params).items())])


def require(capabilities: Capabilities, command: str, who: str = "Use an administrator's key.") -> None:
    """Raises Unsupported when the server does not offer the command to this key."""
    if not capabilities.has(command):
        raise Unsupported(command, "this key may not call it", hint=who)


async def carry_out(client: Client, journal: Journal, change: Change, inventory: Inventory) -> JobResult:
    """Submit, follow the job to its end, write its events. Raises StepFailed when it did not succeed."""
    known: list[Router | SystemVm] = [*inventory.routers, *inventory.systemvms]
    family = Family(change.event, [change.instance, *(one.id for one in known)], [one.name for one in known])
    feed = EventFeed(client, journal, family, project=inventory.project_id or None)
    past = take_known(client, change)
    if past is None:
        await feed.start()
        reply, job = await _submit(client, journal, change)
    else:
        await feed.resume(past.from_s, past.events)
    polling = asyncio.create_task(feed.run())
    try:
        if past is None:
            result = await follow_job(client, journal, change.command, job, reply)
        else:
            find = partial(find_job, client, change, past.sent_ns, past.from_s)
            result = await follow_known(client, journal, change, past, feed, find)
    finally:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
    with suppress(CloudStackError):
        now = await refresh(client, inventory)
        found: list[Router | SystemVm] = [*now.routers, *now.systemvms]
        family.learn((one.id for one in found), (one.name for one in found))
    await feed.finish()
    if result.status is not JobStatus.SUCCEEDED:
        code = f" ({result.error_code})" if result.error_code else ""
        if result.overdue:
            raise EndUnknown(f"{change.command}: {result.text}. Look at {change.subject} before you repeat it.")
        raise StepFailed(
            f"{change.command} {result.status}{code}: {result.text}. Look at {change.subject} before you repeat it."
        )
    return result


async def wait_until(
    client: Client, condition: Callable[[], Awaitable[bool]], limit_s: float, pause_s: float = FIND_JOB_PAUSE_S
) -> bool:
    """Ask until it is so (True), or `limit_s` have passed (False); an API that does not answer is asked again."""
    began_ns = client.around.clock_ns()
    while True:
        with suppress(CloudStackError):
            if await condition():
                return True
        if client.around.clock_ns() - began_ns > limit_s * 1e9:
            return False
        await client.around.sleep(pause_s)


async def _submit(client: Client, journal: Journal, change: Change) -> tuple[Reply, str]:
    sent_ns = client.around.clock_ns()
    journal.write(ChangeSent(change.command, shown_params(written(change.params))))
    try:
        reply = await client.exchange(change.command, change.params)
    except CloudStackError as error:
        if not _maybe_accepted(error):
            raise StepFailed(str(error)) from error
        text = f"it is unknown whether the server took the call: looking for its job. {error}"
        journal.write(Notice(Level.WARN, one_line(text, 400)))
        found = await find_job(client, change, sent_ns)
        if found is None:
            raise StepFailed(str(error)) from error
        return found
    job = string(reply.payload.get("jobid"), 64)
    if not job:
        raise StepFailed(f"{change.command}: the reply names no job. Look at {change.subject} before you repeat it.")
    return reply, job


async def find_job(client: Client, change: Change, sent_ns: int, from_s: int = 0) -> tuple[Reply, str] | None:
    """The pending job of our call whose reply was lost: the bracket of its submission begins at `sent_ns`.

    `from_s`: none that was made before, by the server's clock.
    """
    params: dict[str, Value] = {"listall": True, "keyword": change.java, "page": 1, "pagesize": 100}
    empty = 0
    for _ in range(FIND_JOB_TRIES):
        with suppress(CloudStackError):
            reply = await client.exchange("listAsyncJobs", params)
            jobs = [r for r in rows(reply.payload, "asyncjobs") if r.get("jobid") and _is_of(change, r, from_s)]
            if jobs:
                newest = max(jobs, key=lambda row: parse_created(row.get("created")) or (0, 0))
                return Reply(reply.payload, sent_ns, reply.received_ns), string(newest.get("jobid"), 64)
            empty += 1
            if empty == FIND_JOB_EMPTY:
                return None
        await client.around.sleep(FIND_JOB_PAUSE_S)
    return None


def _is_of(change: Change, job: Row, from_s: int) -> bool:
    created = parse_created(job.get("created"))
    return string(job.get("jobinstanceid")) == change.instance and (created is None or created[0] >= from_s)


def _maybe_accepted(error: CloudStackError) -> bool:
    return error.maybe_sent if isinstance(error, Unreachable) else isinstance(error, BadReply)
