# SPDX-License-Identifier: Apache-2.0
"""The run in words and figures, for reading it afterwards: the same figures as the printed report's."""

from collections.abc import Iterable

from csworkbench.results.headline import lanes_of
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line, guidance
from csworkbench.tui.text import clean, fit
from csworkbench.tui.times import bounds, number, relative, seconds
from csworkbench.tui.view import RunView

from .base import LinesPanel


class ReportPanel(LinesPanel):
    """Verdict and reasons, services, jobs, what makes the figures doubtful, notes."""

    BORDER_TITLE = "report"

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="report")

    def lines(self) -> Iterable[Line]:
        """One section after the other; sections without content are left out."""
        view = self.view
        opened, verdict = view.state.opened, view.state.verdict
        if opened is not None:
            yield ((clean(opened.name, 200), "b"),)
            yield (
                (f"{clean(opened.cloud, 60)} · {clean(view.network, 60)} · {clean(opened.operation, 80)}", "$muted"),
            )
            yield ((f"{view.clock(view.anchor_ns)} {view.zone} is the zero of all times", "$muted"),)
        yield ()
        if verdict is None:
            yield from guidance(view).lines[:1]
        else:
            word = verdict.verdict.value.upper() + (", OVER BUDGET" if verdict.over_budget else "")
            yield ((word, "b"),)
            yield from (((clean(reason), ""),) for reason in verdict.reasons)
        yield from self._services()
        yield from self._jobs()
        yield from _section("doubts", [clean(text) for text in view.cautions])
        yield from _section("notes", [f"{relative(at - view.anchor_ns, 1):>9}  {clean(t)}" for at, t in view.notes])

    def _services(self) -> Iterable[Line]:
        yield ()
        yield (("services, the worst lane of each", "b $secondary"),)
        for report in self.view.services:
            name = (fit(report.service.value, 18), "")
            if not report.outages:
                yield (name, (f"no outage on {lanes_of(report.lanes)}", "$success"))
                continue
            figure = fit(f"{number(report.down_ns)} s", 9, right=True)
            hit = (
                f" {bounds(report.low_ns, report.high_ns)}  {clean(report.worst, 30)}, {report.hit}/{report.lanes} hit"
            )
            yield (name, (figure, "b $error" if report.open else "b $accent"), (hit, "$muted"))

    def _jobs(self) -> Iterable[Line]:
        jobs = []
        for job in self.view.state.jobs.values():
            ended = job.ended
            if job.changes and ended is not None:
                took = seconds((ended.first_new_ns + ended.last_old_ns) // 2 - job.changes[0].first_new_ns)
                jobs.append(f"{clean(job.command, 60)}: {ended.status.value} after {took}")
            else:
                jobs.append(f"{clean(job.command, 60)}: {job.status.value}")
        return _section("jobs", jobs)


def _section(title: str, texts: list[str]) -> Iterable[Line]:
    if texts:
        yield ()
        yield ((title, "b $secondary"),)
        yield from (((text, ""),) for text in texts)
