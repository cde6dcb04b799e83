# SPDX-License-Identifier: Apache-2.0
"""What `lab up` can be asked for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from csworkbench.lab import capability, fleet, ipv6, plan, tenant_kinds, topologies
from csworkbench.lab.fleet import Group
from csworkbench.lab.hosts import LabError
from csworkbench.lab.profiles import PROFILES, Profile
from csworkbench.lab.settings import CATALOGUE, HANDOVERS
from csworkbench.lab.tenant_kinds import Kind


@dataclass(frozen=True, slots=True)
class Options:
    """What `lab up` was asked for."""

    profile: str = "4.22"
    vms: int = 10
    topology: str = "isolated"
    scale: float = 0.1
    tls: bool = False
    """Serve the API over HTTPS too, with a certificate of a private CA."""
    hostile_names: bool = False
    """Display names that clients must escape."""

    fleet: tuple[Group, ...] = ()
    """More networks beside the first one."""

    handover: str = "none"
    """What `network.restart.handover` is set to."""
    tenant_kinds: tuple[tenant_kinds.Group, ...] = ()
    """What the login users of the last VMs may do."""

    settings: tuple[tuple[str, str], ...] = ()
    """Global settings that are not at their default, by name."""

    def check(self) -> Profile:
        """The profile; raises LabError for anything that is not offered."""
        if self.profile not in PROFILES:
            raise LabError(f"unknown profile {self.profile!r}; there are {', '.join(PROFILES)}")
        if self.topology not in topologies.NAMES:
            raise LabError(f"unknown topology {self.topology!r}; there are {', '.join(topologies.NAMES)}")
        if self.topology == "ipv6":
            capability.require_program("radvd", "radvd", "the topology ipv6")
            if not PROFILES[self.profile].has(*ipv6.FIRST_RELEASE):
                raise LabError(f"CloudStack {self.profile} has no IPv6 in isolated networks; 4.17 is the first")
        if not 1 <= self.vms <= plan.MAX_VMS:
            raise LabError(f"--vms must be 1 to {plan.MAX_VMS}")
        if not 0 <= self.scale <= 10:
            raise LabError("--scale must be 0 to 10")
        if self.handover not in HANDOVERS:
            raise LabError(f"unknown handover {self.handover!r}; there are {', '.join(HANDOVERS)}")
        for name, value in self.settings:
            self._check_setting(PROFILES[self.profile], name, value)
        fleet.check(self.fleet, self.vms + 3)
        tenant_kinds.check(self.tenant_kinds, self.vms)
        return PROFILES[self.profile]

    def _check_setting(self, profile: Profile, name: str, value: str) -> None:
        setting = CATALOGUE.get(name)
        if setting is None or profile.release < setting.since:
            raise LabError(f"CloudStack {self.profile} has no setting {name!r} in this test cloud")
        if setting.scope != "global":
            raise LabError(f"{name} is set per {setting.scope}: use updateConfiguration")
        complaint = setting.complaint(value)
        if complaint is not None:
            raise LabError(complaint)

    def to_json(self) -> str:
        """For the process that will be the cloud."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Options:
        """The other end of `to_json`."""
        given = json.loads(text)
        groups = tuple(Group(**group) for group in given["fleet"])
        kinds = tuple(tenant_kinds.Group(Kind(group["kind"]), group["vms"]) for group in given["tenant_kinds"])
        settings = tuple((name, value) for name, value in given["settings"])
        return cls(**{**given, "fleet": groups, "tenant_kinds": kinds, "settings": settings})
