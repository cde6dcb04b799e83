# SPDX-License-Identifier: Apache-2.0
"""The parts of a live patch that need no namespaces: artefacts, the services per kind, the decision of the host."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Sequence
from typing import cast

import pytest

from csworkbench.lab import image, scripts
from csworkbench.lab.control import Control
from csworkbench.lab.faults import Faults
from csworkbench.lab.hosts import Completed, Host, LabError
from csworkbench.lab.image import Image
from csworkbench.lab.livepatch import LivePatch, PatchResult, PatchTarget, patch_routers
from csworkbench.lab.profiles import PROFILES
from csworkbench.lab.settings import Settings
from csworkbench.lab.systemvm_machine import SECONDARY_STORAGE, SystemVm
from tests.lab.fake_management import management
from tests.lab.served import served

OLD, NEW = PROFILES["4.17"], PROFILES["4.22"]


def test_the_checksum_of_a_release_is_that_of_its_archive() -> None:
    for release, algorithm in ((OLD, "md5"), (NEW, "sha512")):
        packed = scripts.archive(scripts.contents(release.code_version))
        assert packed == scripts.archive(scripts.contents(release.code_version))
        assert release.scripts_checksum == hashlib.new(algorithm, packed).hexdigest()
    assert len({release.scripts_checksum for release in PROFILES.values()}) == len(PROFILES)


def test_the_archives_can_be_unpacked() -> None:
    packed = scripts.archive(scripts.contents(NEW.code_version))
    with tarfile.open(fileobj=io.BytesIO(image.as_text(packed).encode(errors="surrogateescape"))) as tar:
        assert {"etc/haproxy/haproxy.cfg", "etc/ssh/sshd_config", "etc/sysctl.conf"} < set(tar.getnames())
        script = tar.getmember("opt/cloud/bin/get_template_version.sh")
        assert script.mode == 0o755
        content = tar.extractfile(script)
        assert content
        assert b"4.22.0.0" in content.read()
    with zipfile.ZipFile(io.BytesIO(scripts.agent(NEW.code_version))) as file:
        assert file.read("agent.properties") == b"version=4.22.0.0\n"


@pytest.mark.parametrize(
    ("release", "kind", "redundant", "ipv6", "expected"),
    [
        ("4.17", "router", False, False, "haproxy apache2 dnsmasq"),
        ("4.17", "vpcrouter", True, False, "haproxy apache2"),
        ("4.22", "router", False, False, "haproxy apache2 frr dnsmasq"),
        ("4.22", "router", False, True, "haproxy apache2 frr dnsmasq radvd"),
        ("4.22", "vpcrouter", True, False, "haproxy apache2 frr keepalived"),
        ("4.22", "dhcpsrvr", False, False, "dnsmasq apache2"),
        ("4.22", "ilbvm", False, False, "haproxy"),
        ("4.22", "secstorage", False, False, "cloud apache2 nfs-common portmap"),
        ("4.22", "consoleproxy", False, False, "cloud"),
    ],
)
def test_the_services_that_a_live_patch_restarts(
    release: str, kind: str, redundant: bool, ipv6: bool, expected: str
) -> None:
    profile = PROFILES[release]
    assert " ".join(Image(kind, profile.template, profile, redundant, ipv6).services()) == expected


class Hypervisor:
    """Stands for `Control` and for both hosts: answers like a system VM with these scripts, and keeps what was done."""

    name = "r-4-VM"

    def __init__(self, signature: str, *, failing_copies: int = 0) -> None:
        self.signature, self.failing_copies = signature, failing_copies
        self.done: list[str] = []
        self.hypervisor = self

    async def run(self, *words: str, **_: float) -> Completed:
        if words[-1].endswith("get_template_version.sh"):
            return Completed(0, f"Cloudstack Release 4.17.2 Thu Jan  1 1970&{self.signature}\n", "")
        self.done.append(words[-1])
        return Completed(0, f"version:{NEW.scripts_checksum}\n", "")

    async def copy(self, _address: str, _files: Sequence[str], directory: str) -> None:
        self.done.append(f"copy to {directory}")
        if self.failing_copies:
            raise LabError("lost connection")

    async def write(self, _files: dict[str, str]) -> None:
        """The hypervisor's own files."""

    async def call(self, _function: str, **_: object) -> dict[str, object]:
        return {}


def patching(machine: Hypervisor) -> tuple[LivePatch, PatchTarget]:
    live_patch = LivePatch(cast(Control, machine), Settings(NEW), Faults())
    return live_patch, PatchTarget(cast(Host, machine), "169.254.1.2", "router")


async def test_equal_scripts_are_copied_only_when_forced() -> None:
    machine = Hypervisor(NEW.scripts_checksum)
    live_patch, target = patching(machine)
    result = await live_patch.patch(target, forced=False)
    assert (result.success, result.scripts_version) == (True, NEW.scripts_checksum)
    assert result.details == "No change in the scripts checksum, not patching systemVM r-4-VM"
    assert not [what for what in machine.done if "patch-sysvms" in what or "copy" in what]
    assert (await live_patch.patch(target, forced=True)).details == "Successfully patched systemVM r-4-VM "
    assert "bash /var/cache/cloud/patch-sysvms.sh" in machine.done


async def test_a_patch_that_cannot_be_copied_is_a_failure_and_the_row_stays() -> None:
    machine = Hypervisor(OLD.scripts_checksum, failing_copies=1)
    live_patch, target = patching(machine)
    result = await live_patch.patch(target, forced=False)
    assert (result.success, result.details, result.scripts_version) == (False, "lost connection", None)
    server, _ = management("4.17")
    (router,) = server.routers
    await patch_routers(live_patch, [router], lambda _: target)
    assert router.software_version == OLD.code_version
    machine.failing_copies = 0
    router.state = "Stopped"
    await patch_routers(live_patch, [router], lambda _: target)
    assert router.software_version == OLD.code_version  # only a running one is patched
    router.state = "Running"
    await patch_routers(live_patch, [router], lambda _: target)
    assert (router.software_version, router.scripts_version) == (NEW.code_version, NEW.scripts_checksum)


def test_the_servers_own_release_is_written_whatever_was_copied() -> None:
    live_patch, _ = patching(Hypervisor(OLD.scripts_checksum))
    row = SystemVm("id", "host", 1, SECONDARY_STORAGE, *("198.51.100.240", "172.16.0.10", "169.254.3.4"), *("mac",) * 3)
    live_patch.enter(PatchResult(True, "", "4.17.2", OLD.scripts_checksum), row)
    assert (row.template_version, row.scripts_version) == ("4.17.2", OLD.scripts_checksum)
    assert row.software_version == NEW.code_version


class Unreachable:
    """A hypervisor from which no system VM can be reached."""

    def __init__(self) -> None:
        self.tried: list[str] = []

    async def run(self, *words: str, check: bool = True) -> Completed:
        self.tried.append(words[0])
        if check:
            raise LabError("fab: scp failed (255): Connection refused")
        return Completed(255, "", "ssh: connect to host 169.254.1.2 port 3922: Connection refused\n")


async def test_a_copy_is_tried_three_times_and_a_command_once() -> None:
    hypervisor = Unreachable()
    control = Control(cast(Host, hypervisor))
    with pytest.raises(LabError, match="refused"):
        await control.copy("169.254.1.2", ["/run/file"], "/var/cache/cloud")
    with pytest.raises(LabError, match="refused"):
        await control.run("169.254.1.2", "true", limit_s=5)
    assert hypervisor.tried == ["scp", "scp", "scp", "ssh"]


@pytest.mark.parametrize(("release", "patched"), [("4.11.1", ""), ("4.17", " livepatch"), ("4.22", " livepatch")])
async def test_livepatch_is_ignored_before_4_17(release: str, patched: str) -> None:
    async with served(release) as api:
        network = api.server.network.id
        _, reply = await api.call("restartNetwork", id=network, cleanup="false", livepatch="true")
        assert (await api.settled(reply))["jobstatus"] == 1
        assert api.orchestrator.asked == [f"restart cleanup=False{patched}"]
