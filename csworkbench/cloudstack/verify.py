# SPDX-License-Identifier: Apache-2.0
"""Did the restart do what it should? Routers before and after, not the job's success flag. Pure."""

from dataclasses import dataclass

from csworkbench.model.cloud import Inventory, Router
from csworkbench.model.scenario import Restart

from .text import one_line

_TOLD = ("state", "version", "scripts_version", "software_version", "guest_mac", "public_mac", "redundant_state")


@dataclass(frozen=True, slots=True)
class Verified:
    """`changed`: the routers are others, or differ. `sound`: what should be there now is there and Running.

    `reasons` are lines for people, first what is wrong, then what changed.
    """

    changed: bool
    sound: bool
    reasons: tuple[str, ...]


def verify_restart(before: Inventory, after: Inventory, restart: Restart) -> Verified:
    """Compare the routers. The redundant state lags by up to 30 s, so it is told but never counts as wrong."""
    if not before.routers and not after.routers:
        return Verified(False, False, ("no router is to be seen, before or after: this key may not list routers",))
    wrong = _wrong(before, after, restart)
    changes = _changes(before.routers, after.routers)
    reasons = [*wrong, *changes]
    if not changes:
        reasons.append("no router differs from before")
    return Verified(bool(changes), not wrong, tuple(reasons))


def _wrong(before: Inventory, after: Inventory, restart: Restart) -> list[str]:
    wrong = []
    if len(after.routers) < len(before.routers):
        wrong.append(f"{len(before.routers)} routers before, {len(after.routers)} now")
    if not after.routers:
        return [*wrong, "the network has no router now"]
    surplus = len(after.routers) - max(1, len(before.routers))
    if surplus > 0 and not after.network.redundant:
        wrong.append(f"{len(after.routers)} routers now, {len(before.routers)} before")
    wrong += [f"{_name(r)} is {one_line(r.state, 20)}, not Running" for r in after.routers if r.state != "Running"]
    if restart.cleanup:
        old = {r.id for r in before.routers}
        wrong += [f"{_name(r)} is still there: it was not replaced" for r in after.routers if r.id in old]
    if after.network.restart_required and not before.network.restart_required:
        wrong.append("CloudStack says that the network needs a restart")
    return wrong


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
    return [
        f"{_name(new)}: {field.replace('_', ' ')} {one_line(a, 40) or 'unknown'} → {one_line(b, 40) or 'unknown'}"
        for field, a, b in pairs
        if a != b
    ]


def _name(router: Router) -> str:
    return one_line(router.name, 40)


def _version(router: Router) -> str:
    return f", version {one_line(router.version, 40)}" if router.version else ""
