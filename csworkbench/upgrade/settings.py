# SPDX-License-Identifier: Apache-2.0
"""Global settings around a change: which interfere, and a snapshot to go back to (cloudstack-api.md 7)."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from csworkbench.model.fleet import Fleet, SettingSeen

FORMAT = "csworkbench settings 1"
_PREFIXES = (
    "router.",
    "network.",
    "systemvm.",
    "vr.",
    "consoleproxy.",
    "secstorage.",
    "diagnostics.data.",
    "job.",
    "vm.op.",
    "vm.job.",
)
_NAMES = frozenset(
    {
        *("minreq.sysvmtemplate.version", "recreate.systemvm.enabled", "allow.router.on.disabled.resources"),
        *("use.external.dns", "expose.dns.externally", "dhcp.lease.timeout", "wait", "commands.timeout"),
        *("system.vm.use.local.storage", "system.vm.default.hypervisor", "system.vm.preferred.architecture"),
        *("vrouter.redundant.tiers.placement", "allow.users.to.make.networks.redundant", "system.vm.random.password"),
    }
)
_SECRET = ("auth", "password", "secret", "key")


@dataclass(frozen=True, slots=True)
class Interfering:
    """A setting that disturbs a change. `acts_on_ill`: the server acts by itself on a router that fails a check."""

    name: str
    interferes: Callable[[str], bool]
    consequence: str
    acts_on_ill: bool = False


def _is(wanted: str) -> Callable[[str], bool]:
    return lambda value: value.strip().lower() == wanted


def _below(limit: float) -> Callable[[str], bool]:
    def judge(value: str) -> bool:
        try:
            return 0 <= float(value) < limit
        except ValueError:
            return False

    return judge


INTERFERING = (
    Interfering(
        "router.health.checks.failures.to.recreate.vr",
        lambda value: bool(value.strip()),
        "the server restarts a network with cleanup on its own when one of these checks fails",
        acts_on_ill=True,
    ),
    Interfering("network.rolling.restart", _is("false"), "a restart destroys the old router before it builds the new"),
    Interfering("router.version.check", _is("false"), "outdated routers are sent commands that they may not know"),
    Interfering("router.health.checks.enabled", _is("false"), "a router that is ill afterwards will not be noticed"),
    Interfering("recreate.systemvm.enabled", _is("true"),
                "every start of a system VM makes a new disk, which takes longer"),
    Interfering("router.aggregation.command.each.timeout", _below(600),
                "routers with many rules may not start in time"),
    Interfering("network.gc.interval", _below(60), "a network whose VMs are stopped loses its router meanwhile"),
    Interfering("job.cancel.threshold.minutes", _below(60), "a job that waits longer in its queue is failed"),
)  # fmt: skip


def watched(fleet: Fleet) -> tuple[SettingSeen, ...]:
    """The settings that bear on routers and system VMs, without secrets, by name."""
    kept = [s for s in fleet.settings if s.name in _NAMES or s.name.startswith(_PREFIXES)]
    kept = [s for s in kept if not any(part in _SECRET for part in s.name.lower().split("."))]
    return tuple(sorted(set(kept), key=lambda s: (s.name, s.zone_id)))


def snapshot(fleet: Fleet, *, cloud: str, endpoint: str, taken: str) -> str:
    """The watched settings as a JSON file's text. `taken` is RFC 3339."""
    rows = [{"name": s.name, "value": s.value, "zone": s.zone_id} for s in watched(fleet)]
    head = {"format": FORMAT, "cloud": cloud, "endpoint": endpoint, "version": fleet.server_version, "taken": taken}
    return json.dumps({**head, "settings": rows}, indent=2, ensure_ascii=False) + "\n"


class BadSnapshot(ValueError):
    """The file is no snapshot; the message says why."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot as it was read."""

    endpoint: str
    taken: str
    settings: tuple[SettingSeen, ...]


def read_snapshot(text: str) -> Snapshot:
    """The settings in a file's text. Raises BadSnapshot."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise BadSnapshot("it is not JSON") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise BadSnapshot(f"it does not say {FORMAT!r}")
    rows = document.get("settings")
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise BadSnapshot("its settings are not a list of name, value and zone")
    seen = tuple(SettingSeen(row["name"], row["value"], row["zone"]) for row in rows)
    return Snapshot(str(document.get("endpoint", "")), str(document.get("taken", "")), seen)


def _is_row(row: Any) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == {"name", "value", "zone"}
        and all(isinstance(v, str) for v in row.values())
    )


def to_restore(kept: Iterable[SettingSeen], now: Fleet) -> tuple[SettingSeen, ...]:
    """The settings that are other than in the snapshot, with the snapshot's values."""
    found = {(s.name, s.zone_id): s.value for s in now.settings}
    return tuple(s for s in kept if (s.name, s.zone_id) in found and found[s.name, s.zone_id] != s.value)
