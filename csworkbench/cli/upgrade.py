# SPDX-License-Identifier: Apache-2.0
"""`upgrade`: a campaign over many routers, begun, resumed, looked at and steered."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from csworkbench.cloudstack import CloudStackError
from csworkbench.config import ConfigError
from csworkbench.config.campaign_file import load_campaign
from csworkbench.recording.by_name import LAST
from csworkbench.results.campaign import as_json as campaign_json
from csworkbench.results.campaign import text
from csworkbench.upgrade.campaign import Status, estimate, schedule, stop_reason
from csworkbench.upgrade.campaign import record as rec
from csworkbench.upgrade.campaign.commands import COMMANDS, OPERATIONS, Refused, entry_for
from csworkbench.upgrade.campaign.folder import CampaignFolder, numbered
from csworkbench.upgrade.campaign.outcome import exit_code
from csworkbench.upgrade.campaign.state import CampaignState, apply

from .campaigns import all_campaigns, find_campaign, plan_of, state_of, taken, who
from .common import fail, has_terminal
from .screen_options import Look

if TYPE_CHECKING:
    from .campaign_run import Manner


class PlanOrCommand(click.Group):
    """A group whose first word may also be a plan's file: then that campaign is begun."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`PLAN.yaml …` and `--resume …` are the command `begin`."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["begin", *args]
        return super().parse_args(ctx, args)


@click.group(
    cls=PlanOrCommand,
    subcommand_metavar="PLAN.yaml | COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"]},
)
def upgrade() -> None:
    """Restart or live patch many routers in waves, each measured (docs/campaign.md).

    `csworkbench upgrade PLAN.yaml` shows what it would do and asks; `upgrade begin --help` lists the options.
    Exit codes: 0 all done, 1 failed, 2 usage or missing confirmation, 3 over budget, 4 not measurable, 5 changed
    nothing.
    """


@upgrade.command()
@click.argument("plan", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and end.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Go ahead although a check of the preflight says stop.")
@click.option("--resume", metavar="CAMPAIGN", help="Go on with a campaign: its id, folder, or `last`.")
@click.option("--go-on", is_flag=True, help="With --resume: a stop or a pause is over.")
@click.option("--json", "as_json", is_flag=True, help="Print what it came to as JSON.")
@click.option("--tui", is_flag=True, help="Conduct it in the background, and watch it on a screen.")
def begin(
    plan: Path | None, dry_run: bool, yes: bool, force: bool, resume: str | None, go_on: bool, as_json: bool, tui: bool
) -> None:
    """Begin the campaign of PLAN, or go on with one."""
    from .campaign_run import Manner, begun, resumed

    if (plan is None) == (resume is None):
        fail("name a plan, or a campaign to go on with: `upgrade PLAN.yaml` or `upgrade --resume last`", 2)
    if go_on and resume is None:
        fail("--go-on goes with --resume", 2)
    how = Manner(dry_run=dry_run, yes=yes, force=force, as_json=as_json)
    if tui:
        _need_terminal()
    try:
        if tui and not dry_run:
            raise SystemExit(_on_screen(plan, resume, how, go_on=go_on))
        if plan is not None:
            raise SystemExit(asyncio.run(begun(load_campaign(plan), plan.read_bytes(), how)))
        raise SystemExit(asyncio.run(resumed(find_campaign(resume or LAST), how, go_on=go_on)))
    except ConfigError as error:
        fail(str(error), 2)
    except CloudStackError as error:
        fail(str(error), 1)
    except KeyboardInterrupt:
        fail("interrupted before the campaign began; nothing was done", 1)


def _need_terminal() -> None:
    if not has_terminal():
        fail("--tui needs a terminal; without it the campaign tells what happens line by line", 2)


def _on_screen(plan: Path | None, resume: str | None, how: "Manner", *, go_on: bool) -> int:
    """Begin or resume it in a process of its own, and watch it. Raises ConfigError, CloudStackError."""
    from .campaign_run import opened
    from .campaign_screen import conducted, watch

    if plan is not None:
        folder = asyncio.run(opened(load_campaign(plan), plan.read_bytes(), how))
        if folder is None:
            return 0
    else:
        folder = find_campaign(resume or LAST)
    if not folder.busy and not (state_of(folder).settled and not go_on):
        conducted(folder, [*(["--go-on"] if go_on else []), *(["--force"] if how.force else [])])
    return watch(folder, Look())


@upgrade.command()
@click.argument("campaign", default=LAST)
@click.option("--all", "everything", is_flag=True, help="A line for each target, what waits and why.")
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@click.option("--tui", is_flag=True, help="Watch and steer it on a screen.")
def status(campaign: str, everything: bool, as_json: bool, tui: bool) -> None:
    """Say how far CAMPAIGN (the newest) is. Ends with its exit code once nothing is left to do, else with 0."""
    folder = find_campaign(campaign)
    if tui:
        from .campaign_screen import watch

        _need_terminal()
        raise SystemExit(watch(folder, Look()))
    plan, state = plan_of(folder), state_of(folder)
    left = estimate(plan, state, datetime.now(UTC))
    if as_json:
        live = _live(folder)
        click.echo(json.dumps({**campaign_json(folder.name, plan, state, left), "conducted": live}, indent=2))
    else:
        waits = schedule(plan, state, datetime.now(UTC)).waits
        click.echo(text(folder.name, plan, state, left, everything=everything, waits=waits))
        if state.closed is None and not folder.busy:
            click.echo(f"nobody conducts it now: `csworkbench upgrade --resume {folder.name}` goes on")
    raise SystemExit(exit_code(state) if state.settled else 0)


def _live(folder: CampaignFolder) -> object:
    from csworkbench.campaign.control import NotConducted, ask

    try:
        return ask(folder.socket, "status")
    except NotConducted:
        return None


@upgrade.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def list_campaigns(as_json: bool) -> None:
    """List the campaigns, newest first."""
    rows = []
    for folder in all_campaigns():
        state = state_of(folder)
        done = sum(t.status in (Status.DONE, Status.FAILED, Status.SKIPPED) for t in state.targets.values())
        how = "ended" if state.settled else "going on" if folder.busy else "open"
        name = state.opened.name if state.opened is not None else ""
        rows.append({"campaign": folder.name, "name": name, "settled": done, "targets": len(state.targets), "is": how})
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['campaign']}  {row['is']}  {row['settled']} of {row['targets']}")
    if not rows:
        click.echo("no campaign yet", err=True)


def _steering(name: str, about: str, *, with_target: bool = False) -> None:
    def command(campaign: str, why: str, target: str = "", operation: str = "") -> None:
        _steer(find_campaign(campaign), name, target=target, operation=operation, why=why)

    found = click.option("--campaign", default=LAST, show_default=True, help="Which one.")(command)
    found = click.option("--why", default="", help="A reason, for the journal.")(found)
    if name == "retry":
        found = click.option("--operation", type=click.Choice(OPERATIONS), default=None, help="Another one.")(found)
    if with_target:
        found = click.argument("target")(found)
    found.__doc__ = about
    upgrade.command(name)(found)


_steering("pause", "Start nothing more until `go-on`.")
_steering("go-on", "End a pause, a stop, or the wait after the canary.")
_steering("stop", "Start nothing more; what runs is finished, and the command of the campaign ends.")
_steering("skip", "Do not operate TARGET, or not any more.", with_target=True)
_steering("retry", "Operate TARGET again, that failed, was skipped or is unknown.", with_target=True)


def _steer(folder: CampaignFolder, do: str, *, target: str, operation: str | None, why: str) -> None:
    """Through the process that conducts it, or, when there is none, straight into the journal."""
    from csworkbench.campaign.control import NotConducted, ask

    assert do in COMMANDS  # noqa: S101 - they are declared above
    try:
        reply = ask(folder.socket, do, who=who(), target=target, operation=operation or "", why=why)
    except NotConducted:
        _write_down(folder, do, target=target, operation=operation or "", why=why)
        return
    if "error" in reply:
        fail(str(reply["error"]), 2)
    click.echo(str(reply.get("text", "")), err=True)


def _write_down(folder: CampaignFolder, do: str, *, target: str, operation: str, why: str) -> None:
    state: CampaignState = taken(folder)
    try:
        body: rec.Body = entry_for(state, do, who=who(), target=target, operation=operation, why=why)
        entries = numbered([body], state.seq, datetime.now(UTC))
        folder.append(entries)
        apply(state, entries[0])
    except Refused as error:
        fail(str(error), 2)
    except OSError as error:
        fail(f"{folder.journal} cannot be written: {error.strerror or error}", 1)
    finally:
        folder.unlock()
    held = stop_reason(plan_of(folder), state)
    more = f"; it is stopped ({held}), `--go-on` ends that" if held else ""
    click.echo(f"written down; `csworkbench upgrade --resume {folder.name}` goes on{more}", err=True)
