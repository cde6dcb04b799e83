# SPDX-License-Identifier: Apache-2.0
"""Autoscale counters and conditions: the commands that CloudStack itself answers with 536 (resource in use)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import RESOURCE_IN_USE, ApiError, invalid_value
from csworkbench.lab.api.listing import Row, has_keyword, matches, owned_by, reply, row
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.conditions import Condition, Counter
from csworkbench.lab.sessions import current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_OPERATORS = frozenset({"EQ", "GT", "GE", "LT", "LE"})
_JAVA = "org.apache.cloudstack.api.command"


@command(
    "listCounters", "List the counters for VM auto scaling", uuid_filter("counter"), Param("name"), Param("source")
)
async def list_counters(server: Management, arguments: Arguments) -> dict[str, Any]:
    """What can be measured."""
    items = [_counter_row(counter) for counter in server.conditions.counters.values()]
    kept = [item for item in items if matches(item, arguments, ("id", "name", "source"))]
    return reply("counter", [item for item in kept if has_keyword(item, arguments)], arguments)


def _counter_row(counter: Counter) -> Row:
    return row(id=counter.id, name=counter.name, source=counter.source, value=counter.value, provider="VIRTUALROUTER")


@command(
    "listConditions",
    "List Conditions for VM auto scaling",
    uuid_filter("condition"),
    Param("counterid", "uuid", entity="counter"),
    *ACCOUNT,
)
async def list_conditions(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Thresholds on counters."""
    known = server.conditions.conditions.values()
    items = [_condition_row(item) for item in known if owned_by(server, arguments, item.owner.account)]
    return reply("condition", [item for item in items if matches(item, arguments, ("id", "counterid"))], arguments)


def _condition_row(condition: Condition) -> Row:
    owner, counter = condition.owner, condition.counter
    return row(
        id=condition.id,
        counterid=counter.id,
        countername=counter.name,
        relationaloperator=condition.operator,
        threshold=condition.threshold,
        account=owner.account,
        domainid=owner.domain.id,
        domain=owner.domain.name,
    )


@command(
    "createCondition",
    "Creates a condition for VM auto scaling",
    Param("counterid", "uuid", required=True, entity="counter"),
    Param("relationaloperator", required=True),
    Param("threshold", "long", required=True),
    is_async=True,
)
async def create_condition(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The row exists when this comes back."""
    operator = str(arguments["relationaloperator"]).upper()
    if operator not in _OPERATORS:
        raise invalid_value(f"The Operator {operator} does not exist; Unable to create Condition")
    counter = server.conditions.counters[arguments["counterid"]]
    condition = Condition(server.new_id(), counter, operator, arguments["threshold"], current())
    server.conditions.conditions[condition.id] = condition

    async def work() -> Row:
        return {"condition": _condition_row(condition)}

    return {"id": condition.id, **_accept(server, "user.autoscale.CreateConditionCmd", "Condition", condition.id, work)}


@command(
    "deleteCondition",
    "Removes a condition for VM auto scaling",
    Param("id", "uuid", required=True, entity="condition"),
    is_async=True,
)
async def delete_condition(server: Management, arguments: Arguments) -> dict[str, Any]:
    """No policy can use it here."""

    async def work() -> Row:
        server.conditions.conditions.pop(arguments["id"], None)
        return {"success": True}

    return _accept(server, "user.autoscale.DeleteConditionCmd", "Condition", arguments["id"], work)


@command(
    "deleteCounter",
    "Deletes a counter for VM auto scaling",
    Param("id", "uuid", required=True, entity="counter"),
    is_async=True,
)
async def delete_counter(server: Management, arguments: Arguments) -> dict[str, Any]:
    """The job fails with 536 while a condition is on it."""
    counter = server.conditions.counters[arguments["id"]]

    async def work() -> Row:
        if server.conditions.uses(counter):
            raise ApiError(RESOURCE_IN_USE, "Counter is in use.")
        server.conditions.counters.pop(counter.id, None)
        return {"success": True}

    return _accept(server, "admin.autoscale.DeleteCounterCmd", "Counter", counter.id, work)


def _accept(
    server: Management, java_class: str, kind: str, identity: str, work: Callable[[], Awaitable[Row]]
) -> dict[str, Any]:
    return {"jobid": server.jobs.submit(f"{_JAVA}.{java_class}", (kind, identity), work).id}
