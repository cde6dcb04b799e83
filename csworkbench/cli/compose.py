# SPDX-License-Identifier: Apache-2.0
"""Puts a run together: cloud, client, network, vantages, operation and verification, handed to the engine."""

import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import click

from csworkbench.cloudstack import (
    BadTarget,
    Client,
    CloudStackError,
    PlannedStep,
    Surroundings,
    prepare_operation,
    read_after,
    read_hypervisors,
    read_inventory,
    read_target,
    refresh,
    roles_settled,
    with_evidence,
)
from csworkbench.cloudstack.errors import ReadOnly
from csworkbench.config import ConfigError
from csworkbench.engine.prepared import NotPrepared, Prepare, Prepared, Proof
from csworkbench.model.cloud import Inventory
from csworkbench.model.event import CloudOpened, InventorySeen, Level, Notice, OperationPlanned
from csworkbench.model.lane import Vantage, VantageKind
from csworkbench.model.protocols import Journal, StepFailed
from csworkbench.model.scenario import LabOptions, Scenario
from csworkbench.probing.agent import Connect
from csworkbench.probing.shell import ExecShell, Shell
from csworkbench.probing.ssh import SshRoute

from .check_first import check_first
from .lab_cloud import LabCloud, running_lab, start_lab
from .other_cloud import dials_itself, refuse_test_cloud, refuse_test_nets
from .past import Past
from .profile import LAB, lab_profile, open_client, profile_of
from .run_evidence import EvidenceKeeper
from .ssh_access import ssh_access
from .targets import targets_of
from .typed import typed_line
from .ways import other_ways, through_the_router, way_to


@dataclass(frozen=True, slots=True)
class Consent:
    """Who may say yes to the operation. `interactive`: the viewer's key; `yes`: the command line already did."""

    yes: bool = False
    interactive: bool = False
    force: bool = False
    """Go ahead although a check of the preflight says stop."""


def prepare_for(scenario: Scenario, consent: Consent, *, fresh_lab: bool = False, past: Past | None = None) -> Prepare:
    """The preparation of a run as the engine calls it. `fresh_lab` never takes a test cloud that is already up.

    `past`: of a run whose engine is gone.
    """

    async def prepare(journal: Journal) -> Prepared:
        async with AsyncExitStack() as stack:
            try:
                if past is not None:
                    prepared = await _prepare_again(scenario, consent, journal, stack, past)
                else:
                    prepared = await _prepare(scenario, consent, journal, stack, fresh_lab)
            except ConfigError as error:
                raise NotPrepared(str(error), 2) from None
            except BadTarget as error:
                raise NotPrepared(str(error), 2) from None
            except CloudStackError as error:
                raise NotPrepared(str(error), 2 if isinstance(error, ReadOnly) else 1) from None
            prepared.close = stack.pop_all().aclose
            return prepared

    return prepare


async def _prepare(
    scenario: Scenario, consent: Consent, journal: Journal, stack: AsyncExitStack, fresh_lab: bool
) -> Prepared:
    lab: LabCloud | None = None
    if scenario.cloud == LAB:
        lab = None if fresh_lab else await running_lab()
        if lab is None:
            options = scenario.lab or LabOptions()
            journal.write(Notice(Level.INFO, f"starting a test cloud ({options.profile}, {options.vms} VMs)"))
            lab = await start_lab(options)
            stack.push_async_callback(lab.close)
    profile = lab_profile(lab) if lab is not None else await profile_of(scenario.cloud)
    if lab is None and dials_itself(scenario):
        await refuse_test_cloud(profile.cloud, instead=f"with `cloud: {LAB}`")
    journal.write(CloudOpened(profile.cloud.endpoint, lab is not None and lab.own))
    client = await stack.enter_async_context(open_client(profile.cloud, journal, _around(scenario)))
    if client.read_only and scenario.operation.chosen is not None:
        raise ReadOnly(scenario.operation.title, f"cloud {scenario.cloud!r} may only be looked at; `watch` measures it")
    kind, name = scenario.target
    journal.write(Notice(Level.INFO, f"asking {client.endpoint} for {kind} {name!r}"))
    inventory = replace(await read_target(client, kind, name), hypervisors=await read_hypervisors(client))
    journal.write(InventorySeen(inventory))
    if lab is None:
        refuse_test_nets(scenario, inventory)
    if inventory.unlisted:
        journal.write(Notice(Level.WARN, f"not listed to this key, so unknown: {', '.join(inventory.unlisted)}"))
    vantages, left_out = await _vantages(scenario, inventory, lab, client, stack)
    if told := through_the_router({vantage.name: vantage.path for vantage, _ in vantages}):
        journal.write(Notice(Level.INFO, told))
    if told := other_ways((vantage for vantage, _ in vantages), inventory):
        journal.write(Notice(Level.INFO, told))
    target = scenario.egress_target or (lab.egress_target if lab else "")
    if not target and not inventory.systemvms:
        raise NotPrepared("egress_target is missing: name an address outside the cloud that tenants may ping", 2)
    prepared = Prepared(inventory, vantages, left_out, target, targets=targets_of(scenario, lab, inventory))
    if (chosen := scenario.operation.chosen) is not None:
        step = await prepare_operation(client, inventory, chosen)
        if lab is None or not lab.own:
            await check_first(client, scenario, inventory, journal, force=consent.force)
        before = await with_evidence(client, inventory)
        journal.write(InventorySeen(before))
        prepared.operation, prepared.planned = step, step.plan()
        prepared.watch = _watcher(client, inventory, journal)
        prepared.verify = _verifier(client, before, step, journal)
        prepared.evidence = EvidenceKeeper(client, profile, inventory, journal).keep
        if not consent.interactive and not consent.yes and not (lab is not None and lab.own):
            await _ask(step.plan())
    return prepared


async def _prepare_again(
    scenario: Scenario, consent: Consent, journal: Journal, stack: AsyncExitStack, past: Past
) -> Prepared:
    """As `_prepare`, of a run that was begun: on the same cloud, from what was seen there before the change."""
    lab = await running_lab() if scenario.cloud == LAB else None
    if past.own_lab or (scenario.cloud == LAB and lab is None):
        if not past.just_end:
            raise NotPrepared("its test cloud is gone, as one goes with the engine that started it", 1)
        return Prepared(past.before, [], [], "")
    profile = lab_profile(lab) if lab is not None else await profile_of(scenario.cloud)
    if profile.cloud.endpoint.rstrip("/") != past.endpoint.rstrip("/"):
        raise NotPrepared(f"cloud {scenario.cloud!r} is now {profile.cloud.endpoint}; the run's was {past.endpoint}", 2)
    around = _around(scenario, past.clock_ns)
    client = await stack.enter_async_context(open_client(profile.cloud, journal, around, known=past.known))
    vantages, left_out = await _vantages(scenario, past.before, lab, client, stack)
    target = scenario.egress_target or (lab.egress_target if lab else "")
    prepared = Prepared(past.before, vantages, left_out, target, targets=targets_of(scenario, lab, past.before))
    if past.just_end or (chosen := scenario.operation.chosen) is None:
        return prepared
    step = await prepare_operation(client, past.before, chosen)
    prepared.operation = step
    prepared.watch = _watcher(client, past.before, journal)
    prepared.verify = _verifier(client, past.with_evidence, step, journal)
    if not past.sent:
        prepared.planned = step.plan()
        await check_first(client, scenario, past.before, journal, force=consent.force)
        if not consent.yes:
            await _ask(step.plan())
    return prepared


def _around(scenario: Scenario, clock_ns: Callable[[], int] = time.monotonic_ns) -> Surroundings:
    return Surroundings(clock_ns=clock_ns, job_limit_s=scenario.phases.job_limit)


async def _vantages(
    scenario: Scenario, inventory: Inventory, lab: LabCloud | None, client: Client, stack: AsyncExitStack
) -> tuple[list[tuple[Vantage, Connect]], list[tuple[str, str]]]:
    found: list[tuple[Vantage, Connect]] = []
    left_out: list[tuple[str, str]] = []
    tenants, outside = scenario.vantages.tenants, scenario.vantages.outside
    if tenants is not None:
        access, handshakes = ssh_access(tenants, lab, stack)
        names = (tenants.vms,) if isinstance(tenants.vms, str) else tenants.vms
        wanted = None if names == ("all",) else set(names)
        left_out += [(name, "no VM of that name in this network") for name in _unknown(wanted, inventory)]
        elsewhere: dict[str, str] = {}
        if tenants.management is not None and tenants.management.network:
            other = await read_inventory(client, tenants.management.network)
            elsewhere = {vm.id: vm.ip for vm in other.vms}
        for vm in inventory.vms:
            if wanted is not None and vm.name not in wanted:
                continue
            way = way_to(vm, tenants, inventory, elsewhere)
            if isinstance(way, str):
                left_out.append((vm.name, way))
                continue
            vantage = Vantage(vm.name, VantageKind.TENANT, way.host, way.port, vm.ip, path=way.path)
            found.append((vantage, SshRoute(way.host, way.port, access, handshakes).open))
    if outside is not None:
        prefix = outside.exec or (lab.outside_exec if lab else ())
        found.append((Vantage("outside", VantageKind.OUTSIDE), _local(prefix)))
    return found, left_out


def _unknown(wanted: set[str] | None, inventory: Inventory) -> list[str]:
    return sorted((wanted or set()) - {vm.name for vm in inventory.vms})


def _local(prefix: tuple[str, ...]) -> Connect:
    async def open_shell(_limit_s: float) -> tuple[Shell, int]:
        return ExecShell(prefix), 1

    return open_shell


def _watcher(client: Client, before: Inventory, journal: Journal) -> Callable[[], Awaitable[None]]:
    """Refreshes the routers while the operation runs; an API that does not answer then is nothing special."""
    shown = before

    async def watch() -> None:
        nonlocal shown
        try:
            now = await refresh(client, shown)
        except CloudStackError:
            return
        if now != shown:
            shown = now
            journal.write(InventorySeen(shown))

    return watch


def _verifier(client: Client, before: Inventory, step: PlannedStep, journal: Journal) -> Callable[[], Awaitable[Proof]]:
    async def verify() -> Proof:
        try:
            after = await read_after(client, before, wanted=roles_settled)
        except CloudStackError as error:
            raise StepFailed(str(error)) from None
        journal.write(InventorySeen(after))
        found = step.verify(before, after)
        return Proof(found.changed if found.tells else None, found.sound, found.reasons, found.upgraded)

    return verify


async def _ask(planned: OperationPlanned) -> None:
    """Show what would be called and ask at the terminal. Raises NotPrepared (2) when nobody says yes."""
    click.echo(f"{planned.title} on {planned.target}\n{planned.consequence}", err=True)
    for call in planned.calls:
        click.echo(f"  {call}", err=True)
    if not sys.stdin.isatty():
        raise NotPrepared("nobody to ask: add --yes to go ahead", 2)
    if planned.destructive:
        click.echo(f"This cannot be undone. Type {planned.target_name} to go ahead: ", nl=False, err=True)
        agreed = await typed_line() == planned.target_name
    else:
        click.echo("Go ahead? [y/N]: ", nl=False, err=True)
        agreed = (await typed_line()).lower() in ("y", "yes")
    if not agreed:
        raise NotPrepared("not confirmed: nothing was done", 2)
