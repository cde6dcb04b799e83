# SPDX-License-Identifier: Apache-2.0
"""Makes a bed, call by call, with a line in its journal before and after each."""

from collections.abc import Callable, Iterable

from csworkbench.cloudstack.client import Client, Value
from csworkbench.cloudstack.envelope import Row, string
from csworkbench.cloudstack.errors import BY_CODE, Allocation, Capacity, CloudStackError, Limit
from csworkbench.cloudstack.jobs import follow_job
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.transport import Reply
from csworkbench.model.event import JobStatus
from csworkbench.model.protocols import Journal

from .ledger import Ledger, Progress
from .plan import Ref, Step

POLL_S = 1.0
SYNC_TIMEOUT_S = 300.0  # enableStaticNat programs the router before it answers
_NEXT = {
    Limit: "A limit of the account or its domain is reached: raise it, or build a bed with fewer --vms.",
    Allocation: "A limit of the account or its domain is reached: raise it, or build a bed with fewer --vms.",
    Capacity: "The zone has no room left: free hosts or addresses, or take fewer --vms, a smaller --offering or "
    "another --zone.",
}


class BedFailed(Exception):
    """A step did not work; one line with what the server said and what to do next."""


class Builder:
    """Runs steps against one server. `tell` takes a line for each thing that is there."""

    def __init__(
        self,
        client: Client,
        ledger: Ledger,
        journal: Journal,
        tell: Callable[[str], None],
        poll_s: float = POLL_S,
    ) -> None:
        self._poll_s = poll_s
        self._client, self._ledger, self._journal, self._tell = client, ledger, journal, tell

    async def run(self, batches: Iterable[list[Step]]) -> None:
        """All steps. Raises BedFailed; what is there by then stays, and is in the journal."""
        for batch in batches:
            sent: list[tuple[Step, Reply]] = []
            problem: BedFailed | None = None
            for step in batch:
                try:
                    sent.append((step, await self._send(step)))
                except BedFailed as error:
                    problem = error
                    break
            for step, reply in sent:
                try:
                    await self._finish(step, reply)
                except BedFailed as error:
                    problem = problem or error
            if problem is not None:
                raise problem

    async def _send(self, step: Step) -> Reply:
        params = {name: self._resolved(value) for name, value in step.params.items()}
        self._ledger.began(step.key, step.command, step.name)
        try:
            reply = await self._client.exchange(step.command, params, timeout_s=SYNC_TIMEOUT_S)
        except CloudStackError as error:
            if error.error_code:  # CloudStack's own refusal; anything else leaves open whether the call got through
                self._ledger.note(step.key, Progress.REFUSED, text=error.text)
            raise BedFailed(f"{step.label}: {_said(error)}") from None
        self._ledger.note(
            step.key, Progress.MADE, id=_made_id(reply.payload), job=string(reply.payload.get("jobid"), 64)
        )
        return reply

    def _resolved(self, value: Value | Ref) -> Value:
        if not isinstance(value, Ref):
            return value
        return ",".join(self._ledger.bed.steps[key].id for key in value.keys)

    async def _finish(self, step: Step, reply: Reply) -> None:
        job = self._ledger.bed.steps[step.key].job
        if job:
            result = await follow_job(self._client, self._journal, step.command, job, reply, poll_s=self._poll_s)
            if result.status is JobStatus.LOST:
                raise BedFailed(f"{step.label}: {result.text}")
            if result.status is not JobStatus.SUCCEEDED:
                self._ledger.note(step.key, Progress.FAILED, text=result.text)
                kind = BY_CODE.get(result.error_code, CloudStackError)
                error = kind(step.command, result.text, error_code=result.error_code)
                raise BedFailed(f"{step.label}: {_said(error)}")
        self._ledger.note(step.key, Progress.READY)
        self._tell(step.label)


def _said(error: CloudStackError) -> str:
    hint = _NEXT.get(type(error), error.hint)
    return (
        str(type(error)(error.command, error.text, error_code=error.error_code, hint=hint))
        if error.error_code
        else str(error)
    )


def _made_id(payload: Row) -> str:
    """The new object's id: beside the job of an asynchronous call, or in the one object of a synchronous reply."""
    if "id" in payload:
        return string(payload["id"], 64)
    inner = [value for value in payload.values() if isinstance(value, dict)]
    return one_line(inner[0].get("id", ""), 64) if len(inner) == 1 else ""
