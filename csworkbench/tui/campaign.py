# SPDX-License-Identifier: Apache-2.0
"""A campaign as rows to watch, and what the screen needs of it. Pure: a function of plan, state, live figures, time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from csworkbench.model.lane import Service
from csworkbench.results.campaign import estimate_line, why
from csworkbench.upgrade.campaign import CampaignPlan, CampaignState, Entry, Estimate, estimate, stop_reason
from csworkbench.upgrade.campaign.commands import COMMANDS
from csworkbench.upgrade.campaign.record import Target
from csworkbench.upgrade.campaign.schedule import name_of_wave, schedule
from csworkbench.upgrade.campaign.state import ACTIVE, SETTLED, Status, TargetState

from .guide import Line, Part
from .listing import Column, Key, Listing, number_key
from .text import clean, fit
from .times import SECOND, bounds, number, span

WAVES_SHOWN, BREACHES_SHOWN = 6, 3
BAR = 24  # cells
_ORDER = (Status.RUNNING, Status.STARTING, Status.UNKNOWN, Status.FAILED, Status.WAITING, Status.DONE, Status.SKIPPED)
assert set(COMMANDS) == {"pause", "go-on", "skip", "retry", "stop"}  # noqa: S101 - each has a key


class CampaignLost(Exception):
    """The campaign cannot be read, or does not take a command; the message is one line for people."""


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that goes on: its phase, and seconds down so far per service."""

    phase: str
    down_s: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Live:
    """What the conducting process tells: the runs that go on by id, and what may be over its budget at this moment."""

    runs: Mapping[str, LiveRun] = field(default_factory=dict)
    doubt: str = ""


class CampaignLink(Protocol):
    """One campaign on disk and the process that conducts it. What blocks is called in threads; raises CampaignLost."""

    @property
    def name(self) -> str:
        """The campaign's id."""
        ...

    @property
    def plan(self) -> CampaignPlan:
        """As it was when it began."""
        ...

    def news(self) -> Sequence[Entry]:
        """What has been written since the last call, oldest first."""
        ...

    def live(self) -> Live | None:
        """What the conducting process tells; None when nobody conducts the campaign now."""
        ...

    def send(self, do: str, target: str = "") -> str:
        """One of COMMANDS; what came of it, in words."""
        ...


@dataclass(frozen=True, slots=True)
class TargetRow:
    """One target now. `figures` per service: down, low, high in seconds, low and high None while it goes on."""

    target: Target
    status: Status
    operation: str
    verdict: str = ""
    phase: str = ""
    over_budget: bool = False
    figures: Mapping[str, tuple[float, float | None, float | None]] = field(default_factory=dict)
    budget: Mapping[str, float] = field(default_factory=dict)
    why: str = ""
    run: str = ""
    since: datetime | None = None
    retries: int = 0


@dataclass(frozen=True, slots=True)
class CampaignView:
    """All of it at one moment. `held` says why nothing more is started, `breaches` what exceeds its budget."""

    rows: tuple[TargetRow, ...]
    waves: tuple[tuple[int, Mapping[Status, int]], ...]
    left: Estimate
    held: str
    awaited: bool  # a person is
    breaches: tuple[str, ...]
    conducted: bool
    closed: bool
    now: datetime
    left_out: tuple[tuple[str, str], ...] = ()


def view_of(plan: CampaignPlan, state: CampaignState, live: Live | None, now: datetime) -> CampaignView:
    """What the screen shows."""
    found = schedule(plan, state, now)
    if live is not None and live.doubt and found.start:
        found = schedule(plan, state, now, live.doubt)
    running = live.runs if live is not None else {}
    rows = tuple(_row(plan, t, found.waits, running) for t in state.targets.values())
    counted: dict[int, dict[Status, int]] = {}
    for t in state.targets.values():
        of = counted.setdefault(t.target.wave, {})
        of[t.status] = of.get(t.status, 0) + 1
    stopped = stop_reason(plan, state)
    idle = not found.start and not state.of(*ACTIVE)
    reasons = set(found.waits.values())
    held = f"stopped: {stopped}" if stopped else "paused" if state.paused is not None else ""
    if not held and idle and len(reasons) == 1:
        held = reasons.pop()
    awaited = bool(stopped) or state.paused is not None or "go-on" in held or bool(state.of(Status.UNKNOWN))
    breaches = tuple(
        f"{state.targets[t.target].target.name}: {t.text}" for t in state.trouble if t.kind == "over_budget"
    )
    opened = state.opened
    left_out = tuple((one.name, one.why) for one in opened.left_out) if opened is not None else ()
    left = estimate(plan, state, now)
    if stopped:
        left = replace(left, left_s=None, ends=None)  # by the plan's rule: the estimate knows a person's word only
    return CampaignView(
        rows, tuple(sorted(counted.items())), left, held, awaited, breaches, live is not None,
        state.closed is not None or state.settled, now, left_out,
    )  # fmt: skip


def _row(plan: CampaignPlan, t: TargetState, waits: Mapping[str, str], live: Mapping[str, LiveRun]) -> TargetRow:
    newest, result = t.newest, t.result
    run = newest.run if newest is not None else ""
    going = live.get(run) if t.status in ACTIVE else None
    figures: dict[str, tuple[float, float | None, float | None]] = {}
    if t.status in ACTIVE and newest is not None:
        told_s = {b.service: b.down_s for b in newest.breaches}
        for service, down in going.down_s.items() if going is not None else ():
            told_s[service] = max(down, told_s.get(service, 0.0))
        figures = {service: (down, None, None) for service, down in told_s.items()}
    elif t.status not in ACTIVE and result is not None:
        figures = {f.service: (f.down_s, f.low_s, f.high_s) for f in result.services}
    waiting = t.status is Status.WAITING
    reason = (waits.get(t.target.id, "") or ("its turn is now" if not t.why else "")) if waiting else ""
    reason = "stopped" if reason.startswith("stopped") else reason  # the whole of it is said once, above
    told = "; ".join(part for part in (reason, why(t) if t.status not in ACTIVE else "") if part)
    return TargetRow(
        t.target, t.status, t.operation.title,
        result.verdict if result is not None and t.status in SETTLED else "",
        going.phase if going is not None else "",
        any(a.over_budget for a in t.attempts) or _exceeds(figures, plan.budget), figures, plan.budget, told, run,
        newest.begun if newest is not None and t.status in ACTIVE else None, t.retries,
    )  # fmt: skip


def _exceeds(figures: Mapping[str, tuple[float, float | None, float | None]], budget: Mapping[str, float]) -> bool:
    return any(figures[s][0] > limit for s, limit in budget.items() if s in figures)


def state_word(row: TargetRow) -> str:
    """`running: change`, or the verdict of one that is settled."""
    if row.status in ACTIVE and not row.over_budget:
        return f"{row.status}: {row.phase}" if row.phase else str(row.status)
    word = row.verdict if row.verdict and row.status is not Status.SKIPPED else str(row.status)
    return f"{word} over" if row.over_budget and row.status is not Status.WAITING else word


def figure(row: TargetRow, service: str) -> str:
    """`1.42 [1.32, 1.52] of 10`; of a run that goes on without bounds."""
    found = row.figures.get(service)
    limit = f" of {row.budget[service]:g}" if service in row.budget else ""
    if found is None:
        return f"-{limit}" if row.status in ACTIVE and limit else ""
    down, low, high = found
    if low is None or high is None:
        return f"{number(round(down * SECOND))}{limit}"
    return f"{number(round(down * SECOND))} {bounds(round(low * SECOND), round(high * SECOND))}{limit}"


def _style(row: TargetRow) -> str:
    if row.over_budget or row.status in (Status.FAILED, Status.UNKNOWN):
        return "bad"
    return {Status.DONE: "good", Status.RUNNING: "busy", Status.STARTING: "busy"}.get(row.status, "dim")


def _figure_style(service: str) -> "_Style":
    def style(row: TargetRow) -> str:
        found, limit = row.figures.get(service), row.budget.get(service)
        return "bad" if found is not None and limit is not None and found[0] > limit else "cell"

    return style


class _Style(Protocol):
    def __call__(self, row: TargetRow) -> str: ...


def _down(service: Service) -> "_KeyOf":
    def key(row: TargetRow) -> Key:
        found = row.figures.get(str(service))
        return number_key(None if found is None else found[0])

    return key


class _KeyOf(Protocol):
    def __call__(self, row: TargetRow) -> Key: ...


def _wave(row: TargetRow) -> str:
    return "canary" if row.target.wave == 0 else str(row.target.wave)


def words(row: TargetRow) -> str:
    """What the filter looks in."""
    of = row.target
    parts = (
        of.name, of.kind, of.zone, of.pod, of.account, of.domain, *of.routers, *of.hosts, state_word(row),
        row.operation, row.why, row.run, name_of_wave(of.wave), "over budget" if row.over_budget else "",
    )  # fmt: skip
    return " ".join(parts)


def listing() -> Listing[TargetRow]:
    """No targets yet; those at work will be first."""
    egress, ingress = str(Service.EGRESS), str(Service.INGRESS)
    columns: tuple[Column[TargetRow], ...] = (
        Column("state", state_word, (16, 18, 24), style=_style,
               key=lambda r: ((_ORDER.index(r.status), ""), (r.target.wave, r.target.name))),
        Column("wave", _wave, (6, 6, 6), style=lambda r: "dim", key=lambda r: number_key(r.target.wave)),
        Column("name", lambda r: r.target.name, (12, 18, 26), style=lambda r: "strong"),
        Column("operation", lambda r: r.operation, (0, 0, 24)),
        Column("egress s", lambda r: figure(r, egress), (14, 24, 26), right=True, key=_down(Service.EGRESS),
               style=_figure_style(egress), narrow=lambda r: _short(r, egress)),
        Column("ingress s", lambda r: figure(r, ingress), (14, 24, 26), right=True, key=_down(Service.INGRESS),
               style=_figure_style(ingress), narrow=lambda r: _short(r, ingress)),
        Column("zone", lambda r: r.target.zone, (0, 0, 10), style=lambda r: "dim"),
        Column("why", lambda r: r.why, (9, 16, 30), rest=True, style=lambda r: "dim"),
    )  # fmt: skip
    return Listing(columns, lambda r: r.target.id, words, order=0)


def _short(row: TargetRow, service: str) -> str:
    found = row.figures.get(service)
    limit = f" of {row.budget[service]:g}" if service in row.budget else ""
    return "" if found is None else f"{number(round(found[0] * SECOND))}{limit}"


def wave_lines(view: CampaignView, bar: tuple[str, str, str]) -> list[Line]:
    """A line for each wave that has begun or is next. `bar`: the glyphs of what is settled, at work and waiting."""
    open_ = [n for n, of in view.waves if any(s not in SETTLED for s in of)]
    places = [n for n, _ in view.waves]
    first = max(0, min((places.index(open_[0]) if open_ else len(places)) - 1, len(places) - WAVES_SHOWN))
    shown = view.waves[first : first + WAVES_SHOWN]
    lines = [_wave_line(n, of, bar) for n, of in shown]
    left = len(view.waves) - len(shown)
    return [*lines, ((f"{left} more {'wave' if left == 1 else 'waves'}", "$muted"),)] if left > 0 else lines


def _wave_line(wave: int, of: Mapping[Status, int], bar: tuple[str, str, str]) -> Line:
    total = sum(of.values())
    settled = sum(n for s, n in of.items() if s in SETTLED)
    working = sum(n for s, n in of.items() if s not in SETTLED and s is not Status.WAITING)
    done = settled * BAR // total
    at_work = min(-(-working * BAR // total), BAR - done)
    told = " · ".join(f"{of[s]:,} {s}" for s in _ORDER if of.get(s))
    bad = of.get(Status.FAILED, 0) + of.get(Status.UNKNOWN, 0)
    return (
        (fit(name_of_wave(wave).removeprefix("the "), 10), "b"),
        (bar[0] * done, "$error" if bad else "$success"), (bar[1] * at_work, "$accent"),
        (bar[2] * (BAR - done - at_work), "$faint"),
        (f" {settled:,} of {total:,}  ", "b"), (told, "$error" if bad else "$muted"),
    )  # fmt: skip


def head(view: CampaignView | None, name: str, plan: CampaignPlan) -> Line:
    """Campaign, cloud, and how far it is."""
    parts: list[Part] = [(" csworkbench ", "b $primary"), (f" {clean(plan.name, 60)} ", "b")]
    parts.append((f" {clean(plan.cloud, 40)}  {clean(name, 80)}  ", "$muted"))
    if view is not None:
        parts.append(("over" if view.closed else "" if view.conducted else "nobody conducts it now", "b $accent"))
    return tuple(parts)


def banner(view: CampaignView) -> list[Line]:
    """What a person has to see: breaches, and why nothing more is started; then the estimate."""
    lines: list[Line] = []
    for text in view.breaches[:BREACHES_SHOWN]:
        lines.append(((" OVER BUDGET ", "verdict-bad"), (f" {clean(text)}", "b $error")))
    more = len(view.breaches) - BREACHES_SHOWN
    lines += [((f" and {more} more over budget", "b $error"),)] if more > 0 else []
    unknown = [row.target.name for row in view.rows if row.status is Status.UNKNOWN]
    if unknown:
        told = f" {clean(', '.join(unknown[:5]))}: look at it, then retry or skip"
        lines.append(((" UNKNOWN ", "verdict-bad"), (told, "b $error")))
    if view.held:
        said = any(view.held == f"stopped: {text}" for text in view.breaches[:BREACHES_SHOWN])
        held = "stopped for that: nothing more is started" if said else view.held
        style = "b $error" if view.held.startswith("stopped") else "b $accent" if view.awaited else "$accent"
        ends = "  (o goes on)" if view.awaited and not view.closed else ""
        lines.append(((f" {clean(held)}", style), (ends, "$muted")))
    if not view.conducted and not view.closed:
        lines.append(((" Nobody conducts it now; csworkbench upgrade --resume goes on with it.", "b $accent"),))
    over = f"{view.left.settled} of {view.left.total} settled; nothing is left to do"
    lines.append(((f" {over if view.closed else estimate_line(view.left)}", ""),))
    return lines


def row_lines(row: TargetRow, now: datetime) -> list[Line]:
    """The row under the cursor in two lines."""
    of = row.target
    where = " ".join(part for part in (of.zone, of.pod, *of.hosts[:2], of.account) if part)
    since = f"  for {span(int((now - row.since).total_seconds() * SECOND))}" if row.since is not None else ""
    first: Line = ((clean(of.name, 60), "b"), (f"  {clean(row.operation, 60)}{since}", ""),
                   (f"  {clean(' '.join(of.routers), 120)}  {clean(where, 120)}", "$muted"))  # fmt: skip
    others = [s for s in row.figures if s not in (Service.EGRESS, Service.INGRESS)]
    told = [*(f"{clean(s, 20)} {figure(row, s)}" for s in others), clean(row.why)]
    return [first, (("   ".join(part for part in told if part), "$muted"),)]


def target_lines(row: TargetRow, now: datetime) -> list[Line]:
    """All about one target; every line's first part is its label."""
    of = row.target

    def entry(label: str, text: str, style: str = "") -> list[Line]:
        return [((fit(label, 13), "$muted"), (clean(text, 2_000), style))] if text else []

    lines = [
        *entry("Name", of.name, "b"), *entry("Is", f"{of.kind}, {name_of_wave(of.wave)}"),
        *entry("State", state_word(row), "b $error" if _style(row) == "bad" else "b"), *entry("Why", row.why),
        *entry("Operation", row.operation, "b"), *entry("API call", of.call, "$primary"),
        *entry("Consequence", of.consequence), *entry("Need", of.need), *entry("Because", of.reason),
        *entry("Routers", ", ".join(of.routers)), *entry("Zone", " ".join(p for p in (of.zone, of.pod) if p)),
        *entry("Hosts", ", ".join(of.hosts)), *entry("Account", " ".join(p for p in (of.account, of.domain) if p)),
        *entry("Measured by", ", ".join(of.vantages) or of.unmeasured),
    ]  # fmt: skip
    for service in row.figures:
        over = service in row.budget and row.figures[service][0] > row.budget[service]
        lines += entry(service, f"{figure(row, service)} s", "b $error" if over else "")
    lines += entry("Run", row.run)
    lines += entry("Retries", str(row.retries) if row.retries else "")
    return [*lines, *(entry("Running for", span(int((now - row.since).total_seconds() * SECOND))) if row.since else [])]


def left_out_lines(view: CampaignView) -> list[Line]:
    """What was selected and is still no target."""
    lines: list[Line] = [((fit(clean(name, 40), 26), "b"), (clean(reason), "")) for name, reason in view.left_out]
    return lines or [(("Nothing was left out.", "$success"),)]


def question(do: str, row: TargetRow | None, view: CampaignView) -> tuple[str, list[Line], str, bool]:
    """(title, lines, the button's word, whether it cannot be undone) of a command."""
    name = clean(row.target.name, 60) if row is not None else ""
    working = f"{view.left.running} at work now are finished and measured first."
    if do == "pause":
        return "pause?", [(("Nothing more is started until somebody goes on.", "b"),), ((working, ""),)], "Pause", False
    if do == "stop":
        told = "Nothing more is started; the campaign's process ends when what runs has ended."
        return "stop the campaign?", [((told, "b $warning"),), ((working, ""),)], "Stop", True
    if do == "go-on":
        lines: list[Line] = [((f"What holds it: {clean(view.held) or 'nothing'}", "b"),)]
        lines += [((f"Over budget: {clean(text)}", "$error"),) for text in view.breaches[:BREACHES_SHOWN]]
        lines.append((("Pause, stop and the wait after the canary are over; troubles so far count no more.", ""),))
        return "go on?", lines, "Go on", False
    if do == "skip":
        return f"skip {name}?", [((f"{name} is not operated, or not any more.", "b"),)], "Skip", False
    told = f"{name} is operated again: {clean(row.operation, 80) if row is not None else ''}"
    consequence = clean(row.target.consequence) if row is not None else ""
    return f"retry {name}?", [((told, "b"),), ((consequence, "$warning"),)], "Retry", False
