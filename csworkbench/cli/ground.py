# SPDX-License-Identifier: Apache-2.0
"""What a planned run finds on its cloud: target, ways to the tenants, lanes, checks and calls."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from csworkbench.cloudstack import Client, CloudStackError, prepare_operation, read_inventory, read_target
from csworkbench.model.cloud import Inventory, Vm
from csworkbench.model.event import OperationPlanned
from csworkbench.model.lane import Service, Vantage, VantageKind
from csworkbench.model.operation import Operation
from csworkbench.model.scenario import Scenario, Tenants
from csworkbench.probing.agent import Connect
from csworkbench.probing.derive import derive_lanes
from csworkbench.probing.shell import ShellError
from csworkbench.probing.ssh import SshRoute
from csworkbench.tui.plan import Progress, Survey, TenantWay
from csworkbench.upgrade import Facts, preflight
from csworkbench.upgrade.choices import Choice

from .cloud_access import facts_for, scenario_facts
from .lab_cloud import LabCloud
from .other_cloud import in_test_net
from .ssh_access import ssh_access
from .targets import targets_of
from .ways import Way, way_to

LOGIN_LIMIT_S = 15.0
Planned = OperationPlanned | str
"""What an operation would call, or why it cannot be done."""


class CloudGround:
    """One reading of a target; `survey` looks at any scenario for it without asking again."""

    def __init__(
        self,
        inventory: Inventory,
        facts: Facts,
        plans: Mapping[tuple[Operation, str], Planned],
        lab: LabCloud | None,
        elsewhere: Mapping[str, str],
    ) -> None:
        self._inventory, self._facts, self._plans = inventory, facts, plans
        self._lab, self._elsewhere = lab, elsewhere

    def survey(self, scenario: Scenario) -> Survey:
        """What this scenario would come to."""
        inventory = for_target(self._inventory, scenario)
        found = ways(scenario, inventory, self._elsewhere)
        target = scenario.egress_target or (self._lab.egress_target if self._lab is not None else "")
        vantages = [
            Vantage(vm.name, VantageKind.TENANT, way.host, way.port, vm.ip, path=way.path)
            for vm, way in found
            if isinstance(way, Way)
        ]
        # As if the first tenant gave all rights; which one really asks for the gateway is known at the start.
        vantages = [replace(v, sentinel=i == 0) for i, v in enumerate(vantages)]
        if scenario.vantages.outside is not None:
            vantages.append(Vantage("outside", VantageKind.OUTSIDE))
        derived = derive_lanes(
            inventory, vantages, scenario.intervals, target, targets_of(scenario, self._lab, inventory)
        )
        counts = {service: sum(lane.service is service for lane in derived.lanes) for service in Service}
        planned = self._plans.get((scenario.operation, scenario.target[1])) if not scenario.operation.is_none else None
        return Survey(
            target=described(scenario, inventory),
            tenants=tuple(_told(vm.name, vm.state, way) for vm, way in found) + _unknown(scenario, inventory),
            outside="this host" if scenario.vantages.outside is not None else "",
            lanes=tuple((str(service), n) for service, n in counts.items() if n),
            left_out=derived.left_out,
            findings=preflight(facts_for(self._facts, scenario, inventory)),
            planned=planned if isinstance(planned, OperationPlanned) else None,
            refused=self._unsafe(scenario, inventory) or (planned if isinstance(planned, str) else ""),
            missing=() if target or inventory.systemvms else ("egress_target",),
            given=self._given(),
        )

    def _unsafe(self, scenario: Scenario, inventory: Inventory) -> str:
        """Why nothing may be sent from this host; empty when it may: a test cloud's addresses are only inside of it."""
        if self._lab is not None:
            return ""
        tenants, outside = scenario.vantages.tenants, scenario.vantages.outside
        dialled: list[str] = []
        if tenants is not None and not tenants.proxy_command and not tenants.jump:
            dialled += [way.host for _, way in ways(scenario, inventory, self._elsewhere) if isinstance(way, Way)]
        if outside is not None and not outside.exec:
            dialled += inventory.public_ips
        inside = next((address for address in dialled if in_test_net(address)), "")
        return f"{inside} exists only inside a test cloud: choose `test cloud` in the list of clouds" if inside else ""

    def _given(self) -> tuple[tuple[str, str], ...]:
        lab = self._lab
        if lab is None:
            return ()
        own = "the test cloud's own"
        return (
            ("user", f"{lab.user} ({own})"), ("key", own), ("host_key", own), ("egress_target", lab.egress_target),
            ("outside", "the test cloud's outside host"),
        )  # fmt: skip

    async def try_logins(self, scenario: Scenario, progress: Progress) -> dict[str, str]:
        """Log in to each tenant that has a way: why it did not work, by name."""
        tenants = scenario.vantages.tenants
        if tenants is None:
            return {}
        found: dict[str, str] = {}
        inventory = for_target(self._inventory, scenario)
        reachable = {vm.name: way for vm, way in ways(scenario, inventory, self._elsewhere) if isinstance(way, Way)}
        if unsafe := self._unsafe(scenario, inventory):
            return dict.fromkeys(reachable, unsafe)
        async with AsyncExitStack() as stack:
            connects = _connects(tenants, reachable, self._lab, stack)

            async def log_in(name: str) -> None:
                found[name] = await _log_in(connects[name])
                progress(f"logging in: {len(found)} of {len(connects)}")

            await asyncio.gather(*(log_in(name) for name in connects))
        return {name: found[name] for name in reachable}


def _connects(
    tenants: Tenants, reachable: Mapping[str, Way], lab: LabCloud | None, stack: AsyncExitStack
) -> dict[str, Connect]:
    access, handshakes = ssh_access(tenants, lab, stack)
    return {name: SshRoute(way.host, way.port, access, handshakes).open for name, way in reachable.items()}


async def _log_in(connect: Connect) -> str:
    """Why it did not work; empty when it did."""
    try:
        shell, _ = await connect(LOGIN_LIMIT_S)
    except ShellError as error:
        return str(error)
    await shell.close()
    return ""


def ways(scenario: Scenario, inventory: Inventory, elsewhere: Mapping[str, str]) -> list[tuple[Vm, Way | str]]:
    """Each tenant that the scenario wants, with the way to it or why there is none."""
    tenants = scenario.vantages.tenants
    if tenants is None:
        return []
    names = (tenants.vms,) if isinstance(tenants.vms, str) else tenants.vms
    wanted = [vm for vm in inventory.vms if names == ("all",) or vm.name in names]
    return [(vm, way_to(vm, tenants, inventory, elsewhere)) for vm in wanted]


def _unknown(scenario: Scenario, inventory: Inventory) -> tuple[TenantWay, ...]:
    tenants = scenario.vantages.tenants
    names = () if tenants is None else (tenants.vms,) if isinstance(tenants.vms, str) else tenants.vms
    there = {vm.name for vm in inventory.vms} | {"all"}
    return tuple(
        TenantWay(name, "", left_out="no VM of that name in this network") for name in names if name not in there
    )


def _told(name: str, state: str, way: Way | str) -> TenantWay:
    off = "" if state in ("Running", "") else f", it is {state}"
    if isinstance(way, str):
        return TenantWay(name, "", left_out=f"{way}{off}")
    return TenantWay(name, f"{way.host}:{way.port}", f"{way.path}{off}")


def for_target(inventory: Inventory, scenario: Scenario) -> Inventory:
    """The inventory with the router that the scenario names, or with none."""
    kind, name = scenario.target
    wanted = [r.id for r in inventory.routers if name in (r.id, r.name)] if kind == "router" else []
    return replace(inventory, target_router=wanted[0] if wanted else "")


def described(scenario: Scenario, inventory: Inventory) -> str:
    """The target in words: what it is, its name, and the one router that is meant."""
    kind = {"systemvm": "system VM", "vpc": "VPC"}.get(scenario.target[0], "network")
    if scenario.target[0] == "router":
        kind = "VPC" if inventory.vpc is not None else "network"
        router = next((r.name for r in inventory.routers if r.id == inventory.target_router), scenario.target[1])
        return f"router {router} of {kind} {inventory.name}"
    return f"{kind} {inventory.name}"


async def read_ground(
    client: Client, scenario: Scenario, choices: Sequence[Choice], lab: LabCloud | None, progress: Progress
) -> CloudGround:
    """Ask for the scenario's target and for what each choice would call. Raises CloudStackError."""
    progress("asking for the target")
    inventory = await read_target(client, *scenario.target)
    tenants = scenario.vantages.tenants
    elsewhere: dict[str, str] = {}
    if tenants is not None and tenants.management is not None and tenants.management.network:
        elsewhere = {vm.id: vm.ip for vm in (await read_inventory(client, tenants.management.network)).vms}
    facts = await scenario_facts(
        client, scenario, inventory, lambda what, read, total: progress(f"{what}: {read} of {total}")
    )
    plans: dict[tuple[Operation, str], Planned] = {}
    for choice in choices:
        if choice.why_not or choice.operation.chosen is None:
            continue
        progress(f"asking what {choice.title} would call")
        named = replace(scenario, **{scenario.target[0]: "", choice.kind: choice.id})  # type: ignore[arg-type]
        try:
            step = await prepare_operation(client, for_target(inventory, named), choice.operation.chosen)
            plans[choice.operation, choice.id] = step.plan()
        except CloudStackError as error:
            plans[choice.operation, choice.id] = str(error)
    return CloudGround(inventory, facts, plans, lab, elsewhere)
