# SPDX-License-Identifier: Apache-2.0
"""Looking into a router: what was asked of it and what its tools said, as lines. All of it is a stranger's text."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from csworkbench.cloudstack.diagnostics import Answer, DiagnosticsTarget, Kind, Question, question
from csworkbench.cloudstack.download import Download
from csworkbench.cloudstack.errors import CloudStackError
from csworkbench.model.fleet import SystemVm
from csworkbench.upgrade.served import name_of

from .guide import Line
from .runs import LibraryError, megabytes
from .text import clean
from .times import span

LINES_SHOWN = 400  # of one answer
WIDEST_LINE = 400  # characters
KEPT = 50  # exchanges
HINT = "an address or a name; then count=10 and interface=eth2 if need be"


class NotAsked(Exception):
    """The cloud did not answer, or it cannot be asked; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class Offers:
    """Why the server or the role does not offer the two commands, in words; empty where they do."""

    run: str = ""
    collect: str = ""


@runtime_checkable
class Diagnoser(Protocol):
    """Looks into system VMs; composed by the command line, which knows the API. All methods raise NotAsked."""

    async def offers(self) -> Offers:
        """What can be asked here."""
        ...

    async def ask(self, target: DiagnosticsTarget, asked: Question) -> Answer:
        """Run a tool in the VM."""
        ...

    async def collect(self, target: DiagnosticsTarget, folder: Path) -> Download:
        """Have the archive of its logs made, and fetch it."""
        ...


@dataclass(slots=True)
class Exchange:
    """One question with its answer, or why there is none. `began_ns`, `ended_ns`: on any one clock."""

    words: str
    began_ns: int
    ended_ns: int = 0
    answer: Answer | None = None
    fetched: Download | None = None
    problem: str = ""

    @property
    def going(self) -> bool:
        """True while nothing has come back."""
        return not self.ended_ns


@dataclass(slots=True)
class Talk:
    """All exchanges with one VM, oldest first."""

    target: DiagnosticsTarget
    exchanges: list[Exchange] = field(default_factory=list)
    last_address: str = ""

    def begin(self, words: str, now_ns: int) -> Exchange:
        """A new one."""
        found = Exchange(words, now_ns)
        self.exchanges = [*self.exchanges, found][-KEPT:]
        return found

    @property
    def going(self) -> Exchange | None:
        """The one that has not been answered yet."""
        return next((e for e in self.exchanges if e.going), None)


def target_of(vm: SystemVm) -> DiagnosticsTarget:
    """A system VM of the cloud screen, as the API knows it."""
    return DiagnosticsTarget(vm.id, vm.name, str(vm.kind), vm.state)


def parsed(kind: Kind, text: str) -> Question:
    """`192.0.2.1 count=10 interface=eth2` as a question of that kind. Raises NotAsked."""
    address, *more = text.split() or [""]
    count: int | None = None
    interface = ""
    for word in more:
        name, equals, value = word.partition("=")
        if name == "count" and value.isascii() and value.isdigit() and len(value) < 5:
            count = int(value)
        elif name == "interface" and equals:
            interface = value
        else:
            raise NotAsked(f"{clean(word, 40)!r} is neither count=NUMBER nor interface=NAME")
    try:
        return question(str(kind), address, count=count, interface=interface)
    except CloudStackError as error:
        raise NotAsked(str(error)) from None


def head(talk: Talk, vm: SystemVm, *, cloud: str) -> Line:
    """Which VM of which cloud."""
    serves = clean(name_of(vm), 60)
    return (
        (" csworkbench ", "b $primary"), (f" {clean(talk.target.name, 60)} ", "b"),
        (f" {vm.kind}{f' of {serves}' if serves else ''}, {clean(vm.state, 20)}   {clean(cloud, 40)}", "$muted"),
    )  # fmt: skip


def lines(talk: Talk, offers: Offers | None, now_ns: int) -> list[Line]:
    """What can be asked, then all that was, the newest last."""
    found: list[Line] = []
    if offers is None:
        found.append((("asking what this server offers", "$accent"),))
    else:
        found += [((f"Nothing can be run in it: {clean(offers.run)}", "$warning"),)] if offers.run else []
        found += [((f"Its logs cannot be fetched: {clean(offers.collect)}", "$warning"),)] if offers.collect else []
        if not talk.exchanges and not offers.run:
            keys = (("p", " ping   "), ("a", " arping   "), ("t", " traceroute   "), ("c", " its logs"))
            shown = (part for key, word in keys for part in ((f" {key} ", "key"), (word, "")))
            found.append((("Runs inside the VM:  ", ""), *shown))
            found.append((("A check of what it reaches. Downtime is measured by probes, not by this.", "$muted"),))
    for exchange in talk.exchanges:
        found += [(), *_exchange(exchange, now_ns)]
    return found


def _exchange(e: Exchange, now_ns: int) -> list[Line]:
    took = span((now_ns if e.going else e.ended_ns) - e.began_ns)
    title: Line = ((f"$ {clean(e.words, 300)}", "b $primary"), (f"   {took}", "$muted"))
    if e.going:
        return [title, (("waiting for the job", "$accent"),)]
    if e.problem:
        return [title, ((f"× {clean(e.problem, 1_000)}", "$error"),)]
    if e.fetched is not None:
        size = f"{megabytes(e.fetched.size)}  sha256 {clean(e.fetched.sha256, 64)}"
        return [title, ((clean(str(e.fetched.path), 1_000), "b"),), ((size, "$muted"),)]
    return [title, *_answer(e.answer)] if e.answer is not None else [title]


def _answer(answer: Answer) -> list[Line]:
    found: list[Line] = [((_plain(text), ""),) for text in _rows(answer.stdout)]
    found += [((_plain(text), "$warning"),) for text in _rows(answer.stderr)]
    if answer.cut or len(answer.stdout.splitlines()) > LINES_SHOWN:
        found.append((("the output was longer and is cut here", "$warning"),))
    code = answer.exit_code
    if code is None:
        return [*found, (("no exit code was told", "$muted"),)]
    if code < 0:
        return [*found, (("it could not be run", "b $error"),)]
    return [*found, ((f"exit code {code}", "$success" if code == 0 else "b $warning"),)]


def _rows(text: str) -> list[str]:
    return text.splitlines()[:LINES_SHOWN]


def _plain(line: str) -> str:
    """One line with its columns kept, and nothing that a terminal would obey."""
    return " ".join(clean(part, WIDEST_LINE) for part in line[:WIDEST_LINE].split(" "))


def file_name(name: str) -> str:
    """A VM's name as part of a file's."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)[:60] or "vm"


def keep(path: Path, text: str) -> str:
    """Write a text to a file that is not there yet, readable by its owner only. Raises LibraryError."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise LibraryError(f"{path} is there already; choose another name") from None
    except OSError as error:
        raise LibraryError(f"{path}: {error.strerror or error}") from None
    return str(path)
