# SPDX-License-Identifier: Apache-2.0
"""Did the operation do what it should? Routers before and after, not the job's success flag. Pure."""

import re
from dataclasses import dataclass, replace

from csworkbench.model.cloud import Inventory, Router
from csworkbench.model.scenario import Restart

from .text import one_line

_CHECKSUM = re.compile(r"[0-9a-f]{32,}")
_TOLD = ("state", "version", "scripts_version", "software_version", "guest_mac", "public_mac", "redundant_state")
PAIR = 2
ROUTERS = "routers"  # the word for them in Inventory.unlisted
VERSION_CHECK = "router_version_check.py"  # tells of versions, not of service


@dataclass(frozen=True, slots=True)
class Verified:
    """`changed`: the target is another, or differs. `sound`: what should be there now is there and works.

    `upgraded`: versions are higher than before. `tells` is False when it says nothing against the operation that
    nothing changed. `reasons` are lines for people, first what is wrong, then what changed.
    """

    changed: bool
    sound: bool
    reasons: tuple[str, ...]
    upgraded: bool = False
    tells: bool = True


_UNSEEN = Verified(
    False,
    True,
    ("this account may not list routers: that they changed rests on the job's word and on what the probes saw",),
    tells=False,
)


def _unlisted(before: Inventory, after: Inventory) -> bool:
    """Whether the role, not the network, is why no router is to be seen."""
    return ROUTERS in before.unlisted and ROUTERS in after.unlisted


def verify_restart(before: Inventory, after: Inventory, restart: Restart) -> Verified:
    """Routers after a restart: replaced with cleanup, kept without."""
    if _unlisted(before, after):
        return _UNSEEN
    if not before.routers and not after.routers:
        return Verified(False, False, ("no router is to be seen, before or after: this key may not list routers",))
    redundant = restart.makeredundant and not before.redundant
    anew = restart.cleanup or redundant
    wrong = _wrong(before, after)
    if anew:
        old = {r.id for r in before.routers}
        wrong += [f"{_name(r)} is still there: it was not replaced" for r in after.routers if r.id in old]
    if redundant and not after.redundant:
        wrong.append("CloudStack does not say that it is redundant now")
    return _verified(before, after, wrong, tells=anew)


def verify_live_patch(before: Inventory, after: Inventory) -> Verified:
    """Only the checksum of the scripts is the router's own word: CloudStack writes the software version by itself."""
    if _unlisted(before, after):
        return _UNSEEN
    if not before.routers:
        text = "no router is to be seen: whether the patch took cannot be told with this key"
        return Verified(False, False, (text,))
    old = {router.id: router for router in before.routers}
    wrong = _wrong(before, after)
    wrong += [f"{_name(r)} is new: a live patch keeps the router" for r in after.routers if r.id not in old]
    needed = [r for r in after.routers if r.id in old and outdated(old[r.id], before.server_version)]
    current = [r for r in after.routers if r.id in old and outdated(old[r.id], before.server_version) is False]
    patched = [r for r in needed if _other_scripts(old[r.id], r)]
    missed = [r for r in needed if not _other_scripts(old[r.id], r)]
    said = [f"{_name(r)} was not patched: the checksum of its scripts is the same as before" for r in missed]
    said += [
        f"CloudStack writes {one_line(r.software_version, 30)} for {_name(r)} all the same: that is the server's own, "
        "not the router's word"
        for r in missed
        if r.software_version != old[r.id].software_version
    ]
    said += _version_check(after)
    for router in current:
        kept = "" if _other_scripts(old[router.id], router) else ", its scripts are the same"
        said.append(f"{_name(router)} had the server's version before: there was nothing to patch{kept}")
    if patched and missed:
        wrong = [*said[: len(missed)], *wrong]
    reasons = (*wrong, *(s for s in said if s not in wrong), *_changes(before.routers, after.routers))
    unknown = not needed and not current
    changed = any(_other_scripts(old[r.id], r) for r in after.routers if r.id in old)
    if unknown and not changed:
        reasons = (
            *reasons,
            "whether these routers needed it is unknown: the server does not tell; nothing differs now",
        )
    return Verified(changed, not wrong, reasons, upgraded=bool(patched) and not missed, tells=bool(needed))


def verify_same_router(before: Inventory, after: Inventory, router_id: str) -> Verified:
    """After a reboot, or a stop and start: the same routers, all of them running."""
    wrong = _wrong(before, after)
    if not any(router.id == router_id for router in after.routers):
        wrong.insert(0, "the router is gone")
    outdated_before = any(r.requires_upgrade for r in before.routers if r.id == router_id)
    return _verified(before, after, wrong, tells=outdated_before)


def verify_destroyed(before: Inventory, after: Inventory, router_id: str, *, rebuilt: bool) -> Verified:
    """The router gone; with `rebuilt` as many as before, all of them running."""
    wrong = [f"{_name(r)} is still there" for r in after.routers if r.id == router_id]
    if rebuilt:
        return _verified(before, after, wrong + _wrong(before, after))
    wrong += _not_running(after)
    gone = not any(router.id == router_id for router in after.routers)
    left = () if after.routers else ("no router is left: nothing passes until one is built",)
    return Verified(gone, not wrong, (*wrong, *left, *_changes(before.routers, after.routers)))


def verify_offering(before: Inventory, after: Inventory, offering_id: str) -> Verified:
    """The network has the offering, and the routers that go with it run."""
    wrong = [] if _unlisted(before, after) else _wrong(before, after)
    if after.network.offering_id != offering_id:
        wrong.insert(0, f"the network still has the offering {one_line(after.network.offering, 60) or 'that it had'}")
    found = replace(_UNSEEN, sound=not wrong) if _unlisted(before, after) else _verified(before, after, wrong)
    if after.network.offering_id == before.network.offering_id:
        return found
    told = f"offering {one_line(before.network.offering, 60)} → {one_line(after.network.offering, 60)}"
    return Verified(True, found.sound, (*wrong, told, *found.reasons[len(wrong) :]), found.upgraded)


def roles_settled(found: Inventory) -> bool:
    """Whether exactly one router of a pair is PRIMARY and the other's role is known too.

    The server's word on that lags by up to 30 s, and only the role tells that a BACKUP's checks fail because it rests.
    """
    return not _wrong_roles(found) and not any(
        r.redundant_state == "UNKNOWN" and r.state == "Running" for r in found.routers
    )


def outdated(router: Router, server_version: str) -> bool | None:
    """Whether a router runs older code than the server's; None when server or router does not tell."""
    if router.requires_upgrade:
        return True
    if not router.software_version or not server_version:
        return None
    return not same_release(router.software_version, server_version)


def release(version: str) -> tuple[int, ...] | None:
    """`4.19.1` as numbers; None for UNKNOWN and the like."""
    found = re.match(r"\d{1,4}(?:\.\d{1,9}){1,5}", version)
    return None if found is None else tuple(map(int, found.group().split(".")))


def same_release(one: str, other: str) -> bool:
    """Whether two versions are the same, whatever suffix or trailing `.0` they carry."""
    first, second = release(one), release(other)
    if first is None or second is None:
        return one == other
    width = max(len(first), len(second))
    return first + (0,) * (width - len(first)) == second + (0,) * (width - len(second))


def _verified(before: Inventory, after: Inventory, wrong: list[str], *, tells: bool = True) -> Verified:
    changes = _changes(before.routers, after.routers)
    reasons = [*wrong, *changes]
    if not changes:
        reasons.append("no router differs from before")
    reasons += _version_check(after)
    reasons += _failing_all_along(before, after)
    changed, upgraded = bool(changes), _raised(before, after)
    needed = [r for r in before.routers if outdated(r, before.server_version)]
    still = [r for r in after.routers if outdated(r, after.server_version)]
    if needed and tells and still and not upgraded:
        reasons += [f"{_name(r)} is as old as before: {one_line(r.software_version or r.version, 30)}" for r in still]
        if {r.id for r in before.routers} == {r.id for r in after.routers}:
            changed = False
        else:
            wrong = [*wrong, *(f"{_name(r)} requires an upgrade" for r in still if r.requires_upgrade)]
    return Verified(changed, not wrong, (*wrong, *(r for r in reasons if r not in wrong)), upgraded, tells)


def _wrong(before: Inventory, after: Inventory) -> list[str]:
    """What is wrong whatever the operation was: routers, their roles, rules, health."""
    wrong = []
    expected = _expected_routers(before, after)
    if len(after.routers) < expected:
        wrong.append(f"{expected} routers expected, {len(after.routers)} now, {len(before.routers)} before")
    if not after.routers:
        return [*wrong, f"the {'VPC' if after.vpc is not None else 'network'} has no router now"]
    if len(after.routers) > expected:
        wrong.append(f"{len(after.routers)} routers now, {len(before.routers)} before")
    wrong += _not_running(after)
    wrong += _wrong_roles(after)
    if _restart_required(after) and not _restart_required(before):
        what = "VPC" if after.vpc is not None else "network"
        wrong.append(f"CloudStack says that the {what} needs a restart")
    known = set(before.unsettled)
    wrong += [f"{rule}: it is not on the router, or not gone from it" for rule in after.unsettled if rule not in known]
    # A BACKUP rests: its dnsmasq is stopped and its public device down, so its checks fail when all is well.
    failing = {check for router in before.routers if not _rests(router) for check in router.failing_checks}
    failing.add(VERSION_CHECK)
    for router in after.routers:
        if _rests(router):
            continue
        new = [check for check in router.failing_checks if check not in failing]
        if new:
            wrong.append(f"health checks of {_name(router)} fail: {', '.join(one_line(check, 40) for check in new)}")
    return wrong


def _expected_routers(before: Inventory, after: Inventory) -> int:
    if after.redundant:
        return PAIR
    return 1 if before.redundant else max(1, len(before.routers))


def _not_running(found: Inventory) -> list[str]:
    return [f"{_name(r)} is {one_line(r.state, 20)}, not Running" for r in found.routers if r.state != "Running"]


def _wrong_roles(found: Inventory) -> list[str]:
    pair = [r for r in found.routers if r.redundant_state and r.state == "Running"]
    if len(pair) < PAIR:
        return []
    states = ", ".join(f"{_name(r)} {one_line(r.redundant_state, 20)}" for r in pair)
    primaries = sum(r.redundant_state == "PRIMARY" for r in pair)
    return [] if primaries == 1 else [f"{primaries} routers of the pair are PRIMARY, not one: {states}"]


def _version_check(after: Inventory) -> list[str]:
    return [
        f"CloudStack's own {VERSION_CHECK} says that {_name(r)} is not at the server's version"
        for r in after.routers
        if VERSION_CHECK in r.failing_checks
    ]


def _failing_all_along(before: Inventory, after: Inventory) -> list[str]:
    old = {check for router in before.routers if not _rests(router) for check in router.failing_checks}
    now = {check for router in after.routers if not _rests(router) for check in router.failing_checks}
    both = ", ".join(one_line(check, 40) for check in sorted(old & now - {VERSION_CHECK}))
    return [f"health checks that failed before the change too: {both}"] if both else []


def _rests(router: Router) -> bool:
    return router.redundant_state == "BACKUP"


def _restart_required(found: Inventory) -> bool:
    return found.vpc.restart_required if found.vpc is not None else found.network.restart_required


def _raised(before: Inventory, after: Inventory) -> bool:
    """Whether every router has a higher template or software version than any had before."""
    for field in ("version", "software_version"):
        old = [release(getattr(r, field)) for r in before.routers]
        new = [release(getattr(r, field)) for r in after.routers]
        known = [v for v in old if v is not None]
        if known and new and all(v is not None and v > max(known) for v in new):
            return True
    return False


def _other_scripts(old: Router, new: Router) -> bool:
    return old.scripts_version != new.scripts_version


def _changes(before: tuple[Router, ...], after: tuple[Router, ...]) -> list[str]:
    old, new = {r.id: r for r in before}, {r.id: r for r in after}
    changes = [f"{_name(r)} is gone" for r in before if r.id not in new]
    changes += [f"{_name(r)} is new{_version(r)}" for r in after if r.id not in old]
    for router in after:
        if router.id in old:
            changes += _differences(old[router.id], router)
    return changes


def _differences(old: Router, new: Router) -> list[str]:
    pairs = ((field, getattr(old, field), getattr(new, field)) for field in _TOLD)
    return [f"{_name(new)}: {field.replace('_', ' ')} {_short(a)} → {_short(b)}" for field, a, b in pairs if a != b]


def _short(value: str) -> str:
    """A version as it is told; of a checksum, as scripts have it, the first twelve digits."""
    return (value[:12] if _CHECKSUM.fullmatch(value) else one_line(value, 40)) or "unknown"


def _name(router: Router) -> str:
    return one_line(router.name, 40)


def _version(router: Router) -> str:
    return f", version {one_line(router.version, 40)}" if router.version else ""
