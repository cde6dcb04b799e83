# SPDX-License-Identifier: Apache-2.0
"""patchSystemVm: new software and new processes in running VMs of secondary storage and console proxy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from csworkbench.lab.profiles import PROFILES
from tests.lab.support import RunningCloud, running_cloud
from tests.lab.test_systemvms import AJAX_KEYS, count_events, curl, events_since, job, pid, up

pytestmark = pytest.mark.lab

OLD, NEW = PROFILES["4.17"], PROFILES["4.22"]
STORAGE, PROXY = "secondarystoragevm", "consoleproxy"
NO_CHANGE = "No change in the scripts checksum, not patching systemVM"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """The management server is of 4.22, the VMs still of 4.17, and so is the hypervisor's agent until a fault ends."""
    state = tmp_path_factory.mktemp("p") / "lab"
    with running_cloud(state, "--scale", "0.01", "--vms", "1", "--profile", "4.17") as running:
        assert "upgraded" in running.lab("manage", "upgrade", "4.22", "--code-only").stdout
        yield running


@contextmanager
def fault(cloud: RunningCloud, name: str) -> Iterator[None]:
    """That fault for the length of a with block."""
    assert cloud.lab("fault", name).returncode == 0
    try:
        yield
    finally:
        cloud.lab("fault", name, "--off")


def patch(cloud: RunningCloud, vm: dict[str, Any], **parameters: str) -> dict[str, Any]:
    """patchSystemVm to its end: the job's row."""
    return job(cloud, "patchSystemVm", id=vm["id"], **parameters)


def software(cloud: RunningCloud, kind: str) -> tuple[str, str]:
    """The version that the VM's agent tells, once it is connected, and the signature of the VM's scripts."""
    vm = up(cloud, kind)
    return vm["version"], cloud.run(vm["name"], "cat", "/var/cache/cloud/cloud-scripts-signature").stdout.strip()


def serves(cloud: RunningCloud, vm: dict[str, Any]) -> bool:
    """Whether its port 443 answers to the outside."""
    path = AJAX_KEYS if vm["systemvmtype"] == PROXY else "/userdata/missing"
    return curl(cloud, f"https://{vm['publicip']}{path}").endswith("200" if vm["systemvmtype"] == PROXY else "404")


def test_an_old_agent_of_the_hypervisor_has_nothing_new(cloud: RunningCloud) -> None:
    proxy, start = up(cloud, PROXY), count_events(cloud)
    before = pid(cloud, proxy)
    with fault(cloud, "live-patch-no-change"):
        done = patch(cloud, proxy, forced="false")
        assert done["jobresult"] == {"success": True, "details": f"{NO_CHANGE} {proxy['name']}"}
        assert pid(cloud, proxy) == before
        assert patch(cloud, proxy, forced="true")["jobstatus"] == 1
    assert pid(cloud, proxy) not in ("", before)
    assert software(cloud, PROXY) == (OLD.code_version, OLD.scripts_checksum)
    assert patch(cloud, cloud.routers()[0])["jobresultcode"] == 431
    assert events_since(cloud, start) == [("LIVE.PATCH.SYSTEM.VM", "Scheduled")] * 3


def test_a_silent_failure_is_a_success_with_the_old_software(cloud: RunningCloud) -> None:
    storage = up(cloud, STORAGE)
    before = pid(cloud, storage), pid(cloud, storage, "apache2")
    with fault(cloud, "live-patch-silent"):
        assert patch(cloud, storage)["jobresult"]["details"] == f"Successfully patched systemVM {storage['name']} "
    assert software(cloud, STORAGE) == (OLD.code_version, OLD.scripts_checksum)
    assert not {pid(cloud, storage), pid(cloud, storage, "apache2")} & {"", *before}
    assert serves(cloud, storage)


def test_an_old_template_is_refused_untouched(cloud: RunningCloud) -> None:
    storage = up(cloud, STORAGE)
    before = pid(cloud, storage)
    cloud.run(storage["name"], "sed", "-i", "s/4.17.2/4.13.0/", "/etc/cloudstack-release")
    refused = patch(cloud, storage)
    cloud.run(storage["name"], "sed", "-i", "s/4.13.0/4.17.2/", "/etc/cloudstack-release")
    assert (refused["jobstatus"], refused["jobresultcode"]) == (2, 530)
    told = f"Failed to patch systemVM {storage['name']} due to The template 4.13.0 cannot be live patched"
    assert refused["jobresult"]["errortext"].startswith(told)
    assert pid(cloud, storage) == before


@pytest.mark.parametrize(("kind", "services"), [(STORAGE, ("cloud", "apache2")), (PROXY, ("cloud",))])
def test_a_patch_brings_new_software_in_new_processes(
    cloud: RunningCloud, kind: str, services: tuple[str, ...]
) -> None:
    vm = up(cloud, kind)
    before, listening = {service: pid(cloud, vm, service) for service in services}, pid_of_sshd(cloud, vm)
    assert serves(cloud, vm)
    with fault(cloud, "live-patch-rolled-back"):  # is about haproxy, which they do not have
        done = patch(cloud, vm, forced="false")
    assert done["jobresult"] == {"success": True, "details": f"Successfully patched systemVM {vm['name']} "}
    assert serves(cloud, vm)
    assert all(pid(cloud, vm, service) not in ("", old) for service, old in before.items())
    assert pid_of_sshd(cloud, vm) == listening
    assert software(cloud, kind)[0] == NEW.code_version
    assert patch(cloud, vm, forced="false")["jobresult"]["details"].startswith("Successfully")  # other scripts again
    assert software(cloud, kind) == (NEW.code_version, NEW.scripts_checksum)
    assert patch(cloud, vm, forced="false")["jobresult"]["details"] == f"{NO_CHANGE} {vm['name']}"
    assert up(cloud, kind)["id"] == vm["id"]


def pid_of_sshd(cloud: RunningCloud, vm: dict[str, Any]) -> str:
    """Of the listening one."""
    return cloud.run(vm["name"], "pgrep", "-o", "-x", "sshd").stdout.strip()


def test_one_that_does_not_answer_is_not_patched(cloud: RunningCloud) -> None:
    proxy = up(cloud, PROXY)
    cloud.run(proxy["name"], "pkill", "-x", "sshd")
    refused = patch(cloud, proxy, forced="true")
    assert refused["jobresultcode"] == 530
    assert "refused" in refused["jobresult"]["errortext"]
