# SPDX-License-Identifier: Apache-2.0
"""What a reader of the figures has to know: where nobody looked, what may not be the router's, clocks that were set."""

from collections import Counter
from collections.abc import Iterable

from csworkbench.model.event import Phase
from csworkbench.model.lane import Service
from csworkbench.model.state import RunState

from .analysis import Analysis
from .blind import Blind, notable
from .totals import LaneReport, ServiceReport, length, merge

SAID = 5  # vantages that are named, the longest first


def cautions(state: RunState, analysis: Analysis) -> list[str]:
    """One line for each, for people. Names in them come from the API: make them harmless before they are shown."""
    reports = [analysis.lane(lane_id) for lane_id in sorted(state.lanes)]
    lines = blind_lines(reports, "during the change" if state.phase_ns(Phase.CHANGE) is not None else "")
    lines += analysis.resumptions()
    lines += [line for report in analysis.services() if (line := ambiguous_line(report))]
    for step in analysis.clock_steps():
        whose = "this host's" if step.clock == "host" else f"{step.clock}'s"
        lines.append(f"{whose} wall clock was set by {step.step_ns / 1e9:+.2f} s; no figure depends on it")
    return lines


def ambiguous_line(report: ServiceReport) -> str:
    """Why a service's downtime may not be the router's (S7); empty when nothing speaks for that."""
    if not report.ambiguous_ns:
        return ""
    return (
        f"{report.ambiguous_ns / 1e9:.2f} s of {report.service}'s {report.down_ns / 1e9:.2f} s are ambiguous: "
        f"{report.ambiguous}"
    )


def blind_lines(reports: Iterable[LaneReport], when: str) -> list[str]:
    """For each vantage for how long it saw nothing, where that is long enough to hide an outage."""
    by_vantage: dict[str, list[tuple[Service, list[Blind]]]] = {}
    lanes: Counter[str] = Counter()
    for report in reports:
        if report.lane.service is Service.CONTROL:
            continue
        lanes[report.lane.vantage] += 1
        found = notable(report.lane, report.blind)
        if found:
            by_vantage.setdefault(report.lane.vantage, []).append((report.lane.service, found))
    lines: list[tuple[int, str]] = []
    for vantage, told in by_vantage.items():
        blinds = [blind for _, of_lane in told for blind in of_lane]
        total_ns = length(merge(blind.span for blind in blinds))
        causes = sorted(Counter(blind.cause for blind in blinds).items(), key=lambda c: (-c[1], c[0]))
        services = sorted({str(service) for service, _ in told})
        where = f" on {', '.join(services)}" if len(told) < lanes[vantage] else ""
        text = (
            f"{vantage} was blind for {total_ns / 1e9:.1f} s{where}{f' {when}' if when else ''} "
            f"({', '.join(cause for cause, _ in causes[:2])}): an outage there may have gone unseen"
        )
        lines.append((-total_ns, text))
    lines.sort()
    more = [f"{len(lines) - SAID} more vantages were blind for a shorter time"] if len(lines) > SAID else []
    return [text for _, text in lines[:SAID]] + more
