# SPDX-License-Identifier: Apache-2.0
"""What a campaign came to: campaign.csv with one line for each target, a Markdown summary, JSON, and lines of text."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from statistics import median
from typing import Any

from csworkbench.model.lane import Service
from csworkbench.upgrade.campaign.estimate import Estimate
from csworkbench.upgrade.campaign.outcome import exit_code
from csworkbench.upgrade.campaign.plan import CampaignPlan
from csworkbench.upgrade.campaign.record import Figures, stamp
from csworkbench.upgrade.campaign.schedule import name_of_wave, stop_reason
from csworkbench.upgrade.campaign.state import CampaignState, Status, TargetState
from csworkbench.upgrade.runbook.markdown import inline

from .tables import harmless, printable

SERVICES = tuple(str(s) for s in Service if s is not Service.CONTROL)
_FIGURES = ("down_s", "low_s", "high_s")
CAMPAIGN = (
    "campaign", "target", "kind", "network", "zone", "pod", "hosts", "account", "wave", "operation", "need", "status",
    "verdict", "over_budget", "exit_code", "run", "start", "end", "seconds", "retries", "missing_records", "vantages",
    "why", *(f"{service.replace(' ', '_')}_{figure}" for service in SERVICES for figure in _FIGURES),
)  # fmt: skip


def as_csv(name: str, state: CampaignState) -> str:
    """One line for each target, in the order of the waves; text is made harmless."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CAMPAIGN)
    for target in state.targets.values():
        writer.writerow([harmless(c) if isinstance(c, str) else c for c in _row(name, target)])
    return out.getvalue()


def _row(name: str, target: TargetState) -> list[str | int | float]:
    of, result, newest = target.target, target.result, target.newest
    began, ended = (result.began, result.ended) if result else (newest.begun if newest else None, None)
    figures = {f.service: f for f in result.services} if result else {}
    missing = result.missing_records if result is not None else None
    return [
        name, of.id, of.kind, of.name, of.zone, of.pod, " ".join(of.hosts), of.account, of.wave,
        target.operation.title, of.need, str(target.status), result.verdict if result else "",
        _yes(any(a.over_budget for a in target.attempts)) if target.attempts else "",
        result.exit_code if result else "", newest.run if newest else "", _at(began), _at(ended),
        f"{(ended - began).total_seconds():.3f}" if began and ended else "", target.retries,
        "" if missing is None else missing, " ".join(result.vantages) if result else "", why(target),
        *(cell for service in SERVICES for cell in _cells(figures.get(service))),
    ]  # fmt: skip


def why(target: TargetState) -> str:
    """Why it is skipped or unknown, else what its verdict is founded on."""
    result = target.result
    return target.why or ("; ".join(result.reasons) if result is not None else "")


def _cells(figures: Figures | None) -> tuple[str, ...]:
    if figures is None:
        return ("", "", "")
    return tuple(f"{value:.3f}" for value in (figures.down_s, figures.low_s, figures.high_s))


def _at(at: datetime | None) -> str:
    return "" if at is None else stamp(at)


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def counts(state: CampaignState) -> dict[str, int]:
    """How many targets are in each state."""
    found = Counter(t.status for t in state.targets.values())
    return {str(status): found[status] for status in Status if found[status]}


def by_service(state: CampaignState) -> dict[str, list[tuple[float, str]]]:
    """(seconds down, target) of each target that was measured, the worst first."""
    found: dict[str, list[tuple[float, str]]] = {}
    for target in state.targets.values():
        for figures in target.result.services if target.result else ():
            found.setdefault(figures.service, []).append((figures.down_s, target.target.name))
    return {name: sorted(found[name], reverse=True) for name in SERVICES if name in found}


def as_json(name: str, plan: CampaignPlan, state: CampaignState, left: Estimate | None = None) -> dict[str, Any]:
    """One object with stable keys; new ones are only added."""
    opened = state.opened
    return {
        "campaign": name,
        "name": plan.name,
        "cloud": plan.cloud,
        "exit_code": exit_code(state),
        "settled": state.settled,
        "counts": counts(state),
        "stopped": stop_reason(plan, state) or None,
        "paused": state.paused is not None,
        "services": {
            service: {
                "n": len(found), "median_s": round(median(s for s, _ in found), 3),
                "highest_s": found[0][0], "worst": found[0][1],
            }
            for service, found in by_service(state).items()
        },
        "estimate": None if left is None else
        {"left_s": left.left_s, "ends": _at(left.ends) or None, "run_s": round(left.run_s, 1), "runs": left.runs},
        "targets": [_target_json(t) for t in state.targets.values()],
        "left_out": [{"name": one.name, "why": one.why} for one in (opened.left_out if opened else ())],
    }  # fmt: skip


def _target_json(target: TargetState) -> dict[str, Any]:
    of, result = target.target, target.result
    return {
        "target": of.id, "kind": of.kind, "name": of.name, "wave": of.wave, "operation": target.operation.title,
        "need": of.need, "status": str(target.status), "verdict": result.verdict if result else None,
        "over_budget": any(a.over_budget for a in target.attempts), "runs": [a.run for a in target.attempts],
        "retries": target.retries, "why": why(target),
        "missing_records": result.missing_records if result else None,
        "services": {
            f.service: {"down_s": f.down_s, "low_s": f.low_s, "high_s": f.high_s, "worst": f.worst}
            for f in (result.services if result else ())
        },
    }  # fmt: skip


def text(
    name: str,
    plan: CampaignPlan,
    state: CampaignState,
    left: Estimate | None,
    *,
    everything: bool,
    waits: Mapping[str, str] | None = None,
) -> str:
    """How far it is and what it came to, for a terminal. `waits`: why, by target."""
    told = ", ".join(f"{number} {status}" for status, number in counts(state).items())
    lines = [f"campaign {name}  {plan.name}", f"{len(state.targets)} targets: {told or 'none'}"]
    if left is not None and not state.settled:
        lines.append(estimate_line(left))
    if reason := stop_reason(plan, state):
        lines.append(f"stopped: {reason}")
    if state.paused is not None:
        lines.append("paused: `csworkbench upgrade go-on` goes on")
    for service, found in by_service(state).items():
        middle = median(seconds for seconds, _ in found)
        lines.append(
            f"{service:<12} median {middle:.2f} s, highest {found[0][0]:.2f} s ({found[0][1]}), {len(found)} measured"
        )
    shown = state.targets.values() if everything else (t for t in state.targets.values() if _worth_showing(t))
    lines += [_line(t, (waits or {}).get(t.target.id, "")) for t in shown]
    for one in state.opened.left_out if state.opened is not None and everything else ():
        lines.append(f"  left out: {one.name}: {one.why}")
    return "\n".join(printable(line) for line in lines)


def estimate_line(left: Estimate) -> str:
    """`12 of 60 done, 6 at work, about 8 min left (by 12 runs of 41 s)`."""
    line = f"{left.settled} of {left.total} done, {left.running} at work"
    if left.left_s is None:
        return f"{line}; no estimate while a person is awaited"
    runs = "1 run" if left.runs == 1 else f"{left.runs} runs"
    known = f"by {runs} of {left.run_s:.0f} s" if left.runs else f"a guess of {left.run_s:.0f} s a run"
    minutes = left.left_s / 60
    return (
        f"{line}, about {minutes:.0f} min left ({known})"
        if minutes >= 1.5
        else f"{line}, about {left.left_s:.0f} s left ({known})"
    )


def _worth_showing(target: TargetState) -> bool:
    over = any(a.over_budget for a in target.attempts)
    return over or target.status in (Status.FAILED, Status.UNKNOWN, Status.SKIPPED, Status.RUNNING)


def _line(target: TargetState, waits: str) -> str:
    result = target.result
    told = result.verdict if result is not None and target.status in (Status.DONE, Status.FAILED) else target.status
    over = " over budget" if any(a.over_budget for a in target.attempts) else ""
    figures = ", ".join(f"{f.service} {f.down_s:.2f} s" for f in (result.services if result else ()))
    more = "; ".join(part for part in (figures, why(target), waits) if part)
    return f"  {target.target.name}: {told}{over}{f': {more}' if more else ''}"


def markdown(name: str, plan: CampaignPlan, state: CampaignState) -> str:
    """The summary for a change record."""
    opened = state.opened
    lines = [f"# Campaign {inline(plan.name)}", "", f"Cloud {inline(plan.cloud)}, campaign `{name}`."]
    if opened is not None and state.opened_at is not None:
        lines.append(f"Begun {stamp(state.opened_at)} by {inline(opened.who)}; last entry {_at(state.last)}.")
    told = ", ".join(f"{number} {status}" for status, number in counts(state).items())
    lines += ["", f"{len(state.targets)} targets: {told or 'none'}."]
    if reason := stop_reason(plan, state):
        lines.append(f"Stopped: {inline(reason)}.")
    services = by_service(state)
    if services:
        lines += [
            "",
            "| service | measured | median s | highest s | worst | budget s |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for service, found in services.items():
            middle = median(seconds for seconds, _ in found)
            limit = plan.budget.get(service)
            budget = "" if limit is None else f"{limit:g}"
            worst = inline(found[0][1]) if found[0][0] else ""
            lines.append(f"| {service} | {len(found)} | {middle:.3f} | {found[0][0]:.3f} | {worst} | {budget} |")
    for wave in state.waves:
        lines += ["", f"## {name_of_wave(wave).capitalize()}", ""]
        lines += ["| network | operation | verdict | downtime | run | why |", "| --- | --- | --- | --- | --- | --- |"]
        lines += [_markdown_row(t) for t in state.wave(wave)]
    lines += _without_vantage(state) + _left_out(state) + _actions(state)
    return "\n".join(lines) + "\n"


def _markdown_row(target: TargetState) -> str:
    result, newest = target.result, target.newest
    verdict = result.verdict if result is not None and target.status in (Status.DONE, Status.FAILED) else target.status
    over = " over budget" if any(a.over_budget for a in target.attempts) else ""
    figures = ", ".join(
        f"{f.service} {f.down_s:.2f} s [{f.low_s:.2f}, {f.high_s:.2f}]" for f in (result.services if result else ())
    )
    run = newest.run if newest is not None else ""
    cells = (target.target.name, target.operation.title, f"{verdict}{over}", figures, run, why(target))
    return f"| {' | '.join(map(inline, cells))} |"


def _without_vantage(state: CampaignState) -> list[str]:
    found = [t.target for t in state.targets.values() if not t.target.vantages]
    if not found:
        return []
    return [
        "",
        "## Without a tenant to measure from",
        "",
        *(f"- {inline(t.name)}: {inline(t.unmeasured)}" for t in found),
    ]


def _left_out(state: CampaignState) -> list[str]:
    found = state.opened.left_out if state.opened is not None else ()
    return ["", "## Left out", "", *(f"- {inline(one.name)}: {inline(one.why)}" for one in found)] if found else []


def _actions(state: CampaignState) -> list[str]:
    if not state.actions:
        return []
    lines = ["", "## Who did what", ""]
    for entry in state.actions:
        body: Any = entry.body
        of = state.targets.get(getattr(body, "target", ""))
        words = [type(body).__name__.lower(), of.target.name if of is not None else "", getattr(body, "why", "")]
        lines.append(f"- {stamp(entry.at)} {inline(body.who)}: {inline(' '.join(w for w in words if w))}")
    return lines
