# SPDX-License-Identifier: Apache-2.0
"""Roles and domains: what a domain admin, another user and a switched-off account see and may do."""

from __future__ import annotations

import pytest

from tests.lab.served import Served, served
from tests.lab.test_sessions import session_call

ROOT_ONLY = ("listHosts", "listConfigurations", "listSystemVms", "listManagementServers", "listAlerts", "getUser")


async def names(api: Served, command: str, key: str, field: str = "name", **given: str) -> list[str]:
    status, content = await api.call(command, **given)
    assert status == 200, content
    return [str(item[field]) for item in content.get(key, [])]


@pytest.mark.parametrize(("release", "status"), [("4.9", 432), ("4.11.1", 401), ("4.22", 401)])
async def test_a_domain_admin_has_no_infrastructure_commands(release: str, status: int) -> None:
    async with served(release) as api:
        api.as_user("dom")
        known = {item["name"] for item in (await api.call("listApis"))[1]["api"]}
        for command in ROOT_ONLY:
            assert command not in known
            if command == "listManagementServers" and release != "4.22":
                continue
            code, content = await api.call(command)
            assert code == status, command
            assert "does not exist" in content["errortext"]
        assert {"listRouters", "rebootRouter", "listUsers"} <= known


async def test_a_domain_admin_sees_the_own_domain_only() -> None:
    async with served("4.22") as api:
        api.as_user("dom")
        assert await names(api, "listAccounts", "account") == ["dom"]
        assert await names(api, "listAccounts", "account", listall="true") == ["dom", "guest"]
        assert await names(api, "listUsers", "user", "username", listall="true") == ["dom", "guest"]
        assert await names(api, "listDomains", "domain", "path") == ["ROOT/tenants"]
        for command in ("listNetworks", "listRouters", "listVirtualMachines", "listPublicIpAddresses", "listEvents"):
            assert await api.call(command, listall="true") == (200, {}), command


@pytest.mark.parametrize("account", ["dom", "guest"])
async def test_an_object_of_another_account_is_531(account: str) -> None:
    async with served("4.22") as api:
        network, accounts = api.server.network, api.server.accounts
        calls = [
            ("listNetworks", {"id": network.id}),
            ("restartNetwork", {"id": network.id}),
            ("listVirtualMachines", {"networkid": network.id}),
            ("destroyVirtualMachine", {"id": network.vms[0].id}),
            ("disassociateIpAddress", {"id": network.ips[1].id}),
            ("deleteFirewallRule", {"id": network.firewall[0].id}),
            ("associateIpAddress", {"networkid": network.id}),
            ("listNetworks", {"account": "ops", "domainid": accounts.root.id}),
            ("listNetworks", {"domainid": accounts.root.id}),
            ("listAccounts", {"id": accounts.named("ops").account_id}),
        ]
        if account == "dom":
            calls.append(("rebootRouter", {"id": api.server.routers[0].id}))
            calls.append(("disableAccount", {"id": accounts.named("admin").account_id, "lock": "false"}))
        api.as_user(account)
        for command, given in calls:
            status, content = await api.call(command, **given)
            assert (status, content.get("cserrorcode")) == (531, 4365), (command, given, content)
        assert api.orchestrator.asked == []


async def test_a_vm_in_a_network_of_another_account_is_531_and_without_a_network_431() -> None:
    async with served("4.22") as api:
        fixed = api.server.fixtures
        given = {"serviceofferingid": fixed.vm_offering, "zoneid": fixed.zone}
        api.as_user("guest")
        assert (await api.call("deployVirtualMachine", **given, networkids=api.server.network.id))[0] == 531
        assert (await api.call("deployVirtualMachine", **given))[0] == 431
        assert (await api.call("associateIpAddress", zoneid=fixed.zone))[0] == 431
        assert len(api.server.network.vms) == 3


async def test_a_job_of_another_account_is_531() -> None:
    async with served("4.22") as api:
        _, reply = await api.call("restartNetwork", id=api.server.network.id)
        api.as_user("guest")
        assert (await api.call("queryAsyncJobResult", jobid=reply["jobid"]))[0] == 531


async def test_the_root_admin_sees_all_accounts_and_finds_by_name_key_and_domain() -> None:
    async with served("4.22") as api:
        accounts = api.server.accounts
        assert await names(api, "listAccounts", "account") == ["admin"]
        assert await names(api, "listAccounts", "account", listall="true") == ["admin", "ops", "dom", "guest"]
        assert await names(api, "listAccounts", "account", name="dom") == ["dom"]
        assert await names(api, "listAccounts", "account", listall="true", accounttype="2") == ["dom"]
        assert await names(api, "listUsers", "user", "account", domainid=accounts.root.id) == ["admin", "ops"]
        everywhere = {"domainid": accounts.root.id, "isrecursive": "true"}
        assert len(await names(api, "listUsers", "user", "id", **everywhere)) == 4
        assert await names(api, "listDomains", "domain", "path") == ["ROOT", "ROOT/tenants"]
        _, content = await api.call("getUser", userapikey=accounts.named("guest").key)
        assert content["user"]["username"] == "guest"
        assert (await api.call("getUser", userapikey="nobody's"))[0] == 431
        (row,) = (await api.call("listAccounts", name="ops"))[1]["account"]
        assert (row["vmtotal"], row["iptotal"], row["networktotal"], row["iplimit"]) == (3, 6, 1, "Unlimited")
        assert (await api.call("listNetworks", account="nobody", domainid=accounts.root.id))[0] == 431
        assert await names(api, "listNetworks", "network", domainid=accounts.tenants.id) == []


async def test_a_domain_admin_logs_in_to_the_own_domain_only() -> None:
    async with served("4.22") as api:
        password = api.server.accounts.named("dom").password
        given = {"command": "login", "response": "json", "username": "dom", "password": password}
        for domain, status in (("", 531), ("/tenants", 200), ("ROOT/tenants/", 200), ("elsewhere", 531)):
            reply = await api.post({**given, "domain": domain})
            assert reply.status == status, domain
        login = (await reply.json())["loginresponse"]
        assert login["errorcode"] == 531
        reply = await api.post({**given, "domainid": api.server.accounts.tenants.id})
        login = (await reply.json())["loginresponse"]
        assert (login["type"], login["domainid"]) == ("2", api.server.accounts.tenants.id)


@pytest.mark.parametrize("what", ["User", "Account"])
async def test_a_disabled_user_or_account_is_out_at_once_and_back_when_enabled(what: str) -> None:
    async with served("4.22") as api:
        guest = api.server.accounts.named("guest")
        identity = guest.user_id if what == "User" else guest.account_id
        reply = await api.post(
            {
                "command": "login",
                "response": "json",
                "username": "guest",
                "password": guest.password,
                "domain": "tenants",
            }
        )
        cookies = {name: morsel.value for name, morsel in reply.cookies.items()}
        api.http.session.cookie_jar.clear()
        assert (await session_call(api, "listZones", cookies))[0] == 200
        given = {"id": identity} | ({"lock": "false"} if what == "Account" else {})
        job = await api.settled((await api.call(f"disable{what}", **given))[1])
        assert job["jobresult"][what.lower()]["state"] == "disabled"
        assert (await session_call(api, "listZones", cookies))[0] == 401
        admin = api.keys
        api.as_user("guest")
        status, content = await api.call("listZones")
        assert (status, content["errortext"]) == (401, "unable to verify user credentials and/or request signature")
        login = {"command": "login", "response": "json", "username": "guest", "password": guest.password}
        assert (await api.post({**login, "domain": "tenants"})).status == 531
        api.keys = admin
        _, content = await api.call(f"enable{what}", id=identity)
        assert content[what.lower()]["state"] == "enabled"
        api.as_user("guest")
        assert (await api.call("listZones"))[0] == 200


async def test_a_domain_admin_may_lock_an_account_of_the_own_domain() -> None:
    async with served("4.22") as api:
        tenants = api.server.accounts.tenants.id
        api.as_user("dom")
        job = await api.settled((await api.call("disableAccount", account="guest", domainid=tenants, lock="true"))[1])
        assert job["jobresult"]["account"]["state"] == "locked"
        api.as_user("guest")
        assert (await api.call("listZones"))[0] == 401
