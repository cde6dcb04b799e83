# SPDX-License-Identifier: Apache-2.0
"""Live patch of a running router, seen in its files, processes and packets; and the router as a system VM."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.lab.support import LAB, RunningCloud, environment, running_cloud
from tests.lab.test_services import WEB, Watching, curl

pytestmark = pytest.mark.lab

SYSTEMCTL = "/opt/cloud/bin/systemctl"
OLD, NEW = "4.17.2.0", "4.22.0.0"
SIGNATURE = "/var/cache/cloud/cloud-scripts-signature"
LOG = "/var/log/livepatchsystemvm.log"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    """The management server is of 4.22, its router still of 4.17; the template is not required yet.

    The hypervisor's agent becomes 4.22 with the first live patch that is not told to leave it, so those come first.
    """
    state = tmp_path_factory.mktemp("p") / "lab"
    with running_cloud(state, "--scale", "0.05", "--vms", "2", "--profile", "4.17") as running:
        assert "upgraded" in running.lab("manage", "upgrade", "4.22", "--code-only").stdout
        yield running


def router(cloud: RunningCloud) -> dict[str, Any]:
    (row,) = cloud.routers()
    return row


def inside(cloud: RunningCloud, script: str) -> str:
    """A shell script in the router; its output."""
    return cloud.run(router(cloud)["name"], "sh", "-c", script).stdout


def pid(cloud: RunningCloud, name: str) -> str:
    """Of the oldest process of that name in the router; empty when there is none."""
    return inside(cloud, f"pgrep -o -x {name}").strip()


def live_patch(cloud: RunningCloud) -> dict[str, Any]:
    """restartNetwork with livepatch to its end; the job's row."""
    _, reply = cloud.api("restartNetwork", id=cloud.network()["id"], cleanup="false", livepatch="true")
    return cloud.wait_for_job(reply)


@contextmanager
def fault(cloud: RunningCloud, name: str) -> Iterator[None]:
    """That fault for the length of a with block."""
    assert cloud.lab("fault", name).returncode == 0
    try:
        yield
    finally:
        cloud.lab("fault", name, "--off")


def versions(cloud: RunningCloud) -> tuple[str, str, str]:
    """softwareversion and scriptsversion of the API, and the router's own signature."""
    row = router(cloud)
    return row["softwareversion"], row["scriptsversion"], inside(cloud, f"cat {SIGNATURE}").strip()


def test_a_router_has_the_files_of_its_template(cloud: RunningCloud) -> None:
    printed = inside(cloud, "/opt/cloud/bin/get_template_version.sh").strip()
    assert re.fullmatch(r"Cloudstack Release 4\.17\.2 .*&[0-9a-f]{32}", printed)
    assert printed.endswith(f"&{router(cloud)['scriptsversion']}")
    assert inside(cloud, "md5sum </var/cache/cloud/cloud-scripts.tgz").split()[0] == router(cloud)["scriptsversion"]
    assert inside(cloud, "cat /var/cache/cloud/enabled_svcs") == "haproxy apache2 dnsmasq\n"
    assert "etc/haproxy/haproxy.cfg" in inside(cloud, "tar -tzf /var/cache/cloud/cloud-scripts.tgz")


def test_only_the_control_network_reaches_the_routers_ssh(cloud: RunningCloud) -> None:
    address = router(cloud)["linklocalip"]
    listening = inside(cloud, "ss -Hltn 'sport = :3922'")
    assert f"{address}:3922" in listening
    assert listening.count("\n") == 1
    scan = ("ssh-keyscan", "-T", "1", "-p", "3922")
    assert cloud.run(router(cloud)["name"], *scan, address).stdout
    for host, target in (("vm01", "10.1.1.1"), ("vm01", address), ("outside", "198.51.100.10")):
        assert cloud.run(host, *scan, target).stdout == ""


def test_systemctl_acts_on_the_routers_own_daemons(cloud: RunningCloud) -> None:
    assert (
        inside(cloud, f"{SYSTEMCTL} is-active haproxy; {SYSTEMCTL} is-active --quiet dnsmasq; echo $?") == "active\n0\n"
    )
    before = pid(cloud, "dnsmasq")
    assert inside(cloud, f"{SYSTEMCTL} daemon-reload && {SYSTEMCTL} restart dnsmasq; echo $?") == "0\n"
    assert pid(cloud, "dnsmasq") not in ("", before)
    assert inside(cloud, "ps -o ppid= -C dnsmasq").split() == ["1"]  # it stays the lab's child
    assert inside(cloud, f"{SYSTEMCTL} stop dnsmasq; {SYSTEMCTL} is-active dnsmasq; echo $?") == "inactive\n3\n"
    assert pid(cloud, "dnsmasq") == ""
    assert cloud.run("vm01", "getent", "hosts", "vm02").returncode != 0
    assert inside(cloud, f"{SYSTEMCTL} start dnsmasq; echo $?") == "0\n"
    assert cloud.run("vm01", "getent", "hosts", "vm02").stdout.split()[0] == "10.1.1.102"
    assert inside(cloud, f"{SYSTEMCTL} restart frr; echo $?") == "Unit frr not found.\n5\n"
    assert inside(cloud, f"{SYSTEMCTL} restart cloud-password-server@10.1.1.1; echo $?") == "0\n"


def test_a_service_that_does_not_start_is_told(cloud: RunningCloud) -> None:
    spoil = "cp /etc/haproxy/haproxy.cfg /run/kept && echo nonsense >>/etc/haproxy/haproxy.cfg"
    answer = inside(cloud, f"{spoil}; {SYSTEMCTL} restart haproxy; echo $?; {SYSTEMCTL} is-active haproxy")
    assert re.fullmatch(r"Job for haproxy\.service failed: .*\n1\ninactive\n", answer)
    assert inside(cloud, f"cp /run/kept /etc/haproxy/haproxy.cfg; {SYSTEMCTL} start haproxy; echo $?") == "0\n"
    assert curl(cloud, "outside", WEB)[0] == "200"


def test_old_agents_bring_their_old_scripts(cloud: RunningCloud) -> None:
    before, haproxy = versions(cloud), pid(cloud, "haproxy")
    assert before[0] == OLD
    with fault(cloud, "live-patch-no-change"):
        assert live_patch(cloud)["jobstatus"] == 1
    assert versions(cloud) == (NEW, *before[1:])  # the server writes its own release after any patch
    assert pid(cloud, "haproxy") != haproxy  # it was patched all the same: a restart forces it
    assert curl(cloud, "outside", WEB)[0] == "200"


def test_other_kinds_of_vm_get_the_scripts_without_a_restart(cloud: RunningCloud) -> None:
    before, daemons = versions(cloud), [pid(cloud, name) for name in ("haproxy", "dnsmasq")]
    inside(cloud, "sed -i 's/type=router/type=dhcpsrvr/' /var/cache/cloud/cmdline && rm /etc/sysctl.conf")
    try:
        with fault(cloud, "live-patch-no-change"):
            assert live_patch(cloud)["jobstatus"] == 1
    finally:
        inside(cloud, "sed -i 's/type=dhcpsrvr/type=router/' /var/cache/cloud/cmdline")
    assert versions(cloud) == before
    assert "ip_nonlocal_bind" in inside(cloud, "cat /etc/sysctl.conf")
    assert [pid(cloud, name) for name in ("haproxy", "dnsmasq")] == daemons
    assert curl(cloud, "outside", WEB)[0] == "200"


def test_a_silent_failure_is_a_success_without_new_scripts(cloud: RunningCloud) -> None:
    before = versions(cloud)
    with fault(cloud, "live-patch-silent"):
        assert live_patch(cloud)["jobstatus"] == 1
    assert versions(cloud)[1:] == before[1:]  # the checksum tells, softwareversion does not
    assert "Scripts of CloudStack 4.17" in inside(cloud, "cat /opt/cloud/bin/get_template_version.sh")
    assert curl(cloud, "outside", WEB)[0] == "200"
    assert "writable" in inside(cloud, "touch /etc/x /opt/x && echo writable")


def test_an_old_template_is_refused_untouched(cloud: RunningCloud) -> None:
    before, haproxy = versions(cloud), pid(cloud, "haproxy")
    inside(cloud, "sed -i 's/4.17.2/4.13.0/' /etc/cloudstack-release")
    try:
        assert live_patch(cloud)["jobstatus"] == 1  # a failed patch is only logged
    finally:
        inside(cloud, "sed -i 's/4.13.0/4.17.2/' /etc/cloudstack-release")
    assert versions(cloud) == before
    assert pid(cloud, "haproxy") == haproxy
    assert "4.13.0 cannot be live patched" in inside(cloud, f"tail -n 1 {LOG}")


def test_a_roll_back_leaves_the_balancer_down(cloud: RunningCloud) -> None:
    assert "upgraded to 4.22" in cloud.lab("manage", "upgrade", "4.22").stdout
    before = versions(cloud)
    inside(cloud, "cp /etc/haproxy/haproxy.cfg /run/kept")
    with fault(cloud, "live-patch-rolled-back"):
        job = live_patch(cloud)
    assert (job["jobstatus"], job["jobresult"]["errorcode"]) == (2, 530)  # no rule is sent to an outdated router
    assert versions(cloud) == before
    assert "Scripts of CloudStack 4.22" in inside(cloud, "cat /opt/cloud/bin/get_template_version.sh")
    assert "cloud-scripts.tar: Cannot open" in inside(cloud, f"cat {LOG}")
    assert pid(cloud, "haproxy") == ""
    assert curl(cloud, "outside", WEB)[0] == "000"
    assert cloud.banner("198.51.100.11").startswith(b"SSH-2.0-")
    inside(cloud, f"cp /run/kept /etc/haproxy/haproxy.cfg; {SYSTEMCTL} start haproxy")  # repaired by hand
    assert curl(cloud, "outside", WEB)[0] == "200"


def test_a_live_patch_makes_the_router_current_and_interrupts_its_services_only(cloud: RunningCloud) -> None:
    cloud.lab("manage", "upgrade", "4.22")
    before, daemons = router(cloud), {name: pid(cloud, name) for name in ("haproxy", "dnsmasq", "lab-metadata", "sshd")}
    untouched = pid(cloud, "lab-passwd-serv")
    assert before["requiresupgrade"] is False  # so much for that flag: softwareversion came with a patch that failed
    assert re.fullmatch(r"[0-9a-f]{32}", before["scriptsversion"])
    with Pinging(cloud) as pinging, Watching(cloud) as seen:
        assert live_patch(cloud)["jobstatus"] == 1
        while curl(cloud, "outside", WEB)[0] != "200":
            pass
    after = router(cloud)
    assert (after["id"], after["version"], after["requiresupgrade"]) == (before["id"], before["version"], False)
    assert versions(cloud)[0] == NEW
    assert re.fullmatch(r"[0-9a-f]{128}", after["scriptsversion"])
    assert versions(cloud)[2] == after["scriptsversion"]
    assert "Scripts of CloudStack 4.22" in inside(cloud, "cat /opt/cloud/bin/get_template_version.sh")
    changed = {name for name, number in daemons.items() if pid(cloud, name) != number}
    assert changed == {"haproxy", "dnsmasq", "lab-metadata"}
    assert pid(cloud, "lab-passwd-serv") == untouched
    assert pinging.lost == 0
    assert pinging.answered > 50
    assert seen.longest_gap_s("web") > 0.2  # from the restart with the default file to the load balancer's own run


class Pinging:
    """A tenant pings the outside host every 10 ms during a with block."""

    answered = lost = -1

    def __init__(self, cloud: RunningCloud) -> None:
        self._cloud = cloud

    def __enter__(self) -> Pinging:
        script = "ping -n -i 0.01 -W 1 203.0.113.10 & read end; kill -INT $!; wait $!"
        words = [*LAB, "--state", str(self._cloud.state), "exec", "vm01", "--", "sh", "-c", script]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True, env=environment())
        assert self._process.stdout
        while "icmp_seq" not in self._process.stdout.readline():
            pass
        return self

    def __exit__(self, *_: object) -> None:
        output = self._process.communicate("end\n", timeout=30)[0]
        numbers = [int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", output)]
        self.answered, self.lost = len(numbers), numbers[-1] - numbers[0] + 1 - len(numbers)
