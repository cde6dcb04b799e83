# SPDX-License-Identifier: Apache-2.0
"""The network under test, and the figures per service."""

from collections.abc import Iterable

from csworkbench.measurement.arp_report import EgressSplit
from csworkbench.measurement.totals import ServiceReport
from csworkbench.model.cloud import Router
from csworkbench.model.event import ChannelState
from csworkbench.model.lane import Service
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line
from csworkbench.tui.text import clean, fit, width
from csworkbench.tui.times import bounds, number
from csworkbench.tui.view import RunView

from .base import LinesPanel

RUNNING = "running"
BLIND_SHOWN_NS = 1_000_000_000
NAMED_AT_MOST = 2
FIRST = (Service.EGRESS, Service.INGRESS)  # always with a line of their own
TWO_LINES_FOR = 3  # services; more get one line each


class NetworkPanel(LinesPanel):
    """Network and routers as the API shows them; routers stay on the list after they have gone."""

    BORDER_TITLE = "network"

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="network")

    def lines(self) -> Iterable[Line]:
        """Name and state, one line per router, counts."""
        inventory = self.view.state.inventory
        cells = max(self.content_size.width, 20)
        if inventory is None:
            return [(("not read yet", "$faint"),)]
        state = clean(inventory.state, 14)
        lines: list[Line] = [
            ((fit(clean(inventory.name, 60), cells - len(state) - 1), "b"), (f" {state}", "$muted")),
        ]
        for vm in inventory.systemvms:
            about = " ".join(clean(word, 20) for word in (vm.state, vm.agent_state, vm.version) if word)
            lines.append(((fit(clean(vm.name, 40), 10), ""), (fit(f" {about}", cells - 10), "$muted")))
        present = {r.id for r in inventory.routers}
        before = {r.id for r in self.view.state.before.routers} if self.view.state.before else present
        routers = sorted(self.view.routers.values(), key=lambda r: (r.id not in before, r.name))
        room = min(max((width(clean(r.name, 40)) for r in routers), default=0) + 2, max(cells - 12, 8))
        lines += [_router(r, cells, room, present=r.id in present, new=r.id not in before) for r in routers]
        ips = len(inventory.public_ips)
        lines.append(((f"{len(inventory.vms)} VMs · {ips} IPs · {inventory.rules} rules", "$muted"),))
        for left_out in self.view.state.left_out[:3]:
            lines.append(((fit(f"without {clean(left_out.name, 40)}: {clean(left_out.why, 80)}", cells), "$warning"),))
        lines += [((fit(text, cells), "$muted"),) for text in _roles(self.view)]
        lines += [((fit(text, cells), "$muted"),) for text in _limited(self.view)[:3]]
        return lines


def _roles(view: RunView) -> list[str]:
    """Who asks for the gateway's MAC, and to whom nobody talks now."""
    vantages = list(view.state.vantages.values())
    lines = [f"sentinel {clean(v.vantage.name, 40)}" for v in vantages if v.vantage.sentinel]
    lines += [f"quiet VM {clean(v.vantage.name, 40)}" for v in vantages if v.vantage.quiet]
    hushed = [clean(v.vantage.name, 40) for v in vantages if v.channel is ChannelState.QUIET]
    roles = [" · ".join(lines)] if lines else []
    return [*roles, *([f"quiet now: {_some(hushed)}"] if hushed else [])]


def _limited(view: RunView) -> list[str]:
    """One line for all vantages that miss the same, e.g. `vm03, vm04 (user): not gateway ARP`."""
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for vantage in view.state.vantages.values():
        started = vantage.started
        if started is not None and started.cannot_see:
            groups.setdefault((started.tier, started.cannot_see), []).append(clean(vantage.vantage.name, 40))
    return [
        f"{_some(names)} ({clean(tier, 10)}): not {', '.join(clean(what, 60) for what in lacks)}"
        for (tier, lacks), names in groups.items()
    ]


def _some(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED_AT_MOST else f"{names[0]} and {len(names) - 1} more"


def _router(router: Router, cells: int, room: int, *, present: bool, new: bool) -> Line:
    version = clean(router.version or router.software_version, 12)
    if not present:
        return ((fit(f"× {clean(router.name, 40)}", cells - 5), "$faint"), (" gone", "$faint"))
    state = clean(router.state, 10)
    role = clean(router.redundant_state, 8) if router.redundant_state.lower() not in ("", "unknown") else ""
    tail = " ".join(t for t in (role, version, "↑" if router.requires_upgrade else "", "new" if new else "") if t)
    name = fit(("+ " if new else "● ") + clean(router.name, 40), room)
    style = "$success" if state.lower() == RUNNING else "$warning"
    return (
        (name, "b" if new else ""),
        (f" {fit(state, 9)}", style),
        (fit(f" {tail}", max(cells - room - 10, 0)), "$muted"),
    )


class ServicesPanel(LinesPanel):
    """Per service: how long the worst VM was down, with bounds, and how many were hit."""

    BORDER_TITLE = "services"

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="services")

    def lines(self) -> Iterable[Line]:
        """Two lines per service, one on a narrow terminal and when there are many."""
        cells = max(self.content_size.width, 20)
        tight = len(self.view.services) > TWO_LINES_FOR
        if not self.view.services:
            yield (("no lanes yet", "$faint"),)
        spoken = {r.lane.service for r in self.view.reports.values() if r.sent}
        quiet = [r for r in self.view.services if r.service in spoken and not r.outages]
        narrow = self.screen.has_class("-narrow")
        folded = quiet if narrow and tight else []
        beside = [r for r in self.view.services if r.service not in FIRST and r.outages] if folded else []
        beside = beside if len(beside) > 1 else []
        silent = [r for r in self.view.services if r.service not in spoken] if narrow and tight else []
        for report in self.view.services:
            if report in folded or report in beside or report in silent:
                continue
            if report.service not in spoken:
                yield ((fit(report.service.value, 12), "b"), ("nothing counted yet", "$faint"))
                continue
            if self.screen.has_class("-narrow"):
                yield _short(report)
            elif tight:
                yield _one(report, cells)
            else:
                yield from _service(report, cells)
            if report.service is Service.EGRESS and report.outages and not self.screen.has_class("-narrow"):
                yield from _split(self.view.egress_split, cells)
        if beside:
            yield tuple(_beside(beside, cells))
        if folded:
            names = ", ".join(report.service.value for report in folded)
            yield ((fit("no outage", 12), "$success"), (fit(names, cells - 12), "$muted"))
        if silent:
            names = ", ".join(report.service.value for report in silent)
            yield ((fit("not counted", 12), "$faint"), (fit(names, cells - 12), "$faint"))


def _beside(reports: list[ServiceReport], cells: int) -> Iterable[tuple[str, str]]:
    """Several services in one line, the longest downtime first, as far as there is room."""
    left = cells
    for report in sorted(reports, key=lambda r: (not r.open, -r.down_ns)):
        text = f"{report.service.value} {number(report.down_ns)} s   "
        if width(text.rstrip()) > left:
            yield ("…", "$muted")
            return
        left -= width(text)
        yield (text, "b $error" if report.open else "b $accent")


def _split(egress: EgressSplit | None, cells: int) -> Iterable[Line]:
    """What the longest egress downtime is made of, while it is known."""
    if egress is not None and egress.split.gap is not None and egress.split.tail is not None:
        gap, tail = (f"{number(part.down_ns)}" for part in (egress.split.gap, egress.split.tail))
        yield ((fit(f"  router gap {gap} ARP {tail} {clean(egress.role, 40)}", cells), "$muted"),)


def _short(report: ServiceReport) -> Line:
    name = (fit(report.service.value, 12), "b")
    if not report.outages:
        return (name, ("up", "$success"), (f"  {report.lanes} lane{'s' * (report.lanes != 1)}, no outage", "$faint"))
    figure = (fit(f"{number(report.down_ns)} s", 8, right=True), "b $error" if report.open else "b $accent")
    still = "still down, " if report.open else ""
    tail = f"  {still}worst {clean(report.worst, 40) or '?'} · {report.hit}/{report.lanes} hit"
    return (name, figure, (f" {bounds(report.low_ns, report.high_ns)}{tail}{_doubts(report)}", "$muted"))


def _doubts(report: ServiceReport) -> str:
    """How much of a service's downtime may not be the router's, and for how long somebody saw nothing."""
    parts = [f"{number(report.ambiguous_ns)} s ambiguous"] if report.ambiguous_ns else []
    parts += [f"blind {number(report.blind_ns)} s"] if report.blind_ns >= BLIND_SHOWN_NS else []
    return "".join(f" · {part}" for part in parts)


def _one(report: ServiceReport, cells: int) -> Line:
    """A service in one line of a side panel."""
    name = (fit(report.service.value, 12), "b")
    if not report.outages:
        return (name, (fit("up", 7, right=True), "$success"), (fit(_doubts(report), max(cells - 19, 0)), "$muted"))
    figure = (fit(f"{number(report.down_ns)} s", 7, right=True), "b $error" if report.open else "b $accent")
    tail = f" {bounds(report.low_ns, report.high_ns)}{_doubts(report)}"
    return (name, figure, (fit(tail, max(cells - 19, 0)), "$warning" if report.ambiguous_ns else "$muted"))


def _service(report: ServiceReport, cells: int) -> Iterable[Line]:
    name = fit(report.service.value, 11)
    if not report.outages:
        word = "up" if report.down_ns == 0 and not report.open else "?"
        yield ((name, "b"), (fit(word, 8, right=True), "$success"))
        said = f"  {report.lanes} lane{'s' * (report.lanes != 1)}, no outage{_doubts(report)}"
        yield ((fit(said, cells), "$faint"),)
        return
    figure = fit(f"{number(report.down_ns)} s", 8, right=True)
    yield (
        (name, "b"),
        (figure, "b $error" if report.open else "b $accent"),
        (fit(f" {bounds(report.low_ns, report.high_ns)}", max(cells - 19, 0)), "$muted"),
    )
    still = "down · " if report.open else ""
    count = f" · {report.outages}×" if report.outages > 1 else ""
    worst = f"  {still}worst {clean(report.worst, 40) or '?'} · {report.hit}/{report.lanes} hit{count}"
    yield ((fit(worst, cells), "$error" if report.open else "$muted"),)
    if report.ambiguous_ns or report.blind_ns >= BLIND_SHOWN_NS:
        doubts = f"  {_doubts(report).removeprefix(' · ')}"
        yield ((fit(doubts, cells), "$warning" if report.ambiguous_ns else "$faint"),)
