# SPDX-License-Identifier: Apache-2.0
"""`csworkbench lab`: the test cloud. Commands import what they need, so that `lab nc` and `lab exec` start fast."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from csworkbench.cli.lab_change import break_path, fault, manage, swap_mac
from csworkbench.cli.lab_errors import FAILED, fail, one_line_errors
from csworkbench.cli.lab_truth import truth
from csworkbench.cli.lab_up import summary, up


@click.group()
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="CSWORKBENCH_LAB_DIR",
    help="Directory that holds the cloud's keys and sockets.",
)
@click.pass_context
def lab(context: click.Context, state: Path | None) -> None:
    """The test cloud: namespaces, real daemons and a CloudStack API."""
    context.obj = (state or _default_state()).absolute()


def _default_state() -> Path:
    from platformdirs import user_state_dir

    return Path(user_state_dir("csworkbench")) / "lab"


@lab.command()
@click.pass_obj
def down(state: Path) -> None:
    """End the cloud; nothing but the keys in the state directory remains."""
    from csworkbench.lab import client

    with one_line_errors():
        client.down(state)


@lab.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def status(state: Path, as_json: bool) -> None:
    """Say whether a cloud is up (exit code 1 when none is)."""
    import json

    from csworkbench.lab import client
    from csworkbench.lab.memory import memory_mb

    try:
        info = client.info(state)
    except client.NotUpError as error:
        if as_json:
            click.echo(json.dumps({"state": "down"}))
            sys.exit(FAILED)
        fail(error)
    info["memory_mb"] = memory_mb(info["pid"])  # now; the file has what it was at the start
    if as_json:
        click.echo(json.dumps(info))
    else:
        summary(info)


@lab.command()
@click.pass_obj
def env(state: Path) -> None:
    """Print the variables that API clients read, for `eval`."""
    import shlex

    from csworkbench.lab import client

    with one_line_errors():
        info = client.info(state)
    values = {"ENDPOINT": info["endpoint"], "KEY": info["key"], "SECRET": info["secret"]}
    if "ca" in info:
        values["VERIFY"] = info["ca"]
    click.echo(" ".join(["export", *(f"CLOUDSTACK_{name}={shlex.quote(value)}" for name, value in values.items())]))


@lab.command("exec", context_settings={"ignore_unknown_options": True})
@click.argument("host")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def execute(state: Path, host: str, command: tuple[str, ...]) -> None:
    """Run a command on a host: outside, gateway, vm01 ..., or a router's name."""
    from csworkbench.lab import client

    with one_line_errors():
        *_, last = client.ask(state, {"op": "exec", "host": host, "argv": list(command)}, (0, 1, 2))
    ended: int = last["status"]
    os._exit(ended if ended >= 0 else 128 - ended)


@lab.command()
@click.argument("host")
@click.argument("port", type=click.IntRange(1, 65535))
@click.pass_obj
def nc(state: Path, host: str, port: int) -> None:
    """Connect from the outside host, for ssh's ProxyCommand (with or without ProxyUseFdpass)."""
    from csworkbench.lab import client

    with one_line_errors(), client.connect(state, host, port) as connection:
        client.pass_or_pump(connection)


for command in (up, break_path, fault, manage, swap_mac, truth):
    lab.add_command(command)
