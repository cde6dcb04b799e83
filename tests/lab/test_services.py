# SPDX-License-Identifier: Apache-2.0
"""The router's services as their users see them: web pages, metadata, passwords, names, leases, opened ports."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.lab.support import LAB, RunningCloud, environment, running_cloud

pytestmark = pytest.mark.lab

WEB = "http://198.51.100.30/"
METADATA = "http://10.1.1.1/latest/"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("s") / "lab", "--scale", "0.02", "--vms", "4") as running:
        yield running


def curl(cloud: RunningCloud, host: str, url: str, *options: str) -> tuple[str, str]:
    """HTTP status (000: no answer) and body."""
    done = cloud.run(host, "curl", "-s", "-m", "0.6", "-w", "\n%{http_code}", *options, url)
    body, _, status = done.stdout.rpartition("\n")
    return status, body


def opens(cloud: RunningCloud, host: str, address: str, port: int) -> bool:
    """Whether a TCP connection is accepted, and something is said there."""
    code = (
        "import socket, sys; s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 0.5); s.settimeout(1); "
        "s.send(b'GET / HTTP/1.0\\r\\n\\r\\n'); sys.exit(not s.recv(10))"
    )
    return cloud.run(host, "python3", "-c", code, address, str(port)).returncode == 0


def done(cloud: RunningCloud, command: str, **parameters: str) -> dict[str, Any]:
    """An async command to its end; the job's result."""
    status, reply = cloud.api(command, **parameters)
    assert status == 200, reply
    job = cloud.wait_for_job(reply)
    assert job["jobstatus"] == 1, job
    return dict(job["jobresult"])


def rows(cloud: RunningCloud, command: str, key: str, **parameters: str) -> list[dict[str, Any]]:
    return list(cloud.api(command, listall="true", **parameters)[1].get(key, []))


def address(cloud: RunningCloud, ip: str) -> str:
    """The id of a public address."""
    return str(rows(cloud, "listPublicIpAddresses", "publicipaddress", ipaddress=ip)[0]["id"])


def vm(cloud: RunningCloud, name: str) -> str:
    """The id of a VM."""
    return str(rows(cloud, "listVirtualMachines", "virtualmachine", name=name)[0]["id"])


def events(cloud: RunningCloud, kind: str) -> list[str]:
    """The states of that type's newest family, oldest first."""
    found = rows(cloud, "listEvents", "event", type=kind)
    first = next(event for event in found if "parentid" not in event)
    return [event["state"] for event in reversed(found) if first["id"] in (event["id"], event.get("parentid"))]


def test_the_balancer_goes_round_its_tenants(cloud: RunningCloud) -> None:
    answers = {curl(cloud, "outside", WEB) for _ in range(3)}
    assert answers == {("200", f"vm0{number}\n") for number in (1, 2, 3)}
    (rule,) = rows(cloud, "listLoadBalancerRules", "loadbalancerrule")
    assert (rule["publicip"], rule["publicport"], rule["privateport"]) == ("198.51.100.30", "80", "8000")
    behind = rows(cloud, "listLoadBalancerRuleInstances", "loadbalancerruleinstance", id=rule["id"])
    assert [item["name"] for item in behind] == ["vm01", "vm02", "vm03"]


def test_a_tenant_leaves_the_balancer_and_comes_back(cloud: RunningCloud) -> None:
    (rule,) = rows(cloud, "listLoadBalancerRules", "loadbalancerrule")
    gone = {"id": rule["id"], "virtualmachineids": vm(cloud, "vm02")}
    done(cloud, "removeFromLoadBalancerRule", **gone)
    assert {curl(cloud, "outside", WEB)[1] for _ in range(4)} == {"vm01\n", "vm03\n"}
    job = cloud.wait_for_job(cloud.api("removeFromLoadBalancerRule", **gone)[1])
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 431)
    done(cloud, "assignToLoadBalancerRule", **gone)
    assert {curl(cloud, "outside", WEB)[1] for _ in range(4)} == {"vm01\n", "vm02\n", "vm03\n"}
    assert events(cloud, "LB.ASSIGN.TO.RULE") == ["Scheduled", "Started", "Completed"]


def test_a_second_balancer_rule_is_a_second_listener(cloud: RunningCloud) -> None:
    given = {"name": "alt", "algorithm": "leastconn", "publicport": "8088", "privateport": "8000"}
    rule = done(cloud, "createLoadBalancerRule", publicipid=address(cloud, "198.51.100.30"), **given)["loadbalancer"]
    assert rule["state"] == "Active"
    assert not opens(cloud, "outside", "198.51.100.30", 8088)
    done(cloud, "assignToLoadBalancerRule", id=rule["id"], **{"vmidipmap[0].vmid": vm(cloud, "vm04")})
    assert curl(cloud, "outside", "http://198.51.100.30:8088/") == ("200", "vm04\n")
    assert curl(cloud, "outside", WEB)[0] == "200"
    taken = cloud.api("createLoadBalancerRule", publicipid=address(cloud, "198.51.100.30"), **given)
    assert (taken[0], taken[1]["errorcode"]) == (537, 537)
    done(cloud, "deleteLoadBalancerRule", id=rule["id"])
    assert curl(cloud, "outside", "http://198.51.100.30:8088/")[0] == "000"
    opened = rows(cloud, "listFirewallRules", "firewallrule", ipaddressid=address(cloud, "198.51.100.30"))
    assert 8088 not in {item.get("startport") for item in opened}
    assert events(cloud, "LB.CREATE") == ["Created", "Scheduled", "Started", "Completed"]


def test_metadata_is_each_tenants_own(cloud: RunningCloud) -> None:
    for name in ("vm01", "vm04"):
        assert curl(cloud, name, METADATA + "meta-data/local-hostname") == ("200", name)
        assert curl(cloud, name, METADATA + "user-data") == ("200", f"#cloud-config\nhostname: {name}\n")
    assert curl(cloud, "vm01", METADATA + "meta-data/public-ipv4")[1] == "198.51.100.10"
    assert curl(cloud, "vm04", METADATA + "meta-data/public-ipv4")[1] == "198.51.100.31"
    assert curl(cloud, "vm01", METADATA + "meta-data/public-keys")[1].startswith("ssh-ed25519 ")
    assert curl(cloud, "vm01", METADATA + "meta-data/nothing")[0] == "404"
    assert curl(cloud, "outside", "http://198.51.100.10/latest/user-data")[0] == "000"


def test_a_password_is_given_until_it_is_acknowledged(cloud: RunningCloud) -> None:
    def ask(host: str, request: str) -> tuple[str, str]:
        return curl(cloud, host, "http://10.1.1.1:8080/", "-H", f"DomU_Request: {request}")

    assert ask("vm01", "send_my_password") == ("200", "first-vm01")
    assert ask("vm01", "send_my_password") == ("200", "first-vm01")
    assert ask("vm01", "saved_password") == ("200", "saved_password")
    assert ask("vm01", "send_my_password") == ("200", "saved_password")
    assert ask("vm02", "send_my_password") == ("200", "first-vm02")
    assert ask("vm02", "give_me_all") == ("400", "bad_request")


def test_a_lease_is_obtained_and_strangers_get_none(cloud: RunningCloud) -> None:
    words = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-s", "/bin/true")
    known = cloud.run("vm03", *words)
    assert known.returncode == 0
    assert "lease of 10.1.1.103 obtained from 10.1.1.1" in known.stderr + known.stdout
    cloud.run("vm03", "ip", "link", "add", "name", "spare", "link", "eth0", "type", "macvlan")
    cloud.run("vm03", "ip", "link", "set", "spare", "up")
    stranger = cloud.run("vm03", "busybox", "udhcpc", "-i", "spare", *words[4:])
    cloud.run("vm03", "ip", "link", "del", "spare")
    assert stranger.returncode != 0


def test_static_nat_works_both_ways_and_can_be_taken_away(cloud: RunningCloud) -> None:
    ip = address(cloud, "198.51.100.31")
    assert cloud.run("outside", "ssh-keyscan", "-T", "2", "198.51.100.31").stdout.split()[1:2] == ["ssh-ed25519"]
    assert cloud.banner("198.51.100.31").startswith(b"SSH-2.0-")
    assert seen_source(cloud, "vm04") == "198.51.100.31"
    assert seen_source(cloud, "vm01") == "198.51.100.10"
    done(cloud, "disableStaticNat", ipaddressid=ip)
    assert not opens(cloud, "outside", "198.51.100.31", 22)
    assert seen_source(cloud, "vm04") == "198.51.100.10"
    status, reply = cloud.api("enableStaticNat", ipaddressid=ip, virtualmachineid=vm(cloud, "vm04"))
    assert (status, reply) == (200, {"success": True})
    assert not opens(cloud, "outside", "198.51.100.31", 22)  # its firewall rules went with it
    given = {"ipaddressid": ip, "protocol": "tcp", "startport": "22", "endport": "22"}
    done(cloud, "createFirewallRule", **given)
    assert cloud.banner("198.51.100.31").startswith(b"SSH-2.0-")
    (row,) = rows(cloud, "listPublicIpAddresses", "publicipaddress", isstaticnat="true")
    assert (row["ipaddress"], row["virtualmachinename"]) == ("198.51.100.31", "vm04")
    refused = cloud.api("enableStaticNat", ipaddressid=address(cloud, "198.51.100.10"), virtualmachineid=row["id"])
    assert refused[0] == 431


def seen_source(cloud: RunningCloud, host: str) -> str:
    """Which address the outside host sees when that tenant connects to it."""
    code = (
        "import socket; s = socket.create_server(('203.0.113.10', 7777)); s.settimeout(3); print('up', flush=True); "
        "print(s.accept()[1][0])"
    )
    words = [*LAB, "--state", str(cloud.state), "exec", "outside", "--", "python3", "-c", code]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as listener:
        assert listener.stdout
        assert listener.stdout.readline() == "up\n"
        cloud.run(host, "curl", "-s", "-m", "0.3", "http://203.0.113.10:7777/")
        return listener.stdout.read().strip()


def test_a_forwarding_rule_opens_a_port_and_its_deletion_closes_it(cloud: RunningCloud) -> None:
    given = {"privateport": "8000", "publicport": "8123", "protocol": "tcp", "virtualmachineid": vm(cloud, "vm02")}
    ip = address(cloud, "198.51.100.11")
    page = "http://198.51.100.11:8123/"
    assert curl(cloud, "outside", page)[0] == "000"
    rule = done(cloud, "createPortForwardingRule", ipaddressid=ip, **given)["portforwardingrule"]
    assert curl(cloud, "outside", page) == ("200", "vm02\n")
    assert cloud.api("createPortForwardingRule", ipaddressid=ip, **given)[0] == 537
    done(cloud, "deletePortForwardingRule", id=rule["id"])
    assert curl(cloud, "outside", page)[0] == "000"
    assert cloud.banner("198.51.100.11").startswith(b"SSH-2.0-")
    assert events(cloud, "NET.RULEADD") == ["Created", "Scheduled", "Started", "Completed"]


def test_without_openfirewall_a_firewall_rule_decides(cloud: RunningCloud) -> None:
    given = {"privateport": "8000", "publicport": "8124", "protocol": "tcp", "virtualmachineid": vm(cloud, "vm01")}
    ip = address(cloud, "198.51.100.12")
    forwarding = done(cloud, "createPortForwardingRule", ipaddressid=ip, openfirewall="false", **given)
    assert curl(cloud, "outside", "http://198.51.100.12:8124/")[0] == "000"
    opening = {"ipaddressid": ip, "protocol": "tcp", "startport": "8120", "endport": "8130"}
    rule = done(cloud, "createFirewallRule", cidrlist="203.0.113.0/24,192.0.2.0/24", **opening)["firewallrule"]
    assert curl(cloud, "outside", "http://198.51.100.12:8124/") == ("200", "vm01\n")
    done(cloud, "deleteFirewallRule", id=rule["id"])
    assert curl(cloud, "outside", "http://198.51.100.12:8124/")[0] == "000"
    done(cloud, "deletePortForwardingRule", id=forwarding["portforwardingrule"]["id"])


def test_egress_rules_decide_what_leaves(cloud: RunningCloud) -> None:
    def leaves(host: str) -> bool:
        return cloud.run(host, "ping", "-c", "1", "-W", "0.5", "203.0.113.10").returncode == 0

    network = cloud.network()["id"]
    (every,) = rows(cloud, "listEgressFirewallRules", "firewallrule")
    done(cloud, "deleteEgressFirewallRule", id=every["id"])
    assert not leaves("vm01")
    done(cloud, "createEgressFirewallRule", networkid=network, protocol="icmp", cidrlist="10.1.1.101/32")
    assert (leaves("vm01"), leaves("vm02")) == (True, False)
    assert cloud.api("createEgressFirewallRule", networkid=network, protocol="all", cidrlist="10.9.0.0/16")[0] == 431
    done(cloud, "createEgressFirewallRule", networkid=network, protocol="all")
    assert leaves("vm02")


def test_an_address_is_acquired_used_and_released(cloud: RunningCloud) -> None:
    ip = done(cloud, "associateIpAddress", networkid=cloud.network()["id"])["ipaddress"]
    assert ip["ipaddress"] == "198.51.100.15"  # the lowest free one
    given = {"privateport": "22", "publicport": "22", "protocol": "tcp", "virtualmachineid": vm(cloud, "vm03")}
    done(cloud, "createPortForwardingRule", ipaddressid=ip["id"], **given)
    assert cloud.banner("198.51.100.15").startswith(b"SSH-2.0-")
    done(cloud, "disassociateIpAddress", id=ip["id"])
    assert not opens(cloud, "outside", "198.51.100.15", 22)
    (router,) = cloud.routers()
    assert "198.51.100.15/" not in cloud.run(router["name"], "ip", "-4", "addr").stdout
    assert "198.51.100.15" not in cloud.run(router["name"], "iptables-save").stdout
    source = address(cloud, "198.51.100.10")
    assert cloud.api("disassociateIpAddress", id=source)[0] == 431


def test_a_vm_is_deployed_served_and_destroyed(cloud: RunningCloud) -> None:
    offering = rows(cloud, "listServiceOfferings", "serviceoffering")[0]["id"]
    zone = rows(cloud, "listZones", "zone")[0]["id"]
    given = {"serviceofferingid": offering, "zoneid": zone, "name": "fresh", "userdata": "aGVsbG8="}
    fresh = done(cloud, "deployVirtualMachine", **given)["virtualmachine"]
    assert (fresh["state"], fresh["password"]) == ("Running", "first-fresh")
    own = fresh["nic"][0]["ipaddress"]
    assert curl(cloud, "fresh", METADATA + "user-data") == ("200", "hello")
    asking = ("-H", "DomU_Request: send_my_password")
    assert curl(cloud, "fresh", "http://10.1.1.1:8080/", *asking) == ("200", "first-fresh")
    assert curl(cloud, "vm01", f"http://{own}:8000/") == ("200", "fresh\n")
    assert cloud.run("vm02", "getent", "hosts", "fresh").stdout.split()[0] == own
    assert cloud.api("deployVirtualMachine", **given)[0] == 431  # the name is taken
    done(cloud, "destroyVirtualMachine", id=fresh["id"], expunge="true")
    assert curl(cloud, "vm01", f"http://{own}:8000/")[0] == "000"
    assert cloud.run("vm02", "getent", "hosts", "fresh").returncode != 0
    assert "fresh" not in {item["name"] for item in rows(cloud, "listVirtualMachines", "virtualmachine")}


@pytest.mark.parametrize(("path", "hit"), [("dns", "names"), ("metadata", "metadata"), ("balancer", "web")])
def test_a_break_of_a_service_hits_that_service_only(cloud: RunningCloud, path: str, hit: str) -> None:
    with Watching(cloud) as seen:
        made = json.loads(cloud.lab("break", path, "--ms", "400").stdout)
        time.sleep(0.3)
    length_ms = (made["end_ns"][0] - made["start_ns"][1]) / 1e6
    assert abs(length_ms - 400) < 50
    for service in SERVICES:
        gap_s = seen.longest_gap_s(service)
        assert (0.3 < gap_s < 1.5) if service == hit else gap_s < 0.3, (service, gap_s)


SERVICES = ("names", "metadata", "web")
PROBE = """
import socket, struct, sys, time
def http(address, path):
    with socket.create_connection((address, 80), 0.1) as s:
        s.settimeout(0.1)
        s.sendall(f"GET {path} HTTP/1.0\\r\\n\\r\\n".encode())
        return (s.recv(100).split() + [b"", b"closed"])[1].decode()
def names():
    name = b"".join(bytes([len(p)]) + p for p in (b"vm01", b"cs2cloud", b"internal")) + b"\\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.1)
        s.connect(("10.1.1.1", 53))
        s.send(struct.pack("!6H", 7, 0x100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1))
        return "200" if socket.inet_aton("10.1.1.101") in s.recv(512) else "empty"
probes = {
    "names": names, "metadata": lambda: http("10.1.1.1", "/latest/meta-data/instance-id"),
    "web": lambda: http("198.51.100.30", "/"),
}
probe = probes[sys.argv[1]]
while True:
    try:
        answer = probe()
    except OSError as error:
        answer = type(error).__name__
    print(time.time(), answer, flush=True)
    time.sleep(0.01)
"""


class Watching:
    """Asks every service again and again during a with block."""

    def __init__(self, cloud: RunningCloud) -> None:
        self._cloud = cloud
        self.answers: dict[str, list[tuple[float, str]]] = {}

    def __enter__(self) -> Watching:
        hosts = {"names": "vm01", "metadata": "vm02", "web": "outside"}
        self._processes = {
            service: subprocess.Popen(
                [*LAB, "--state", str(self._cloud.state), "exec", host, "--", "python3", "-c", PROBE, service],
                stdout=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            for service, host in hosts.items()
        }
        for process in self._processes.values():
            assert process.stdout
            process.stdout.readline()
        return self

    def __exit__(self, *_: object) -> None:
        for service, process in self._processes.items():
            process.terminate()
            lines = [line.split() for line in process.communicate()[0].splitlines()]
            self.answers[service] = [(float(words[0]), words[1]) for words in lines if len(words) == 2]

    def longest_gap_s(self, service: str) -> float:
        """The longest time between two good answers."""
        good = [at for at, answer in self.answers[service] if answer == "200"]
        return max(later - sooner for sooner, later in pairwise(good))

    def back_at(self, service: str) -> float:
        """When the first good answer after the last bad one came."""
        last_bad = max(at for at, answer in self.answers[service] if answer != "200")
        return min(at for at, answer in self.answers[service] if answer == "200" and at > last_bad)


def test_after_a_restart_the_balancer_comes_back_last_and_metadata_is_the_same(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    state = tmp_path_factory.mktemp("r") / "lab"
    with running_cloud(state, "--scale", "0.1", "--vms", "6") as cloud:
        before = _all_metadata(cloud, "vm02")
        with Watching(cloud) as seen:
            assert cloud.restart(cleanup=True)["jobstatus"] == 1
            time.sleep(0.3)
        assert "404" in {answer for _, answer in seen.answers["metadata"]}  # the new router does not know it yet
        assert seen.back_at("names") < seen.back_at("web")
        assert seen.back_at("metadata") < seen.back_at("web")
        assert _all_metadata(cloud, "vm02") == before
        assert cloud.banner("198.51.100.31").startswith(b"SSH-2.0-")
        assert {curl(cloud, "outside", WEB)[1] for _ in range(3)} == {"vm01\n", "vm02\n", "vm03\n"}
        with Watching(cloud) as seen:
            assert cloud.restart(cleanup=False)["jobstatus"] == 1
        assert max(seen.longest_gap_s(service) for service in SERVICES) < 0.3


def _all_metadata(cloud: RunningCloud, host: str) -> str:
    script = f"for n in $(curl -s {METADATA}meta-data/); do echo $n $(curl -s {METADATA}meta-data/$n); done"
    text = cloud.run(host, "sh", "-c", f"{script}; curl -s {METADATA}user-data").stdout
    assert "local-ipv4 10.1.1.102" in text
    return text
