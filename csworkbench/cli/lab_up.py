# SPDX-License-Identifier: Apache-2.0
"""`csworkbench lab up`: start a test cloud, and say what it is."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from csworkbench.cli.lab_errors import USAGE, fail

if TYPE_CHECKING:
    from csworkbench.lab.fleet import Group
    from csworkbench.lab.options import Options


@click.command()
@click.option("--profile", default="4.22", show_default=True, help="CloudStack release to behave like.")
@click.option("--vms", default=10, show_default=True, help="Tenant VMs, each with a public address.")
@click.option("--topology", default="isolated", show_default=True, help="isolated, redundant, vpc, shared or ipv6.")
@click.option(
    "--fleet",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with more networks: samples/fleets/mixed.yaml.",
)
@click.option("--scale", default=0.1, show_default=True, help="Factor on injected waits (boot, pauses).")
@click.option("--tls", is_flag=True, help="Serve the API over HTTPS, with a private CA's certificate.")
@click.option("--hostile-names", is_flag=True, help="Display names full of markup, formulas and control characters.")
@click.option(
    "--handover",
    type=click.Choice(["external", "negotiated"]),
    default=None,
    help="How a restart with cleanup moves a network to its new router, in place of CloudStack's way.",
)
@click.option("--tenant-kinds", help="What the last VMs' login users may do, e.g. sudo:1,user:2,shell:1.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="A global setting; several: name each.",
)
@click.option("--foreground", is_flag=True, help="Stay, and take the cloud down on SIGTERM or SIGINT.")
@click.option("--until-eof", is_flag=True, help="With --foreground: take it down when standard input ends.")
@click.option("--json", "as_json", is_flag=True, help="Print the info object as one line.")
@click.pass_obj
def up(
    state: Path,
    profile: str,
    vms: int,
    topology: str,
    fleet: Path | None,
    scale: float,
    tls: bool,
    hostile_names: bool,
    handover: str | None,
    tenant_kinds: str | None,
    settings: tuple[str, ...],
    foreground: bool,
    until_eof: bool,
    as_json: bool,
) -> None:
    """Start a cloud and return when it is ready."""
    from csworkbench.lab.hosts import LabError
    from csworkbench.lab.options import Options
    from csworkbench.lab.tenant_kinds import parse

    started_at = time.monotonic()
    groups = _groups(fleet) if fleet else ()
    try:
        options = Options(
            profile,
            vms,
            topology,
            scale,
            tls=tls,
            hostile_names=hostile_names,
            fleet=groups,
            handover=handover or "none",
            tenant_kinds=parse(tenant_kinds) if tenant_kinds else (),
            settings=_settings(settings),
        )
        options.check()
    except LabError as error:
        fail(error, USAGE)
    if until_eof and not foreground:
        fail("--until-eof needs --foreground", USAGE)
    try:
        if foreground:
            _up_here(state, options, started_at, until_eof=until_eof, as_json=as_json)
        else:
            _up_detached(state, options, started_at, as_json=as_json)
    except LabError as error:
        fail(error)


def _settings(given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    found = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name or name in found:
            fail(f"--set {word!r}: NAME=VALUE is needed, and each name once", USAGE)
        found[name] = value
    return tuple(found.items())


def _groups(file: Path) -> tuple[Group, ...]:
    from csworkbench.cli.fleet_file import load_fleet
    from csworkbench.config import ConfigError

    try:
        return load_fleet(file)
    except ConfigError as error:
        fail(error, USAGE)


def _up_here(state: Path, options: Options, started_at: float, *, until_eof: bool, as_json: bool) -> None:
    import asyncio

    from csworkbench.lab import outer
    from csworkbench.lab.hosts import LabError
    from csworkbench.lab.state import StateDirectory

    def report(message: dict[str, Any]) -> None:
        try:
            _show(message, as_json=as_json)
        except OSError as error:
            raise LabError("nobody reads the output any more") from error

    asyncio.run(outer.run(options, StateDirectory(state), report, started_at=started_at, until_eof=until_eof))


def _up_detached(state: Path, options: Options, started_at: float, *, as_json: bool) -> None:
    """A process of its own session that reports over a pipe; its log is in the state directory."""
    import json

    from csworkbench.lab.hosts import LabError
    from csworkbench.lab.launch import start_detached
    from csworkbench.lab.state import StateDirectory

    directory = StateDirectory(state)
    directory.prepare()
    last: dict[str, Any] = {"error": f"it ended before it was ready; see {directory.log_file}"}
    for line in start_detached(directory, options.to_json(), started_at):
        last = json.loads(line)
        if "error" in last:
            break
        _show(last, as_json=as_json)
    if "ready" not in last:
        raise LabError(last.get("error", f"it ended before it was ready; see {directory.log_file}"))


def _show(message: dict[str, Any], *, as_json: bool) -> None:
    import json

    if "progress" in message:
        click.echo(f"lab: {message['progress']}", err=True)
    elif "ready" in message and as_json:
        click.echo(json.dumps(message["ready"]))
    elif "ready" in message:
        summary(message["ready"])


def summary(info: dict[str, Any]) -> None:
    """Print what a cloud is, and what to do with it."""
    vpc = f" of VPC {info['vpc']}" if "vpc" in info else ""
    click.echo(
        f"CloudStack {info['profile']} test cloud, {info['topology']}, {_networks(info)}, scale {info['scale']}: "
        f"up in {info['started_s']:.2f} s, {info['memory_mb']} MB\n"
        f"  API       {info['endpoint']}\n"
        f"  network   {info['network']}{vpc}, egress target {info['egress_target']}\n"
        f'  try       eval "$(csworkbench lab env)"   csworkbench lab exec vm01 -- ping -c 3 {info["egress_target"]}\n'
        f"  end it    csworkbench lab down"
    )


def _networks(info: dict[str, Any]) -> str:
    tenants = f"{info['vms']} tenants"
    return tenants if info["networks"] == 1 else f"{tenants} in {info['networks']} networks"
