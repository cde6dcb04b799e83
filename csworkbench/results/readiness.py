# SPDX-License-Identifier: Apache-2.0
"""What needs upgrading and whether now is a safe time, as JSON and as text for a terminal of 80 columns."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.cells import cell_len, set_cell_size

from csworkbench.model.fleet import Fleet
from csworkbench.upgrade.facts import Finding, Level
from csworkbench.upgrade.hidden import HIDDEN_REMEDY, hidden_line
from csworkbench.upgrade.needs import Assessment, Need
from csworkbench.upgrade.operations import Operation
from csworkbench.upgrade.served import name_of

from .tables import printable

Paint = Callable[[str, str], str]
"""(text, what it means) to text with or without colour; the meanings are those of COLOURS."""
COLOURS = {
    Need.TEMPLATE: "yellow", Need.SCRIPTS: "yellow", Need.UNKNOWN: "magenta", Need.CURRENT: "green",
    Level.PASS: "green", Level.WARN: "yellow", Level.STOP: "red", Level.HIDDEN: "magenta",
}  # fmt: skip
_COLUMNS = (("NAME", 11), ("SERVES", 15), ("NEED", 22), ("OPERATION", 24))
_NAMES_SHOWN = 6


def plain(text: str, _meaning: str) -> str:
    """No colour."""
    return text


def readiness_json(
    cloud: str, fleet: Fleet, needs: Sequence[Assessment], findings: Sequence[Finding]
) -> dict[str, Any]:
    """One object with stable keys; new ones are only added."""
    return {
        "cloud": cloud,
        "server_version": fleet.server_version,
        "needs": _counts(needs),
        "system_vms": [_vm_json(a) for a in needs],
        "checks": [
            {"id": f.id, "title": f.title, "level": str(f.level), "evidence": f.evidence, "remedy": f.remedy}
            for f in findings
        ],
        "stops": [f.id for f in findings if f.level is Level.STOP],
        "not_seen": [{"command": h.command, "why": h.why} for h in fleet.hidden],
        "partial": [{"command": p.command, "read": p.read, "total": p.total} for p in fleet.partial],
    }


def _counts(needs: Iterable[Assessment]) -> dict[str, int]:
    found = Counter(a.need for a in needs)
    return {str(need): found[need] for need in Need}


def _vm_json(a: Assessment) -> dict[str, Any]:
    vm = a.vm
    return {
        "id": vm.id,
        "name": vm.name,
        "kind": str(vm.kind),
        "serves": name_of(vm),
        "zone": vm.zone,
        "account": vm.account,
        "state": vm.state,
        "redundant_state": vm.redundant_state,
        "version": vm.version,
        "software_version": vm.software_version,
        "scripts_version": vm.scripts_version,
        "agent_version": vm.agent_version,
        "requires_upgrade": vm.requires_upgrade,
        "need": str(a.need),
        "reasons": list(a.reasons),
        "doubts": list(a.doubts),
        "operation": str(a.remedy.operation),
        "call": a.remedy.call,
        "consequence": a.remedy.consequence,
        "live_patch": {"answer": a.remedy.patch.answer, "why": a.remedy.patch.why},
    }


def readiness_text(
    fleet: Fleet,
    needs: Sequence[Assessment],
    findings: Sequence[Finding],
    *,
    everything: bool = False,
    width: int = 80,
    paint: Paint = plain,
) -> str:
    """The needs, what the operations do, then the checks. Without `everything`, current VMs are only counted."""
    lines = [*_wrapped(_headline(fleet, needs), width, ""), ""]
    shown = [a for a in needs if everything or a.need is not Need.CURRENT]
    if shown:
        lines += [paint(" ".join(set_cell_size(title, size) for title, size in _COLUMNS).rstrip(), "head")]
        for a in sorted(shown, key=lambda a: list(Need).index(a.need)):
            lines += _row(a, width, paint)
        lines += ["", *_operations(shown, width)]
    lines += _checks(findings, width, paint)
    told = hidden_line(findings)
    for hidden in fleet.hidden:
        if hidden.command not in told:
            lines += _wrapped(f"not seen: {hidden.command}: {hidden.why}", width, "")
    return "\n".join(lines)


def _headline(fleet: Fleet, needs: Sequence[Assessment]) -> str:
    version = printable(fleet.server_version) or "release not told"
    counts = ", ".join(
        f"{n} {need if n == 1 else need.replace('needs', 'need')}" for need, n in _counts(needs).items() if n
    )
    if not needs and fleet.hides("listRouters"):
        return f"CloudStack {version}: what needs upgrading is not to be seen with this account: it lists no routers"
    return f"CloudStack {version}: {len(needs)} system VMs: {counts or 'none to be seen'}"


def _row(a: Assessment, width: int, paint: Paint) -> list[str]:
    cells = (a.vm.name, name_of(a.vm), str(a.need), str(a.remedy.operation))
    fitted = [_fit(printable(text), size) for text, (_, size) in zip(cells, _COLUMNS, strict=True)]
    fitted[2] = paint(fitted[2], a.need)
    return [" ".join(fitted).rstrip(), *_wrapped(a.reason, width, "    ")]


def _fit(text: str, cells: int) -> str:
    return set_cell_size(text, cells) if cell_len(text) <= cells else set_cell_size(text, cells - 1) + "…"


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(printable(text), width, initial_indent=indent, subsequent_indent=indent)


def _operations(shown: Iterable[Assessment], width: int) -> list[str]:
    """Each operation's consequence once, with the names that it stands for."""
    names: dict[tuple[Operation, str], list[str]] = {}
    for a in shown:
        if a.remedy.operation is not Operation.NONE:
            names.setdefault((a.remedy.operation, a.remedy.consequence), []).append(a.vm.name)
    lines = []
    for (operation, consequence), vms in names.items():
        more = f" and {len(vms) - _NAMES_SHOWN} more" if len(vms) > _NAMES_SHOWN else ""
        lines += _wrapped(f"{operation} ({', '.join(vms[:_NAMES_SHOWN])}{more}):", width, "")
        lines += [*_wrapped(consequence, width, "    ")]
    return [*lines, ""] if lines else []


def _checks(findings: Sequence[Finding], width: int, paint: Paint) -> list[str]:
    lines = []
    for f in findings:
        if f.level is Level.HIDDEN:
            continue
        level = str(f.level)
        body = _wrapped(f"{f.title}: {f.evidence}", width, " " * 8)
        lines.append(paint(set_cell_size(level.upper() if f.level is Level.STOP else level, 7), f.level) + body[0][7:])
        lines += body[1:]
        if f.remedy:
            lines += _wrapped(f"-> {f.remedy}", width, " " * 8)
    if told := hidden_line(findings):
        body = _wrapped(told, width, " " * 8)
        lines += [paint("hidden ", Level.HIDDEN) + body[0][7:], *body[1:]]
        lines += _wrapped(f"-> {HIDDEN_REMEDY}", width, " " * 8)
    return lines
