# SPDX-License-Identifier: Apache-2.0
"""What a system VM of this cloud should be like: the release, the template, and the scripts that the server ships."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from csworkbench.model.fleet import AGENTS, Fleet, SystemVm

from .served import Served
from .versions import Version, same_release, version_of

MINIMUM = "minreq.sysvmtemplate.version"


@dataclass(frozen=True, slots=True)
class Scripts:
    """The checksum that the scripts of this release have. The API does not tell it, so its routers vote.

    `checksum` is empty when none has a majority; `votes` of `voters` routers reported it.
    """

    checksum: str = ""
    votes: int = 0
    voters: int = 0


class Reference:
    """What `fleet` should be like; made once for all its system VMs."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.release = fleet.server_version or _only(s.version for s in fleet.servers)
        code = version_of(self.release)
        self.tells_software = code is None or code >= (4, 17, 0)
        self.servers_since_s = max((s.started_s for s in fleet.servers), default=0)
        self.served = Served(fleet.vms)
        self.vpcs = {vpc.id: vpc for vpc in fleet.vpcs}
        self.networks = {network.id: network for network in fleet.networks}
        self.hosts = {host.id: host for host in fleet.hosts}
        self._minimum: dict[str, Version | None] = {}
        self.shared = self._shared()
        """Checksums that routers of this release and of another one report, with that other release."""
        self.scripts = self._vote()

    @property
    def code(self) -> Version | None:
        """The release as numbers."""
        return version_of(self.release)

    def template(self, vm: SystemVm) -> Version | None:
        """The template version that the VM's zone requires; None when it cannot be read."""
        key = f"{vm.zone_id} {vm.hypervisor}"
        if key not in self._minimum:
            self._minimum[key] = self._template(vm.zone_id, vm.hypervisor)
        return self._minimum[key]

    def required(self, zone_id: str) -> Version | None:
        """`minreq.sysvmtemplate.version` there."""
        return version_of(self.fleet.setting(MINIMUM, zone_id) or "")

    def _template(self, zone_id: str, hypervisor: str) -> Version | None:
        required = self.required(zone_id)
        if required is not None:
            return required
        ready = [
            version
            for t in self.fleet.templates
            if t.zone_id == zone_id and t.ready and t.hypervisor in ("", hypervisor)
            if (version := version_of(t.name)) is not None
        ]
        return max(ready, default=None)

    def _shared(self) -> dict[str, str]:
        if not self.release:
            return {}
        told = [vm for vm in self.fleet.vms if vm.scripts_version and vm.software_version]
        own = {vm.scripts_version for vm in told if same_release(vm.software_version, self.release)}
        return {
            vm.scripts_version: vm.software_version
            for vm in told
            if vm.scripts_version in own and not same_release(vm.software_version, self.release)
        }

    def _vote(self) -> Scripts:
        voters = [vm for vm in self.fleet.vms if vm.scripts_version and vm.kind not in AGENTS and self._may_vote(vm)]
        counted = Counter(vm.scripts_version for vm in voters).most_common(1)
        if not counted or counted[0][1] * 2 <= len(voters):
            return Scripts(voters=len(voters))
        return Scripts(counted[0][0], counted[0][1], len(voters))

    def _may_vote(self, vm: SystemVm) -> bool:
        """A VM of this very release; before software versions were told (4.17), one with the required template."""
        if vm.scripts_version in self.shared:
            return False
        if vm.software_version:
            return bool(self.release) and same_release(vm.software_version, self.release)
        if self.tells_software:
            return False
        version, required = version_of(vm.version), self.template(vm)
        return version is not None and required is not None and version >= required


def _only(versions: Iterable[str]) -> str:
    found = {v for v in versions if v}
    return found.pop() if len(found) == 1 else ""
