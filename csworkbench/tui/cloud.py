# SPDX-License-Identifier: Apache-2.0
"""A cloud's system VMs as rows to browse: their columns. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from csworkbench.upgrade.facts import Facts, Finding
from csworkbench.upgrade.needs import Assessment, Need
from csworkbench.upgrade.preflight import preflight, target_of
from csworkbench.upgrade.served import name_of

from .listing import Column, Listing, number_key

SHORT_NEED = {
    Need.TEMPLATE: "new template",
    Need.SCRIPTS: "new scripts",
    Need.UNKNOWN: "cannot tell",
    Need.CURRENT: "current",
}
STYLES = {Need.TEMPLATE: "urgent", Need.SCRIPTS: "warn", Need.UNKNOWN: "unknown", Need.CURRENT: "good"}


@dataclass(frozen=True, slots=True)
class CloudView:
    """One reading of a cloud: its system VMs judged, and the checks before a change."""

    facts: Facts
    needs: tuple[Assessment, ...]
    findings: tuple[Finding, ...]

    def checks_of(self, assessment: Assessment) -> tuple[Finding, ...]:
        """The checks before the operation on one system VM."""
        target = target_of(assessment)
        return self.findings if target is None else preflight(Facts(self.facts.fleet, target))


class CloudSource(Protocol):
    """Reads a cloud; composed by the command line, which knows the API."""

    @property
    def name(self) -> str:
        """The cloud's name."""
        ...

    async def read(self, progress: Callable[[str], None]) -> CloudView:
        """Read it anew, telling how far it is. Raises CloudLost."""
        ...


class CloudLost(Exception):
    """The cloud could not be read; the message is one line for people."""


def _version(a: Assessment) -> str:
    return a.vm.version or a.vm.agent_version or a.vm.software_version or "?"


COLUMNS: tuple[Column[Assessment], ...] = (
    Column("name", lambda a: a.vm.name, (10, 10, 12)),
    Column("serves", lambda a: name_of(a.vm), (20, 16, 22)),
    Column("kind", lambda a: str(a.vm.kind), (0, 11, 11)),
    Column("zone", lambda a: a.vm.zone, (0, 0, 10)),
    Column("state", lambda a: a.vm.redundant_state or a.vm.state, (0, 8, 8)),
    Column("need", lambda a: SHORT_NEED[a.need], (12, 12, 12), key=lambda a: number_key(list(Need).index(a.need)),
           style=lambda a: STYLES[a.need]),
    Column("version", _version, (8, 8, 10)),
    Column("software", lambda a: a.vm.software_version or a.vm.agent_version, (0, 0, 12)),
    Column("operation", lambda a: str(a.remedy.operation), (23, 24, 24)),
    Column("reason", lambda a: a.reason, (12, 12, 12), rest=True),
)  # fmt: skip
NEED = next(i for i, c in enumerate(COLUMNS) if c.title == "need")


def listing() -> Listing[Assessment]:
    """All system VMs of a reading, and those that pass the filter; what needs something is on top."""
    return Listing(COLUMNS, lambda a: a.vm.id, _searched, order=NEED)


def _searched(a: Assessment) -> str:
    return " ".join((*(column.text(a) for column in COLUMNS), str(a.need), a.vm.account, a.vm.zone))


def summary(view: CloudView) -> str:
    """How many of each need, and what the checks say."""
    counts = {need: sum(a.need is need for a in view.needs) for need in Need}
    return " · ".join(f"{n} {SHORT_NEED[need]}" for need, n in counts.items() if n) or "no system VM to be seen"
