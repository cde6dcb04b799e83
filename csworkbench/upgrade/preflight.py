# SPDX-License-Identifier: Apache-2.0
"""Is now a safe time? A registry of checks, each a small pure function over facts."""

from collections.abc import Iterable

from csworkbench.model.fleet import Kind

from . import checks_cloud, checks_routers
from .facts import Check, Facts, Finding, Level, Route, Target, Verdict
from .hidden import HIDDEN_REMEDY
from .needs import Assessment
from .operations import Operation
from .served import name_of

__all__ = ["CHECKS", "Check", "Facts", "Finding", "Level", "Route", "Target", "preflight", "target_of"]

CHECKS: tuple[Check, ...] = (*checks_cloud.CHECKS, *checks_routers.CHECKS)


def target_of(assessment: Assessment) -> Target | None:
    """What the operation on one system VM acts on; None for SSVM and CPVM, which serve a zone."""
    vm, operation = assessment.vm, assessment.remedy.operation
    if vm.kind not in (Kind.ROUTER, Kind.VPC_ROUTER):
        return None
    known = operation not in (Operation.NONE, Operation.LOOK)
    patch = operation is Operation.LIVE_PATCH
    return Target(
        network_id="" if vm.vpc_id else next(iter(vm.network_ids), ""),
        vpc_id=vm.vpc_id,
        name=name_of(vm),
        cleanup=not patch if known else None,
        live_patch=patch if known else None,
    )


def preflight(facts: Facts, checks: Iterable[Check] | None = None) -> tuple[Finding, ...]:
    """Run the checks, CHECKS unless others are given; a run may add its own, such as a healthy baseline."""
    findings = []
    for check in CHECKS if checks is None else checks:
        hidden = [f"{command}: {why}" for command in check.needs if (why := facts.fleet.hides(command))]
        verdict = Verdict(Level.HIDDEN, "; ".join(hidden)) if hidden else check.judge(facts)
        if verdict is None:
            continue
        remedy = "" if verdict.level is Level.PASS else check.remedy
        if verdict.level is Level.HIDDEN:
            remedy = HIDDEN_REMEDY
        findings.append(Finding(check.id, check.title, verdict.level, verdict.evidence, remedy))
    return tuple(findings)
