# SPDX-License-Identifier: Apache-2.0
"""`csworkbench lab break`, `fault`, `manage` and `swap-mac`: what is done to a test cloud that is up."""

from __future__ import annotations

from pathlib import Path

import click

from csworkbench.cli.lab_errors import USAGE, fail, one_line_errors

BREAK_PATHS = ("egress", "ingress", "all", "dns", "metadata", "balancer")


@click.command("break")
@click.argument("path")
@click.option("--ms", required=True, type=click.IntRange(1), help="Length of the outage.")
@click.pass_obj
def break_path(state: Path, path: str, ms: int) -> None:
    """Make an exactly timed outage of PATH and print its stamps when it is over.

    PATH: egress, ingress, all, dns, metadata or balancer.
    """
    import json

    from csworkbench.lab import client

    if path not in BREAK_PATHS:
        fail(f"unknown path {path!r}; there are {', '.join(BREAK_PATHS)}", USAGE)
    with one_line_errors():
        *_, last = client.ask(state, {"op": "break", "path": path, "ms": ms})
    click.echo(json.dumps(last["made"]))


@click.command()
@click.argument("name", required=False)
@click.option("--off", is_flag=True, help="Switch it off.")
@click.pass_obj
def fault(state: Path, name: str | None, off: bool) -> None:
    """List the faults, or switch one on or off."""
    from csworkbench.lab import client

    with one_line_errors():
        *_, last = client.ask(state, {"op": "fault", "name": name, "off": off})
    wide, broad = (max(len(item[key]) for item in last["faults"]) for key in ("name", "area"))
    for item in last["faults"]:
        state_word = "on " if item["active"] else "off"
        click.echo(f"{state_word}  {item['name']:{wide}}  {item['area']:{broad}}  {item['description']}")


@click.group()
def manage() -> None:
    """What an administrator does to the management server itself; its routers run on."""


_AWAY = click.option("--away", default=0.0, show_default=True, help="Seconds during which it does not answer.")


def _manage(state: Path, **message: object) -> None:
    from csworkbench.lab import client

    with one_line_errors():
        *_, last = client.ask(state, {"op": "manage", **message})
    click.echo(last["text"])


@manage.command()
@click.argument("release")
@click.option("--code-only", is_flag=True, help="Register no new system VM template.")
@_AWAY
@click.pass_obj
def upgrade(state: Path, release: str, code_only: bool, away: float) -> None:
    """Upgrade it to RELEASE (a profile): running jobs are lost, routers stay on their old version."""
    _manage(state, action="upgrade", release=release, code_only=code_only, away_s=away)


@manage.command()
@_AWAY
@click.pass_obj
def restart(state: Path, away: float) -> None:
    """Restart it: running jobs and sessions are lost, settings that need a restart are read."""
    _manage(state, action="restart", away_s=away)


@manage.command()
@click.option("--off", is_flag=True, help="End the maintenance.")
@click.pass_obj
def maintenance(state: Path, off: bool) -> None:
    """Let it take no new jobs (from 4.21 on)."""
    _manage(state, action="maintenance", off=off)


@click.command("swap-mac")
@click.argument("network")
@click.option("--gap-ms", required=True, type=click.IntRange(1), help="How long the gateway is away.")
@click.option("--no-garp", is_flag=True, help="It does not announce its new MAC.")
@click.option("--follow", "follow_s", default=0.0, metavar="SECONDS", help="Then wait until every VM has found it.")
@click.pass_obj
def swap_mac(state: Path, network: str, gap_ms: int, no_garp: bool, follow_s: float) -> None:
    """Take NETWORK's gateway away for an exact time and bring it back with another MAC; print the stamps."""
    import json

    from csworkbench.lab import client

    message = {"op": "swap-mac", "network": network, "gap_ms": gap_ms, "garp": not no_garp, "follow_s": follow_s}
    with one_line_errors():
        *_, last = client.ask(state, message)
    click.echo(json.dumps(last["made"]))
