# SPDX-License-Identifier: Apache-2.0
"""`attach`: watch a run that is going on, from any terminal."""

import click

from csworkbench.recording.library import all_runs, runs_dir

from .common import fail, has_terminal, read_only_asked, resume_line
from .find import find
from .live import has_ended, is_live, live_runs
from .screen_options import Look, screen_options
from .team import Team, clearly, current, store_option
from .workbench import follow_plain, open_workbench


@click.command()
@click.argument("run", required=False)
@click.option("--read-only", is_flag=True, help="Look, but start and stop nothing.")
@click.option("--plain", is_flag=True, help="One line per change of state instead of the workbench.")
@screen_options
@store_option
def attach(run: str | None, read_only: bool, plain: bool, look: Look) -> None:
    """Watch RUN, or the newest run that is going on. With --store: one of another workbench, read-only."""
    team = current()
    if team is not None:
        raise SystemExit(_attach_team(team, run, plain, look))
    if run is None:
        live = live_runs()
        if not live:
            newest = next(iter(all_runs(runs_dir())), None)
            if newest is not None and not has_ended(newest):
                fail(resume_line(newest.name), 1)
            fail("no run is going on; `csworkbench runs` lists the finished ones, `csworkbench demo` starts one", 1)
        folder = live[0]
    else:
        folder = find(run)
    if plain or not has_terminal():
        code = follow_plain(folder)
    else:
        code = open_workbench(folder, read_only=read_only or read_only_asked(), look=look)
    if not is_live(folder) and not has_ended(folder):
        click.echo(resume_line(folder.name), err=True)
    raise SystemExit(code)


def _attach_team(team: Team, wanted: str | None, plain: bool, look: Look) -> int:
    from .team_feed import TeamFeed

    with clearly():
        if wanted is None:
            found = next((run for run in team.runs() if run.stored.live), None)
            if found is None:
                fail(f"no run is going on in {team.store.shown}", 1)
        else:
            found = team.find(wanted)
        feed = TeamFeed(found)
        if plain or not has_terminal():
            return follow_plain(found, feed)
        return open_workbench(found, read_only=True, look=look, feed=feed)
