# SPDX-License-Identifier: Apache-2.0
"""Which operation brings a system VM up to date, and what it does to its users (cloudstack-api.md 4.2 to 4.7, 9)."""

from dataclasses import dataclass
from enum import StrEnum

from csworkbench.model.fleet import AGENTS, Kind, SystemVm

from .reference import Reference
from .served import name_of
from .versions import dotted, same_release, version_of

FIRST_PATCHABLE = (4, 14, 0)
FIRST_WITHOUT_CAVEAT = (4, 15, 0)


class Operation(StrEnum):
    """What to do."""

    NONE = "nothing"
    LOOK = "look into it first"
    LIVE_PATCH = "live patch"
    RESTART = "restart with cleanup"
    RESTART_VPC = "restart VPC with cleanup"
    STOP_START = "stop and start"
    RECREATE = "destroy, it is re-created"


@dataclass(frozen=True, slots=True)
class Patch:
    """Whether a live patch is possible at all: `answer` is yes, no or caveat."""

    answer: str
    why: str


@dataclass(frozen=True, slots=True)
class Remedy:
    """The operation that fits, the call that makes it, what it costs; and what a live patch could do instead."""

    operation: Operation
    call: str
    consequence: str
    patch: Patch


def remedy(vm: SystemVm, wanted: str, reference: Reference) -> Remedy:
    """`wanted`: what has to become new, `template`, `scripts`, `look` or nothing."""
    patch = live_patch(vm, reference)
    if not wanted:
        return Remedy(Operation.NONE, "", "", patch)
    if wanted == "look":
        text = (
            "Look at /etc/cloudstack-release in it for its template, and compare its scripts' checksum with that of "
            "cloud-scripts.tgz on the management server; a root admin's key sees most."
        )
        return Remedy(Operation.LOOK, "", text, patch)
    if wanted == "scripts" and patch.answer != "no":
        return _patched(vm, reference, patch)
    return _renewed(vm, reference, patch)


def live_patch(vm: SystemVm, reference: Reference) -> Patch:  # noqa: PLR0911 - one line for each rule
    """The rules of the documentation: 4.15 and newer yes, 4.14 with a caveat, 4.13 and older no."""
    if not reference.fleet.live_patch:
        return Patch("no", "this release has no live patch (4.17 is the first)")
    if vm.state != "Running":
        return Patch("no", f"only a Running VM can be patched, this one is {vm.state}")
    vpc = reference.vpcs.get(vm.vpc_id)
    if vm.kind is Kind.VPC_ROUTER and vpc is not None and not vpc.tiers:
        return Patch("no", "a VPC without tiers cannot be live patched: nothing would happen")
    template = version_of(vm.version)
    if template is not None and template < FIRST_PATCHABLE:
        return Patch("no", f"template {dotted(template)}: 4.13 and older cannot run the new agent (Java)")
    host = reference.hosts.get(vm.host_id)
    if host is not None and host.version and reference.release and not same_release(host.version, reference.release):
        return Patch("no", f"upgrade the agent of its host {host.name} first: it is {host.version} and brings its own")
    if template is not None and template < FIRST_WITHOUT_CAVEAT:
        return Patch("caveat", f"template {dotted(template)}: VPNs may not work after it")
    if template is None and vm.kind not in AGENTS:
        return Patch("caveat", "its template cannot be seen: 4.15 and newer can be patched")
    return Patch("yes", "")


def _patched(vm: SystemVm, reference: Reference, patch: Patch) -> Remedy:
    caveat = f" {patch.why[:1].upper()}{patch.why[1:]}." if patch.why else ""
    if vm.kind in AGENTS:
        text = "Its agent and web server restart; tenant traffic is not touched."
        return Remedy(Operation.LIVE_PATCH, f"patchSystemVm id={vm.id}", text + caveat, patch)
    if vm.kind is Kind.INTERNAL_LB:
        text = "The scripts are copied; haproxy is not restarted by the patch, its rules are applied again."
    else:
        text = (
            "haproxy, apache2 and dnsmasq restart, then all rules are applied again: load balancer connections drop, "
            "new outgoing connections fail for a moment, DNS and DHCP pause for about a second. Kernel and packages "
            "stay."
        )
    if vm.vpc_id:
        tiers = _tiers(vm, reference)
        if len(tiers) > 1:
            text += f" With {len(tiers)} tiers this can happen {len(tiers)} times."
        return Remedy(Operation.LIVE_PATCH, _call("restartVPC", vm.vpc_id, cleanup=False), text + caveat, patch)
    return Remedy(Operation.LIVE_PATCH, _call("restartNetwork", _network(vm), cleanup=False), text + caveat, patch)


def _renewed(vm: SystemVm, reference: Reference, patch: Patch) -> Remedy:
    if vm.kind in AGENTS:
        what = "Open consoles close" if vm.kind is Kind.CPVM else "Template copies, uploads and snapshots pause"
        text = f"{what} until its successor is up, which has another id and name. Tenant traffic is not touched."
        return Remedy(Operation.RECREATE, f"destroySystemVm id={vm.id}", text, patch)
    if vm.kind is Kind.INTERNAL_LB:
        text = "What it balances inside the VPC is down until it is up again; the start gives it a new disk."
        call = f"stopInternalLoadBalancerVM id={vm.id}, then startInternalLoadBalancerVM"
        return Remedy(Operation.STOP_START, call, text, patch)
    if vm.kind is Kind.VPC_ROUTER:
        tiers = _tiers(vm, reference)
        if tiers:
            takes = f"It takes all its tiers with it ({', '.join(tiers)}). "
        else:
            takes = "It has no tiers: nobody is behind it. " if vm.vpc_id in reference.vpcs else ""
        text = takes + _interruption(vm, reference)
        return Remedy(Operation.RESTART_VPC, _call("restartVPC", vm.vpc_id, cleanup=True), text, patch)
    return Remedy(
        Operation.RESTART, _call("restartNetwork", _network(vm), cleanup=True), _interruption(vm, reference), patch
    )


def _interruption(vm: SystemVm, reference: Reference) -> str:
    group = reference.served.of(vm)
    running = [one for one in group if one.state == "Running"]
    if not running:
        return f"No router of {name_of(vm)} runs: there is nothing to interrupt; a new one is built."
    if not rolling(reference):
        return (
            f"The router is destroyed first and a new one is built afterwards: {name_of(vm)} has no gateway until it "
            "is up. Established connections are lost."
        )
    if vm.redundant and any(one.redundant_state == "PRIMARY" for one in group) and len(running) > 1:
        return "The pair is replaced one by one; the gateway moves by VRRP, a gap of about 3 s. Connections survive."
    return (
        "A new router comes up beside the old one and takes its addresses over; established connections are lost, "
        "new ones fail for a while, and the guest gateway gets a new MAC address."
    )


def rolling(reference: Reference) -> bool:
    """Whether this server builds the new router before it destroys the old one (4.11.1 and later, unless set off)."""
    code = reference.code
    set_off = (reference.fleet.setting("network.rolling.restart") or "true").lower() == "false"
    return (code is None or code >= (4, 11, 1)) and not set_off


def _tiers(vm: SystemVm, reference: Reference) -> tuple[str, ...]:
    vpc = reference.vpcs.get(vm.vpc_id)
    return vpc.tiers if vpc is not None else ()


def _network(vm: SystemVm) -> str:
    return next(iter(vm.network_ids), "")


def _call(command: str, identity: str, *, cleanup: bool) -> str:
    return f"{command} id={identity} cleanup={str(cleanup).lower()}" + ("" if cleanup else " livepatch=true")
