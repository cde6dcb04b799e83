# SPDX-License-Identifier: Apache-2.0
"""Following one asynchronous job to its end (cloudstack-api.md 2, measurement.md S9)."""

from dataclasses import dataclass, field

from csworkbench.model.event import JobChanged, JobStatus, Level, Notice
from csworkbench.model.protocols import Journal

from .client import Client
from .envelope import Row, flag, number
from .errors import BadParameter, BadReply, CloudStackError, Internal, worth_retrying
from .text import one_line
from .transport import Reply

POLL_S = 0.25
POLL_TIMEOUT_S = 10.0
OUTAGE_LIMIT_S = 1_800.0  # an upgrade keeps the API away for minutes
REFUSAL_LIMIT_S = 30.0  # a server that answers, but refuses, e.g. while it boots
MAX_DELAY_S = 2.0

_NO_REASON = (
    "the management server was stopped or restarted while the job ran, and left no result; "
    "the work may still go on or be finished: check the routers"
)
_BLOCKED = "the job waited too long in its queue and was removed; check the routers, then try again"


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended. `object` is the whole jobresult, empty when there is none; `text` is one line."""

    job: str
    command: str
    status: JobStatus
    error_code: int = 0
    text: str = ""
    object: Row = field(default_factory=dict)
    overdue: bool = False


def read_job(job: str, command: str, payload: Row) -> JobResult | None:
    """The result in a reply to queryAsyncJobResult; None while the job is pending. Raises BadReply.

    The `success` flag of a jobresult counts as well as the status; a missing jobresult is explained (2.2).
    """
    if "jobstatus" not in payload:
        raise BadReply("queryAsyncJobResult", "the reply has no jobstatus")
    code, result = number(payload["jobstatus"]), payload.get("jobresult")
    if code <= 0:
        return None
    found: Row = result if isinstance(result, dict) else {}
    error_code = number(found.get("errorcode")) or number(payload.get("jobresultcode"))
    said = found.get("errortext") or found.get("details") or found.get("displaytext") or ""
    text = one_line(result if isinstance(result, str) else said)
    refused = "success" in found and not flag(found["success"])
    if code == 1 and not refused:
        return JobResult(job, command, JobStatus.SUCCEEDED, error_code, text, found)
    if code == 3:
        return JobResult(job, command, JobStatus.CANCELLED, error_code, text or "cancelled on the server", found)
    if not text and not found:
        text = _NO_REASON if error_code else _BLOCKED
    return JobResult(job, command, JobStatus.FAILED, error_code, text or "no reason given", found)


async def follow_job(
    client: Client,
    journal: Journal,
    command: str,
    job: str,
    submitted: Reply,
    *,
    poll_s: float = POLL_S,
    outage_limit_s: float = OUTAGE_LIMIT_S,
    announce: bool = True,
    since_ns: int | None = None,
) -> JobResult:
    """Poll until the job has ended, through restarts of the management server. Raises nothing for a failed job.

    Each JobChanged has the bracket [request of the last poll with the old state sent, first reply with the new state
    arrived], so the change lies within it. `submitted` is the reply that gave the job's id (of a job that
    was followed before: the last one that found it pending; `since_ns` is when it was sent). The result is LOST when
    the server no longer knows the job, gave no answer for `outage_limit_s`, or refused ours for 30 s; and when the job
    has not ended `job_limit_s` (of the client's surroundings) after it was submitted: then it is `overdue`.
    """
    follower = _Follower(client, journal, (command, job), submitted.sent_ns, outage_limit_s)
    if announce:
        follower.write(JobStatus.SUBMITTED, submitted.received_ns)
    seen_pending = not announce
    give_up_ns = (submitted.sent_ns if since_ns is None else since_ns) + int(client.around.job_limit_s * 1e9)
    while True:
        if client.around.clock_ns() >= give_up_ns:
            text = (
                f"job {job} has not ended after {client.around.job_limit_s:g} s (`phases.job_limit`), and nobody waits"
                f" for it any more: its end is unknown. `cmk query asyncjobresult jobid={job}` tells its state"
            )
            return follower.end(JobResult(job, command, JobStatus.LOST, 0, text, overdue=True))
        try:
            reply = await client.exchange("queryAsyncJobResult", {"jobid": job}, retry=False, timeout_s=POLL_TIMEOUT_S)
            result = read_job(job, command, reply.payload)
        except BadParameter as error:
            return follower.end(JobResult(job, command, JobStatus.LOST, error.error_code, _lost(error.text)))
        except CloudStackError as error:
            delay = follower.trouble(error)
            if delay is None:
                return follower.end(JobResult(job, command, JobStatus.LOST, error.error_code, _lost(str(error))))
            await client.around.sleep(delay)
            continue
        follower.answered()
        if result is not None:
            return follower.end(result, reply.received_ns)
        if not seen_pending:
            follower.write(JobStatus.PENDING, reply.received_ns)
            seen_pending = True
        follower.last_old_ns = reply.sent_ns
        wait_s = poll_s - (client.around.clock_ns() - reply.sent_ns) / 1e9
        if wait_s > 0:
            await client.around.sleep(wait_s)


def _lost(why: str) -> str:
    return one_line(f"the job's end is unknown; check the routers. Last word: {why}")


class _Follower:
    def __init__(
        self, client: Client, journal: Journal, names: tuple[str, str], last_old_ns: int, outage_limit_s: float
    ) -> None:
        self.last_old_ns = last_old_ns
        self._around = client.around
        self._journal = journal
        self._command, self._job = names
        self._outage_limit_s = outage_limit_s
        self._trouble_since_ns: int | None = None
        self._delay_s = POLL_S

    def write(self, status: JobStatus, first_new_ns: int, error_code: int = 0, text: str = "") -> None:
        self._journal.write(
            JobChanged(self._job, self._command, status, self.last_old_ns, first_new_ns, error_code, text)
        )

    def end(self, result: JobResult, first_new_ns: int | None = None) -> JobResult:
        arrived = self._around.clock_ns() if first_new_ns is None else first_new_ns
        self.write(result.status, arrived, result.error_code, result.text)
        return result

    def trouble(self, error: CloudStackError) -> float | None:
        """Seconds until the next try, or None when patience is at its end."""
        now = self._around.clock_ns()
        if self._trouble_since_ns is None:
            self._trouble_since_ns = now
            text = f"job {self._job} cannot be asked for; it goes on, and so do we. {error}"
            self._journal.write(Notice(Level.WARN, one_line(text, 400)))
        away = worth_retrying(error) or isinstance(error, BadReply | Internal) or error.http_status == 0
        limit_s = self._outage_limit_s if away else min(REFUSAL_LIMIT_S, self._outage_limit_s)
        if (now - self._trouble_since_ns) / 1e9 >= limit_s:
            return None
        delay = self._delay_s * (0.75 + 0.5 * self._around.jitter())
        self._delay_s = min(2 * self._delay_s, MAX_DELAY_S)
        return delay

    def answered(self) -> None:
        if self._trouble_since_ns is not None:
            away_s = (self._around.clock_ns() - self._trouble_since_ns) / 1e9
            self._journal.write(Notice(Level.INFO, f"job {self._job} is followed again after {away_s:.1f} s"))
        self._trouble_since_ns = None
        self._delay_s = POLL_S
