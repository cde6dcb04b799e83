# SPDX-License-Identifier: Apache-2.0
"""Faults that can be switched on while the cloud runs."""

from __future__ import annotations

from dataclasses import dataclass

from csworkbench.lab.hosts import LabError


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, and where."""

    name: str
    area: str
    description: str


KNOWN = (
    Fault("no-garp", "router", "routers do not announce their addresses, on either side"),
    Fault("no-garp-inside", "router", "routers do not announce their addresses to their guests"),
    Fault("no-garp-public", "router", "routers do not announce their public addresses"),
    Fault("real-arping", "router", "routers announce only as CloudStack's `arping -A -U -s ADDRESS GATEWAY` does"),
    Fault("no-capacity", "router", "the hypervisor has no room for another router or system VM"),
    Fault("router-never-starts", "router", "the next router never comes up; the job fails when its time is over"),
    Fault("restart-fails", "router", "the next router comes up but never gets its configuration; the job fails"),
    Fault("duplicate-routers", "router", "the next rolling restart leaves the old router running beside the new one"),
    Fault("address-rules-missing", "router", "new routers lack the rules of the first address with a forwarded port"),
    Fault("tier-balancer-lost", "router", "new routers lack the load balancers of the last tier that has any"),
    Fault("leases-lost", "router", "new routers have an empty dhcphosts: guests get no lease and keep what they have"),
    Fault("metadata-changed", "router", "new routers serve metadata whose public-keys are empty"),
    Fault("password-server-dead", "router", "new routers do not start their password server"),
    Fault("health-checks-wrong", "router", "health checks tell the opposite about dhcp and load balancing from now on"),
    Fault("both-primary", "router", "VRRP is lost at the switch: both routers of each pair are PRIMARY, at once"),
    Fault("router-hangs", "router", "the active router's ports pass nothing, their carrier stays, at once"),
    Fault("router-frozen", "router", "every process of the active router is stopped, its kernel goes on, at once"),
    Fault(
        "live-patch-no-change",
        "router",
        "the hypervisors' agents are not upgraded: a live patch brings their old scripts",
    ),
    Fault(
        "live-patch-rolled-back",
        "router",
        "haproxy refuses the new scripts' configuration: a live patch is rolled back, badly",
    ),
    Fault(
        "live-patch-silent", "router", "system VMs cannot write to their disks: a live patch succeeds, changes nothing"
    ),
    Fault("ssh-off", "tenant", "the SSH server of the last tenant is stopped"),
    Fault("tenant-reboots", "tenant", "the last tenant is powered off and on again, at once; then it is off again"),
    Fault("api-503", "reply", "every call is refused with 503, in turn with an envelope and with a bare page"),
    Fault("api-429", "reply", "every call is refused with 429: wait a second"),
    Fault("api-530", "reply", "every call but listApis is refused with 530"),
    Fault("api-slow", "reply", "each call is carried out, each reply takes 5 real seconds"),
    Fault("api-truncated", "reply", "each call is carried out, each reply is cut in the middle"),
    Fault("api-closed", "reply", "each call is carried out, then the connection is closed without an answer"),
    Fault("api-garbage", "reply", "a proxy in front answers 502 with a page of its own"),
    Fault("job-stuck", "job", "jobs that end meanwhile show jobstatus 0 for ever, though their work is done"),
    Fault("job-lost", "job", "the management server restarts while the next job runs; then it is off again"),
    Fault("events-missing", "job", "Completed events are not written"),
)
DESCRIPTIONS = {fault.name: fault.description for fault in KNOWN}


class Faults:
    """The set of active faults."""

    def __init__(self) -> None:
        self._active: set[str] = set()

    def is_set(self, name: str) -> bool:
        """Whether that fault is active."""
        return name in self._active

    def take(self, name: str) -> bool:
        """Whether that fault is active; it happens once, and is off then."""
        active = name in self._active
        self._active.discard(name)
        return active

    def change(self, name: str, *, on: bool) -> None:
        """Switch a fault; raises LabError for an unknown name."""
        if name not in DESCRIPTIONS:
            raise LabError(f"unknown fault {name!r}; there are {', '.join(DESCRIPTIONS)}")
        (self._active.add if on else self._active.discard)(name)

    def listing(self) -> list[dict[str, object]]:
        """Every fault with its state, for `lab fault`."""
        return [
            {
                "name": fault.name,
                "area": fault.area,
                "active": self.is_set(fault.name),
                "description": fault.description,
            }
            for fault in KNOWN
        ]
