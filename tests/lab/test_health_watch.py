# SPDX-License-Identifier: Apache-2.0
"""The management server's own rounds of health checks: events, alerts, and routers that it recreates."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from csworkbench.lab.health import BASIC, CheckResult, Health
from csworkbench.lab.health_watch import HealthWatch
from csworkbench.lab.records import Router
from csworkbench.lab.timing import Pace
from tests.lab.fake_management import management
from tests.lab.support import running_cloud
from tests.lab.test_services import WEB, curl

PREFIX = "router.health.checks"
KIND = "ROUTER.HEALTH.CHECKS"
_LIMIT_S = 30.0


@pytest.mark.parametrize(
    ("fatal", "failing", "asked"),
    [
        ("", {"dns_check.py", "dhcp.service"}, []),
        ("dhcp.service", {"dns_check.py"}, []),
        ("gateways_check.py, dhcp.service", {"dns_check.py", "dhcp.service"}, ["restart cleanup=True"]),
        ("dhcp.service", set(), []),
    ],
)
async def test_events_tell_what_fails_and_what_is_done(
    fatal: str, failing: set[str], asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, orchestrator = management("4.22")
    orchestrator.go_on.set()
    server.settings.change(f"{PREFIX}.failures.to.recreate.vr", fatal)
    (router,) = server.routers

    async def check(_self: Health, _router: Router) -> list[CheckResult]:
        names = ("dhcp.service", "dns_check.py", "webserver.service")
        return [CheckResult(name, BASIC, name not in failing, "") for name in names]

    monkeypatch.setattr(Health, "check", check)
    await HealthWatch(Pace(0.0), server).look()
    assert orchestrator.asked == asked
    found = [event for event in server.log.events if event.type == KIND]
    assert {(event.state, event.level, event.account, event.start_id) for event in found} == (
        {("Completed", "INFO", "system", None)} if failing else set()
    )
    assert [event.resource for event in found] == [(router.id, "DomainRouter", router.name)] * len(found)
    assert len(found) == len(asked) + bool(failing)
    assert all(name in found[0].description for name in failing)
    assert len(server.log.alerts) == bool(failing)
    server.settings.change(f"{PREFIX}.enabled", "false")
    await HealthWatch(Pace(0.0), server).look()
    assert len([event for event in server.log.events if event.type == KIND]) == len(found)


@pytest.mark.lab
@pytest.mark.slow
def test_a_router_whose_balancer_has_died_is_recreated(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "lab", "--scale", "0.01", "--vms", "1") as cloud:
        (old,) = cloud.routers()
        cloud.api("updateConfiguration", name=f"{PREFIX}.results.fetch.interval", value="1")
        cloud.api("updateConfiguration", name=f"{PREFIX}.failures.to.recreate.vr", value="loadbalancing.service")
        cloud.run(old["name"], "pkill", "-x", "haproxy")
        assert curl(cloud, "outside", WEB)[0] == "000"
        cloud.lab("manage", "restart")
        limit = time.monotonic() + _LIMIT_S
        while curl(cloud, "outside", WEB)[0] != "200" or len(cloud.routers()) > 1:
            assert time.monotonic() < limit
        (new,) = cloud.routers()
        assert new["id"] != old["id"]
        events = list(cloud.api("listEvents", listall="true", type=KIND)[1]["event"])
        newest, first = (event["description"] for event in events[:2])
        assert newest == f"Recreating router {old['id']} due to health check failures"
        assert first == f"Router {old['id']} has failing checks: loadbalancing.service"
        assert {event["account"] for event in events} == {"system"}
