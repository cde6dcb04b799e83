# SPDX-License-Identifier: Apache-2.0
"""Each error code of the API, provoked by a call, in its envelope: the whole table of cloudstack-api.md 1.7.

536 (resource in use) comes in CloudStack from asynchronous commands only: it is told in the job's result.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientResponse

from csworkbench.lab import plan
from tests.lab.served import Served, served

UNKNOWN = "00000000-0000-4000-8000-000000000000"
JOB = "queryasyncjobresultresponse"
Call = Callable[[Served], Awaitable[ClientResponse]]


def signed(command: str, **parameters: str) -> Call:
    async def call(api: Served) -> ClientResponse:
        return await api.post(api.signed(command, **parameters))

    return call


async def state_changing_get(api: Served) -> ClientResponse:
    await api.set(enforce_post_requests_and_timestamps="true")
    until = (datetime.now(UTC) + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S+0000")
    given = {"id": api.server.network.id, "signatureversion": "3", "expires": until}
    return await api.get(api.signed("restartNetwork", **given))


async def no_command_in_a_session(api: Served) -> ClientResponse:
    _, _, cookies = await api.log_in("admin")
    return await api.post({"response": "json", "sessionkey": cookies["sessionkey"]}, cookies)


async def bad_signature(api: Served) -> ClientResponse:
    return await api.post({**api.signed("listZones"), "signature": "bm8="})


async def login_by_get(api: Served) -> ClientResponse:
    return await api.get({"command": "login", "response": "json", "username": "admin", "password": "x"})


async def too_many_calls(api: Served) -> ClientResponse:
    await api.set(api_throttling_enabled="true", api_throttling_max="1", api_throttling_interval="60")
    api.as_user()
    await api.call("listZones")
    return await api.post(api.signed("listZones"))


async def unknown_command_in_a_session(api: Served) -> ClientResponse:
    _, _, cookies = await api.log_in("admin")
    return await api.post({"command": "listNothing", "response": "json", "sessionkey": cookies["sessionkey"]}, cookies)


async def in_maintenance(api: Served) -> ClientResponse:
    api.server.maintenance = True
    return await api.post(api.signed("restartNetwork", id=api.server.network.id))


async def second_factor(api: Served) -> ClientResponse:
    await api.set(mandate_user_2fa="true")
    _, _, cookies = await api.log_in("admin")
    return await api.post({"command": "listZones", "response": "json", "sessionkey": cookies["sessionkey"]}, cookies)


async def wrong_password(api: Served) -> ClientResponse:
    return await api.post({"command": "login", "response": "json", "username": "admin", "password": "x"})


async def an_address_that_is_taken(api: Served) -> ClientResponse:
    network = api.server.network
    return await api.post(api.signed("associateIpAddress", networkid=network.id, ipaddress=network.ips[1].address))


async def outdated_router(api: Served) -> ClientResponse:
    api.server.routers[0].template_version = "4.1.0"
    api.server.routers[0].scripts_version = "old"
    vm, ip = api.server.network.vms[0], api.server.network.ips[1]
    network = api.server.network
    network.forwarding[:] = [rule for rule in network.forwarding if rule.ip is not ip]
    return await api.post(api.signed("enableStaticNat", ipaddressid=ip.id, virtualmachineid=vm.id))


async def another_accounts_network(api: Served) -> ClientResponse:
    api.as_user("guest")
    return await api.post(api.signed("restartNetwork", id=api.server.network.id))


async def one_vm_too_many(api: Served) -> ClientResponse:
    fixed = api.server.fixtures
    await api.call("updateResourceLimit", resourcetype="0", max="3", account="ops", domainid=fixed.domain)
    return await api.post(api.signed("deployVirtualMachine", serviceofferingid=fixed.vm_offering, zoneid=fixed.zone))


async def a_counter_that_is_used(api: Served) -> ClientResponse:
    counter = (await api.call("listCounters"))[1]["counter"][0]["id"]
    made = (await api.call("createCondition", counterid=counter, relationaloperator="GT", threshold="9"))[1]
    await api.settled(made)
    job = (await api.call("deleteCounter", id=counter))[1]
    await api.settled(job)
    return await api.post(api.signed("queryAsyncJobResult", jobid=job["jobid"]))


async def one_address_too_many(api: Served) -> ClientResponse:
    await api.set(max_account_public_ips="3")
    return await api.post(api.signed("associateIpAddress", networkid=api.server.network.id))


async def a_port_that_is_taken(api: Served) -> ClientResponse:
    network = api.server.network
    rule = network.forwarding[0]
    given = {"ipaddressid": rule.ip.id, "virtualmachineid": rule.vm.id, "protocol": rule.protocol}
    return await api.post(
        api.signed("createPortForwardingRule", publicport=str(rule.public_port), privateport="1", **given)
    )


CASES: list[tuple[int, str, str, Call]] = [
    (400, "4.22", "restartnetworkresponse", state_changing_get),
    (400, "4.22", "errorresponse", no_command_in_a_session),
    (401, "4.22", "listzonesresponse", bad_signature),
    (401, "4.22", "errorresponse", signed("listNothing")),
    (405, "4.22", "loginresponse", login_by_get),
    (429, "4.22", "listzonesresponse", too_many_calls),
    (430, "4.22", "listzonesresponse", signed("listZones", **{"tags[x].key": "a"})),
    (431, "4.22", "listnetworksresponse", signed("listNetworks", id=UNKNOWN)),
    (432, "4.9", "errorresponse", signed("listNothing")),
    (432, "4.22", "errorresponse", unknown_command_in_a_session),
    (503, "4.22", "restartnetworkresponse", in_maintenance),
    (511, "4.22", "listzonesresponse", second_factor),
    (530, "4.22", "listapisresponse", signed("listApis", name="listNothing")),
    (531, "4.22", "loginresponse", wrong_password),
    (531, "4.22", "restartnetworkresponse", another_accounts_network),
    (532, "4.22", "associateipaddressresponse", one_address_too_many),
    (533, "4.22", "associateipaddressresponse", an_address_that_is_taken),
    (534, "4.22", "enablestaticnatresponse", outdated_router),
    (535, "4.22", "deployvirtualmachineresponse", one_vm_too_many),
    (536, "4.22", JOB, a_counter_that_is_used),
    (537, "4.22", "createportforwardingruleresponse", a_port_that_is_taken),
]


@pytest.mark.parametrize(("code", "release", "key", "call"), CASES, ids=[f"{case[0]}-{case[2]}" for case in CASES])
async def test_the_code_is_provoked_and_told_in_its_envelope(code: int, release: str, key: str, call: Call) -> None:
    async with served(release) as api:
        reply = await call(api)
        body: dict[str, Any] = await reply.json()
        assert list(body) == [key]
        content = body[key]
        if key == JOB:
            assert (reply.status, content["jobstatus"], content["jobresultcode"]) == (200, 2, code)
            assert set(content["jobresult"]) == {"errorcode", "errortext"}
            assert content["jobresult"]["errorcode"] == code
            return
        assert reply.status == code
        assert content["errorcode"] == code
        assert content["uuidList"] == []
        assert content["errortext"]
        assert reply.headers["X-Description"] == content["errortext"]


def test_no_code_of_the_table_is_left_out() -> None:
    table = {400, 401, 405, 429, 430, 431, 432, 503, 511, *range(530, 538)}
    assert {case[0] for case in CASES} == table


async def test_a_half_submitted_upgrade_has_made_its_job() -> None:
    """The first router is outdated, the second current: the job of the first runs, and nobody is told its id."""
    async with served("4.17") as api:
        (first,) = api.server.routers
        second = plan.new_router(api.server.network, 9, api.server.rng)
        second.state, second.template_version = "Running", api.server.settings.template
        api.server.network.routers.append(second)
        first.template_version = "4.15.0"
        status, content = await api.call("upgradeRouterTemplate", zoneid=api.server.fixtures.zone)
        assert (status, content["cserrorcode"]) == (530, 4250)
        (job,) = (await api.call("listAsyncJobs", listall="true"))[1]["asyncjobs"]
        assert job["jobinstanceid"] == first.id
        assert (await api.settled(job))["jobstatus"] == 1
        assert api.orchestrator.asked == ["reboot r-4-VM"]
        for wrong in ({}, {"id": first.id, "zoneid": api.server.fixtures.zone}):
            assert (await api.call("upgradeRouterTemplate", **wrong))[0] == 431
