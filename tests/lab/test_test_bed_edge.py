# SPDX-License-Identifier: Apache-2.0
"""What the commands that make a test bed refuse, and that no row is lost when a router cannot be programmed."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from csworkbench.lab.records import REVOKE
from tests.lab.served import Served, served

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0 me@here"


async def network(api: Served, **parameters: str) -> tuple[int, dict[str, Any]]:
    """createNetwork with what is needed, and these."""
    fixed = api.server.fixtures
    given = {"name": "n", "networkofferingid": fixed.network_offering, "zoneid": fixed.zone, **parameters}
    return await api.call("createNetwork", **given)


async def test_display_text_is_needed_before_4_18() -> None:
    async with served("4.17") as api:
        assert (await network(api))[0] == 431
        assert (await network(api, displaytext="x"))[0] == 200
    async with served("4.22") as api:
        assert (await network(api))[1]["network"]["displaytext"] == "n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"gateway": "10.2.0.1"},
        {"gateway": "10.2.0.1", "netmask": "255.0.255.0"},
        {"gateway": "10.2.0.0", "netmask": "255.255.255.0"},
        {"gateway": "8.8.8.1", "netmask": "255.255.255.0"},
        {"gateway": "198.51.100.1", "netmask": "255.255.255.0"},
        {"gateway": "ten", "netmask": "255.255.255.0"},
    ],
)
async def test_a_network_needs_a_sane_range(wrong: dict[str, str]) -> None:
    async with served("4.22") as api:
        assert (await network(api, **wrong))[0] == 431
        assert len(api.server.networks) == 1


async def test_only_isolated_networks_are_made_each_with_a_vlan_of_its_own() -> None:
    async with served("4.22") as api:
        for offering in (api.server.fixtures.shared_offering, api.server.fixtures.tier_offering):
            assert (await network(api, networkofferingid=offering))[0] == 431
        made = [(await network(api, gateway="10.9.0.1", netmask="255.255.255.240"))[1]["network"] for _ in range(2)]
        assert {row["cidr"] for row in made} == {"10.9.0.0/28"}
        assert len({row.vlan for row in api.server.networks}) == 3
        assert {row["state"] for row in made} == {"Allocated"}


async def test_the_first_address_of_a_new_network_is_its_source_nat() -> None:
    async with served("4.22") as api:
        made = (await network(api))[1]["network"]
        flags = []
        for _ in range(2):
            _, reply = await api.call("associateIpAddress", networkid=made["id"])
            flags.append((await api.settled(reply))["jobresult"]["ipaddress"]["issourcenat"])
        assert flags == [True, False]


@pytest.mark.parametrize("release", ["4.11.1", "4.22"])
async def test_key_pairs_are_checked_and_belong_to_their_account(release: str) -> None:
    async with served(release) as api:
        for wrong in ("x", "ssh-rsa AAAA", "ssh-rsa " + ED25519.split()[1], "ssh-ed25519 !!"):
            assert (await api.call("registerSSHKeyPair", name="k", publickey=wrong))[0] == 431
        twice = base64.b64encode(ED25519.encode()).decode()
        status, reply = await api.call("registerSSHKeyPair", name="k", publickey=twice)
        assert (status, reply["keypair"]["name"]) == (200, "k")
        assert ("id" in reply["keypair"]) == (release == "4.22")
        for again in ("k", "other"):
            assert (await api.call("registerSSHKeyPair", name=again, publickey=ED25519))[0] == 431
        api.as_user()
        assert (await api.call("listSSHKeyPairs", listall="true"))[1] == {}
        assert (await api.call("deleteSSHKeyPair", name="k"))[0] == 431
        assert (await api.call("deleteSSHKeyPair", name="k", account="admin"))[0] == 531


async def test_a_release_that_reaches_no_router_leaves_the_address_and_its_rules_on_their_way_out() -> None:
    async with served("4.22") as api:
        outdated(api)
        ip = api.server.network.ips[1]
        firewall, forwarding = api.server.network.firewall, api.server.network.forwarding
        closing = [rule for rule in firewall if rule.ip is ip]
        (forward,) = (rule for rule in forwarding if rule.ip is ip)
        _, reply = await api.call("disassociateIpAddress", id=ip.id)
        assert (await api.settled(reply))["jobresult"]["errorcode"] == 534
        (row,) = (await api.call("listPublicIpAddresses", id=ip.id))[1]["publicipaddress"]
        assert row["state"] == "Releasing"
        assert {forward.state, *(rule.state for rule in closing)} == {REVOKE}
        assert forward in forwarding
        assert [rule for rule in firewall if rule.ip is ip] == closing


async def test_static_nat_stays_when_it_cannot_be_taken_from_the_router() -> None:
    async with served("4.22") as api:
        outdated(api)
        ip = next(ip for ip in api.server.ips if ip.static_nat)
        _, reply = await api.call("disableStaticNat", ipaddressid=ip.id)
        assert (await api.settled(reply))["jobresult"]["errorcode"] == 534
        (row,) = (await api.call("listPublicIpAddresses", id=ip.id))[1]["publicipaddress"]
        assert row["isstaticnat"]


async def test_a_network_with_vms_is_not_deleted() -> None:
    async with served("4.22") as api:
        _, reply = await api.call("deleteNetwork", id=api.server.network.id)
        job = await api.settled(reply)
        assert (job["jobresult"]["errorcode"], job["jobresult"]["errortext"]) == (530, "Failed to delete network")


async def test_another_offering_of_an_allocated_network_is_only_noted() -> None:
    async with served("4.22") as api:
        made = (await network(api))[1]["network"]
        fixed = api.server.fixtures
        given = {"name": "m", "networkofferingid": fixed.redundant_offering}
        _, reply = await api.call("updateNetwork", id=made["id"], **given)
        row = (await api.settled(reply))["jobresult"]["network"]
        assert (row["name"], row["redundantrouter"], row["networkofferingid"]) == ("m", True, fixed.redundant_offering)
        assert (await api.call("updateNetwork", id=made["id"], networkofferingid=fixed.tier_offering))[0] == 431
        states = [event["state"] for event in (await api.call("listEvents", listall="true"))[1]["event"]]
        assert sorted(states[:3]) == ["Completed", "Scheduled", "Started"]


def outdated(api: Served) -> None:
    """The router refuses every command."""
    api.server.routers[0].template_version, api.server.routers[0].scripts_version = "4.1.0", "old"
