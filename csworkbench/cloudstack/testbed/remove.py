# SPDX-License-Identifier: Apache-2.0
"""Takes a bed away: what it made, and only that, as often as it takes."""

from collections.abc import Callable

from csworkbench.cloudstack.client import Client, Value
from csworkbench.cloudstack.envelope import Row, string
from csworkbench.cloudstack.errors import Account, BadParameter, CloudStackError, Unauthorized
from csworkbench.cloudstack.jobs import follow_job
from csworkbench.cloudstack.text import one_line
from csworkbench.cloudstack.transport import Reply
from csworkbench.model.event import JobStatus
from csworkbench.model.protocols import Journal

from .build import POLL_S
from .ledger import Ledger, Progress
from .survey import Seen, look, own_addresses, own_vms, strangers

ROUNDS = 3  # a call whose reply was lost may still be carried out after we have looked
SETTLE_LIMIT_S = 600.0
GRACE_S = 3.0
_MOVING = ("Starting", "Stopping", "Allocating")


class Remover:
    """Removes one bed. `tell` takes a line for each thing that is gone."""

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
        self._bed = ledger.bed

    async def run(self) -> list[str]:
        """What is left, one line each; nothing when all is gone. Raises CloudStackError when the API is away."""
        await self._jobs_end()
        problems: list[str] = []
        for _ in range(ROUNDS):
            seen = await self._settled()
            if not self._left(seen) and any(m.progress is Progress.BEGUN for m in self._bed.steps.values()):
                await self._client.around.sleep(GRACE_S)
                seen = await self._settled()
            if not self._left(seen):
                return []
            problems = await self._round(seen)
            if problems:
                break
        seen = await look(self._client, self._bed)
        return (problems or ["it is still listed after its removal: try again"]) if self._left(seen) else []

    def _left(self, seen: Seen) -> bool:
        return seen.network is not None or seen.key

    async def _jobs_end(self) -> None:
        """Wait for jobs that were running when their `up` died: what they make can be removed only then."""
        for made in self._bed.steps.values():
            if made.job and made.progress is Progress.MADE:
                now = self._client.around.clock_ns()
                submitted = Reply({}, now, now)
                await follow_job(
                    self._client, self._journal, made.command, made.job, submitted, poll_s=self._poll_s, announce=False
                )

    async def _settled(self) -> Seen:
        """What is there once nothing of ours is on its way, or after a while."""
        around = self._client.around
        give_up = around.clock_ns() + int(SETTLE_LIMIT_S * 1e9)
        while True:
            seen = await look(self._client, self._bed)
            own = own_vms(self._bed, seen) + own_addresses(self._bed, seen)
            # An address stays Releasing when its router could not be reached, and must be released again.
            moving = [row for row in own if row.get("state") in _MOVING]
            if not moving or around.clock_ns() > give_up:
                return seen
            await around.sleep(self._poll_s)

    async def _round(self, seen: Seen) -> list[str]:
        problems: list[str] = []
        if seen.network is not None:
            others = strangers(self._bed, seen)
            problems += await self._vms(own_vms(self._bed, seen))
            addresses = own_addresses(self._bed, seen)
            problems += await self._all("disassociateIpAddress", addresses, "ip", "address", "ipaddress")
            made = self._bed.ids("egress")
            egress = [row for row in seen.egress if row.get("id") in made]
            problems += await self._all("deleteEgressFirewallRule", egress, "egress", "egress rule", "protocol")
            if others:
                problems.append(
                    f"network {self._bed.spec.network_name} stays: {', '.join(others[:10])} "
                    "on it is not of this bed; remove that first"
                )
            elif not problems:
                problems += await self._all("deleteNetwork", [seen.network], "network", "network", "name")
        if seen.key:
            problems += await self._key()
        return problems

    async def _vms(self, rows: list[Row]) -> list[str]:
        capabilities = await self._client.capabilities()
        expunge = True if capabilities.has_param("destroyVirtualMachine", "expunge") else None
        # One that is destroyed already holds its place in the network until it is expunged.
        asked = [row for row in rows if row.get("state") != "Expunging"]
        problems = await self._all("destroyVirtualMachine", asked, "vm", "VM", "name", expunge=expunge)
        if not problems and rows:
            left = own_vms(self._bed, await look(self._client, self._bed))
            if left:
                problems.append(
                    f"{len(left)} VMs are destroyed but not expunged: the server does that after expunge.delay; "
                    "run `csworkbench testbed down` again then"
                )
        return problems

    async def _all(self, command: str, rows: list[Row], kind: str, word: str, name: str, **params: Value) -> list[str]:
        """Ask for all of them, then wait for each. What is gone already is gone."""
        problems: list[str] = []
        sent: list[tuple[Row, str, Reply]] = []
        for row in rows:
            label = f"{word} {one_line(row.get(name), 80)}"
            identity = string(row.get("id"), 64)
            try:
                reply = await self._submit(command, identity, params)
            except BadParameter as error:
                if "id" not in error.text.lower():
                    problems.append(f"{label}: {error}")
            except CloudStackError as error:
                if not error.error_code and not error.http_status:
                    raise  # the API is away
                problems.append(f"{label}: {error}")
            else:
                sent.append((row, label, reply))
        for row, label, reply in sent:
            problem = await self._end(command, reply)
            if problem:
                problems.append(f"{label}: {problem}")
            else:
                self._gone(kind, string(row.get("id"), 64))
                self._tell(label)
        return problems

    async def _submit(self, command: str, identity: str, params: dict[str, Value]) -> Reply:
        try:
            return await self._client.exchange(command, {"id": identity, **params})
        except (Unauthorized, Account, BadParameter):
            if not params.get("expunge"):
                raise
            # Expunging may be forbidden to users: allow.user.expunge.recover.vm.
            return await self._client.exchange(command, {"id": identity})

    async def _end(self, command: str, reply: Reply) -> str:
        """Why the removal failed, empty when it did not."""
        job = string(reply.payload.get("jobid"), 64)
        if not job:
            return ""
        result = await follow_job(self._client, self._journal, command, job, reply, poll_s=self._poll_s)
        return "" if result.status is JobStatus.SUCCEEDED else f"{result.text} (try `testbed down` again)"

    async def _key(self) -> list[str]:
        try:
            await self._client.exchange("deleteSSHKeyPair", {"name": self._bed.spec.network_name})
        except CloudStackError as error:
            if not error.error_code and not error.http_status:
                raise
            return [f"SSH key pair {self._bed.spec.network_name}: {error}"]
        if "key" in self._bed.steps:
            self._ledger.note("key", Progress.GONE)
        self._tell(f"SSH key pair {self._bed.spec.network_name}")
        return []

    def _gone(self, kind: str, identity: str) -> None:
        key = self._bed.ids(kind).get(identity)
        if key is not None:
            self._ledger.note(key, Progress.GONE)
