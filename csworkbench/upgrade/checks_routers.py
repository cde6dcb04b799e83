# SPDX-License-Identifier: Apache-2.0
"""Checks of the routers and networks that are operated: state, redundancy, rules, what a restart takes with it."""

from .facts import Check, Facts, Verdict, ok, some, stop, warn
from .operations import live_patch
from .served import Served, name_of

_MOVING = ("Starting", "Stopping", "Migrating")
_PAIR = 2


def running(facts: Facts) -> Verdict | None:
    """Every router Running."""
    if facts.of_zone:
        return None
    routers = facts.routers
    moving = [f"{vm.name} is {vm.state}" for vm in routers if vm.state in _MOVING]
    if moving:
        return stop(some(moving))
    off = [f"{vm.name} is {vm.state}" for vm in routers if vm.state != "Running"]
    if off:
        return warn(some(off))
    return ok(f"{len(routers)} Running") if routers else warn("there is no router")


def count(facts: Facts) -> Verdict | None:
    """One router for a network, two for a redundant one."""
    if facts.of_zone:
        return None
    surplus = []
    for group in Served(facts.routers).routers():
        wanted = _PAIR if any(vm.redundant for vm in group) else 1
        if len(group) > wanted:
            surplus.append(f"{name_of(group[0])} has {len(group)} routers ({some([vm.name for vm in group])})")
    return stop(some(surplus)) if surplus else ok("one for each network, two for each redundant one")


def pairs(facts: Facts) -> Verdict | None:
    """Each redundant pair has exactly one PRIMARY and one BACKUP."""
    broken, doubtful, good = [], [], 0
    for group in Served(facts.routers).routers():
        if not any(vm.redundant for vm in group):
            continue
        roles = sorted(vm.redundant_state or "UNKNOWN" for vm in group)
        told = [f"{vm.name} {vm.redundant_state or 'UNKNOWN'}" for vm in group]
        text = f"{name_of(group[0])}: {', '.join(told)}"
        if roles == ["BACKUP", "PRIMARY"]:
            good += 1
        elif roles.count("PRIMARY") != 1:
            broken.append(text)
        else:
            doubtful.append(text)
    if broken:
        return stop(some(broken, 3))
    if doubtful:
        return warn(some(doubtful, 3))
    return ok(f"{good} with one PRIMARY and one BACKUP") if good else None


def rules(facts: Facts) -> Verdict | None:
    """No rule half way on or off its router."""
    if facts.of_zone:
        return None
    own = {n.id for n in facts.networks}
    stuck = [r for r in facts.fleet.rules if facts.target is None or r.network_id in own or not r.network_id]
    left = [f"{p.command} {p.read} of {p.total}" for p in facts.fleet.partial]
    looked = f"{facts.fleet.rules_read} rules read" + (f"; not all were read: {some(left)}" if left else "")
    if stuck:
        return warn(some([f"{r.kind} rule {r.text} is in {r.state}" for r in stuck], 3))
    return warn(looked) if left else ok(f"none stuck; {looked}")


def restart_required(facts: Facts) -> Verdict | None:
    """Nothing waits for a restart already."""
    if facts.of_zone:
        return None
    target = facts.target
    vpcs = [v for v in facts.fleet.vpcs if target is None or v.id == target.vpc_id]
    waiting = [n.name for n in facts.networks if n.restart_required] + [v.name for v in vpcs if v.restart_required]
    return warn(some(waiting)) if waiting else ok("none")


def refused(facts: Facts) -> Verdict | None:
    """A restart without cleanup sends commands, which an outdated router refuses."""
    target = facts.target
    if target is None or target.cleanup is not False or target.live_patch:
        return None
    old = [vm.name for vm in facts.routers if vm.requires_upgrade]
    return stop(f"{some(old)} requires an upgrade") if old else ok("the routers take commands")


def patchable(facts: Facts) -> Verdict | None:
    """Each router of the target can be live patched."""
    target = facts.target
    if target is None or not target.live_patch:
        return None
    answers = [(vm, live_patch(vm, facts.reference)) for vm in facts.operated]
    for word, verdict in (("no", stop), ("caveat", warn)):
        found = [f"{vm.name}: {patch.why}" for vm, patch in answers if patch.answer == word]
        if found:
            return verdict(some(found, 3))
    return ok("every template is new enough")


def blast_radius(facts: Facts) -> Verdict | None:
    """A VPC has one router for all its tiers."""
    target = facts.target
    if target is None or not target.vpc_id:
        return None
    tiers = [n.name for n in facts.networks] or [t for v in facts.fleet.vpcs if v.id == target.vpc_id for t in v.tiers]
    if target.network_id and target.cleanup:
        return stop(f"a tier cannot be restarted with cleanup alone; its VPC has {some(tiers)}")
    return warn(f"all {len(tiers)} tiers: {some(tiers)}") if len(tiers) > 1 else ok(some(tiers) or "no tiers")


def ssh_path(facts: Facts) -> Verdict | None:
    """Vantages behind the router that is replaced cannot be watched while it is away; their records are kept."""
    if not facts.routes:
        return None
    through = [r.vantage for r in facts.routes if r.through]
    beside = [r.vantage for r in facts.routes if not r.through]
    if not through:
        return ok("no vantage is reached through the router")
    routers = sorted({r.through for r in facts.routes if r.through})
    text = f"{len(through)} of {len(facts.routes)} reached through {some(routers)}"
    if beside:
        return ok(f"{text}; {some(beside)} beside it. Records are kept where they are taken.")
    return warn(f"{text}: nothing is seen live while it is away, the records come afterwards")


CHECKS = (
    Check("routers-running", "routers' state", "every router Running, none on its way",
          "wait for those on their way; start the others, or know that their network has no gateway", running,
          ("listRouters",)),
    Check("routers-count", "number of routers", "one for a network, two for a redundant one",
          "stop and destroy the surplus router: two of them answer for the same gateway", count, ("listRouters",)),
    Check("pairs", "redundant pairs", "exactly one PRIMARY and one BACKUP in each pair",
          "mend the pair before anything else: look for VRRP between the two, reboot the one in FAULT", pairs,
          ("listRouters",)),
    Check("rules", "rules half way", "no rule in Add or Revoke: such a rule is not on its router",
          "delete and create these rules again; a restart may bring them in, or fail on them", rules),
    Check("restart-required", "restart required", "no network or VPC that waits for a restart",
          "know that this restart will apply what was waiting", restart_required),
    Check("refused", "outdated routers", "a restart without cleanup needs routers that take commands",
          "restart with cleanup", refused, ("listRouters",)),
    Check("patchable", "live patch possible", "template 4.15 or newer, Running, hosts upgraded, no VPC without tiers",
          "restart with cleanup instead", patchable, ("listRouters",)),
    Check("blast-radius", "what else goes down", "a VPC's router serves all its tiers",
          "announce it to the owners of all these tiers", blast_radius),
    Check("ssh-path", "way to the vantages", "a vantage beside the router under test, so that something is seen live",
          "add an outside vantage, or a proxy_command that goes another way", ssh_path),
)  # fmt: skip
