# SPDX-License-Identifier: Apache-2.0
"""A VPC: what passes between its tiers and to the outside, before, during and after what is done to it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.lab.support import LAB, RunningCloud, environment, running_cloud
from tests.lab.test_services import curl, done, events, opens, rows, seen_source, vm

pytestmark = pytest.mark.lab

INTERNAL = "http://10.1.2.10:8080/"
REFUSED, DROPPED = 7, 28
"""curl's exit codes: somebody answers that nobody listens, nobody answers."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    options = ("--topology", "vpc", "--scale", "0.02", "--vms", "4")
    with running_cloud(tmp_path_factory.mktemp("v") / "lab", *options) as running:
        yield running


def tier(cloud: RunningCloud, name: str) -> str:
    """The id of a tier."""
    return next(str(row["id"]) for row in rows(cloud, "listNetworks", "network") if row["name"] == name)


def acl(cloud: RunningCloud, name: str) -> str:
    """The id of a network ACL list."""
    return str(rows(cloud, "listNetworkACLLists", "networkacllist", name=name)[0]["id"])


def knock(cloud: RunningCloud, host: str, target: str, port: int) -> int:
    """curl's exit code for a port where nobody listens, or that nothing reaches."""
    return cloud.run(host, "curl", "-s", "-m", "0.6", f"http://{target}:{port}/").returncode


def pings(cloud: RunningCloud, host: str, target: str) -> bool:
    return cloud.run(host, "ping", "-c", "1", "-W", "0.6", target).returncode == 0


def assert_everything_works(cloud: RunningCloud) -> None:
    """Both tiers, in every direction."""
    for last in (11, 12, 13, 14, 31):
        assert cloud.banner(f"198.51.100.{last}").startswith(b"SSH-2.0-"), last
    assert [seen_source(cloud, name) for name in ("vm02", "vm03", "vm04")] == [
        "198.51.100.10",
        "198.51.100.10",
        "198.51.100.31",
    ]
    assert pings(cloud, "vm04", "10.1.1.102")
    assert answering(cloud, "outside", "http://198.51.100.30/") == {"vm01", "vm02"}
    assert answering(cloud, "vm01", INTERNAL) == {"vm03", "vm04"}


def answering(cloud: RunningCloud, host: str, url: str) -> set[str]:
    """The tenants that answer behind a load balancer, in four requests."""
    return set(cloud.run(host, "sh", "-c", f"for turn in 1 2 3 4; do curl -s -m 1 {url}; done").stdout.split())


def test_everything_works_from_the_first_minute(cloud: RunningCloud) -> None:
    assert_everything_works(cloud)
    assert (cloud.info["network"], cloud.info["vpc"]) == ("web", "probe-vpc")


def test_rows_of_the_vpc_its_tiers_and_its_routers(cloud: RunningCloud) -> None:
    (vpc,) = rows(cloud, "listVPCs", "vpc")
    assert (vpc["name"], vpc["cidr"], vpc["state"]) == ("probe-vpc", "10.1.0.0/16", "Enabled")
    assert [(row["name"], row["cidr"], row["aclname"]) for row in vpc["network"]] == [
        ("web", "10.1.1.0/24", "probe-acl"),
        ("app", "10.1.2.0/24", "probe-acl"),
    ]
    (router,) = rows(cloud, "listRouters", "router", vpcid=vpc["id"], forvpc="true")
    assert [(nic["traffictype"], nic["ipaddress"]) for nic in router["nic"]][1:] == [
        ("Public", "198.51.100.10"),
        ("Guest", "10.1.1.1"),
        ("Guest", "10.1.2.1"),
    ]
    assert router["nic"][0]["traffictype"] == "Control"
    assert rows(cloud, "listRouters", "router", forvpc="false") == []
    _, health = cloud.api("getRouterHealthCheckResults", routerid=router["id"], performfreshchecks="true")
    assert [check for check in health["routerhealthchecks"]["healthchecks"] if not check["success"]] == []
    (balancer,) = rows(cloud, "listInternalLoadBalancerVMs", "internalloadbalancervm", networkid=tier(cloud, "app"))
    assert (balancer["role"], balancer["state"], balancer["guestipaddress"]) == (
        "INTERNAL_LB_VM",
        "Running",
        "10.1.2.10",
    )
    assert balancer["name"].startswith("b-")
    (rule,) = rows(cloud, "listLoadBalancers", "loadbalancer")
    assert (rule["sourceipaddress"], rule["loadbalancerrule"][0]["sourceport"]) == ("10.1.2.10", 8080)
    assert {item["name"] for item in rule["loadbalancerinstance"]} == {"vm03", "vm04"}


def test_each_tier_has_names_leases_and_metadata_of_its_own_router(cloud: RunningCloud) -> None:
    assert curl(cloud, "vm03", "http://10.1.2.1/latest/meta-data/local-ipv4") == ("200", "10.1.2.101")
    assert cloud.run("vm03", "getent", "hosts", "data-server").stdout.split()[0] == "10.1.2.1"
    assert cloud.run("vm03", "getent", "hosts", "vm01").stdout.split()[0] == "10.1.1.101"
    asking = ("-H", "DomU_Request: send_my_password")
    assert curl(cloud, "vm03", "http://10.1.2.1:8080/", *asking) == ("200", "first-vm03")
    lease = ("busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-t", "2", "-T", "1", "-s", "/bin/true")
    given = cloud.run("vm04", *lease)
    assert "lease of 10.1.2.102 obtained from 10.1.2.1" in given.stdout + given.stderr


def test_the_list_decides_what_passes_between_the_tiers(cloud: RunningCloud) -> None:
    assert curl(cloud, "vm01", "http://10.1.2.101:8000/") == ("200", "vm03\n")
    assert curl(cloud, "vm03", "http://10.1.1.101:8000/") == ("200", "vm01\n")
    assert opens(cloud, "vm01", "10.1.2.101", 22)
    assert knock(cloud, "vm01", "10.1.2.101", 81) == DROPPED
    assert knock(cloud, "vm01", "10.1.1.102", 81) == REFUSED  # within a tier no router is asked
    assert knock(cloud, "vm03", "203.0.113.10", 25) == DROPPED
    assert knock(cloud, "vm03", "203.0.113.10", 26) == REFUSED


def test_a_rule_made_by_the_api_takes_effect_and_goes(cloud: RunningCloud) -> None:
    given = {"aclid": acl(cloud, "probe-acl"), "protocol": "tcp", "startport": "81", "endport": "82"}
    rule = done(cloud, "createNetworkACL", cidrlist="10.1.1.101/32,192.0.2.0/24", **given)["networkacl"]
    assert (rule["number"], rule["startport"], rule["action"], rule["state"]) == (8, "81", "Allow", "Active")
    assert knock(cloud, "vm01", "10.1.2.101", 82) == REFUSED
    assert knock(cloud, "vm02", "10.1.2.101", 82) == DROPPED
    assert events(cloud, "NETWORK.ACL.ITEM.CREATE") == ["Created", "Scheduled", "Started", "Completed"]
    shown = rows(cloud, "listNetworkACLs", "networkacl", networkid=tier(cloud, "app"))
    assert [item["number"] for item in shown] == [1, 2, 3, 4, 5, 6, 7, 8]
    done(cloud, "deleteNetworkACL", id=rule["id"])
    assert knock(cloud, "vm01", "10.1.2.101", 82) == DROPPED
    allow = rows(cloud, "listNetworkACLs", "networkacl", aclid=given["aclid"], action="deny")
    assert [(item["traffictype"], item["startport"]) for item in allow] == [("Egress", "25")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"number": "1"},
        {"number": "0"},
        {"action": "maybe"},
        {"protocol": "gre"},
        {"traffictype": "sideways"},
        {"startport": "0"},
        {"startport": "9", "endport": "8"},
        {"protocol": "icmp", "startport": "8"},
        {"cidrlist": "10.1.2.3/24"},
    ],
)
def test_a_wrong_rule_is_refused(cloud: RunningCloud, wrong: dict[str, str]) -> None:
    status, _ = cloud.api("createNetworkACL", **{"aclid": acl(cloud, "probe-acl"), "protocol": "tcp", **wrong})
    assert status == 431


@pytest.mark.slow
def test_another_list_for_one_tier(cloud: RunningCloud) -> None:
    (vpc,) = rows(cloud, "listVPCs", "vpc")
    app, usual = tier(cloud, "app"), acl(cloud, "probe-acl")
    fresh = done(cloud, "createNetworkACLList", name="strict", vpcid=vpc["id"])["networkacllist"]
    done(cloud, "replaceNetworkACLList", aclid=fresh["id"], networkid=app)
    try:
        assert not opens(cloud, "outside", "198.51.100.13", 22)  # nothing may come in
        assert cloud.banner("198.51.100.11").startswith(b"SSH-2.0-")
        assert pings(cloud, "vm03", "203.0.113.10")  # without any egress rule everything leaves
        done(cloud, "createNetworkACL", aclid=fresh["id"], protocol="udp", traffictype="Egress")
        assert not pings(cloud, "vm03", "203.0.113.10")
        done(cloud, "replaceNetworkACLList", aclid=acl(cloud, "default_allow"), networkid=app)
        assert knock(cloud, "vm01", "10.1.2.101", 81) == REFUSED
    finally:
        done(cloud, "replaceNetworkACLList", aclid=usual, networkid=app)
    done(cloud, "deleteNetworkACLList", id=fresh["id"])
    job = cloud.wait_for_job(cloud.api("deleteNetworkACLList", id=usual)[1])
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert cloud.api("deleteNetworkACLList", id=acl(cloud, "default_allow"))[0] == 431
    assert cloud.api("createNetworkACL", aclid=acl(cloud, "default_deny"), protocol="all")[0] == 431


@pytest.mark.slow
def test_addresses_of_the_vpc_serve_any_tier(cloud: RunningCloud) -> None:
    (vpc,) = rows(cloud, "listVPCs", "vpc")
    ip = done(cloud, "associateIpAddress", vpcid=vpc["id"])["ipaddress"]
    assert "associatednetworkid" not in ip
    given = {"privateport": "8000", "publicport": "80", "protocol": "tcp", "virtualmachineid": vm(cloud, "vm03")}
    page = f"http://{ip['ipaddress']}/"
    rule = done(cloud, "createPortForwardingRule", ipaddressid=ip["id"], **given)["portforwardingrule"]
    assert curl(cloud, "outside", page)[0] == "000"  # the list lets port 8000 in from the VPC only
    assert curl(cloud, "vm01", page) == ("200", "vm03\n")
    assert curl(cloud, "vm04", page) == ("200", "vm03\n")  # hairpin: out and back into the same tier
    (shown,) = rows(cloud, "listPublicIpAddresses", "publicipaddress", id=ip["id"])
    assert shown["associatednetworkid"] == tier(cloud, "app")
    done(cloud, "deletePortForwardingRule", id=rule["id"])
    assert cloud.api("enableStaticNat", ipaddressid=ip["id"], virtualmachineid=vm(cloud, "vm01"))[0] == 200
    assert cloud.banner(ip["ipaddress"]).startswith(b"SSH-2.0-")
    assert seen_source(cloud, "vm01") == ip["ipaddress"]
    done(cloud, "disassociateIpAddress", id=ip["id"])
    assert seen_source(cloud, "vm01") == "198.51.100.10"


@pytest.mark.slow
@pytest.mark.parametrize(("path", "hit"), [("dns", "names"), ("metadata", "pages")])
def test_a_break_of_a_service_hits_both_tiers(cloud: RunningCloud, path: str, hit: str) -> None:
    words = [*LAB, "--state", str(cloud.state), "break", path, "--ms", "2000"]
    wanted = {"names", "pages", "outside"} - {hit}
    seen = []
    with (
        subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as process,
        ThreadPoolExecutor() as pool,
    ):
        while process.poll() is None:
            seen.append(list(pool.map(lambda host: answered(cloud, host), ("vm01", "vm03"))))
    assert [wanted, wanted] in seen
    assert answered(cloud, "vm03") == {"names", "pages", "outside"}


def answered(cloud: RunningCloud, host: str) -> set[str]:
    """What that tenant gets an answer from: the names and the metadata of its router, and the outside."""
    script = (
        "gateway=$(ip route show default | cut -d' ' -f3); timeout 0.5 getent hosts vm02 >/dev/null && echo names; "
        "curl -sf -m 0.5 http://$gateway/latest/meta-data/ >/dev/null && echo pages; "
        "ping -c 1 -W 0.5 203.0.113.10 >/dev/null && echo outside"
    )
    return set(cloud.run(host, "sh", "-c", script).stdout.split())


@pytest.mark.slow
def test_an_internal_lb_vm_stops_and_starts(cloud: RunningCloud) -> None:
    (balancer,) = rows(cloud, "listInternalLoadBalancerVMs", "internalloadbalancervm")
    stopped = done(cloud, "stopInternalLoadBalancerVM", id=balancer["id"], forced="true")["internalloadbalancervm"]
    assert stopped["state"] == "Stopped"
    assert curl(cloud, "vm01", INTERNAL)[0] == "000"
    assert events(cloud, "INTERNALLBVM.STOP") == ["Scheduled", "Started", "Completed"]
    assert cloud.api("stopRouter", id=balancer["id"])[0] == 431
    done(cloud, "startInternalLoadBalancerVM", id=balancer["id"])
    assert curl(cloud, "vm01", INTERNAL)[0] == "200"
    assert events(cloud, "INTERNALLBVM.START") == ["Scheduled", "Started", "Completed"]


def test_a_tier_is_not_restarted_with_cleanup(cloud: RunningCloud) -> None:
    before = cloud.routers()
    _, reply = cloud.api("restartNetwork", id=tier(cloud, "app"), cleanup="true")
    job = cloud.wait_for_job(reply)
    assert (job["jobstatus"], job["jobresultcode"], job["jobresult"]["errorcode"]) == (2, 431, 431)
    assert [row["id"] for row in cloud.routers()] == [row["id"] for row in before]
    done(cloud, "restartNetwork", id=tier(cloud, "app"), cleanup="false")
    assert [row["id"] for row in cloud.routers()] == [row["id"] for row in before]


@pytest.mark.slow
def test_a_restart_without_cleanup_programs_the_tiers_that_need_it(cloud: RunningCloud) -> None:
    (vpc,) = rows(cloud, "listVPCs", "vpc")
    (router,) = cloud.routers()
    (balancer,) = rows(cloud, "listInternalLoadBalancerVMs", "internalloadbalancervm")
    cloud.run(router["name"], "iptables", "-t", "nat", "-F")
    done(cloud, "stopInternalLoadBalancerVM", id=balancer["id"], forced="true")
    done(cloud, "restartVPC", id=vpc["id"], cleanup="false")  # no tier needs it: nothing is sent
    assert not opens(cloud, "outside", "198.51.100.13", 22)
    cloud.lab("fault", "no-capacity")  # so that the tier's internal LB VM does not start
    job = cloud.wait_for_job(cloud.api("restartNetwork", id=tier(cloud, "app"), cleanup="false")[1])
    cloud.lab("fault", "no-capacity", "--off")
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    needing = rows(cloud, "listNetworks", "network", restartrequired="true")
    assert [row["name"] for row in needing] == ["app"]
    done(cloud, "restartVPC", id=vpc["id"], cleanup="false")
    assert rows(cloud, "listNetworks", "network", restartrequired="true") == []
    assert [row["id"] for row in cloud.routers()] == [router["id"]]
    assert_everything_works(cloud)


@pytest.mark.slow
def test_a_restart_with_cleanup_gives_a_new_router(cloud: RunningCloud) -> None:
    (vpc,) = rows(cloud, "listVPCs", "vpc")
    (old,) = cloud.routers()
    balancers = rows(cloud, "listInternalLoadBalancerVMs", "internalloadbalancervm")
    done(cloud, "restartVPC", id=vpc["id"], cleanup="true")
    (new,) = cloud.routers()
    assert new["id"] != old["id"]
    assert (new["state"], new["publicmacaddress"]) == ("Running", old["publicmacaddress"])
    assert [row["id"] for row in rows(cloud, "listInternalLoadBalancerVMs", "internalloadbalancervm")] == [
        row["id"] for row in balancers
    ]
    assert events(cloud, "VPC.RESTART") == ["Scheduled", "Completed"]
    assert_everything_works(cloud)


@pytest.mark.slow
def test_before_4_16_1_a_tier_takes_the_router_of_all_tiers_with_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    options = ("--topology", "vpc", "--scale", "0", "--vms", "2", "--profile", "4.11.1")
    with running_cloud(tmp_path_factory.mktemp("o") / "lab", *options) as cloud:
        (old,) = cloud.routers()
        done(cloud, "restartNetwork", id=tier(cloud, "app"), cleanup="true")
        (new,) = cloud.routers()
        assert new["id"] != old["id"]
        assert cloud.banner("198.51.100.11").startswith(b"SSH-2.0-")
        assert cloud.banner("198.51.100.12").startswith(b"SSH-2.0-")
