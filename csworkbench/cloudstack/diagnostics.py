# SPDX-License-Identifier: Apache-2.0
"""runDiagnostics (4.12+): ping, arping and traceroute run inside a router or a system VM (cloudstack-api.md 3.8)."""

import asyncio
import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

from csworkbench.model.event import JobStatus
from csworkbench.model.protocols import Journal

from .client import Client, Value
from .discovery import Capabilities
from .envelope import Row, string
from .errors import BadParameter, BadReply, BadTarget, CloudStackError, Unsupported
from .jobs import JobResult, follow_job
from .text import one_line, plain_text

RUN = "runDiagnostics"
DATA = "getDiagnosticsData"
JOB_LIMIT_S = 120.0
OUTPUT_CHARS = 64_000
MOST_COUNT = 60

_SIX_SINCE = (4, 17)
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?", re.ASCII)
_INTERFACE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,14}", re.ASCII)
_EXIT_CODE = re.compile(r"-?[0-9]{1,9}", re.ASCII)
_LISTS = (
    ("listRouters", "router", "router"),
    ("listSystemVms", "systemvm", "system VM"),
    ("listInternalLoadBalancerVMs", "internalloadbalancervm", "internal load balancer VM"),
)
_ADMIN = "Only a root admin may: use an administrator's key or login."


class Kind(StrEnum):
    """What is run; the two for IPv6 came with 4.17."""

    PING = "ping"
    ARPING = "arping"
    TRACEROUTE = "traceroute"
    PING6 = "ping6"
    TRACEROUTE6 = "traceroute6"


_SIX = {Kind.PING: Kind.PING6, Kind.TRACEROUTE: Kind.TRACEROUTE6}
_OF_SIX = (Kind.PING6, Kind.TRACEROUTE6)


@dataclass(frozen=True, slots=True)
class DiagnosticsTarget:
    """A router or system VM. `kind` is a word for people."""

    id: str
    name: str
    kind: str
    state: str


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to run. `count`: packets, or hops of a traceroute; `interface`: inside the VM, e.g. eth2."""

    kind: Kind
    address: str
    count: int = 4
    interface: str = ""

    @property
    def words(self) -> str:
        """As a command line."""
        return " ".join([str(self.kind), *self.params.split(), self.address])

    @property
    def params(self) -> str:
        """Its `params`."""
        hops = self.kind in (Kind.TRACEROUTE, Kind.TRACEROUTE6)
        option = ("-i" if hops else "-I", self.interface) if self.interface else ()
        return " ".join(("-m" if hops else "-c", str(self.count), *option))


@dataclass(frozen=True, slots=True)
class Answer:
    """What the tool said, without control characters. `exit_code` -1: it could not be run; None: not told.

    `cut`: there was more text than is kept.
    """

    stdout: str
    stderr: str
    exit_code: int | None
    cut: bool = False


def question(kind: str, address: str, *, count: int | None = None, interface: str = "") -> Question:
    """A checked Question; an IPv6 address takes the IPv6 form of the tool. Raises BadParameter."""
    try:
        chosen = Kind(kind.strip().lower())
    except ValueError:
        raise _bad(f"{one_line(kind, 40)!r} is no diagnostic", f"Write one of {', '.join(Kind)}.") from None
    chosen, wanted = _for_address(chosen, address.strip())
    hops = chosen in (Kind.TRACEROUTE, Kind.TRACEROUTE6)
    number = (20 if hops else 4) if count is None else count
    if not 1 <= number <= MOST_COUNT:
        raise _bad(f"the count is {number}", f"Give 1 to {MOST_COUNT}.")
    if interface and not _INTERFACE.fullmatch(interface):
        raise _bad(f"{one_line(interface, 40)!r} is no interface", "Write its name in the VM, e.g. eth2.")
    return Question(chosen, wanted, number, interface)


def why_not(capabilities: Capabilities, command: str = RUN, kind: Kind | None = None) -> str:
    """Why this server or this role does not offer it, in words; empty when it does."""
    since = {RUN: (4, 12), DATA: (4, 14)}[command]
    if not capabilities.has(command):
        if capabilities.at_least(*since) is False:
            return f"CloudStack {capabilities.version} has no {command}: it came with {since[0]}.{since[1]}"
        return f"this account may not call {command}: only a root admin may"
    if kind in _OF_SIX and capabilities.at_least(*_SIX_SINCE) is False:
        return f"CloudStack {capabilities.version} has no {kind}: it came with 4.17"
    return ""


async def find_target(client: Client, name_or_id: str) -> DiagnosticsTarget:
    """The router or system VM of that name or id. Raises BadTarget, Unsupported or another CloudStackError."""
    wanted, names = name_or_id.strip(), []
    capabilities = await client.capabilities()
    if not any(capabilities.has(command) for command, _, _ in _LISTS):
        raise Unsupported(_LISTS[0][0], "this account sees no routers and no system VMs", hint=_ADMIN)
    for command, object_key, noun in _LISTS:
        if not capabilities.has(command):
            continue
        for row in await _rows(client, command, object_key):
            if wanted in (string(row.get("id")), string(row.get("name"))):
                state = one_line(row.get("state", ""), 32)
                return DiagnosticsTarget(string(row.get("id"), 64), one_line(row.get("name"), 60), noun, state)
            names.append(one_line(row.get("name"), 60))
    hint = f"There are {', '.join(sorted(set(names))[:8])}." if names else "This account sees none."
    raise BadTarget(RUN, f"no router or system VM is called {one_line(wanted, 60)}", hint=hint)


async def run_diagnostics(
    client: Client, journal: Journal, target_id: str, asked: Question, *, limit_s: float = JOB_LIMIT_S
) -> Answer:
    """Run it in the VM and wait for its job. Raises CloudStackError.

    An answer with another exit code than 0 is an answer, e.g. of a ping that is not answered.
    """
    await require_diagnostics(client, RUN, asked.kind)
    params: dict[str, Value] = {"targetid": target_id, "ipaddress": asked.address, "type": str(asked.kind)}
    found = await job_object(client, journal, RUN, params | {"params": asked.params}, limit_s)
    return read_answer(found)


async def require_diagnostics(client: Client, command: str, kind: Kind | None = None) -> None:
    """Raises Unsupported, in words, when the server or the role does not offer the command."""
    if why := why_not(await client.capabilities(), command, kind):
        raise Unsupported(command, why, hint="Look into the VM by SSH from its host instead.")


async def job_object(client: Client, journal: Journal, command: str, params: dict[str, Value], limit_s: float) -> Row:
    """The `diagnostics` object of that command's job. Raises CloudStackError, also when it takes too long."""
    try:
        async with asyncio.timeout(limit_s):
            reply = await client.exchange(command, params)
            job = string(reply.payload.get("jobid"), 64)
            if not job:
                raise BadReply(command, "the reply names no job")
            result = await follow_job(client, journal, command, job, reply, outage_limit_s=limit_s)
    except TimeoutError:
        text = f"no result within {limit_s:.0f} s"
        raise CloudStackError(command, text, hint="Its job goes on in CloudStack; try again later.") from None
    return _object(result)


def read_answer(found: Row) -> Answer:
    """The tool's output in a `diagnostics` object: bounded, and fit for a terminal."""
    texts = [string(found.get(name), OUTPUT_CHARS + 1) for name in ("stdout", "stderr")]
    code = string(found.get("exitcode"), 12).strip()
    return Answer(
        stdout=plain_text(texts[0], OUTPUT_CHARS),
        stderr=plain_text(texts[1], OUTPUT_CHARS),
        exit_code=int(code) if _EXIT_CODE.fullmatch(code) else None,
        cut=any(len(text) > OUTPUT_CHARS for text in texts),
    )


def _object(result: JobResult) -> Row:
    if result.status is not JobStatus.SUCCEEDED:
        raise CloudStackError(result.command, f"the job {result.status}: {result.text}", error_code=result.error_code)
    found = result.object.get("diagnostics")
    if not isinstance(found, dict):
        raise BadReply(result.command, "the job's result holds no diagnostics")
    return found


async def _rows(client: Client, command: str, object_key: str) -> list[Row]:
    found = await client.list_all(command, object_key)
    if command == "listSystemVms":
        return found
    return found + await client.list_all(command, object_key, projectid="-1")


def _for_address(kind: Kind, address: str) -> tuple[Kind, str]:
    """The form of the tool for that address, and the address as it is sent. Raises BadParameter."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        if not _HOST_NAME.fullmatch(address):
            raise _bad(f"{one_line(address, 60)!r} is no address", "Write an IP address or a host name.") from None
        return kind, address
    if found.version == 4 and kind in _OF_SIX:
        raise _bad(f"{kind} of the IPv4 address {found}", f"Use {str(kind).removesuffix('6')}.")
    if found.version == 6 and kind is Kind.ARPING:
        raise _bad(f"arping of the IPv6 address {found}", "ARP is IPv4 only: use ping.")
    return (_SIX.get(kind, kind) if found.version == 6 else kind), str(found)


def _bad(text: str, hint: str) -> BadParameter:
    return BadParameter(RUN, text, hint=hint)
