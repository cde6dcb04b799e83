# SPDX-License-Identifier: Apache-2.0
"""Live patch of running system VMs, as a KVM host does it: compare, copy, run patch-sysvms.sh over SSH."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from csworkbench.lab import image, scripts
from csworkbench.lab.control import Control
from csworkbench.lab.faults import Faults
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.profiles import Profile
from csworkbench.lab.records import RUNNING, Router
from csworkbench.lab.settings import Settings
from csworkbench.lab.systemvm_machine import SystemVm

_log = logging.getLogger(__name__)
_SHIPPED = "/run/cloudstack-common/vms"
"""Where the hypervisor has what its own agent's release ships."""
_ARCHIVE, _AGENT, _PATCHER = "cloud-scripts.tgz", "agent.zip", "patch-sysvms.sh"
_VERSION_LIMIT_S = 260.0
_PATCH_LIMIT_S = 600.0
_VERSIONS = re.compile(r"Cloudstack Release ([\d.]+)[^&]*&(\w+)")
_BROKEN_HAPROXY = "\noption of-a-newer-haproxy\n"
_LOG_FILE = "/var/log/livepatchsystemvm.log"


@dataclass(frozen=True, slots=True)
class PatchTarget:
    """A running system VM: its machine, its address on the control network and its kind (`Image.kind`).

    Which services are restarted is for the VM itself to say: `enabled_svcs` on its disk.
    """

    host: Host
    address: str
    kind: str


@dataclass(frozen=True, slots=True)
class PatchResult:
    """What PatchSystemVmAnswer says; the versions are what the VM itself printed, None where it did not."""

    success: bool
    details: str
    template_version: str | None = None
    scripts_version: str | None = None


class LivePatch:
    """PatchSystemVmCommand on the hypervisor of this cloud."""

    def __init__(self, control: Control, settings: Settings, faults: Faults) -> None:
        self._control, self._settings, self._faults = control, settings, faults
        self._agent_release = settings.profile
        self._shipping = asyncio.Lock()

    @property
    def agent_release(self) -> Profile:
        """The release of the hypervisor's own agent: it follows the management server's unless that was forgotten."""
        if not self._faults.is_set("live-patch-no-change"):
            self._agent_release = self._settings.profile
        return self._agent_release

    async def patch(self, target: PatchTarget, *, forced: bool) -> PatchResult:
        """Patch one system VM; `forced` also when its scripts are the hypervisor's already."""
        try:
            return await self._patch(target, forced=forced)
        except LabError as error:
            return PatchResult(success=False, details=str(error))

    def enter(self, result: PatchResult, row: Router | SystemVm) -> None:
        """Write a successful patch into the VM's row.

        `software_version` becomes the management server's own whatever was copied: only the checksum is the VM's word.
        """
        if result.template_version is not None:
            row.template_version = result.template_version
        row.scripts_version = result.scripts_version
        row.software_version = self._settings.profile.code_version

    async def _patch(self, target: PatchTarget, *, forced: bool) -> PatchResult:
        release = self.agent_release
        template, signature = await self._versions(target)
        if signature == release.scripts_checksum and not forced:
            details = f"No change in the scripts checksum, not patching systemVM {target.host.name}"
            return PatchResult(True, details, template, signature)
        async with self._shipping:  # nobody copies what another patch is writing
            await self._ship(release)
            shipped = [f"{_SHIPPED}/{name}" for name in (_AGENT, _ARCHIVE, _PATCHER)]
            await self._control.copy(target.address, shipped, image.CACHE)
        read_only = image.patched(target.kind) if self._faults.is_set("live-patch-silent") else []
        await target.host.call("protect", paths=read_only)
        try:
            command = f"bash {image.CACHE}/{_PATCHER}"
            done = await self._control.run(target.address, command, limit_s=_PATCH_LIMIT_S)
        finally:
            await target.host.call("unprotect", paths=read_only)
        printed = re.search(r"^version:(\w+)", done.output, flags=re.MULTILINE)
        if done.status != 0 or printed is None:
            said = done.output.strip() or f"{_PATCHER} ended with {done.status}, see {_LOG_FILE}"
            return PatchResult(False, said.splitlines()[-1], template)
        return PatchResult(True, f"Successfully patched systemVM {target.host.name} ", template, printed[1])

    async def _versions(self, target: PatchTarget) -> tuple[str, str]:
        """Template version and signature, as the VM tells them."""
        command = "/opt/cloud/bin/get_template_version.sh"
        done = await self._control.run(target.address, command, limit_s=_VERSION_LIMIT_S)
        found = _VERSIONS.search(done.output)
        if found is None:
            raise LabError(f"{target.address}: its version cannot be read: {done.output.strip()!r}")
        return found[1], found[2]

    async def _ship(self, release: Profile) -> None:
        """Put the agent's files where its package has them."""
        files = scripts.contents(release.code_version)
        if self._faults.is_set("live-patch-rolled-back"):
            files[image.HAPROXY_CONFIG.lstrip("/")] += _BROKEN_HAPROXY
        hypervisor = self._control.hypervisor
        await hypervisor.run("mkdir", "-p", _SHIPPED)
        await hypervisor.write(
            {
                f"{_SHIPPED}/{_ARCHIVE}": image.as_text(scripts.archive(files)),
                f"{_SHIPPED}/{_AGENT}": image.as_text(scripts.agent(release.code_version)),
                f"{_SHIPPED}/{_PATCHER}": scripts.patcher(release.scripts_algorithm),
            }
        )


async def patch_routers(
    live_patch: LivePatch, routers: Sequence[Router], target_of: Callable[[Router], PatchTarget]
) -> None:
    """The first part of a restart with `livepatch`: one router after the other. A failure is logged and no more."""
    for router in routers:
        if router.state != RUNNING:
            _log.error("router %s is in state %s, not patching it", router.name, router.state)
            continue
        result = await live_patch.patch(target_of(router), forced=True)
        if not result.success:
            _log.error("router %s was not patched: %s", router.name, result.details)
            continue
        live_patch.enter(result, router)
