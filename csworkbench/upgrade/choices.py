# SPDX-License-Identifier: Apache-2.0
"""Which operations a run could do to a system VM and what it serves: those that fit, and why the others do not."""

from dataclasses import dataclass, replace

from csworkbench.model.fleet import AGENTS, Kind, SystemVm
from csworkbench.model.operation import (
    ChangeOffering,
    DestroyRouter,
    DestroySystemVm,
    LivePatch,
    Operation,
    RebootRouter,
    RebootSystemVm,
    Restart,
    StopStartRouter,
)

from .needs import Assessment, Need
from .operations import Operation as Advice
from .reference import Reference

_ROUTERS = (Kind.ROUTER, Kind.VPC_ROUTER)
_ADVISED: dict[Advice, str] = {
    Advice.LIVE_PATCH: "live_patch",
    Advice.RESTART: "restart",
    Advice.RESTART_VPC: "restart",
    Advice.RECREATE: "destroy_systemvm",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """An operation on a target (`kind` and `id` as a scenario names it). `why_not` is empty where it fits."""

    title: str
    operation: Operation
    kind: str
    id: str
    note: str = ""
    why_not: str = ""
    recommended: bool = False


def choices(assessment: Assessment, reference: Reference) -> tuple[Choice, ...]:
    """The operations for one system VM: the recommended one, the others that fit, those that do not."""
    vm = assessment.vm
    if vm.kind in AGENTS:
        found = _of_agent(vm, assessment)
    elif vm.kind in _ROUTERS:
        found = _of_router(vm, assessment, reference)
    else:
        found = _of_balancer(vm)
    advised = _ADVISED.get(assessment.remedy.operation, "")
    marked = [_advise(c, assessment) if _is_advised(c, advised) else c for c in found]
    return tuple(sorted(marked, key=lambda c: (not c.recommended, bool(c.why_not))))


def _is_advised(choice: Choice, advised: str) -> bool:
    """Whether it is the remedy; where there is none, only measuring is."""
    restart = choice.operation.restart
    plain = restart is None or (restart.cleanup and not restart.makeredundant)
    return not choice.why_not and plain and choice.operation.names == ((advised,) if advised else ())


def _advise(choice: Choice, assessment: Assessment) -> Choice:
    because = {
        Need.CURRENT: "it is current, nothing has to be operated",
        Need.UNKNOWN: "what it needs cannot be told" if choice.operation.is_none else "renews all of it",
    }
    note = because.get(assessment.need, str(assessment.need))
    caveat = choice.note if choice.operation.live_patch is not None else ""
    return replace(choice, note=f"{note}; {caveat}" if caveat else note, recommended=True)


def _of_agent(vm: SystemVm, assessment: Assessment) -> list[Choice]:
    patch = assessment.remedy.patch
    stopped = "" if vm.state == "Running" else f"it is {vm.state}"
    return [
        _on(vm, "live patch", Operation(live_patch=LivePatch()), patch.why, "" if patch.answer != "no" else patch.why),
        _on(vm, "destroy, it is re-created", Operation(destroy_systemvm=DestroySystemVm())),
        _on(vm, "reboot", Operation(reboot_systemvm=RebootSystemVm()), "brings nothing new", stopped),
        _on(vm, "measure only", Operation(), "nothing is operated"),
    ]


def _on(vm: SystemVm, title: str, operation: Operation, note: str = "", why_not: str = "") -> Choice:
    return Choice(title, operation, "systemvm", vm.id, "" if why_not else note, why_not)


def _of_router(vm: SystemVm, assessment: Assessment, reference: Reference) -> list[Choice]:
    kind = "vpc" if vm.kind is Kind.VPC_ROUTER else "network"
    served = vm.vpc_id if kind == "vpc" else next(iter(vm.network_ids), "")
    nothing = "" if served else f"it serves no {kind} that the API tells"
    patch, noun = assessment.remedy.patch, "VPC" if kind == "vpc" else "network"
    refused = "CloudStack sends no commands to a router that requires an upgrade" if vm.requires_upgrade else ""
    pair = len(reference.served.of(vm)) > 1
    gone = "" if vm.state == "Running" else f"{vm.name} is {vm.state}"
    whole: list[tuple[str, Operation, str, str]] = [
        ("live patch", Operation(live_patch=LivePatch()), patch.why, patch.why if patch.answer == "no" else ""),
        (f"restart {noun} with cleanup", Operation(restart=Restart(cleanup=True)), "a new router", ""),
        (f"restart {noun} without cleanup", Operation(restart=Restart(cleanup=False)), "brings no upgrade", refused),
        (
            "make redundant",
            Operation(restart=Restart(cleanup=True, makeredundant=True)),
            "for good: a pair of new routers",
            "it has a pair of routers already" if vm.redundant or pair else "",
        ),
    ]
    own: list[tuple[str, Operation, str, str]] = [
        ("reboot the router", Operation(reboot_router=RebootRouter()), "brings no upgrade", gone),
        ("stop and start the router", Operation(stop_start_router=StopStartRouter()), "brings no upgrade", gone),
        ("destroy the router, a restart builds it", Operation(destroy_router=DestroyRouter()), "cannot be undone", ""),
    ]
    found = [Choice(title, op, kind, served, "" if no else note, nothing or no) for title, op, note, no in whole]
    found += [Choice(title, op, "router", vm.id, "" if no else note, nothing or no) for title, op, note, no in own]
    if kind == "network":
        why = "it needs a network offering's name: write it into a scenario file and open that"
        offering = Operation(change_offering=ChangeOffering(""))
        found.append(Choice("change the network offering", offering, kind, served, "", why))
    return [*found, Choice("measure only", Operation(), kind, served, "nothing is operated", nothing)]


def _of_balancer(vm: SystemVm) -> list[Choice]:
    network = next(iter(vm.network_ids), "")
    nothing = "" if network else "it serves no network that the API tells"
    why = "csworkbench does not operate these: do it in CloudStack while a run measures"
    return [
        Choice("measure only", Operation(), "network", network, "while somebody else operates", nothing),
        Choice("stop and start", Operation(), "network", network, "", why),
    ]
