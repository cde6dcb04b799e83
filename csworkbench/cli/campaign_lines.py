# SPDX-License-Identifier: Apache-2.0
"""What a campaign says: its preview, and a line for each thing that happens."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from csworkbench.model.operation import Operation
from csworkbench.results.campaign import estimate_line
from csworkbench.results.tables import printable
from csworkbench.upgrade import Finding, Level
from csworkbench.upgrade.campaign import CampaignPlan, CampaignState, Entry, Estimate, Target, Unmeasured, estimate
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.schedule import name_of_wave, schedule
from csworkbench.upgrade.campaign.state import Status

NEWS_S = 30.0  # between two lines that say how far it is


def destructive(operation: Operation) -> bool:
    """Whether nothing brings back what it was before."""
    restart = operation.restart
    return operation.destroy_router is not None or operation.destroy_systemvm is not None or (
        restart is not None and restart.makeredundant
    )  # fmt: skip


def preview(
    plan: CampaignPlan,
    targets: tuple[Target, ...],
    left_out: tuple[rec.LeftOut, ...],
    findings: tuple[Finding, ...],
    left: Estimate,
    calls: Callable[[Target], str],
) -> Iterator[str]:
    """Targets by wave with their calls and consequences, who is not measured, and how long it will take."""
    yield f"{plan.name}: {len(targets)} targets on cloud {plan.cloud}"
    consequences: Counter[str] = Counter()
    for wave in dict.fromkeys(t.wave for t in targets):
        of = [t for t in targets if t.wave == wave]
        yield ""
        yield f"{name_of_wave(wave)}: {len(of)}"
        for target in of:
            number = len(target.vantages)
            measured = f"{number} vantage{'s' if number > 1 else ''}" if number else "no vantage"
            skipped = not target.vantages and plan.without_vantages is Unmeasured.SKIP
            what = "SKIPPED" if skipped else target.operation.title
            yield f"  {target.name}  {what}  {', '.join(target.routers)}  {measured}"
            if not skipped:
                yield f"    {calls(target)}"
                consequences[f"{target.operation.title}: {target.consequence}"] += 1
    if consequences:
        yield ""
    for text, number in consequences.items():
        yield f"{number} x {text}"
    without = [t for t in targets if not t.vantages]
    if without:
        yield ""
        manner = {
            Unmeasured.SKIP: "not operated",
            Unmeasured.OUTSIDE: "operated, measured from outside alone",
        }[plan.without_vantages]
        yield f"no vantage in {len(without)} networks, which are {manner}:"
        yield from (f"  {t.name}: {t.unmeasured}" for t in without)
    if left_out:
        yield ""
        yield "left out:"
        yield from (f"  {one.name}: {one.why}" for one in left_out)
    if plan.fallback is not None:
        yield f"when it fails: {plan.fallback.title}"
    told = [f for f in findings if f.level in (Level.STOP, Level.WARN)]
    if told:
        yield ""
        yield from (f"preflight {f.level}: {f.title}: {f.evidence}" for f in told)
    yield ""
    yield estimate_line(left)


class News:
    """One line for each entry, and now and then how far it is."""

    def __init__(
        self, plan: CampaignPlan, state: CampaignState, say: Callable[[str], None], folder: Path | None = None
    ) -> None:
        self._plan, self._state, self._say, self._folder = plan, state, say, folder
        self._told: datetime | None = None
        self._why = ""

    def __call__(self, entry: Entry) -> None:
        """Hear of one entry that was written."""
        if text := self._text(entry.body):
            self._say(printable(f"{entry.at.strftime('%H:%M:%S')}Z  {text}"))
        if self._told is None or (entry.at - self._told).total_seconds() >= NEWS_S or isinstance(entry.body, rec.Ended):
            self._told = entry.at
            self._say(printable(f"           {estimate_line(estimate(self._plan, self._state, entry.at))}"))
        self.waits(entry.at)

    def held(self, why: str, now: datetime) -> None:
        """Starts are held because a breach is in doubt, or (without `why`) not any more."""
        clock = now.strftime("%H:%M:%S.%f")[:-3]
        self._say(printable(f"{clock}Z  {f'no new starts: {why}' if why else 'starts are not held any more'}"))

    def waits(self, now: datetime) -> None:
        """Say what everything waits for, once for each reason."""
        found = schedule(self._plan, self._state, now)
        idle = not found.start and not self._state.of(Status.STARTING, Status.RUNNING)
        why = next(iter(found.waits.values()), "") if idle and len(set(found.waits.values())) == 1 else ""
        if why != self._why:
            self._why = why
            if why:
                self._say(printable(f"           waiting: {why}"))

    def _name(self, target: str) -> str:
        found = self._state.targets.get(target)
        return f"{found.target.name} ({name_of_wave(found.target.wave)})" if found is not None else target

    def _text(self, body: rec.Body) -> str:  # noqa: PLR0911, PLR0912 - one case for each kind of line
        match body:
            case rec.Opened():
                return f"{len(body.targets)} targets"
            case rec.Resumed(who):
                return f"resumed by {who}"
            case rec.Started(target, run):
                return f"{self._name(target)}: {self._state.targets[target].operation.title}, run {run}"
            case rec.Breached(target, _, service, down_s, limit_s):
                return f"{self._name(target)}: {service} has been down for {down_s:.2f} s, its budget is {limit_s:g} s"
            case rec.Ended(target, _, verdict, over_budget):
                figures = ", ".join(
                    f"{f.service} {f.down_s:.2f} s [{f.low_s:.2f}, {f.high_s:.2f}]" for f in body.services
                )
                over = " over budget" if over_budget else ""
                why = f": {body.reasons[0]}" if body.exit_code and body.reasons else ""
                return f"{self._name(target)}: {verdict}{over}{why}{f'  {figures}' if figures else ''}"
            case rec.Requeued(target, _, why) | rec.Unclear(target, _, why):
                kind = "waits again" if isinstance(body, rec.Requeued) else "UNKNOWN, a person decides"
                return f"{self._name(target)}: {kind}: {why}"
            case rec.Skipped(who, target, why):
                return f"{self._name(target)}: skipped by {who}{f': {why}' if why else ''}"
            case rec.Retried(who, target, why, operation):
                with_ = f" with {operation.title}" if operation is not None else ""
                return f"{self._name(target)}: tried again{with_} by {who}{f': {why}' if why else ''}"
            case rec.Paused(who, why):
                return f"paused by {who}{f': {why}' if why else ''}"
            case rec.Stopped(who, why):
                return f"STOPPED by {who}: {why}; what runs is finished"
            case rec.WentOn(who, why):
                return f"{who} goes on{f': {why}' if why else ''}"
            case rec.Closed(code):
                return f"nothing is left to do, exit code {code}"
            case _:
                return ""
