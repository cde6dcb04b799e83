# SPDX-License-Identifier: Apache-2.0
"""What each system VM needs, and why. Versions and checksums decide; `requiresupgrade` alone is not believed.

The server computes `requiresupgrade` from the template and (4.17 and later) the software version together: it is
false for a router whose scripts are old, and for one that was live patched onto an old template.
"""

from dataclasses import dataclass
from enum import StrEnum

from csworkbench.model.fleet import AGENTS, Fleet, SystemVm

from .operations import Remedy, remedy
from .reference import Reference
from .versions import dotted, same_release, version_of


class Need(StrEnum):
    """What an upgrade has to do to a system VM."""

    TEMPLATE = "needs a new template"
    SCRIPTS = "needs new scripts only"
    UNKNOWN = "cannot tell"
    CURRENT = "current"


class _State(StrEnum):
    OLD = "old"
    CURRENT = "current"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Assessment:
    """One system VM judged. `reasons` lead to `need`; `doubts` are what contradicts or qualifies it."""

    vm: SystemVm
    need: Need
    reasons: tuple[str, ...]
    doubts: tuple[str, ...]
    remedy: Remedy

    @property
    def reason(self) -> str:
        """All in one line."""
        return "; ".join((*self.reasons, *self.doubts))


def assess(fleet: Fleet) -> tuple[Assessment, ...]:
    """Every system VM of the fleet, in its order."""
    reference = Reference(fleet)
    return tuple(_assess(vm, reference) for vm in fleet.vms)


def _assess(vm: SystemVm, reference: Reference) -> Assessment:
    template, why_template = _template(vm, reference)
    scripts, why_scripts, doubts = _scripts(vm, reference)
    need = _combine(template, scripts, reference)
    doubts = [*doubts, *_contradictions(vm, need, reference), *_circumstances(vm, reference)]
    both_old = template is _State.UNKNOWN and scripts is _State.OLD
    wanted = {Need.TEMPLATE: "template", Need.SCRIPTS: "scripts", Need.CURRENT: ""}.get(
        need, "template" if both_old else "look"
    )
    reasons = [r for r in (why_template, why_scripts) if r]
    return Assessment(vm, need, tuple(reasons), tuple(doubts), remedy(vm, wanted, reference))


def _combine(template: _State, scripts: _State, reference: Reference) -> Need:
    if template is _State.OLD:
        return Need.TEMPLATE
    if template is _State.UNKNOWN:
        return Need.UNKNOWN
    if scripts is _State.OLD:
        return Need.SCRIPTS
    if scripts is _State.UNKNOWN and reference.tells_software:
        return Need.UNKNOWN
    return Need.CURRENT


def _template(vm: SystemVm, reference: Reference) -> tuple[_State, str]:
    required = reference.template(vm)
    version = version_of(vm.version)
    if version is not None:
        shown = f"template {dotted(version)}"
        if required is not None:
            if version < required:
                return _State.OLD, f"{shown} is older than {dotted(required)}"
            return _State.CURRENT, f"{shown} is the required one" if version == required else f"{shown} is newer"
        if version == reference.code:
            return _State.CURRENT, f"{shown} is of the server's release"
        if vm.requires_upgrade:
            return _State.OLD, f"{shown}; CloudStack calls it too old"
        return _State.UNKNOWN, f"{shown}; which one is required cannot be seen with this key"
    return _untold_template(vm, reference)


def _untold_template(vm: SystemVm, reference: Reference) -> tuple[_State, str]:
    """Of internal LB VMs, SSVMs and CPVMs, and of routers whose version is UNKNOWN: what the rest gives away."""
    required = reference.template(vm)
    known = vm.agent_version if vm.kind in AGENTS else vm.software_version
    last = version_of(known)
    if last is not None and required is not None and last < required:
        return _State.OLD, f"last started or patched under {dotted(last)}, before template {dotted(required)}"
    if vm.requires_upgrade:
        return _State.OLD, "the API does not tell its template, but calls it too old"
    if known and same_release(known, reference.release) and 0 < reference.servers_since_s <= vm.created_s:
        return _State.CURRENT, "created since the management server runs this release"
    return _State.UNKNOWN, "the API does not tell its template (/etc/cloudstack-release in it does)"


def _scripts(vm: SystemVm, reference: Reference) -> tuple[_State, str, list[str]]:  # noqa: PLR0911 - one line each
    if vm.kind in AGENTS:
        return _agent(vm, reference)
    if vm.software_version and reference.release:
        return _told_scripts(vm, reference)
    by_sum = _by_checksum(vm, reference)
    if by_sum is True:
        return _State.CURRENT, f"scripts as in {_votes(reference)}", []
    if by_sum is False:
        return _State.OLD, f"scripts differ from those of {_votes(reference)}", []
    if not reference.tells_software:
        return _State.UNKNOWN, "this release tells no software version: judged by the template", []
    if vm.version and not vm.software_version and reference.release:
        return _State.OLD, "no software version: last started before 4.17", []
    return _State.UNKNOWN, "the server's release or the VM's scripts cannot be seen", []


def _told_scripts(vm: SystemVm, reference: Reference) -> tuple[_State, str, list[str]]:
    by_sum = _by_checksum(vm, reference)
    if same_release(vm.software_version, reference.release):
        if by_sum is False:
            doubt = (
                f"softwareversion says {vm.software_version}, the checksum does not, as after a live patch that failed"
            )
            return _State.OLD, f"scripts differ from those of {_votes(reference)}", [doubt]
        if other := reference.shared.get(vm.scripts_version):
            text = f"its scripts are those of routers of {other}"
            return _State.UNKNOWN, text, ["a live patch by a host that was not upgraded brings old scripts"]
        if vm.scripts_version and by_sum is None and reference.scripts.voters > 1:
            return _State.UNKNOWN, f"scripts differ among {reference.scripts.voters} routers of this release", []
        return _State.CURRENT, f"scripts of {reference.release}", []
    return _State.OLD, f"scripts of {vm.software_version}, the server has {reference.release}", []


def _agent(vm: SystemVm, reference: Reference) -> tuple[_State, str, list[str]]:
    if not vm.agent_version or not reference.release:
        return _State.UNKNOWN, "its agent's version cannot be seen", []
    if same_release(vm.agent_version, reference.release):
        return _State.CURRENT, f"agent of {reference.release}", []
    return _State.OLD, f"agent {vm.agent_version}, the server has {reference.release}", []


def _by_checksum(vm: SystemVm, reference: Reference) -> bool | None:
    """Whether its scripts are those of the others of this release; None when that cannot be told."""
    if not vm.scripts_version or not reference.scripts.checksum:
        return None
    return vm.scripts_version == reference.scripts.checksum


def _votes(reference: Reference) -> str:
    scripts = reference.scripts
    return f"{scripts.votes} of {scripts.voters} routers of this release"


def _contradictions(vm: SystemVm, need: Need, reference: Reference) -> list[str]:
    """Where the server's own flag says something else than its versions do."""
    if vm.requires_upgrade is None:
        return []
    if vm.requires_upgrade and need in (Need.CURRENT, Need.SCRIPTS):
        return ["requiresupgrade is true, the template says otherwise"]
    if vm.requires_upgrade or need not in (Need.TEMPLATE, Need.SCRIPTS):
        return []
    if need is Need.SCRIPTS:
        return ["requiresupgrade is false: it does not look at scripts while the template is new"]
    if reference.release and same_release(vm.software_version, reference.release):
        return ["requiresupgrade is false: it was live patched, its kernel and packages are still the old ones"]
    return ["requiresupgrade is false, the versions say otherwise"]


def _circumstances(vm: SystemVm, reference: Reference) -> list[str]:
    """What a person must know beside the need."""
    found = []
    if vm.state != "Running":
        found.append(f"it is {vm.state or 'in no known state'}: the versions are those of its last start")
    if vm.kind in AGENTS and vm.agent_state not in ("", "Up"):
        found.append(f"its agent is {vm.agent_state}: the version is what it said last")
    if vm.redundant and vm.state == "Running" and not _has_primary(vm, reference):
        found.append("no router of its pair is PRIMARY")
    return found


def _has_primary(vm: SystemVm, reference: Reference) -> bool:
    return any(one.redundant_state == "PRIMARY" for one in reference.served.of(vm))
