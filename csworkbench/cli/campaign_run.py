# SPDX-License-Identifier: Apache-2.0
"""Beginning a campaign, or going on with one: preview, question, conducting, evidence."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import click

from csworkbench import __version__
from csworkbench.campaign.child import Launcher
from csworkbench.campaign.conduct import Conductor, scenario_of
from csworkbench.cloudstack.client import written
from csworkbench.cloudstack.discovery import Capabilities
from csworkbench.cloudstack.plan import restart_params
from csworkbench.cloudstack.slots import VARIABLE
from csworkbench.model.fleet import AGENTS
from csworkbench.model.operation import Restart
from csworkbench.recording.labels import replace_text
from csworkbench.recording.library import RunFolder, new_run, runs_dir
from csworkbench.results import campaign as told
from csworkbench.results.tables import printable
from csworkbench.upgrade import Facts, Finding, Level, assess, preflight
from csworkbench.upgrade.campaign import CampaignPlan, CampaignState, LeftOut, Target, estimate, stop_reason
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.folder import CampaignFolder, numbered
from csworkbench.upgrade.campaign.select import choose, opening
from csworkbench.upgrade.campaign.state import SETTLED, apply, replay

from .campaign_lines import News, destructive, preview
from .campaign_survey import survey
from .campaigns import base, plan_of, taken, who
from .cloud_access import open_cloud, read_facts
from .common import fail
from .engine import write_spec
from .own_command import own_command
from .preflight import ReadingLine
from .progress import Printer

EVIDENCE_S = 5.0
CSV, MARKDOWN = "campaign.csv", "campaign.md"


@dataclass(frozen=True, slots=True)
class Manner:
    """What the command line said."""

    dry_run: bool = False
    yes: bool = False
    force: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan held against its cloud."""

    targets: tuple[Target, ...]
    left_out: tuple[LeftOut, ...]
    findings: tuple[Finding, ...]
    calls: Callable[[Target], str]


async def begun(plan: CampaignPlan, source: bytes, how: Manner) -> int:
    """Preview, question, and the campaign itself; its exit code. Raises ConfigError, CloudStackError."""
    found = await _opened(plan, source, how)
    if isinstance(found, int):
        return found
    folder, state = found
    return await _conduct(plan, folder, state, how)


async def opened(plan: CampaignPlan, source: bytes, how: Manner) -> CampaignFolder | None:
    """Preview, question, and a campaign that nobody conducts yet; None without a target. Raises as `begun`."""
    found = await _opened(plan, source, how)
    if isinstance(found, int):
        return None
    found[0].unlock()
    return found[0]


async def _opened(plan: CampaignPlan, source: bytes, how: Manner) -> int | tuple[CampaignFolder, CampaignState]:
    """The campaign's first entries on disk, locked; or the exit code where there is nothing to do."""
    planned = await _planned(plan)
    opened = rec.Opened(who(), plan.name, plan.cloud, planned.targets, planned.left_out, __version__)
    now = datetime.now(UTC)
    sketch = replay(numbered(opening(opened, plan), 0, now))
    lines = preview(
        plan, planned.targets, planned.left_out, planned.findings, estimate(plan, sketch, now), planned.calls
    )
    stops = [f"{f.title}: {f.evidence} ({f.remedy})" for f in planned.findings if f.level is Level.STOP]
    if how.dry_run:
        if how.as_json:
            click.echo(json.dumps(told.as_json("", plan, sketch, estimate(plan, sketch, now)), indent=2))
        else:
            click.echo("\n".join(printable(line) for line in lines))
        return 1 if stops and not how.force else 0
    click.echo("\n".join(printable(line) for line in lines), err=True)
    if not planned.targets:
        click.echo("csworkbench: nothing to do: no target is left", err=True)
        return 0
    if stops and not how.force:
        fail(printable(f"preflight says stop: {'; '.join(stops)}; --force goes ahead all the same"), 1)
    if not how.yes:
        _ask(plan, sketch)
    folder = _new_folder(plan, source)
    folder.lock()
    state = CampaignState()
    try:
        entries = numbered(opening(opened, plan), 0, datetime.now(UTC))
        folder.append(entries)
    except OSError as error:
        fail(f"{folder.journal} cannot be written: {error.strerror or error}", 1)
    for entry in entries:
        apply(state, entry)
    return folder, state


async def resumed(folder: CampaignFolder, how: Manner, *, go_on: bool) -> int:
    """Go on with a campaign; its exit code."""
    plan, state = plan_of(folder), taken(folder)
    if state.opened is None:
        fail(f"{folder.name} never began: its journal is empty", 1)
    # After a power cut the entries that leave networks out may be missing: they come right after the first.
    bodies: list[rec.Body] = [*opening(state.opened, plan)[state.seq :], rec.Resumed(who(), os.getpid())]
    if go_on:
        bodies.append(rec.WentOn(who()))
    if state.closed is None or go_on:
        entries = numbered(bodies, state.seq, datetime.now(UTC))
        folder.append(entries)
        for entry in entries:
            apply(state, entry)
    return await _conduct(plan, folder, state, how)


async def _planned(plan: CampaignPlan) -> Planned:
    with ReadingLine() as reading:
        async with open_cloud(plan.cloud, plan.calls_per_second) as opened:
            facts = await read_facts(opened.client, None, reading)
            tenants = await survey(opened.client, plan.scenario.vantages.tenants)
            capabilities = await opened.client.capabilities()
    fleet = facts.fleet
    targets, left_out = choose(plan, fleet, assess(fleet), tenants)
    routers = {name for t in targets for name in t.routers}
    ids = {t.id for t in targets}
    # What is ill elsewhere does not keep this campaign from beginning; a run checks its own target once more.
    narrowed = replace(
        fleet,
        vms=tuple(vm for vm in fleet.vms if vm.kind in AGENTS or vm.name in routers),
        networks=tuple(n for n in fleet.networks if n.id in ids or n.vpc_id in ids),
        vpcs=tuple(v for v in fleet.vpcs if v.id in ids),
        rules=tuple(r for r in fleet.rules if r.network_id in ids or not r.network_id),
    )
    return Planned(targets, left_out, preflight(Facts(narrowed)), lambda target: _call(capabilities, target))


def _call(capabilities: Capabilities, target: Target) -> str:
    """The call with every flag that this server knows, as the run will send it."""
    operation = target.operation
    restart = operation.restart
    if operation.live_patch is not None and target.kind != "systemvm":
        restart = Restart(cleanup=False, livepatch=True)
    if restart is None:
        return target.call
    command = "restartVPC" if target.kind == "vpc" else "restartNetwork"
    params = written(restart_params(capabilities, target.id, restart, command))
    return f"{command} {' '.join(f'{name}={value}' for name, value in params.items())}"


def _ask(plan: CampaignPlan, sketch: CampaignState) -> None:
    """Ends with 2 when nobody says yes."""
    if not sys.stdin.isatty():
        fail("nobody to ask: add --yes to go ahead, or --dry-run to look only", 2)
    operations = [t.operation for t in sketch.targets.values()] + ([plan.fallback] if plan.fallback else [])
    if any(map(destructive, operations)):
        click.echo(f"This cannot be undone. Type {printable(plan.name)} to go ahead: ", nl=False, err=True)
        agreed = sys.stdin.readline().strip() == plan.name
    else:
        click.echo("Go ahead? [y/N]: ", nl=False, err=True)
        agreed = sys.stdin.readline().strip().lower() in ("y", "yes")
    if not agreed:
        fail("not confirmed: nothing was done", 2)


def _new_folder(plan: CampaignPlan, source: bytes) -> CampaignFolder:
    try:
        folder = CampaignFolder(new_run(plan.name, base()).path)
        folder.keep_plan(source)
    except OSError as error:
        fail(f"cannot keep a campaign under {base()}: {error.strerror or error}; set CSWORKBENCH_DATA_DIR", 1)
    return folder


async def _conduct(plan: CampaignPlan, folder: CampaignFolder, state: CampaignState, how: Manner) -> int:
    printer = Printer()
    news = News(plan, state, printer, folder.path)
    evidence = _Evidence(plan, folder, state)

    def say(entry: rec.Entry) -> None:
        news(entry)
        evidence(entry)

    launcher = _launcher(plan, folder, force=how.force)
    conductor = Conductor(
        plan, folder, state, launcher, scenario_of, who(), say, lambda why: news.held(why, datetime.now(UTC))
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, _interrupted, conductor, printer)
    printer(f"campaign {folder.name}: `csworkbench upgrade status`, `pause`, `skip`, `retry`, `stop` from any terminal")
    try:
        code = await conductor.run()
    except OSError as error:
        fail(f"{folder.path} cannot be written ({error}); what runs goes on: `upgrade --resume {folder.name}`", 1)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
        printer.close()
        folder.unlock()
    evidence.write()
    _goodbye(plan, folder, state, conductor, how)
    return code


def _interrupted(conductor: Conductor, printer: Printer) -> None:
    conductor.interrupt()
    number = len(conductor.running)
    running = "1 run is" if number == 1 else f"{number} runs are"
    if conductor.detached:
        printer(f"{running} left alone; `csworkbench upgrade --resume {conductor.folder.name}` goes on with it")
    else:
        printer(f"no new starts; {running} finished first. Once more, and what runs is left alone")


def _launcher(plan: CampaignPlan, folder: CampaignFolder, *, force: bool) -> Launcher:
    def words(run: RunFolder) -> list[str]:
        forced = ["--force"] if force else []
        return own_command("engine", str(run.path), "--unattended", *forced)

    env = {VARIABLE: f"{plan.calls_per_second}:{folder.slots}"}
    return Launcher(runs_dir(), words, write_spec, env, tag=folder.name[:32].rstrip("-"))


class _Evidence:
    """campaign.csv and campaign.md, written again as targets settle, at most every few seconds."""

    def __init__(self, plan: CampaignPlan, folder: CampaignFolder, state: CampaignState) -> None:
        self._plan, self._folder, self._state = plan, folder, state
        self._written: datetime | None = None

    def __call__(self, entry: rec.Entry) -> None:
        due = self._written is None or (entry.at - self._written).total_seconds() >= EVIDENCE_S
        if due and isinstance(entry.body, rec.Ended | rec.Skipped | rec.Unclear):
            self._written = entry.at
            self.write()

    def write(self) -> None:
        """Beside, then in place; a full disk is said and ends nothing."""
        name = self._folder.name
        try:
            replace_text(self._folder.path / CSV, told.as_csv(name, self._state))
            replace_text(self._folder.path / MARKDOWN, told.markdown(name, self._plan, self._state))
        except OSError as error:
            click.echo(f"csworkbench: {self._folder.path} cannot be written: {error.strerror or error}", err=True)


def _goodbye(
    plan: CampaignPlan, folder: CampaignFolder, state: CampaignState, conductor: Conductor, how: Manner
) -> None:
    now = datetime.now(UTC)
    if how.as_json:
        click.echo(json.dumps(told.as_json(folder.name, plan, state, estimate(plan, state, now)), indent=2))
    else:
        click.echo(told.text(folder.name, plan, state, None, everything=False))
    click.echo(f"evidence: {folder.path / CSV}, {folder.path / MARKDOWN}", err=True)
    left = sum(t.status not in SETTLED for t in state.targets.values())
    if left and conductor.detached:
        click.echo(f"runs go on by themselves: `csworkbench upgrade --resume {folder.name}` follows them", err=True)
    elif left:
        go_on = " --go-on" if stop_reason(plan, state) else ""
        click.echo(f"{left} targets are left: `csworkbench upgrade --resume {folder.name}{go_on}`", err=True)
