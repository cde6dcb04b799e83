# SPDX-License-Identifier: Apache-2.0
"""What the rule commands share: their events, their jobs, and a real configuration run on the network's routers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import INTERNAL, RESOURCE_UNAVAILABLE, ApiError
from csworkbench.lab.events import EventFamily
from csworkbench.lab.hosts import LabError
from csworkbench.lab.records import Served
from csworkbench.lab.rules import Stage

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

RULE_CONFLICT = 537
_CONFLICT_CODE = 4360
_OFF = frozenset({"Stopped", "Stopping"})
_PACKAGE = "org.apache.cloudstack.api.command.user"


@dataclass(frozen=True, slots=True)
class Operation:
    """A command as it shows in events and jobs: event type, what is done, the Java class below `_PACKAGE`."""

    kind: str
    doing: str
    java_class: str
    instance_type: str

    def resource(self, identity: str, name: str = "") -> tuple[str, str, str]:
        """What an event of it is about."""
        return (identity, self.instance_type, name)


def conflict(text: str) -> ApiError:
    """A rule that contradicts one that is there."""
    return ApiError(RULE_CONFLICT, text, _CONFLICT_CODE)


async def program(server: Management, served: Served, *stages: Stage) -> None:
    """Run these files on every router of it that is up. Raises ApiError 534 (starting, outdated) or 530.

    A router that is off gets everything when it starts.
    """
    for router in [router for router in served.routers if router.state not in _OFF]:
        if router.state != "Running":
            text = "virtual router is not in the right state"
            raise ApiError(RESOURCE_UNAVAILABLE, f"Unable to apply rules on virtual router {router.name}, as {text}")
        if server.settings.refuses(router):
            raise ApiError(RESOURCE_UNAVAILABLE, "Unable to send command. Router requires upgrade")
        try:
            await server.orchestrator.machine(router).apply(*stages)
        except LabError as error:
            raise ApiError(INTERNAL, f"Failed to apply rules: {error}") from error


async def program_or_undo(server: Management, served: Served, *stages: Stage, undo: Callable[[], None]) -> None:
    """Program; when that fails, put the rows back as they were before and raise what it raised."""
    try:
        await program(server, served, *stages)
    except ApiError:
        undo()
        raise


async def narrated(
    family: EventFamily, operation: Operation, work: Callable[[], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Do the work between its Started and Completed events. Raises what it raises."""
    family.add(operation.kind, "Started", operation.doing)
    try:
        result = await work()
    except ApiError:
        family.add(operation.kind, "Completed", f"Error while {operation.doing}", level="ERROR")
        raise
    family.add(operation.kind, "Completed", f"Successfully completed {operation.doing}")
    return result


def accept(
    server: Management,
    served: Served,
    operation: Operation,
    identity: str,
    work: Callable[[], Awaitable[dict[str, Any]]],
    *,
    created: bool = False,
) -> dict[str, Any]:
    """The reply of an async command; its job waits for others of that network or VPC. `created`: with the row's id."""
    family = server.begin(operation.kind, operation.doing, operation.resource(identity))
    if created:
        family = _created(server, family, operation)
    job = server.jobs.submit(
        f"{_PACKAGE}.{operation.java_class}",
        (operation.instance_type, identity),
        lambda: narrated(family, operation, work),
        queue=f"network {served.id}",
    )
    return {"id": identity, "jobid": job.id} if created else {"jobid": job.id}


def _created(server: Management, family: EventFamily, operation: Operation) -> EventFamily:
    """An async create writes `Created` before `Scheduled`, and that event is the parent of all."""
    events = server.log.events
    scheduled = events.pop()
    text = f"Successfully created entity for {operation.doing}"
    first = replace(scheduled, state="Created", description=text)
    events.append(first)
    family = replace(family, first=first, parent=first.id)
    family.add(operation.kind, "Scheduled", operation.doing)
    return family
