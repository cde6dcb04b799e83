# SPDX-License-Identifier: Apache-2.0
"""`testbed up|status|down`: ShapeBlue's test bed on any CloudStack, and its removal."""

import asyncio
import json
import re
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import click

from csworkbench.cloudstack import BadTarget, CloudStackError
from csworkbench.cloudstack.envelope import flag as is_true
from csworkbench.cloudstack.envelope import string
from csworkbench.cloudstack.errors import ReadOnly
from csworkbench.cloudstack.testbed import (
    Ambiguous,
    Bed,
    BedFailed,
    BedSpec,
    Builder,
    Chosen,
    Item,
    Ledger,
    LedgerError,
    Remover,
    Wishes,
    batches,
    choose,
    complete,
    items,
    look,
    read_ledger,
)
from csworkbench.cloudstack.text import one_line
from csworkbench.config import ConfigError

from .common import fail, has_terminal
from .profile import LAB
from .run import Duration
from .testbed_cloud import BedCloud, NoLab, Notices, Waiting, bed_cloud, listens, silent
from .testbed_folder import BedFolder, bed_folder, scenario_text

NAME = re.compile(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?")
NO_LAB = "no test cloud is up: start one with `csworkbench lab up`, or name another cloud with --cloud"
T = TypeVar("T")


class BedName(click.ParamType[str]):
    """A bed's name: it becomes part of names in the cloud, and a folder."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as it is."""
        if NAME.fullmatch(str(value)) is None:
            self.fail(f"{value!r}: up to 20 lower-case letters, digits and hyphens, a letter first", param, ctx)
        return str(value)


named = click.option("--name", default="testbed", show_default=True, type=BedName(), help="Which bed.")


@click.group()
def testbed() -> None:
    """A network with VMs, addresses and rules to try restarts on, made through the API of any CloudStack."""


@testbed.command()
@named
@click.option("--cloud", default=LAB, show_default=True, help="A cloud of config.yaml, `env`, or `lab`.")
@click.option("--zone", default="", help="Name or id.  [default: the only one that suits]")
@click.option("--template", default="", help="Name or id.  [default: the only featured one that is ready]")
@click.option("--offering", default="", help="Service offering of the VMs.  [default: the smallest]")
@click.option("--network-offering", default="", help="Name or id.  [default: the one with all services of a router]")
@click.option("--redundant", is_flag=True, help="Choose a network offering with two routers.")
@click.option("--vms", default=10, show_default=True, type=click.IntRange(1, 100), help="VMs, and addresses.")
@click.option("--user", default="", help="Login user of the template, for the scenario.")
@click.option("--egress-target", default="", help="Address outside the cloud that VMs may ping, for the scenario.")
@click.option("--wait", "wait_s", default=600.0, type=Duration(), help="How long VMs may take to boot.  [default: 10m]")
@click.option("--yes", is_flag=True, help="Do not ask.")
def up(
    name: str, cloud: str, zone: str, template: str, offering: str, network_offering: str, redundant: bool, vms: int,
    user: str, egress_target: str, wait_s: float, yes: bool,
) -> None:  # fmt: skip
    """Make a bed, wait until it can be measured, and write the scenario that measures it."""
    folder = bed_folder(name)
    if _known(folder) is not None:
        fail(f"test bed {name} exists: see `csworkbench testbed status {_option(name)}`, or take it down first", 2)
    if cloud != LAB and not egress_target:
        fail("--egress-target is missing: name an address outside the cloud that its VMs may ping", 2)
    wishes = Wishes(zone, template, offering, network_offering, redundant)
    chosen = _chosen(cloud, wishes, ask=has_terminal() and not yes)
    spec = _spec(name, vms, chosen)
    _show(spec, cloud, chosen)
    if not yes:
        _ask()

    async def make() -> list[str]:
        async with bed_cloud(cloud, Notices(_tell)) as at:
            return await _make(at, folder, spec, cloud, wait_s)

    started = time.monotonic()
    problems = _run(make, name)
    try:
        folder.write_scenario(scenario_text(folder, cloud, spec.network_name, user, egress_target))
    except OSError as error:
        fail(f"{folder.scenario} cannot be written ({error.strerror})", 1)
    if problems:
        for problem in problems:
            click.echo(f"  {problem}", err=True)
        fail(f"test bed {name} cannot be measured after {wait_s:.0f} s; remove it with {_down(name)}", 1)
    _tell(f"test bed {name} is ready after {time.monotonic() - started:.0f} s")
    click.echo(
        f"scenario  {folder.scenario}\n"
        f"run it    csworkbench run {shlex.quote(str(folder.scenario))}\n"
        f"end it    csworkbench testbed down {_option(name)}"
    )


@testbed.command()
@named
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def status(name: str, as_json: bool) -> None:
    """Say what of a bed exists and what is missing. Ends with 1 unless it is whole."""
    bed = _known(bed_folder(name))
    if bed is None:
        if as_json:
            click.echo(json.dumps({"name": name, "state": "none", "items": []}))
            sys.exit(1)
        fail(f"there is no test bed {name}: make it with `csworkbench testbed up {_option(name)}`", 1)
    planned = sum(map(len, batches(bed.spec, "")))

    async def asked() -> tuple[list[Item], bool]:
        async with bed_cloud(bed.cloud, Notices(_tell)) as at:
            await _same_cloud(at, bed)
            seen = await look(at.client, bed)
            return items(bed, seen), not complete(bed, seen, planned)

    try:
        found, whole = _run(asked, name)
    except NoLab:
        fail(NO_LAB, 1)
    if as_json:
        rows = [{"key": i.key, "name": i.name, "id": i.id, "state": i.state, "good": i.good} for i in found]
        network = bed.spec.network_name
        state = "whole" if whole else "incomplete"
        about = {"name": name, "cloud": bed.cloud, "network": network, "state": state, "planned": planned}
        click.echo(json.dumps({**about, "items": rows}, indent=2))
    else:
        for item in found:
            said = f"  {one_line(item.text, 160)}" if item.text and not item.good else ""
            click.echo(f"{'ok     ' if item.good else 'MISSING'}  {item.key:<12} {one_line(item.name, 60):<34} "
                       f"{one_line(item.state, 32)}{said}")  # fmt: skip
        if len(found) < planned:
            click.echo(f"MISSING  {planned - len(found)} of {planned} things were never begun")
    sys.exit(0 if whole else 1)


@testbed.command()
@named
def down(name: str) -> None:
    """Remove everything that `up` made, and only that; also after a crash half-way."""
    folder = bed_folder(name)
    if _known(folder) is None:
        _clear(folder)
        _tell(f"there is no test bed {name}: nothing to remove")
        return

    async def remove() -> list[str]:
        with Ledger.again(folder.journal) as ledger:
            bed = ledger.bed
            try:
                async with bed_cloud(bed.cloud, Notices(_tell)) as at:
                    _may_change(at)
                    await _same_cloud(at, bed)
                    return await Remover(at.client, ledger, Notices(_tell), _tell_removed, at.poll_s).run()
            except NoLab:
                if await listens(bed.endpoint):
                    where = f"the bed's test cloud still listens at {bed.endpoint}, but not in this state directory"
                    raise ConfigError(f"{where}: set CSWORKBENCH_LAB_DIR as it was at `testbed up`") from None
                _tell("the bed's test cloud is gone, and the bed with it")
                return []

    problems = _run(remove, name)
    for problem in problems:
        click.echo(f"csworkbench: not removed: {problem}", err=True)
    if problems:
        fail(f"test bed {name} is not all gone; its journal stays in {folder.path}", 1)
    _clear(folder)
    _tell(f"test bed {name} is gone")


def _may_change(at: BedCloud) -> None:
    """Raises ReadOnly before the first of many calls."""
    if at.client.read_only:
        raise ReadOnly("testbed", "this cloud may only be looked at")


def _chosen(cloud: str, wishes: Wishes, *, ask: bool) -> Chosen:
    """Zone, template and offerings; asks at a terminal where several would do."""

    async def chosen() -> Chosen:
        async with bed_cloud(cloud, Notices(_tell)) as at:
            _may_change(at)
            return await choose(at.client, wishes)

    while True:
        try:
            return _run(chosen)
        except NoLab:
            fail(NO_LAB, 1)
        except Ambiguous as error:
            if not ask:
                fail(str(error), 2)
            picked: dict[str, Any] = {error.option.removeprefix("--").replace("-", "_"): _pick(error)}
            wishes = replace(wishes, **picked)


def _pick(error: Ambiguous) -> str:
    """The id that the person at the terminal chooses."""
    ids = list(error.found)
    click.echo(f"Several {error.what}s would do:", err=True)
    for number, identity in enumerate(ids, 1):
        click.echo(f"  {number:>2}  {one_line(error.found[identity], 100)}", err=True)
    number = click.prompt("Which one", type=click.IntRange(1, len(ids)), err=True)
    return ids[int(number) - 1]


def _spec(name: str, vms: int, chosen: Chosen) -> BedSpec:
    return BedSpec(
        name=name,
        token=secrets.token_hex(4),
        vms=vms,
        zone=string(chosen.zone.get("id"), 64),
        template=string(chosen.template.get("id"), 64),
        offering=string(chosen.offering.get("id"), 64),
        network_offering=string(chosen.network_offering.get("id"), 64),
        egress_rule=not is_true(chosen.network_offering.get("egressdefaultpolicy")),
    )


def _show(spec: BedSpec, cloud: str, chosen: Chosen) -> None:
    def title(row: dict[str, Any]) -> str:
        return one_line(row.get("name"), 80)

    steps = [step for batch in batches(spec, "") for step in batch]
    rules = sum(step.key.startswith("fw:") for step in steps)
    click.echo(
        f"Test bed {spec.name} on cloud {cloud}, {len(steps)} calls that make something:\n"
        f"  network   {spec.network_name}, {title(chosen.network_offering)}, zone {title(chosen.zone)}\n"
        f"  VMs       {spec.vms} of {title(chosen.template)}, {title(chosen.offering)}\n"
        f"  addresses {spec.addresses}, and the network's own; {rules} firewall rules\n"
        f"  rules     SSH forwarded to each VM, static NAT to the last, HTTP balanced over the first ones"
        f"{', everything out' if spec.egress_rule else ''}\n"
        f"  key       an SSH key pair; its private half stays in {bed_folder(spec.name).path}",
        err=True,
    )


def _ask() -> None:
    if not sys.stdin.isatty():
        fail("nobody to ask: add --yes to go ahead", 2)
    click.echo("Go ahead? [y/N]: ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        fail("not confirmed: nothing was made", 2)


async def _make(at: BedCloud, folder: BedFolder, spec: BedSpec, cloud: str, wait_s: float) -> list[str]:
    """Build and wait; what keeps it from being measured, one line each."""
    folder.make()
    public_key = await asyncio.to_thread(folder.new_key)
    many = (await at.client.capabilities()).has_param("deployVirtualMachine", "keypairs")
    steps = batches(spec, public_key, "keypairs" if many else "keypair")
    with Ledger.begin(folder.journal, Bed(spec, cloud, at.endpoint)) as ledger:
        began = time.monotonic()

        def tell(label: str) -> None:
            _tell(f"{time.monotonic() - began:6.1f} s  {label}")

        await Builder(at.client, ledger, Notices(_tell), tell, at.poll_s).run(steps)
        return await _wait(at, ledger.bed, sum(map(len, steps)), Waiting(wait_s, _tell))


async def _wait(at: BedCloud, bed: Bed, planned: int, waiting: Waiting) -> list[str]:
    while True:
        seen = await look(at.client, bed)
        problems = [f"{item.name}: {item.state}" for item in complete(bed, seen, planned)]
        if not problems:
            doors = [(string(row.get("ipaddress"), 64), int(row["publicport"])) for row in seen.forwardings]
            problems = await silent(at.dial, doors)
        if not problems or not await waiting.on(problems):
            return problems


async def _same_cloud(at: BedCloud, bed: Bed) -> None:
    """Raises ConfigError when the name means another cloud now: there, everything would look gone."""
    zones = await at.client.list_all("listZones", "zone")
    if any(zone.get("id") == bed.spec.zone for zone in zones):
        return
    if at.lab is not None and not await listens(bed.endpoint):
        raise NoLab
    where = f"the bed was made at {bed.endpoint}, but cloud {bed.cloud!r} is {at.endpoint} now, without the bed's zone"
    raise ConfigError(f"{where}; let {bed.cloud!r} mean the bed's cloud again")


def _known(folder: BedFolder) -> Bed | None:
    try:
        return read_ledger(folder.journal)
    except FileNotFoundError:
        return None
    except LedgerError as error:
        fail(str(error), 1)


def _run(work: Callable[[], Coroutine[Any, Any, T]], name: str = "") -> T:
    """Run it; whatever goes wrong is one line and an exit code. Lets Ambiguous and NoLab through."""
    left = f"; what is there stays: remove it with {_down(name)}" if name else ""
    try:
        return asyncio.run(work())
    except Ambiguous:
        raise
    except (ConfigError, BadTarget, ReadOnly) as error:
        fail(str(error), 2)
    except (CloudStackError, BedFailed, LedgerError) as error:
        fail(f"{error}{left}", 1)
    except OSError as error:
        fail(f"{error.filename or ''}: {error.strerror or error}{left}", 1)
    except KeyboardInterrupt:
        fail(f"interrupted{left}", 1)


def _clear(folder: BedFolder) -> None:
    if not folder.path.is_dir():
        return
    try:
        folder.clear()
    except OSError as error:
        fail(f"{folder.path} cannot be removed ({error.strerror})", 1)


def _tell(text: str) -> None:
    click.echo(f"testbed: {text}", err=True)


def _tell_removed(label: str) -> None:
    _tell(f"removed {label}")


def _option(name: str) -> str:
    return f"--name {name}"


def _down(name: str) -> str:
    return f"`csworkbench testbed down {_option(name)}`"
