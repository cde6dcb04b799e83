# SPDX-License-Identifier: Apache-2.0
"""The restart of a network as a step of a run (cloudstack-api.md 3.7, 4.1 to 4.3)."""

import asyncio
from contextlib import suppress
from typing import Self

from csworkbench.model.cloud import Inventory
from csworkbench.model.event import JobStatus, Level, Notice, OperationPlanned
from csworkbench.model.protocols import Journal, StepFailed
from csworkbench.model.scenario import Restart

from .client import Client, Value
from .discovery import Capabilities
from .envelope import Row, flag, rows, string
from .errors import BadReply, CloudStackError, Unreachable, Unsupported
from .events import EventFeed
from .family import Family, parse_created
from .inventory import read_routers
from .jobs import JobResult, follow_job
from .plan import COMMAND, ServerManner, manner, planned, restart_params
from .text import one_line
from .transport import Reply
from .verify import Verified, verify_restart

ROLLING = "network.rolling.restart"
FIND_JOB_TRIES = 10
FIND_JOB_EMPTY = 3  # replies without it until we believe that it never arrived, or is over already
FIND_JOB_PAUSE_S = 1.0


class RestartNetwork:
    """restartNetwork on one network: `prepare`, show `plan()`, `run(journal)`, then `verify` on a new inventory."""

    def __init__(
        self,
        client: Client,
        inventory: Inventory,
        restart: Restart,
        *,
        capabilities: Capabilities,
        how: ServerManner,
    ) -> None:
        self.result: JobResult | None = None
        self._client = client
        self._inventory = inventory
        self._restart = restart
        self._how = how
        self._project = inventory.network.project_id or None
        self._params = restart_params(capabilities, inventory.network.id, restart)

    @classmethod
    async def prepare(cls, client: Client, inventory: Inventory, restart: Restart) -> Self:
        """Ask the server what it knows; changes nothing. Raises Unsupported or another CloudStackError."""
        capabilities = await client.capabilities()
        if not capabilities.has(COMMAND):
            raise Unsupported(
                COMMAND, "this key may not call it", hint="Use the key of the network's owner or an admin."
            )
        how = manner(capabilities, await _rolling_setting(client, capabilities), bool(inventory.network.vpc_id))
        return cls(client, inventory, restart, capabilities=capabilities, how=how)

    @property
    def title(self) -> str:
        """Short name for the timeline and the log."""
        return f"{COMMAND} cleanup={str(self._restart.cleanup).lower()}"

    def plan(self) -> OperationPlanned:
        """What confirmation is asked for."""
        return planned(self._inventory, self._restart, self._params, self._how)

    def verify(self, before: Inventory, after: Inventory) -> Verified:
        """Whether the routers are now what the restart should have made of them."""
        return verify_restart(before, after, self._restart)

    async def run(self, journal: Journal) -> None:
        """Restart, follow the job to its end, and write the operation's events. Raises StepFailed."""
        network, routers = self._inventory.network, self._inventory.routers
        family = Family("NETWORK.RESTART", [network.id, *(r.id for r in routers)], [r.name for r in routers])
        feed = EventFeed(self._client, journal, family, project=self._project)
        await feed.start()
        reply, job = await self._submit(journal)
        polling = asyncio.create_task(feed.run())
        try:
            self.result = await follow_job(self._client, journal, COMMAND, job, reply)
        finally:
            polling.cancel()
            with suppress(asyncio.CancelledError):
                await polling
        await self._last_events(feed)
        if self.result.status is not JobStatus.SUCCEEDED:
            code = f" ({self.result.error_code})" if self.result.error_code else ""
            raise StepFailed(
                f"{COMMAND} {self.result.status}{code}: {self.result.text}. Look at the network's routers before you "
                "repeat it."
            )

    async def _last_events(self, feed: EventFeed) -> None:
        with suppress(CloudStackError):
            now = await read_routers(self._client, self._inventory.network.id, self._project)
            feed.family.learn((r.id for r in now), (r.name for r in now))
        await feed.finish()

    async def _submit(self, journal: Journal) -> tuple[Reply, str]:
        sent_ns = self._client.around.clock_ns()
        try:
            reply = await self._client.exchange(COMMAND, self._params)
        except CloudStackError as error:
            if not _maybe_accepted(error):
                raise StepFailed(str(error)) from error
            text = f"it is unknown whether the server took the call: looking for its job. {error}"
            journal.write(Notice(Level.WARN, one_line(text, 400)))
            found = await self._find_job(sent_ns)
            if found is None:
                raise StepFailed(str(error)) from error
            return found
        job = string(reply.payload.get("jobid"), 64)
        if not job:
            raise StepFailed(f"{COMMAND}: the reply names no job. Look at the network's routers before you repeat it.")
        return reply, job

    async def _find_job(self, sent_ns: int) -> tuple[Reply, str] | None:
        """The pending job of our call whose reply was lost: the bracket of its submission begins at `sent_ns`."""
        params: dict[str, Value] = {"listall": True, "keyword": "RestartNetworkCmd", "page": 1, "pagesize": 100}
        empty = 0
        for _ in range(FIND_JOB_TRIES):
            with suppress(CloudStackError):
                reply = await self._client.exchange("listAsyncJobs", params)
                jobs = [r for r in rows(reply.payload, "asyncjobs") if r.get("jobid") and self._is_ours(r)]
                if jobs:
                    newest = max(jobs, key=lambda row: parse_created(row.get("created")) or (0, 0))
                    return Reply(reply.payload, sent_ns, reply.received_ns), string(newest.get("jobid"), 64)
                empty += 1
                if empty == FIND_JOB_EMPTY:
                    return None
            await self._client.around.sleep(FIND_JOB_PAUSE_S)
        return None

    def _is_ours(self, job: Row) -> bool:
        return string(job.get("jobinstanceid")) == self._inventory.network.id


def _maybe_accepted(error: CloudStackError) -> bool:
    return error.maybe_sent if isinstance(error, Unreachable) else isinstance(error, BadReply)


async def _rolling_setting(client: Client, capabilities: Capabilities) -> bool | None:
    if not capabilities.has("listConfigurations"):
        return None
    try:
        found = rows(await client.call("listConfigurations", name=ROLLING), "configuration")
    except CloudStackError:
        return None
    return next((flag(row.get("value")) for row in found if row.get("name") == ROLLING), None)
