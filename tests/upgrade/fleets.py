# SPDX-License-Identifier: Apache-2.0
"""Fleets made by hand for the tests of judgements."""

from dataclasses import replace
from typing import Any

from csworkbench.model.fleet import (
    Capacity,
    Fleet,
    GuestNetwork,
    Host,
    Kind,
    PendingJob,
    Rule,
    Server,
    SettingSeen,
    SystemVm,
    Template,
    Vpc,
    Zone,
)

ZONE = "zone-id"
NEW_SUM, OLD_SUM = "a" * 128, "b" * 128
RELEASE, TEMPLATE = "4.22.0.0", "4.22.0"
STARTED_S = 1_900_000_000

__all__ = ["Capacity", "Fleet", "GuestNetwork", "Kind", "PendingJob", "Rule", "SettingSeen", "Vpc", "replace"]


def router(number: int = 1, **others: Any) -> SystemVm:
    """A current one, serving a network of its own."""
    base = SystemVm(
        id=f"id-{number}",
        name=f"r-{number}-VM",
        kind=Kind.ROUTER,
        state="Running",
        version=TEMPLATE,
        software_version=RELEASE,
        scripts_version=NEW_SUM,
        requires_upgrade=False,
        zone_id=ZONE,
        zone="zone1",
        hypervisor="KVM",
        host_id="host-1",
        host="kvm-01",
        network_ids=(f"net-{number}",),
        network=f"net{number}",
    )
    return replace(base, **others)


def host(number: int = 1, **others: Any) -> Host:
    """A KVM host of this release."""
    return replace(Host(f"host-{number}", f"kvm-{number:02}", "Up", "Enabled", RELEASE, "KVM", ZONE, "zone1"), **others)


def template(version: str = TEMPLATE, **others: Any) -> Template:
    """A Ready one."""
    base = Template("t", f"systemvm-kvm-{version}-x86_64", ZONE, "zone1", "KVM", True, "Download Complete")
    return replace(base, **others)


def fleet(*vms: SystemVm, **others: Any) -> Fleet:
    """A healthy cloud of 4.22 with these system VMs beside two current routers."""
    base = Fleet(
        server_version=RELEASE,
        live_patch=True,
        vms=(router(101), router(102), *vms),
        hosts=(host(),),
        servers=(Server("mgmt-01", "Up", RELEASE, STARTED_S),),
        zones=(Zone(ZONE, "zone1", True),),
        templates=(template(),),
        networks=tuple(GuestNetwork(n, n, "Implemented", ZONE, False, False) for vm in vms for n in vm.network_ids),
        settings=(SettingSeen("minreq.sysvmtemplate.version", TEMPLATE),),
    )
    return replace(base, **others)


def old_fleet(release: str, required: str, *vms: SystemVm) -> Fleet:
    """A cloud before 4.17: no software versions, no live patch, no `minreq` told by anything but the setting."""
    told = tuple(replace(vm, software_version="") for vm in vms)
    return fleet(
        server_version=release,
        live_patch=False,
        vms=told,
        servers=(),
        hosts=(host(version=release),),
        templates=(template(required),),
        settings=(SettingSeen("minreq.sysvmtemplate.version", required),),
    )
