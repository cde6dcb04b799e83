# SPDX-License-Identifier: Apache-2.0
"""What the run is doing and what a person can press now, in two or three calm lines."""

from dataclasses import dataclass

from csworkbench.model.event import SUCCESSES, ChannelState, Level, OperationPlanned, Phase

from .text import clean
from .times import bounds, number, relative, seconds, span
from .view import RunView

Part = tuple[str, str]
Line = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Guidance:
    """A mood (`calm`, `ready`, `busy`, `good`, `bad`) and its lines; the first one is the heading."""

    mood: str
    lines: tuple[Line, ...]


def deed(planned: OperationPlanned) -> str:
    """The operation as a verb with its object: `restart network probe-net`."""
    words = clean(planned.title, 80).split()
    verb = " ".join(w for w in words if "=" not in w).lower() or "start"
    target = clean(planned.target, 80).split(" (")[0]  # the name; the dialog has all of it
    return verb if target.lower() in verb else f"{verb} {target}"


def guidance(view: RunView) -> Guidance:
    """What to say now."""
    if view.lost and not view.closed:
        return _lost(view)
    if view.state.verdict is not None:
        return _result(view)
    if not view.live and view.over:
        return _bad("This run has no result", "Its engine ended before the verdict. What was measured is here.")
    return _BY_PHASE.get(view.state.phase, _collecting)(view)


def _bad(heading: str, text: str) -> Guidance:
    return Guidance("bad", (_line(heading, "b"), _line(text)))


def _line(text: str, style: str = "") -> Line:
    return ((text, style),)


def _operated(view: RunView) -> bool:
    return view.state.opened is not None and view.state.opened.interactive


def _next_step(view: RunView, after: str) -> Line:
    planned = view.state.planned
    if view.playback is not None:
        slower, faster = view.key("replay.slower", "<"), view.key("replay.faster", ">")
        return (
            ("A recording: ", ""), (view.key("replay.pause", "z"), "key"), (" pauses it, ", ""),
            (faster, "key"), (" faster, ", ""), (slower, "key"), (" slower.", ""),
        )  # fmt: skip
    if view.read_only or not _operated(view):
        return _line(f"{after} the run goes on by itself.")
    what = deed(planned) if planned else "start the operation"
    return (
        ("Then press ", ""),
        (view.key("operation.start", "r"), "key"),
        (f" to {what}. Nothing changes before you confirm.", ""),
    )


def _preparing(view: RunView) -> Guidance:
    state = view.state
    heading = "Preparing" if state.opened is None else f"Preparing: {clean(state.opened.name, 100)}"
    errors = [n.text for _, n in state.notices if n.level is Level.ERROR]
    if errors:
        return Guidance("bad", (_line("Preparing did not work", "b"), _line(clean(errors[-1]), "$error")))
    newest = clean(state.notices[-1][1].text) if state.notices else "waiting for the engine"
    return Guidance("calm", (_line(heading, "b"), _line(newest), _next_step(view, "After that")))


def _baseline(view: RunView) -> Guidance:
    left = view.seconds_left
    what = "Warming up the probes" if view.state.phase is Phase.WARMUP else "Measuring the baseline"
    heading = f"{what}, {left:.0f} s to go" if left else what
    done = len(view.state.lanes)
    return Guidance("calm", (
        (*_line(heading, "b"), (f"   {done} lanes from {len(view.state.vantages)} vantages", "$muted")),
        _next_step(view, "After the baseline"),
    ))  # fmt: skip


def _ready(view: RunView) -> Guidance:
    planned = view.state.planned
    if view.starting:
        return Guidance("busy", (_line("Starting …", "b"),))
    if planned is None or not view.live or view.read_only or not _operated(view):
        return Guidance("calm", (_line("The baseline is good", "b"), _line("Waiting for the operation to be started.")))
    return Guidance("ready", (
        (("Press ", "b"), (view.key("operation.start", "r"), "key"), (f" to {deed(planned)}", "b")),
        _line(clean(planned.consequence)),
        _line("The baseline is good. The exact API calls are shown first; one key confirms.", "$muted"),
    ))  # fmt: skip


def _so_far(view: RunView) -> Line:
    parts: list[Part] = []
    for report in view.services:
        word = f"down {seconds(report.down_ns)}" if report.outages else "up"
        parts += [
            (f"{report.service} ", ""),
            (word, "$error" if report.open else "b" if report.outages else "$success"),
        ]
        parts.append(("   ", ""))
    return tuple(parts) or _line("No figures yet.")


def _change(view: RunView) -> Guidance:
    planned = view.state.planned
    what = deed(planned).capitalize() if planned else "The change"
    elapsed = span(view.now_ns - view.phase_since_ns)
    job = next(reversed(view.state.jobs.values()), None)
    status = f"   job {clean(job.command, 40)}: {job.status.value}" if job else "   sending the call"
    return Guidance("busy", (((f"{what} · {elapsed}", "b"), (status, "$muted")), _so_far(view)))


def _settle(view: RunView) -> Guidance:
    confirm = view.planned_s("confirm")
    hushed = [v.vantage.name for v in view.state.vantages.values() if v.channel is ChannelState.QUIET]
    unheard = {lane_id for lane_id, state in view.state.lanes.items() if state.lane.vantage in hushed}
    since = view.analysis.all_ok_since_ns(unheard)
    if all(state.lane.vantage in hushed for state in view.state.lanes.values()):
        waiting = "nobody is talked to for now"
    elif since is None:
        waiting = "a lane is still down"
    else:
        quiet = (view.now_ns - max(since, view.phase_since_ns)) / 1e9  # what never was down is up since the host booted
        waiting = f"all lanes up for {quiet:.0f} of {confirm:.0f} s" if confirm else f"all lanes up for {quiet:.0f} s"
    if len(hushed) == 1:
        waiting += f", {clean(hushed[0], 40)} left alone"
    return Guidance("busy", (((f"Settling: {waiting}", "b"), (_ended(view), "$muted")), _so_far(view)))


def _ended(view: RunView) -> str:
    job = next(reversed(view.state.jobs.values()), None)
    if job is None or job.ended is None:
        return ""
    at = relative(job.ended.first_new_ns - view.anchor_ns, 1)
    return f"   job {clean(job.command, 40)} {job.status.value} at {at}"


def _result(view: RunView) -> Guidance:
    verdict = view.state.verdict
    assert verdict is not None  # noqa: S101 - the caller has looked
    good = verdict.verdict in SUCCESSES and not verdict.over_budget
    word = verdict.verdict.value.upper() + (", OVER BUDGET" if verdict.over_budget else "")
    heading: list[Part] = [(f" {word} ", "verdict-good" if good else "verdict-bad")]
    missing = view.state.missing_records
    if missing is not None:
        heading.append((f"   {missing} missing records", "$muted" if not missing else "$warning"))
    heading += [("   ", ""), (view.key("run.export", "e"), "key"), (" export  ", "")]
    heading += [(view.key("app.quit", "q"), "key"), (" quit", "")]
    lines: list[Line] = [tuple(heading)]
    if view.exported:
        lines.append(_line(f"Exported to {clean(view.exported)}", "$success"))
    figures: list[Part] = []
    for report in (r for r in view.services if r.outages):
        figures += [(f"{report.service} ", ""), (f"{number(report.down_ns)} s", "b")]
        figures.append((f" {bounds(report.low_ns, report.high_ns)}   ", "$muted"))
    up = ", ".join(str(r.service) for r in view.services if not r.outages)
    figures += [("no outage ", "$success"), (up, "")] if up else []
    if figures:
        lines.append(tuple(figures))
    lines += [_line(clean(reason), "" if good else "$warning") for reason in verdict.reasons[:3]]
    doubts = [text for text in view.cautions if text not in verdict.reasons[:3]]
    lines += [_line(clean(text), "$warning") for text in doubts[:1]]
    if len(doubts) > 1:
        lines.append(_line(f"and {len(doubts) - 1} more such notes in the export", "$muted"))
    return Guidance("good" if good else "bad", tuple(lines))


def _measure(view: RunView) -> Guidance:
    return Guidance("busy", (_line(f"Measuring for {span(view.now_ns - view.phase_since_ns)}", "b"), _so_far(view)))


def _collecting(_: RunView) -> Guidance:
    return Guidance("busy", (_line("Collecting the last records", "b"), _line("The result follows in a moment.")))


def _lost(view: RunView) -> Guidance:
    again = f" quit, then: csworkbench attach · {clean(view.where)}"
    return Guidance("bad", (
        _line(f"The engine is gone: {clean(view.lost)}", "b"),
        _line("All that was received stays on the screen. The probes may still be recording; the run file is kept."),
        ((view.key("run.export", "e"), "key"), (" export   ", ""), (view.key("app.quit", "q"), "key"), (again, "")),
    ))  # fmt: skip


_BY_PHASE = {
    Phase.PREPARE: _preparing,
    Phase.WARMUP: _baseline,
    Phase.BASELINE: _baseline,
    Phase.READY: _ready,
    Phase.CHANGE: _change,
    Phase.SETTLE: _settle,
    Phase.MEASURE: _measure,
}
