# SPDX-License-Identifier: Apache-2.0
"""`diagnose`: ping, arping and traceroute from inside a router or system VM, and the archive of its logs."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from csworkbench.cloudstack import CloudStackError
from csworkbench.cloudstack.diagnostics import (
    DATA,
    MOST_COUNT,
    RUN,
    Answer,
    Question,
    find_target,
    question,
    require_diagnostics,
    run_diagnostics,
)
from csworkbench.cloudstack.diagnostics_data import collect_data
from csworkbench.cloudstack.download import Download
from csworkbench.config import ConfigError

from .common import fail
from .profile import Unrecorded, exit_code_of, open_client, profile_of


@click.command()
@click.argument("target")
@click.argument("kind", required=False, metavar="[ping|arping|traceroute]")
@click.argument("address", required=False)
@click.option("--cloud", default="lab", show_default=True, help="A cloud of config.yaml, `env`, or `lab`.")
@click.option("--count", type=click.IntRange(1, MOST_COUNT), help="Packets, or hops of a traceroute; 4, or 20 hops.")
@click.option("--interface", default="", metavar="NAME", help="Inside the VM, e.g. eth2.")
@click.option("--collect", type=click.Path(path_type=Path, file_okay=False), help="Fetch the archive of logs into DIR.")
@click.option("--file", "files", multiple=True, metavar="PATH", help="With --collect: a file, or [IPTABLES] and so on.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def diagnose(
    target: str,
    kind: str | None,
    address: str | None,
    cloud: str,
    count: int | None,
    interface: str,
    collect: Path | None,
    files: tuple[str, ...],
    as_json: bool,
) -> None:
    """Look into TARGET, a router or system VM by name or id: `csworkbench diagnose r-4-VM ping 192.0.2.1`.

    An IPv6 address takes ping6 or traceroute6. Ends with 1 when the address did not answer or the API failed, with 2
    for what cannot be asked. docs/access.md says which versions offer it, and to whom.
    """
    if (collect is None) == (kind is None or address is None):
        fail("name what to run and an address, e.g. `ping 192.0.2.1`, or give --collect DIR", 2)
    try:
        if collect is not None:
            _make(collect)
            found = asyncio.run(_collect(cloud, target, collect, files))
            _tell_file(found, as_json=as_json)
            return
        asked = question(kind or "", address or "", count=count, interface=interface)
        answer = asyncio.run(_ask(cloud, target, asked))
        _tell_answer(target, asked, answer, as_json=as_json)
        raise SystemExit(0 if answer.exit_code == 0 else 1)
    except (ConfigError, CloudStackError) as error:
        fail(str(error), exit_code_of(error))
    except KeyboardInterrupt:
        fail("interrupted; a job that was begun ends by itself", 1)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror or error}") from None


async def _ask(cloud: str, target: str, asked: Question) -> Answer:
    profile = await profile_of(cloud)
    async with open_client(profile.cloud) as client:
        vm = await find_target(client, target)
        await require_diagnostics(client, RUN, asked.kind)
        click.echo(f"{vm.kind} {vm.name} ({vm.state}): {asked.words}", err=True)
        return await run_diagnostics(client, Unrecorded(), vm.id, asked)


async def _collect(cloud: str, target: str, folder: Path, files: tuple[str, ...]) -> Download:
    profile = await profile_of(cloud)
    async with open_client(profile.cloud) as client:
        vm = await find_target(client, target)
        await require_diagnostics(client, DATA)
        click.echo(f"{vm.kind} {vm.name} ({vm.state}): its archive of logs is made; this takes a while", err=True)
        return await collect_data(
            client, Unrecorded(), vm, folder, connect=profile.connect, verify=profile.storage_verify, files=files
        )


def _tell_answer(target: str, asked: Question, answer: Answer, *, as_json: bool) -> None:
    if as_json:
        document: dict[str, Any] = {"target": target, "command": asked.words, **asdict(answer)}
        click.echo(json.dumps(document, indent=2))
        return
    if answer.stdout:
        click.echo(answer.stdout)
    if answer.stderr:
        click.echo(answer.stderr, err=True)
    if answer.cut:
        click.echo("csworkbench: the output was longer and is cut here", err=True)
    if answer.exit_code:
        why = "it could not be run" if answer.exit_code < 0 else f"{asked.kind} ended with {answer.exit_code}"
        click.echo(f"csworkbench: {why}", err=True)


def _tell_file(found: Download, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(found) | {"path": str(found.path)}, indent=2))
    else:
        click.echo(f"{found.path}  {found.size} bytes  sha256 {found.sha256}")
