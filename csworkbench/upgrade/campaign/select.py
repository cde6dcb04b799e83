# SPDX-License-Identifier: Apache-2.0
"""From a cloud to a campaign's targets: what the plan selects, by which operation, in which wave."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from csworkbench.model.fleet import AGENTS, Fleet, Kind, SystemVm
from csworkbench.model.operation import FITTING, DestroySystemVm, LivePatch, Operation, Restart
from csworkbench.upgrade.needs import Assessment, Need
from csworkbench.upgrade.operations import Operation as Remedy
from csworkbench.upgrade.operations import remedy
from csworkbench.upgrade.reference import Reference
from csworkbench.upgrade.served import name_of

from .plan import CampaignPlan, Selection, Unmeasured, wave_sizes
from .record import Body, LeftOut, Opened, Skipped, Target

RESTART = Operation(restart=Restart(cleanup=True))
LIVE_PATCH = Operation(live_patch=LivePatch())
RECREATE = Operation(destroy_systemvm=DestroySystemVm())
_WORDS = {
    Need.TEMPLATE: "template", Need.SCRIPTS: "scripts", Need.UNKNOWN: "unknown", Need.CURRENT: "current",
}  # fmt: skip
_PROPOSED = {
    Remedy.RESTART: RESTART, Remedy.RESTART_VPC: RESTART, Remedy.RECREATE: RECREATE, Remedy.LIVE_PATCH: LIVE_PATCH,
}  # fmt: skip
_WEIGHT = (Remedy.NONE, Remedy.LOOK, Remedy.STOP_START, Remedy.LIVE_PATCH)
_NEEDS = (Need.TEMPLATE, Need.SCRIPTS, Need.UNKNOWN, Need.CURRENT)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """The tenants of a network: those that a run can measure from, and why there is none."""

    vantages: tuple[str, ...] = ()
    why_none: str = ""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What one operation acts on, with the judgement of each of its routers."""

    id: str
    kind: str
    name: str
    judged: tuple[Assessment, ...]
    domain: str

    @property
    def vms(self) -> tuple[SystemVm, ...]:
        return tuple(a.vm for a in self.judged)

    @property
    def need(self) -> Need:
        return min((a.need for a in self.judged), key=_NEEDS.index)

    @property
    def heaviest(self) -> Assessment:
        def weight(a: Assessment) -> int:
            operation = a.remedy.operation
            return _WEIGHT.index(operation) if operation in _WEIGHT else len(_WEIGHT)

        return max(self.judged, key=weight)


def choose(
    plan: CampaignPlan, fleet: Fleet, judged: Iterable[Assessment], tenants: Mapping[str, Tenancy]
) -> tuple[tuple[Target, ...], tuple[LeftOut, ...]]:
    """(targets in the order of their waves, what was selected and cannot be operated). `tenants` by network id."""
    units = _units(fleet, judged)
    found: list[Target] = []
    left_out = [LeftOut(name, "the cloud has nothing of that name or id") for name in _missing(plan.select, units)]
    reference = Reference(fleet)
    for unit in units:
        if not _selected(plan.select, unit):
            continue
        target = _target(plan, unit, reference, _tenancy(fleet, unit, tenants, plan))
        if isinstance(target, LeftOut):
            left_out.append(target)
        else:
            found.append(target)
    return tuple(_in_waves(plan, found)), tuple(left_out)


def _units(fleet: Fleet, judged: Iterable[Assessment]) -> list[_Unit]:
    groups: dict[tuple[str, str, str], list[Assessment]] = {}
    for a in judged:
        vm = a.vm
        if vm.kind is Kind.VPC_ROUTER or (vm.kind is Kind.INTERNAL_LB and vm.vpc_id):
            key = ("vpc", vm.vpc_id, name_of(vm)) if vm.kind is Kind.VPC_ROUTER else ("internal LB", vm.id, vm.name)
        elif vm.kind in AGENTS:
            key = ("systemvm", vm.id, vm.name)
        elif vm.kind is Kind.ROUTER:
            key = ("network", next(iter(vm.network_ids), vm.id), name_of(vm))
        else:
            key = ("internal LB", vm.id, vm.name)
        groups.setdefault(key, []).append(a)
    units = [_Unit(i, kind, name or i, tuple(group), group[0].vm.domain) for (kind, i, name), group in groups.items()]
    return sorted(units, key=lambda u: (u.name, u.id))


def _names(unit: _Unit) -> set[str]:
    return {unit.id, unit.name, *(vm.id for vm in unit.vms), *(vm.name for vm in unit.vms)}


def _fits(patterns: Sequence[str], names: Iterable[str]) -> bool:
    """Whether one of the names is one of the patterns; no patterns fit everything."""
    return not patterns or any(name == p or fnmatchcase(name, p) for name in names for p in patterns)


def _selected(select: Selection, unit: _Unit) -> bool:
    vms = unit.vms
    if select.listed or select.file:
        if not _names(unit) & set(select.listed):
            return False
    elif unit.kind not in select.kinds or _WORDS[unit.need] not in select.needs:
        return False
    narrowed = (
        (select.zones, {x for vm in vms for x in (vm.zone, vm.zone_id)}),
        (select.pods, {x for vm in vms for x in (vm.pod, vm.pod_id)}),
        (select.hosts, {x for vm in vms for x in (vm.host, vm.host_id)}),
        (select.accounts, {vm.account for vm in vms}),
        (select.domains, {unit.domain}),
        (select.names, _names(unit)),
    )
    if not all(_fits(patterns, names) for patterns, names in narrowed):
        return False
    return not (select.leave_out and _fits(select.leave_out, _names(unit)))


def _missing(select: Selection, units: Iterable[_Unit]) -> Iterator[str]:
    known = {name for unit in units for name in _names(unit)}
    yield from (name for name in dict.fromkeys(select.listed) if name not in known)


def _tenancy(fleet: Fleet, unit: _Unit, tenants: Mapping[str, Tenancy], plan: CampaignPlan) -> Tenancy:
    if unit.kind == "systemvm":
        outside = plan.scenario.vantages.outside is not None
        return Tenancy(("outside",)) if outside else Tenancy((), "a system VM is measured from outside")
    ids = [n.id for n in fleet.networks if n.vpc_id == unit.id] if unit.kind == "vpc" else [unit.id]
    found = [tenants.get(i, Tenancy((), "it has no VM")) for i in ids]
    vantages = tuple(name for one in found for name in one.vantages)
    whys = dict.fromkeys(one.why_none for one in found if one.why_none)
    return Tenancy(vantages, "" if vantages else "; ".join(whys) or "it has no tiers")


def _target(plan: CampaignPlan, unit: _Unit, reference: Reference, tenancy: Tenancy) -> Target | LeftOut:
    operation, why = _operation(plan, unit)
    if operation is None:
        return LeftOut(unit.name, why)
    judged = unit.heaviest
    vm = judged.vm
    call, consequence = judged.remedy.call, judged.remedy.consequence
    if _PROPOSED.get(judged.remedy.operation) != operation:
        other = _WANTED.get(operation)
        told = remedy(vm, other, reference) if other is not None else None
        call, consequence = (told.call, told.consequence) if told is not None else (operation.title, "")
    return Target(
        id=unit.id, kind=unit.kind, name=unit.name, wave=0, operation=operation,
        routers=tuple(one.name for one in unit.vms), need=str(unit.need),
        reason="; ".join(filter(None, (why, judged.reason))),
        call=call, consequence=consequence, zone=vm.zone or vm.zone_id, pod=vm.pod or vm.pod_id,
        hosts=tuple(dict.fromkeys(one.host or one.host_id for one in unit.vms if one.host or one.host_id)),
        account=vm.account, domain=unit.domain, vantages=tenancy.vantages, unmeasured=tenancy.why_none,
    )  # fmt: skip


_WANTED = {RESTART: "template", LIVE_PATCH: "scripts", RECREATE: "template"}


def _operation(plan: CampaignPlan, unit: _Unit) -> tuple[Operation | None, str]:
    """(the operation, what is to be known of it), or None and why it has none."""
    if unit.kind not in FITTING["live_patch"]:
        return None, "a run cannot stop and start an internal load balancer VM"
    return _proposed(unit) if plan.operation is None else _wanted(plan, plan.operation, unit)


def _proposed(unit: _Unit) -> tuple[Operation | None, str]:
    judged = unit.heaviest
    if judged.remedy.operation is Remedy.LOOK:
        return None, f"look into it first: {judged.reason}"
    if judged.remedy.operation is Remedy.NONE:
        return None, "it is current; a plan with an operation of its own would take it"
    return _PROPOSED[judged.remedy.operation], ""


def _wanted(plan: CampaignPlan, wanted: Operation, unit: _Unit) -> tuple[Operation | None, str]:
    if unit.kind not in FITTING[wanted.names[0]]:
        return None, f"{wanted.title} cannot be done to a {unit.kind}"
    if wanted.live_patch is None:
        return wanted, ""
    refused = [f"{a.vm.name}: {a.remedy.patch.why}" for a in unit.judged if a.remedy.patch.answer == "no"]
    if not refused:
        return wanted, ""
    if plan.fallback is not None and unit.kind in FITTING[plan.fallback.names[0]]:
        return plan.fallback, f"no live patch: {refused[0]}"
    return None, f"no live patch: {refused[0]}"


def _in_waves(plan: CampaignPlan, targets: Sequence[Target]) -> Iterator[Target]:
    """The canary is of those that are measured, where there are any."""
    canary = _canary(plan, targets)
    rest = [t for t in targets if t not in canary]
    yield from (replace(t, wave=0) for t in canary)
    start = 0
    for number, size in enumerate(wave_sizes(plan.waves, len(rest)), 1):
        yield from (replace(t, wave=number) for t in rest[start : start + size])
        start += size


def _canary(plan: CampaignPlan, targets: Sequence[Target]) -> list[Target]:
    if plan.canary.names:
        return [t for t in targets if _fits(plan.canary.names, {t.name, t.id, *t.routers})]
    operated = [t for t in targets if t.vantages or plan.without_vantages is not Unmeasured.SKIP]
    return sorted(operated, key=lambda t: not t.vantages)[: plan.canary.size]


def opening(opened: Opened, plan: CampaignPlan) -> list[Body]:
    """The journal's first entries: the targets, and which of them are not operated for lack of a vantage."""
    skip = plan.without_vantages is Unmeasured.SKIP
    return [
        opened,
        *(Skipped("the plan", t.id, f"no vantage: {t.unmeasured}") for t in opened.targets if skip and not t.vantages),
    ]
