# SPDX-License-Identifier: Apache-2.0
"""Resource limits: set, listed, and in force at the next call."""

from __future__ import annotations

import pytest

from tests.lab.served import Served, served


async def limit(api: Served, resource: int, most: int, **owner: str) -> tuple[int, dict[str, object]]:
    return await api.call("updateResourceLimit", resourcetype=str(resource), max=str(most), **owner)


async def test_a_limit_is_listed_and_holds_until_it_is_raised() -> None:
    async with served("4.22") as api:
        ops = {"account": "ops", "domainid": api.server.fixtures.domain}
        have = len(api.server.network.ips)
        assert (await limit(api, 1, have, **ops))[0] == 200
        _, content = await api.call("listResourceLimits", resourcetype="1", **ops)
        (row,) = content["resourcelimit"]
        assert (row["account"], row["resourcetype"], row["max"]) == ("ops", "1", have)
        (account,) = (await api.call("listAccounts", name="ops"))[1]["account"]
        assert (account["iplimit"], account["iptotal"], account["ipavailable"]) == (str(have), have, "0")
        status, refused = await api.call("associateIpAddress", networkid=api.server.network.id)
        assert (status, refused["cserrorcode"]) == (532, 4280)
        assert len(api.server.network.ips) == have
        await limit(api, 1, have + 1, **ops)
        assert (await api.call("associateIpAddress", networkid=api.server.network.id))[0] == 200


async def test_the_setting_is_the_limit_of_who_has_none() -> None:
    async with served("4.22") as api:
        ops = {"account": "ops", "domainid": api.server.fixtures.domain}
        await api.set(max_account_public_ips="1")
        assert (await api.call("associateIpAddress", networkid=api.server.network.id))[0] == 532
        await limit(api, 1, -1, **ops)
        assert (await api.call("associateIpAddress", networkid=api.server.network.id))[0] == 200


async def test_a_destroyed_vm_no_longer_counts() -> None:
    async with served("4.22") as api:
        fixed, vms = api.server.fixtures, api.server.network.vms
        await limit(api, 0, len(vms), account="ops", domainid=fixed.domain)
        given = {"serviceofferingid": fixed.vm_offering, "zoneid": fixed.zone}
        status, refused = await api.call("deployVirtualMachine", **given)
        assert (status, refused["cserrorcode"]) == (535, 9999)
        vms[0].state = "Destroyed"
        status, refused = await api.call("deployVirtualMachine", **given)
        assert (status, refused["errortext"]) == (530, "this management server has no hypervisor")


@pytest.mark.parametrize(
    ("caller", "given", "status"),
    [
        ("admin", {"resourcetype": "99", "max": "1"}, 431),
        ("admin", {"resourcetype": "1", "max": "-2"}, 431),
        ("admin", {"resourcetype": "1", "max": "5", "account": "ops"}, 431),
        ("admin", {"resourcetype": "1", "max": "5", "account": "admin", "domainid": "ROOT"}, 431),
        ("admin", {"resourcetype": "1", "max": "5", "domainid": "ROOT"}, 531),
        ("admin", {"resourcetype": "1", "max": "5", "domainid": "tenants"}, 200),
        ("dom", {"resourcetype": "1", "max": "5", "account": "guest", "domainid": "tenants"}, 200),
        ("dom", {"resourcetype": "1", "max": "5", "account": "dom", "domainid": "tenants"}, 531),
        ("dom", {"resourcetype": "1", "max": "5", "account": "ops", "domainid": "ROOT"}, 531),
        ("guest", {"resourcetype": "1", "max": "5"}, 401),
    ],
)
async def test_who_may_set_which_limit(caller: str, given: dict[str, str], status: int) -> None:
    async with served("4.22") as api:
        accounts = api.server.accounts
        ids = {"ROOT": accounts.root.id, "tenants": accounts.tenants.id}
        api.as_user(caller)
        sent = {name: ids.get(value, value) for name, value in given.items()}
        assert (await api.call("updateResourceLimit", **sent))[0] == status


async def test_without_an_owner_the_own_limits_are_listed() -> None:
    async with served("4.22") as api:
        api.as_user("guest")
        rows = (await api.call("listResourceLimits"))[1]["resourcelimit"]
        assert {row["account"] for row in rows} == {"guest"}
        assert [row["resourcetype"] for row in rows] == [str(number) for number in range(12)]
        domain = (await api.call("listResourceLimits", domainid=api.server.accounts.tenants.id))[1]["resourcelimit"]
        assert all("account" not in row for row in domain)
