# SPDX-License-Identifier: Apache-2.0
"""Reading a whole cloud: pages, projects, bounds, and what a key may not list."""

import pytest

from csworkbench.cloudstack.errors import Internal
from csworkbench.cloudstack.fleet import MOST_RULES, Scope, read_fleet, scope_of
from csworkbench.model.fleet import Kind

from .recorded import APIS, NET, play, router
from .support import Bench, api, paged, refusal

LISTS = ("listHosts", "listZones", "listVPCs", "listSystemVms", "listManagementServers", "listCapacity")


def offer(bench: Bench, *more: str) -> None:
    """The recorded network's cloud, with these commands too, all of them empty."""
    play(bench.cloud)
    bench.cloud.answers["listApis"] = {"api": [*APIS, *(api(name) for name in more)]}
    bench.cloud.answers |= {name: {} for name in more}
    bench.cloud.answers["listAsyncJobs"] = {}


async def test_ten_thousand_routers_come_page_by_page(bench: Bench) -> None:
    offer(bench, *LISTS)
    bench.cloud.answers["listRouters"] = paged("router", [router(id=f"r{n}", name=f"r-{n}-VM") for n in range(10_000)])
    seen: list[tuple[int, int]] = []

    def progress(command: str, read: int, total: int) -> None:
        if command == "listRouters":
            seen.append((read, total))

    found = await read_fleet(bench.client, progress=progress)
    assert len(found.vms) == 10_000
    assert seen[0] == (500, 10_000)
    assert seen[19] == (10_000, 10_000)
    assert len(bench.cloud.calls("listRouters")) == 21
    assert {c.params["listall"] for c in bench.cloud.calls("listRouters")} == {"true"}
    assert sum(bench.clock.slept) > len(bench.cloud.asked) / 5 - 3  # five calls a second, by the client's own clock


async def test_routers_of_projects_come_too(bench: Bench) -> None:
    offer(bench, "listProjects")
    bench.cloud.answers["listProjects"] = paged("project", [{"id": "p"}])
    own, other = [router(1)], [router(1), router(2, project="p")]
    bench.cloud.answers["listRouters"] = lambda p: paged("router", other if p.get("projectid") == "-1" else own)(p)
    found = await read_fleet(bench.client)
    assert [vm.name for vm in found.vms] == ["r-1-VM", "r-2-VM"]


async def test_refusals_are_noted_once_and_other_errors_raised(bench: Bench) -> None:
    offer(bench, "listHosts", "listSystemVms")
    bench.cloud.answers["listHosts"] = refusal(401, "not for you", "listHosts")
    bench.cloud.answers["listSystemVms"] = refusal(531, "no permission", "listSystemVms")
    found = await read_fleet(bench.client)
    why = {h.command: h.why for h in found.hidden}
    assert why["listHosts"] == "not for you"
    assert why["listSystemVms"] == "no permission"
    assert "not offered" in why["listCapacity"]
    bench.cloud.answers["listHosts"] = refusal(530, "broken", "listHosts")
    with pytest.raises(Internal):
        await read_fleet(bench.client)


async def test_rules_are_bounded_and_it_is_said(bench: Bench) -> None:
    offer(bench)
    many = [{"id": str(n), "state": "Active"} for n in range(MOST_RULES + 700)]
    bench.cloud.answers["listFirewallRules"] = paged("firewallrule", many)
    found = await read_fleet(bench.client)
    assert [(p.command, p.read, p.total) for p in found.partial] == [("listFirewallRules", MOST_RULES, len(many))]


async def test_one_network(bench: Bench) -> None:
    offer(bench, "listSystemVms")
    scope, name = await scope_of(bench.client, "probe-net")
    assert (scope, name) == (Scope(NET), "probe-net")
    found = await read_fleet(bench.client, scope)
    assert [vm.kind for vm in found.vms] == [Kind.ROUTER]
    assert {c.params["networkid"] for c in bench.cloud.calls("listRouters")} == {NET}
    assert bench.cloud.calls("listSystemVms") == []
