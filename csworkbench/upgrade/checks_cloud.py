# SPDX-License-Identifier: Apache-2.0
"""Checks of what every operation depends on: servers, hosts, templates, jobs, room, settings."""

from csworkbench.model.fleet import AGENTS

from .facts import Check, Facts, Level, Verdict, ok, some, stop, warn
from .settings import INTERFERING
from .versions import dotted, same_release, version_of

_MEMORY, _CPU, _PUBLIC, _PRIVATE = 0, 1, 4, 5
_TIGHT = 0.9
_UNITS = {_MEMORY: "GiB of memory", _CPU: "GHz of CPU"}


def servers(facts: Facts) -> Verdict:
    """All Up, all of one release."""
    known = facts.fleet.servers
    busy = [f"{s.name} is {s.state}" for s in known if s.state not in ("Up", "Down", "")]
    versions = sorted({s.version for s in known if s.version})
    if busy:
        return stop(f"{some(busy)}: it takes no new jobs")
    if len(versions) > 1:
        return stop(f"releases differ: {some(versions)}")
    down = [s.name for s in known if s.state == "Down"]
    if down:
        return warn(f"{some(down)} down, {len(known) - len(down)} up")
    return ok(f"{len(known)} up, {some(versions) or facts.reference.release or 'release not told'}")


def hosts(facts: Facts) -> Verdict:
    """Up and enabled, in the zones in question."""
    known = [h for h in facts.fleet.hosts if h.zone_id in facts.zone_ids]
    good = [h for h in known if h.state == "Up" and h.resource_state in ("Enabled", "")]
    bad = [f"{h.name} is {h.state} {h.resource_state}".strip() for h in known if h not in good]
    if known and not good:
        return stop(f"no host is up: {some(bad)}")
    return warn(some(bad)) if bad else ok(f"{len(good)} up")


def agents(facts: Facts) -> Verdict:
    """KVM agents of the server's release: a live patch pushes the host's own scripts."""
    release = facts.reference.release
    known = [h for h in facts.fleet.hosts if h.zone_id in facts.zone_ids and h.version]
    old = [f"{h.name} has {h.version}" for h in known if release and not same_release(h.version, release)]
    versions = {h.version for h in known}
    if old:
        text = f"the server has {release}, {some(old)}"
        return stop(text) if facts.target is not None and facts.target.live_patch else warn(text)
    if len(versions) > 1:
        return warn(f"releases differ: {some(sorted(versions))}")
    return ok(some(sorted(versions)) or "the hosts tell no release")


def templates(facts: Facts) -> Verdict:
    """The required system VM template, Ready in each zone for each hypervisor that it has."""
    missing: list[str] = []
    seen: list[str] = []
    for zone_id in sorted(facts.zone_ids):
        kinds = {h.hypervisor for h in facts.fleet.hosts if h.zone_id == zone_id and h.hypervisor}
        kinds |= {vm.hypervisor for vm in facts.fleet.vms if vm.zone_id == zone_id and vm.hypervisor}
        for hypervisor in sorted(kinds):
            found = _template(facts, zone_id, hypervisor)
            (seen if found.level is Level.PASS else missing).append(found.evidence)
    if missing:
        return stop(some(missing))
    if not seen and (why := facts.fleet.hides("listHosts")):
        return Verdict(Level.HIDDEN, f"listHosts: {why}")
    return ok(some(seen)) if seen else warn("no hypervisor is known in these zones")


def _template(facts: Facts, zone_id: str, hypervisor: str) -> Verdict:
    required, where = facts.reference.required(zone_id), f"{facts.zone(zone_id)}/{hypervisor}"
    here = [t for t in facts.fleet.templates if t.zone_id == zone_id and t.hypervisor in ("", hypervisor)]
    told = [(version, t) for t in here if (version := version_of(t.name)) is not None]
    fitting = [t for version, t in told if required is None or version >= required] or (here if not told else [])
    ready = [t for t in fitting if t.ready]
    if ready:
        return ok(f"{where}: {ready[-1].name}")
    if fitting:
        return stop(f"{where}: {fitting[-1].name} is not Ready ({fitting[-1].status or 'no status'})")
    return stop(
        f"{where}: no system VM template {dotted(required) if required else ''} is registered".replace("  ", " ")
    )


def system_vms(facts: Facts) -> Verdict | None:
    """SSVM and CPVM Running with their agents Up."""
    known = [vm for vm in facts.fleet.vms if vm.kind in AGENTS]
    if not known:
        return None if facts.target is not None else warn("there is no SSVM and no CPVM")
    bad = [
        f"{vm.name} is {vm.state}, agent {vm.agent_state or 'unknown'}"
        for vm in known
        if not _well(vm.state, vm.agent_state)
    ]
    return warn(some(bad)) if bad else ok(f"{len(known)} Running, agents Up")


def _well(state: str, agent_state: str) -> bool:
    return state == "Running" and agent_state in ("", "Up")


def jobs(facts: Facts) -> Verdict:
    """Nothing at work: a stop of the management server loses jobs, and they queue before an operation."""
    pending = facts.fleet.jobs
    target = facts.target
    own = {vm.id for vm in facts.routers} | {n.id for n in facts.networks}
    if target is not None:
        mine = [j for j in pending if j.instance_id in own | {target.network_id, target.vpc_id, target.vm_id} - {""}]
        if mine:
            return stop(f"at work on {target.name}: {some([_job(j.command, j.created) for j in mine])}")
    if pending:
        return warn(f"{len(pending)} pending: {some([_job(j.command, j.created) for j in pending])}")
    return ok("none pending")


def _job(command: str, created: str) -> str:
    return f"{command} since {created}" if created else command


def capacity(facts: Facts) -> Verdict:
    """Room for one router beside the old one."""
    fleet = facts.fleet
    sizes = {_MEMORY: fleet.router_memory, _CPU: fleet.router_cpu_mhz}
    full, tight, seen = [], [], []
    for row in fleet.capacities:
        if row.type not in sizes or row.zone_id not in facts.zone_ids or not row.total:
            continue
        what = f"{row.zone}: {_amount(row.type, row.free)} of {_amount(row.type, row.total)} {_UNITS[row.type]} free"
        if row.free < max(1, sizes[row.type]):
            full.append(f"{what}, a router takes {_amount(row.type, sizes[row.type])}")
        elif row.used / row.total > _TIGHT:
            tight.append(what)
        else:
            seen.append(what)
    if full:
        return stop(some(full))
    if tight:
        return warn(some(tight))
    return ok(some(seen)) if seen else warn("the server tells no capacity of these zones")


def _amount(kind: int, value: int) -> str:
    return f"{value / 2**30:.1f}" if kind == _MEMORY else f"{value / 1000:.1f}"


def addresses(facts: Facts) -> Verdict:
    """Free public addresses, and free addresses of the control or management range."""
    names = {_PUBLIC: "public", _PRIVATE: "control"}
    rows = [c for c in facts.fleet.capacities if c.type in names and c.zone_id in facts.zone_ids and c.total]
    full = [(c.type, f"{c.zone} has no free {names[c.type]} address of {c.total}") for c in rows if c.free == 0]
    texts = [text for _, text in full]
    if any(kind == _PRIVATE for kind, _ in full):
        return stop(some(texts))
    if full:
        return warn(some(texts))
    seen = [f"{c.zone} {c.free} of {c.total} {names[c.type]} free" for c in rows]
    return ok(some(seen)) if seen else warn("the server tells no addresses of these zones")


def settings(facts: Facts) -> Verdict:
    """Settings that act on their own during a change, or change what it does."""
    ill = [vm.name for vm in facts.routers if vm.health_failed]
    found: list[str] = []
    worst = Level.PASS
    for rule in INTERFERING:
        for zone_id in ("", *sorted(facts.zone_ids)):
            value = facts.fleet.setting(rule.name, zone_id)
            text = f"{rule.name}={value}: {rule.consequence}"
            if value is None or not rule.interferes(value) or text in found:
                continue
            found.append(text)
            worst = Level.STOP if rule.acts_on_ill and ill else max(worst, Level.WARN, key=list(Level).index)
            if rule.acts_on_ill and ill:
                found.append(f"it would act now: health checks fail on {some(ill)}")
    return Verdict(worst, "; ".join(found)) if found else ok("none that would interfere")


CHECKS = (
    Check("servers", "management servers", "all Up, of one release, none in maintenance",
          "finish the upgrade of the management servers, or end their maintenance", servers,
          ("listManagementServers",)),
    Check("hosts", "hosts", "all hypervisors Up and Enabled", "bring the hosts up, or take them out of the zone", hosts,
          ("listHosts",)),
    Check("agents", "hosts' agents", "KVM agents are of the server's release; a live patch brings the host's scripts",
          "upgrade and restart cloudstack-agent on these hosts before any live patch", agents, ("listHosts",)),
    Check("templates", "system VM template", "Ready in each zone, for each hypervisor, and not older than required",
          "register the template of this release and wait until it is Ready", templates, ("listTemplates",)),
    Check("system-vms", "SSVM and CPVM", "Running, with their agents Up",
          "restart or destroy them; without an SSVM no template can be copied", system_vms, ("listSystemVms",)),
    Check("jobs", "pending jobs", "no job on what is operated (stop), nor elsewhere (warn)",
          "wait for them: csworkbench asks again each time", jobs, ("listAsyncJobs",)),
    Check("capacity", "room for a router", "memory and CPU for one more router beside the old one",
          "free capacity in the zone: the new router would not start", capacity, ("listCapacity",)),
    Check("addresses", "free addresses", "public and control addresses for one more router",
          "extend the address range, or release addresses that are not used", addresses, ("listCapacity",)),
    Check("settings", "global settings", "none that acts on its own meanwhile or changes what a restart does",
          "`csworkbench preflight --snapshot FILE` keeps them; change them, and `--restore FILE` afterwards", settings,
          ("listConfigurations",)),
)  # fmt: skip
