# SPDX-License-Identifier: Apache-2.0
"""Settings of one zone, domain or account: they go before the global value there, and only there."""

from __future__ import annotations

import pytest

from tests.lab.served import served

EXCLUDED = "router.health.checks.to.exclude"


async def test_a_zones_value_goes_before_the_global_one() -> None:
    async with served("4.22") as api:
        zone, settings = api.server.fixtures.zone, api.server.settings
        await api.call("updateConfiguration", name=EXCLUDED, value="everywhere")
        _, content = await api.call("updateConfiguration", name=EXCLUDED, value="here", zoneid=zone)
        assert (content["configuration"]["value"], content["configuration"]["scope"]) == ("here", "zone")
        assert settings.value(EXCLUDED, zone=zone) == "here"
        assert (settings.value(EXCLUDED), settings.value(EXCLUDED, zone="another")) == ("everywhere",) * 2
        (row,) = (await api.call("listConfigurations", name=EXCLUDED, zoneid=zone))[1]["configuration"]
        assert row["value"] == "here"
        (row,) = (await api.call("listConfigurations", name=EXCLUDED))[1]["configuration"]
        assert row["value"] == "everywhere"
        _, content = await api.call("resetConfiguration", name=EXCLUDED, zoneid=zone)
        assert content["configuration"]["value"] == "everywhere"
        assert settings.value(EXCLUDED, zone=zone) == "everywhere"


async def test_with_a_scope_id_only_settings_of_that_scope_are_listed() -> None:
    async with served("4.22") as api:
        rows = (await api.call("listConfigurations", zoneid=api.server.fixtures.zone))[1]["configuration"]
        assert {row["scope"] for row in rows} == {"zone"}
        global_one = {"name": "network.rolling.restart", "zoneid": api.server.fixtures.zone}
        assert await api.call("listConfigurations", **global_one) == (200, {})


@pytest.mark.parametrize("command", ["updateConfiguration", "resetConfiguration"])
@pytest.mark.parametrize(
    "given",
    [
        {"name": "network.rolling.restart", "zoneid": "zone"},
        {"name": EXCLUDED, "clusterid": "cluster"},
        {"name": EXCLUDED, "zoneid": "zone", "domainid": "domain"},
        {"name": EXCLUDED, "storageid": "00000000-0000-4000-8000-000000000000"},
        {"name": EXCLUDED, "zoneid": "00000000-0000-4000-8000-000000000000"},
    ],
)
async def test_a_scope_that_the_setting_does_not_have_is_431(command: str, given: dict[str, str]) -> None:
    async with served("4.22") as api:
        sent = {name: getattr(api.server.fixtures, value, value) for name, value in given.items()}
        assert (await api.call(command, **sent, value="x"))[0] == 431
        assert (await api.call("listConfigurations", zoneid=api.server.fixtures.zone, domainid="x"))[0] == 431


async def test_api_keys_of_one_domain_are_switched_off() -> None:
    async with served("4.22") as api:
        tenants = api.server.accounts.tenants.id
        await api.call("updateConfiguration", name="api.key.access", value="false", domainid=tenants)
        assert (await api.call("listZones"))[0] == 200
        api.as_user("guest")
        assert (await api.call("listZones"))[0] == 401


async def test_one_account_may_call_from_elsewhere_only() -> None:
    async with served("4.22") as api:
        ops = api.server.accounts.named("ops").account_id
        given = {"name": "api.allowed.source.cidr.list", "value": "192.0.2.0/24", "accountid": ops}
        assert (await api.call("updateConfiguration", **given))[0] == 200
        assert (await api.call("listZones"))[0] == 200
        api.as_user()
        assert (await api.call("listZones"))[0] == 401
