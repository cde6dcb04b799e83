# SPDX-License-Identifier: Apache-2.0
"""The API over real HTTP, without namespaces: envelopes, error codes, pages, jobs, and what differs by release."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from csworkbench.lab.api.server import PATH, application
from csworkbench.lab.api.signature import sign
from csworkbench.lab.management import Management
from tests.lab.fake_management import KEY, SECRET, WaitingOrchestrator, management

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ONE_OF_SEVERAL = ("associateIpAddress", "enableAccount", "upgradeRouterTemplate")
"""Commands that want one of several parameters, none of which is marked as required."""


class Api:
    """Signed calls to a server of one release."""

    def __init__(self, http: TestClient[Any, Any], server: Management, orchestrator: WaitingOrchestrator) -> None:
        self.http, self.server, self.orchestrator = http, server, orchestrator

    def signed(self, command: str, **parameters: str) -> dict[str, str]:
        """The parameters of a call with its signature."""
        given = {"command": command, "response": "json", "apikey": KEY, **parameters}
        return {**given, "signature": sign(given, SECRET)}

    async def raw(self, parameters: dict[str, str]) -> ClientResponse:
        """POST these parameters as they are."""
        return await self.http.post(PATH, data=parameters)

    async def call(self, command: str, **parameters: str) -> tuple[int, dict[str, Any]]:
        """HTTP status and the whole body."""
        reply = await self.raw(self.signed(command, **parameters))
        return reply.status, await reply.json()

    async def rows(self, command: str, key: str, **parameters: str) -> list[dict[str, Any]]:
        """The rows of a list command."""
        status, body = await self.call(command, **parameters)
        assert status == 200, body
        return list(body[f"{command.lower()}response"].get(key, []))

    async def ended(self, job: str) -> dict[str, Any]:
        """The job's row once it has ended."""
        while True:
            _, body = await self.call("queryAsyncJobResult", jobid=job)
            content: dict[str, Any] = body["queryasyncjobresultresponse"]
            if content["jobstatus"]:
                return content


@pytest.fixture(params=["4.22"])
async def api(request: pytest.FixtureRequest) -> AsyncIterator[Api]:
    server, orchestrator = management(request.param)
    async with TestClient(TestServer(application(server))) as http:
        yield Api(http, server, orchestrator)
        orchestrator.go_on.set()
        await server.jobs.close()


every_release = pytest.mark.parametrize("api", ["4.9", "4.11.1", "4.17", "4.22"], indirect=True)


def profile(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("api", names, indirect=True)


async def test_a_list_has_count_and_rows_and_an_empty_one_neither(api: Api) -> None:
    _, body = await api.call("listVirtualMachines", listall="true")
    assert body["listvirtualmachinesresponse"]["count"] == 3
    assert await api.call("listVPCs", listall="true") == (200, {"listvpcsresponse": {}})


async def test_get_and_post_are_the_same(api: Api) -> None:
    reply = await api.http.get(f"{PATH}?{urlencode(api.signed('listZones'))}")
    assert reply.status == 200
    assert (await reply.json())["listzonesresponse"]["zone"][0]["name"] == "zone1"


async def test_query_string_wins_over_the_body(api: Api) -> None:
    given = api.signed("listZones")
    reply = await api.http.post(f"{PATH}?command=listZones", data={**given, "command": "listHosts"})
    assert reply.status == 200


async def test_the_date_header_is_the_servers_clock(api: Api) -> None:
    reply = await api.raw(api.signed("listZones"))
    assert abs(parsedate_to_datetime(reply.headers["Date"]) - datetime.now(UTC)) < timedelta(seconds=2)
    assert reply.headers["Content-Type"].lower() == "application/json; charset=utf-8"


async def test_without_json_it_answers_xml(api: Api) -> None:
    given = {"command": "listZones", "apikey": KEY}
    reply = await api.raw({**given, "signature": sign(given, SECRET)})
    assert reply.content_type == "text/xml"
    assert "<zone><id>" in await reply.text()


@pytest.mark.parametrize(
    "change",
    [
        {"signature": "bm90IGl0"},
        {"signature": "ü"},
        {"apikey": "somebody"},
        {"command": "listHosts"},
        {"extra": "unsigned"},
    ],
)
async def test_whatever_breaks_the_signature_is_the_same_401(api: Api, change: dict[str, str]) -> None:
    reply = await api.raw({**api.signed("listZones"), **change})
    assert reply.status == 401
    (content,) = (await reply.json()).values()
    text = "unable to verify user credentials and/or request signature"
    assert content == {"uuidList": [], "errorcode": 401, "errortext": text}
    assert reply.headers["X-Description"] == text


@pytest.mark.parametrize("missing", ["command", "apikey", "signature"])
async def test_a_call_without_its_credentials_is_401(api: Api, missing: str) -> None:
    given = api.signed("listZones")
    del given[missing]
    assert (await api.raw(given)).status == 401


@profile("4.9", "4.22")
async def test_an_unknown_command_is_432_in_4_9_and_401_later(api: Api) -> None:
    status, body = await api.call("listzones")
    assert status == (401 if api.server.profile.has(4, 11) else 432)
    assert body["errorresponse"]["errorcode"] == status


async def test_expired_requests_are_401(api: Api) -> None:
    assert (await api.call("listZones", signatureversion="3", expires="2001-01-01T00:00:00+0000"))[0] == 401
    assert (await api.call("listZones", signatureversion="3"))[0] == 401
    assert (await api.call("listZones", expires="2001-01-01T00:00:00+0000"))[0] == 200


@pytest.mark.parametrize(
    ("command", "parameters", "status"),
    [
        ("listNetworks", {"id": UNKNOWN}, 431),
        ("listNetworks", {"id": "1 or 1=1"}, 431),
        ("listRouters", {"networkid": UNKNOWN}, 431),
        ("restartNetwork", {}, 431),
        ("restartNetwork", {"id": UNKNOWN}, 431),
        ("rebootRouter", {"id": "x"}, 431),
        ("queryAsyncJobResult", {"jobid": UNKNOWN}, 431),
        ("listZones", {"name": "a\tb"}, 431),
        ("listZones", {"name": "a\x00b"}, 431),
        ("listZones", {"tags[x].key": "a"}, 430),
        ("listZones", {"tags[0][1].key": "a"}, 430),
        ("listZones", {"page": "1"}, 431),
        ("listZones", {"pagesize": "5"}, 431),
        ("listZones", {"page": "1", "pagesize": "501"}, 431),
        ("listZones", {"page": "1", "pagesize": "-1"}, 431),
        ("listZones", {"page": "one", "pagesize": "5"}, 431),
        ("listZones", {"page": "0", "pagesize": "5"}, 431),
        ("listZones", {"page": "9" * 30, "pagesize": "5"}, 431),
        ("listEvents", {"startdate": "yesterday"}, 431),
        ("listEvents", {"resourceid": UNKNOWN}, 431),
        ("listEvents", {"state": "completed"}, 431),
        ("listTemplates", {}, 431),
        ("listTemplates", {"templatefilter": "none"}, 431),
        ("listApis", {"name": "listapis"}, 530),
        ("listZones", {"nosuchparameter": "1"}, 200),
        ("listZones", {"name": "a\nb"}, 200),
        ("listZones", {"available": "maybe"}, 200),
    ],
)
async def test_parameters_are_checked_as_documented(
    api: Api, command: str, parameters: dict[str, str], status: int
) -> None:
    code, body = await api.call(command, **parameters)
    assert code == status
    if status != 200:
        content = body[f"{command.lower()}response"]
        assert content["errorcode"] == status
        assert content["uuidList"] == []
        assert content["errortext"]


async def test_an_oversized_body_is_refused(api: Api) -> None:
    reply = await api.raw({**api.signed("listZones"), "pad": "x" * (1 << 20)})
    assert reply.status == 413
    reply = await api.raw({f"p{number}": "" for number in range(1200)})
    assert reply.status == 400


async def test_pages(api: Api) -> None:
    first = await api.rows("listVirtualMachines", "virtualmachine", listall="true", page="1", pagesize="2")
    second = await api.rows("listVirtualMachines", "virtualmachine", listall="true", page="2", pagesize="2")
    every = await api.rows("listVirtualMachines", "virtualmachine", listall="true", pagesize="-1")
    assert [len(rows) for rows in (first, second, every)] == [2, 1, 3]
    _, body = await api.call("listVirtualMachines", listall="true", page="2", pagesize="2")
    assert body["listvirtualmachinesresponse"]["count"] == 3


async def test_without_listall_an_admin_sees_only_the_own_account(api: Api) -> None:
    network = api.server.network.id
    assert await api.rows("listNetworks", "network") == []
    assert len(await api.rows("listNetworks", "network", id=network)) == 1
    assert len(await api.rows("listNetworks", "network", account="ops", domainid=api.server.fixtures.domain)) == 1
    assert await api.rows("listNetworks", "network", listall="true", projectid="-1")
    assert await api.rows("listRouters", "router") == []


async def test_names_and_ids_filter(api: Api) -> None:
    ip = api.server.network.ips[2]
    rows = await api.rows("listPortForwardingRules", "portforwardingrule", listall="true", ipaddressid=ip.id)
    assert [(item["ipaddress"], item["publicport"], item["virtualmachinename"]) for item in rows] == [
        (ip.address, "22", "vm02")
    ]
    rules = await api.rows("listFirewallRules", "firewallrule", listall="true", ipaddressid=ip.id)
    assert sorted((item["protocol"], item.get("startport")) for item in rules) == [("icmp", None), ("tcp", 22)]
    assert len(await api.rows("listConfigurations", "configuration", name="router.")) > 1


@every_release
async def test_every_listed_api_can_be_called_and_nothing_else_is_there(api: Api) -> None:
    _, body = await api.call("listApis")
    listed = {item["name"]: item for item in body["listapisresponse"]["api"]}
    for name, item in listed.items():
        required = [param["name"] for param in item["params"] if param["required"]]
        status, reply = await api.call(name)
        assert status == (431 if required or name in ONE_OF_SEVERAL else 200), (name, reply)
    known = {param["name"] for param in listed["restartNetwork"]["params"]}
    assert ("livepatch" in known) == api.server.profile.has(4, 17)
    assert ("makeredundant" in known) == api.server.profile.has(4, 11, 1)
    assert ("listManagementServers" in listed) == api.server.profile.has(4, 12)
    assert listed["restartNetwork"]["isasync"]
    assert not listed["listRouters"]["isasync"]


@every_release
async def test_router_and_network_fields_belong_to_the_release(api: Api) -> None:
    release = api.server.profile
    (router,) = await api.rows("listRouters", "router", listall="true")
    (network,) = await api.rows("listNetworks", "network", listall="true")
    assert ("softwareversion" in router) is False or release.has(4, 17)
    assert ("redundantrouter" in network) == release.has(4, 11, 1)
    assert ("created" in network) == release.has(4, 16)
    assert {nic["traffictype"] for nic in router["nic"]} == {"Guest", "Control", "Public"}


@every_release
async def test_a_restart_is_a_job_with_its_events(api: Api) -> None:
    release, network = api.server.profile, api.server.network.id
    api.orchestrator.go_on.set()
    _, body = await api.call("restartNetwork", id=network)
    job = await api.ended(body["restartnetworkresponse"]["jobid"])
    assert api.orchestrator.asked == [f"restart cleanup={not release.has(4, 11, 1)}"]
    assert (job["jobstatus"], job["jobresultcode"], job["jobresult"]) == (1, 0, {"success": True})
    assert job["jobresulttype"] == "object"
    assert job["cmd"] == "org.apache.cloudstack.api.command.user.network.RestartNetworkCmd"
    assert (job["jobinstancetype"], job["jobinstanceid"]) == ("Network", network)
    assert ("completed" in job) == release.has(4, 12)
    assert ("account" in job) == release.has(4, 19)
    events = await api.rows("listEvents", "event", listall="true")
    assert [event["state"] for event in events] == ["Started", "Scheduled"]
    assert events[0]["parentid"] == events[1]["id"]
    assert "parentid" not in events[1]
    assert ("resourceid" in events[0]) == release.has(4, 17)


async def test_two_restarts_of_one_network_run_one_after_the_other(api: Api) -> None:
    network = api.server.network.id
    jobs = [(await api.call("restartNetwork", id=network))[1]["restartnetworkresponse"]["jobid"] for _ in range(2)]
    pending = await api.rows("listAsyncJobs", "asyncjobs", listall="true", keyword="RestartNetwork")
    assert {item["jobid"] for item in pending} == set(jobs)
    assert (await api.rows("listNetworks", "network", listall="true"))[0]["jobid"] in jobs
    assert "managementservername" in pending[0]
    api.orchestrator.go_on.set()
    ended = [await api.ended(job) for job in jobs]
    assert [job["jobstatus"] for job in ended] == [1, 1]
    assert api.orchestrator.most_at_once == 1
    assert await api.rows("listAsyncJobs", "asyncjobs", listall="true") == []


async def test_a_failing_restart_is_told_in_the_result_with_http_200(api: Api) -> None:
    api.orchestrator.fail = True
    api.orchestrator.go_on.set()
    _, body = await api.call("restartNetwork", id=api.server.network.id, cleanup="true")
    job = await api.ended(body["restartnetworkresponse"]["jobid"])
    assert (job["jobstatus"], job["jobresultcode"]) == (2, 530)
    assert job["jobresult"] == {"errorcode": 530, "errortext": "Failed to restart network"}


async def test_the_api_answers_while_a_job_works(api: Api) -> None:
    await api.call("restartNetwork", id=api.server.network.id, cleanup="true")
    (router,) = await api.rows("listRouters", "router", listall="true", state="Running")
    _, body = await api.call("rebootRouter", id=router["id"])
    api.orchestrator.go_on.set()
    job = await api.ended(body["rebootrouterresponse"]["jobid"])
    assert job["jobresult"]["router"]["name"] == "r-4-VM"
    assert job["jobinstancetype"] == "DomainRouter"


async def test_events_filter_by_family_resource_and_time(api: Api) -> None:
    api.orchestrator.go_on.set()
    network = api.server.network.id
    for _ in range(2):
        _, body = await api.call("restartNetwork", id=network, cleanup="true")
        await api.ended(body["restartnetworkresponse"]["jobid"])
    newest, *_, oldest = await api.rows("listEvents", "event", listall="true")
    family = await api.rows("listEvents", "event", listall="true", startid=oldest["id"])
    assert [event.get("parentid") for event in family] == [oldest["id"], None]
    assert newest["id"] not in {event["id"] for event in family}
    assert len(await api.rows("listEvents", "event", listall="true", resourceid=network, resourcetype="network")) == 4
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y-%m-%d")
    assert await api.rows("listEvents", "event", listall="true", startdate=tomorrow) == []
    assert len(await api.rows("listEvents", "event", listall="true", enddate=tomorrow)) == 4
    assert len(await api.rows("listEvents", "event", listall="true", state="Scheduled")) == 2
