# SPDX-License-Identifier: Apache-2.0
"""What happened: jobs, events, alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csworkbench.lab.api.errors import PARAMETER, ApiError, denied
from csworkbench.lab.api.listing import Row, has_keyword, matches, owned_by, reply, row, stamp
from csworkbench.lab.api.registry import ACCOUNT, Arguments, Param, command, uuid_filter
from csworkbench.lab.events import Alert, Event
from csworkbench.lab.jobs import Job, Status
from csworkbench.lab.sessions import current

if TYPE_CHECKING:
    from csworkbench.lab.management import Management

_STATES = frozenset({"Created", "Scheduled", "Started", "Completed"})


@command(
    "queryAsyncJobResult", "Retrieves the current status of asynchronous job.", Param("jobid", "uuid", required=True)
)
async def query_async_job_result(server: Management, arguments: Arguments) -> dict[str, Any]:
    """One job; 431 when there is none with that id."""
    job = server.jobs.find(arguments["jobid"])
    if job is None:
        raise ApiError(
            PARAMETER,
            "Unable to execute API command queryasyncjobresult due to invalid value. Invalid parameter jobid "
            f"value={arguments['jobid']} due to incorrect long value format, or entity does not exist or due to "
            "incorrect parameter annotation for the field in api cmd class.",
        )
    if not current().may_use(job.caller):
        raise denied(f"Acct[{current().account_id}-{current().account}] does not have permission to operate with job")
    return _job_row(server, job)


@command(
    "listAsyncJobs",
    "Lists all pending asynchronous jobs for the account.",
    Param("startdate", "date"),
    Param("managementserverid", "uuid", since=(4, 19), entity="server"),
    *ACCOUNT,
)
async def list_async_jobs(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Pending jobs; `keyword` matches the class name."""
    jobs = [job for job in server.jobs.pending() if owned_by(server, arguments, job.caller.account)]
    if "startdate" in arguments:
        jobs = [job for job in jobs if job.created >= arguments["startdate"]]
    rows = [_job_row(server, job) for job in jobs]
    return reply("asyncjobs", [item for item in rows if has_keyword(item, arguments, ("cmd",))], arguments)


def _job_row(server: Management, job: Job) -> Row:
    profile, fixed = server.profile, server.fixtures
    running = job.status is Status.PENDING
    manager: str | None = None
    if running and profile.has(4, 19):
        manager = fixed.server if profile.has(4, 21) else "2130706433"
    return row(
        accountid=job.caller.account_id,
        account=job.caller.account if profile.has(4, 19) else None,
        domainid=job.caller.domain.id if profile.has(4, 19) else None,
        domainpath=job.caller.domain.path if profile.has(4, 19) else None,
        userid=job.caller.user_id,
        cmd=job.command,
        jobstatus=int(job.status),
        jobprocstatus=0,
        jobresultcode=job.code,
        jobresulttype="object" if job.result is not None else None,
        jobresult=job.result,
        jobinstancetype=job.instance_type,
        jobinstanceid=job.instance_id,
        managementserverid=manager,
        managementservername="mgmt-01" if manager and profile.has(4, 21) else None,
        created=stamp(job.created),
        completed=stamp(job.completed) if job.completed and profile.has(4, 12) else None,
        jobid=job.id,
    )


@command(
    "listEvents",
    "A command to list events.",
    uuid_filter("event"),
    Param("type"),
    Param("level"),
    Param("startdate", "date"),
    Param("enddate", "date"),
    Param("duration", "integer"),
    Param("entrytime", "integer"),
    Param("startid", "uuid", since=(4, 11), entity="event"),
    Param("resourceid", since=(4, 17)),
    Param("resourcetype", since=(4, 17)),
    Param("archived", "boolean", since=(4, 19)),
    Param("state", since=(4, 21)),
    *ACCOUNT,
)
async def list_events(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Newest first."""
    _check_event_filters(arguments)
    if "duration" in arguments and "entrytime" in arguments:
        return {}  # what the real server returns, always
    chosen = [
        event
        for event in reversed(server.log.events)
        if owned_by(server, arguments, event.account) and _in_question(event, arguments)
    ]
    names = ("id", "type", "level", "state")
    rows = [_event_row(server, event) for event in chosen]
    kept = [
        item
        for item in rows
        if matches(item, arguments, names) and has_keyword(item, arguments, ("type", "description", "level"))
    ]
    return reply("event", kept, arguments)


def _check_event_filters(arguments: Arguments) -> None:
    if ("resourceid" in arguments) != ("resourcetype" in arguments):
        raise ApiError(PARAMETER, "Both resource id and resource type should be specified")
    if "state" in arguments and arguments["state"] not in _STATES:
        raise ApiError(PARAMETER, f"Invalid event state: {arguments['state']}")


def _in_question(event: Event, arguments: Arguments) -> bool:
    start = arguments.get("startid")
    if start is not None and start not in (event.id, event.start_id):
        return False
    if "startdate" in arguments and event.created < arguments["startdate"]:
        return False
    if "enddate" in arguments and event.created > arguments["enddate"]:
        return False
    if arguments.get("archived", False):
        return False  # this log archives nothing
    if "resourceid" in arguments:
        wanted = (arguments["resourceid"], str(arguments["resourcetype"]).lower())
        return event.resource is not None and (event.resource[0], event.resource[1].lower()) == wanted
    return True


def _event_row(server: Management, event: Event) -> Row:
    owner = server.accounts.named(event.account)
    resource = event.resource if event.resource is not None and server.profile.has(4, 17) else (None, None, None)
    return row(
        id=event.id,
        username=event.user,
        type=event.type,
        level=event.level,
        description=event.description,
        account=event.account,
        domainid=owner.domain.id,
        domain=owner.domain.name,
        resourceid=resource[0],
        resourcetype=resource[1],
        resourcename=resource[2],
        created=stamp(event.created),
        state=event.state,
        parentid=event.start_id,
    )


@command("listAlerts", "Lists all alerts.", uuid_filter("alert"), Param("type"), Param("name"))
async def list_alerts(server: Management, arguments: Arguments) -> dict[str, Any]:
    """Newest first; `type` is a number."""
    rows = [_alert_row(alert) for alert in reversed(server.log.alerts)]
    asked = {**arguments, "type": int(arguments["type"])} if str(arguments.get("type", "")).isdigit() else arguments
    kept = [
        item
        for item in rows
        if matches(item, asked, ("id", "type", "name")) and has_keyword(item, arguments, ("description",))
    ]
    return reply("alert", kept, arguments)


def _alert_row(alert: Alert) -> Row:
    return row(id=alert.id, type=alert.type, name=alert.name, description=alert.description, sent=stamp(alert.sent))
