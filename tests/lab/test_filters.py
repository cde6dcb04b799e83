# SPDX-License-Identifier: Apache-2.0
"""Filters and rows of lists: what does not match is left away, whose a row is, and what a release does not know."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from csworkbench.lab.events import Alert, Event
from tests.lab.served import served

NONE = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("command", "key", "given", "shown"),
    [
        ("listZones", "zone", {"networktype": "Advanced"}, True),
        ("listZones", "zone", {"networktype": "Basic"}, False),
        ("listZones", "zone", {"ids": NONE}, False),
        ("listTemplates", "template", {"templatefilter": "all", "isready": "true"}, True),
        ("listTemplates", "template", {"templatefilter": "all", "isready": "false"}, False),
        ("listTemplates", "template", {"templatefilter": "all", "arch": "aarch64"}, False),
        ("listTemplates", "template", {"templatefilter": "all", "ids": NONE}, False),
        ("listNetworkOfferings", "networkoffering", {"supportedservices": "Dhcp,UserData"}, True),
        ("listNetworkOfferings", "networkoffering", {"supportedservices": "Vpn"}, False),
        ("listNetworks", "network", {"listall": "true"}, True),
        ("listNetworks", "network", {"listall": "true", "tags[0].key": "a", "tags[0].value": "b"}, False),
        ("listRouters", "router", {"listall": "true", "arch": "x86_64"}, True),
        ("listRouters", "router", {"listall": "true", "arch": "aarch64"}, False),
    ],
)
async def test_a_filter_filters(command: str, key: str, given: dict[str, str], shown: bool) -> None:
    async with served("4.22") as api:
        status, reply = await api.call(command, **given)
    assert status == 200
    assert (key in reply) == shown


async def test_offerings_with_and_without_source_nat() -> None:
    async with served("4.22") as api:
        counts = []
        for wanted in ({}, {"sourcenatsupported": "true"}, {"sourcenatsupported": "false"}):
            rows = (await api.call("listNetworkOfferings", **wanted))[1]["networkoffering"]
            counts.append({row["name"] for row in rows})
    everything, with_it, without = counts
    assert without == {"DefaultSharedNetworkOffering"}
    assert with_it == everything - without


async def test_zones_and_templates_by_several_ids() -> None:
    async with served("4.22") as api:
        (first, second) = (await api.call("listZones"))[1]["zone"]
        assert (await api.call("listZones", ids=second["id"]))[1]["zone"] == [second]
        both = await api.call("listZones", ids=f"{first['id']},{second['id']}")
        assert both[1]["count"] == 2
        template = (await api.call("listTemplates", templatefilter="all"))[1]["template"][0]["id"]
        rows = (await api.call("listTemplates", templatefilter="all", ids=template))[1]["template"]
        assert {row["id"] for row in rows} == {template}


async def test_the_version_may_be_hidden() -> None:
    async with served("4.22") as api:
        assert (await api.call("listCapabilities"))[1]["capability"]["cloudstackversion"] == "4.22.0.0"
        await api.call("updateConfiguration", name="expose.cloudstack.version.api.list.capabilities", value="false")
        assert "cloudstackversion" not in (await api.call("listCapabilities"))[1]["capability"]


async def test_an_event_shows_the_domain_of_its_account() -> None:
    async with served("4.22") as api:
        caller = api.server.accounts.named("dom")
        api.server.log.events.append(
            Event(api.server.new_id(), "VM.CREATE", "INFO", "", "Completed", "dom", "dom", None, None)
        )
        (event,) = (await api.call("listEvents", listall="true"))[1]["event"]
    assert (event["domain"], event["domainid"]) == ("tenants", caller.domain.id)


async def test_no_event_is_archived() -> None:
    async with served("4.22") as api:
        network = api.server.network.id
        await api.settled((await api.call("restartNetwork", id=network, cleanup="false"))[1])
        of_it = {"listall": "true", "resourceid": network, "resourcetype": "Network"}
        assert (await api.call("listEvents", **of_it))[1]["count"] > 0
        assert (await api.call("listEvents", **of_it, archived="true"))[1] == {}


async def test_the_keyword_of_alerts_is_looked_for_in_their_text() -> None:
    async with served("4.22") as api:
        api.server.log.alerts.append(
            Alert(api.server.new_id(), 9, "ALERT.SERVICE.DOMAINROUTER", "r-4-VM did not start")
        )
        assert (await api.call("listAlerts", keyword="did not"))[1]["count"] == 1
        assert (await api.call("listAlerts", keyword="r-5-VM"))[1] == {}


async def test_the_event_of_a_live_patch_names_the_vm_or_nothing() -> None:
    async with served("4.22") as api:
        router = api.server.routers[0]
        job = await api.settled((await api.call("patchSystemVm", id=router.id))[1])
        assert job["jobresultcode"] == 431
        await api.settled((await api.call("patchSystemVm"))[1])
        nothing, named = (await api.call("listEvents", listall="true", type="LIVE.PATCH.SYSTEM.VM"))[1]["event"]
    assert (named["resourceid"], named["resourcename"]) == (router.id, router.name)
    assert not {"resourceid", "resourcetype", "resourcename"} & nothing.keys()


async def test_destinations_of_an_egress_rule_are_checked_and_listed() -> None:
    async with served("4.22") as api:
        network = api.server.network
        network.egress.clear()
        given = {"networkid": network.id, "protocol": "tcp", "startport": "443"}
        status, reply = await api.call("createEgressFirewallRule", **given, destcidrlist="203.0.113.1/24")
        assert (status, network.egress) == (431, []), reply
        for destinations in ("203.0.113.0/24", "192.0.2.0/24,192.0.3.0/24"):
            assert (await api.call("createEgressFirewallRule", **given, destcidrlist=destinations))[0] == 200
        assert (await api.call("createEgressFirewallRule", **given, destcidrlist="203.0.113.0/24"))[0] == 537
        rows = (await api.call("listEgressFirewallRules", listall="true"))[1]["firewallrule"]
    assert [row["destcidrlist"] for row in rows] == ["203.0.113.0/24", "192.0.2.0/24,192.0.3.0/24"]


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("network.rolling.restart", "false", 200),
        ("network.rolling.restart", "off", 431),
        ("router.check.interval", "0.5", 200),
        ("router.check.interval", "soon", 431),
        ("router.health.checks.to.exclude", "anything", 200),
    ],
)
async def test_a_setting_takes_values_of_its_type(name: str, value: str, status: int) -> None:
    async with served("4.22") as api:
        before = (await api.call("listConfigurations", name=name))[1]["configuration"][0]["value"]
        assert (await api.call("updateConfiguration", name=name, value=value))[0] == status
        after = (await api.call("listConfigurations", name=name))[1]["configuration"][0]["value"]
    assert after == (value if status == 200 else before)


async def test_the_row_of_a_vm_shows_the_job_on_it() -> None:
    async with served("4.22") as api:
        vm = api.server.vms[0]
        hanging = asyncio.Event()

        async def work() -> dict[str, Any]:
            await hanging.wait()
            return {}

        job = api.server.jobs.submit("DestroyVMCmd", ("VirtualMachine", vm.id), work)
        rows = (await api.call("listVirtualMachines", listall="true"))[1]["virtualmachine"]
        hanging.set()
    assert [(row.get("jobid"), row.get("jobstatus")) for row in rows[:2]] == [(job.id, 0), (None, None)]


async def test_free_addresses_are_shown_to_root_admins_that_ask() -> None:
    async with served("4.22") as api:
        mine = (await api.call("listPublicIpAddresses", listall="true"))[1]
        everything = (await api.call("listPublicIpAddresses", listall="true", allocatedonly="false"))[1]
        free = (await api.call("listPublicIpAddresses", allocatedonly="false", state="Free"))[1]
        api.as_user()
        status, as_user = await api.call("listPublicIpAddresses", listall="true", allocatedonly="false")
    assert {row["state"] for row in free["publicipaddress"]} == {"Free"}
    assert everything["count"] == mine["count"] + free["count"]
    assert not {row["ipaddress"] for row in free["publicipaddress"]} & {
        row["ipaddress"] for row in mine["publicipaddress"]
    }
    assert (status, as_user["count"]) == (200, mine["count"])
