# SPDX-License-Identifier: Apache-2.0
"""`csworkbench lab`: the test cloud. Commands import what they need, so that `lab nc` and `lab exec` start fast."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from csworkbench.cli.lab_truth import truth

if TYPE_CHECKING:
    from csworkbench.lab.fleet import Group
    from csworkbench.lab.options import Options

FAILED, USAGE = 1, 2
BREAK_PATHS = ("egress", "ingress", "all", "dns", "metadata", "balancer")


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


def _fail(text: object, code: int = FAILED) -> NoReturn:
    click.echo(f"csworkbench lab: {text}", err=True)
    sys.exit(code)


@contextmanager
def _one_line_errors() -> Iterator[None]:
    from csworkbench.lab.client import NotUpError, RefusedError

    try:
        yield
    except (NotUpError, RefusedError) as error:
        _fail(error)


@lab.command()
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
        _fail(error, USAGE)
    if until_eof and not foreground:
        _fail("--until-eof needs --foreground", USAGE)
    try:
        if foreground:
            _up_here(state, options, started_at, until_eof=until_eof, as_json=as_json)
        else:
            _up_detached(state, options, started_at, as_json=as_json)
    except LabError as error:
        _fail(error)


def _settings(given: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    found = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name or name in found:
            _fail(f"--set {word!r}: NAME=VALUE is needed, and each name once", USAGE)
        found[name] = value
    return tuple(found.items())


def _groups(file: Path) -> tuple[Group, ...]:
    from csworkbench.cli.fleet_file import load_fleet
    from csworkbench.config import ConfigError

    try:
        return load_fleet(file)
    except ConfigError as error:
        _fail(error, USAGE)


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
        _summary(message["ready"])


def _summary(info: dict[str, Any]) -> None:
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


@lab.command()
@click.pass_obj
def down(state: Path) -> None:
    """End the cloud; nothing but the keys in the state directory remains."""
    from csworkbench.lab import client

    with _one_line_errors():
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
        _fail(error)
    info["memory_mb"] = memory_mb(info["pid"])  # now; the file has what it was at the start
    if as_json:
        click.echo(json.dumps(info))
    else:
        _summary(info)


@lab.command()
@click.pass_obj
def env(state: Path) -> None:
    """Print the variables that API clients read, for `eval`."""
    import shlex

    from csworkbench.lab import client

    with _one_line_errors():
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

    with _one_line_errors():
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

    with _one_line_errors(), client.connect(state, host, port) as connection:
        client.pass_or_pump(connection)


@lab.command("break")
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
        _fail(f"unknown path {path!r}; there are {', '.join(BREAK_PATHS)}", USAGE)
    with _one_line_errors():
        *_, last = client.ask(state, {"op": "break", "path": path, "ms": ms})
    click.echo(json.dumps(last["made"]))


@lab.command()
@click.argument("name", required=False)
@click.option("--off", is_flag=True, help="Switch it off.")
@click.pass_obj
def fault(state: Path, name: str | None, off: bool) -> None:
    """List the faults, or switch one on or off."""
    from csworkbench.lab import client

    with _one_line_errors():
        *_, last = client.ask(state, {"op": "fault", "name": name, "off": off})
    wide, broad = (max(len(item[key]) for item in last["faults"]) for key in ("name", "area"))
    for item in last["faults"]:
        state_word = "on " if item["active"] else "off"
        click.echo(f"{state_word}  {item['name']:{wide}}  {item['area']:{broad}}  {item['description']}")


@lab.group()
def manage() -> None:
    """What an administrator does to the management server itself; its routers run on."""


_AWAY = click.option("--away", default=0.0, show_default=True, help="Seconds during which it does not answer.")


def _manage(state: Path, **message: object) -> None:
    from csworkbench.lab import client

    with _one_line_errors():
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


@lab.command("swap-mac")
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
    with _one_line_errors():
        *_, last = client.ask(state, message)
    click.echo(json.dumps(last["made"]))


lab.add_command(truth)
