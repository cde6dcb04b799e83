# SPDX-License-Identifier: Apache-2.0
"""The planner against the test cloud: what it finds is there, and what must not be dialled is not."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from csworkbench.cli.cloud_screen import ApiSource
from csworkbench.cli.connection import try_cloud
from csworkbench.cli.home import CommandHome
from csworkbench.cli.planner import CloudPlanner
from csworkbench.config.clouds import Cloud
from csworkbench.model.scenario import Tenants
from csworkbench.tui.home import Profile
from csworkbench.tui.plan import Survey
from csworkbench.upgrade.choices import Choice, choices

from .support import csworkbench, lab

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A test cloud whose router needs a live patch."""
    before = os.environ.get("CSWORKBENCH_LAB_DIR")
    os.environ["CSWORKBENCH_LAB_DIR"] = str(tmp_path_factory.mktemp("lab"))
    try:
        with lab("--profile", "4.17", "--vms", "3") as info:
            done = csworkbench("lab", "manage", "upgrade", "4.22", "--code-only")
            assert done.returncode == 0, done.stderr
            yield {**info, "dir": os.environ["CSWORKBENCH_LAB_DIR"]}
    finally:
        if before is None:
            del os.environ["CSWORKBENCH_LAB_DIR"]
        else:
            os.environ["CSWORKBENCH_LAB_DIR"] = before


@pytest.fixture
def _there(cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CSWORKBENCH_LAB_DIR", cloud["dir"])
    monkeypatch.setenv("HOME", str(tmp_path))


async def found(name: str) -> tuple[Choice, ...]:
    view = await ApiSource(name).read(lambda _: None)
    router = next(a for a in view.needs if a.vm.name.startswith("r-"))
    return choices(router, view.facts.reference)


def silent(_: str) -> None:
    """Nobody watches."""


@pytest.mark.usefixtures("_there")
async def test_a_plan_on_the_test_cloud() -> None:
    every = await found("lab")
    assert every[0].recommended
    assert every[0].operation.live_patch is not None
    planner = CloudPlanner("lab", read_only=False)
    scenario = planner.draft(every[0], "probe-net")
    told: list[str] = []
    ground = await planner.ground(scenario, every, told.append)
    survey = ground.survey(scenario)
    assert any("listRouters" in line for line in told)
    assert survey.target == "network probe-net"
    assert (survey.reached, len(survey.tenants), survey.missing, survey.refused) == (3, 3, (), "")
    assert {t.way for t in survey.tenants} == {"through the router"}
    assert dict(survey.lanes)["egress"] > 0
    assert survey.planned is not None
    assert survey.planned.calls[0].startswith(f"restartNetwork id={every[0].id} cleanup=false")
    assert {f.level for f in survey.findings} == {"pass"}
    _other_operations(ground.survey, every, scenario)
    tenants = replace(scenario, vantages=replace(scenario.vantages, tenants=Tenants(vms=("vm01", "vm99"))))
    assert [(t.name, t.left_out) for t in ground.survey(tenants).tenants] == [
        ("vm01", ""), ("vm99", "no VM of that name in this network"),
    ]  # fmt: skip
    assert await ground.try_logins(scenario, silent) == {"vm01": "", "vm02": "", "vm03": ""}
    wrong = replace(scenario, vantages=replace(scenario.vantages, tenants=Tenants(user="nobody-of-that-name")))
    refused = await ground.try_logins(wrong, silent)
    assert all("vm" in name and why for name, why in refused.items())


def _other_operations(survey: Any, every: tuple[Choice, ...], scenario: Any) -> None:
    for choice in every:
        if choice.why_not:
            continue
        target = {kind: choice.id if kind == choice.kind else "" for kind in ("network", "router")}
        seen: Survey = survey(replace(scenario, operation=choice.operation, **target))
        assert seen.refused == ""
        assert (seen.planned is None) == choice.operation.is_none
        if choice.kind == "router":
            assert seen.target.startswith("router r-")
        if choice.operation.destroy_router is not None:
            assert seen.planned is not None
            assert seen.planned.destructive


@pytest.mark.usefixtures("_there")
async def test_the_test_cloud_under_another_name_is_never_dialled(
    cloud: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = CommandHome(read_only=False)
    profile = Profile("other", cloud["endpoint"], cloud["key"], cloud["secret"])
    good = await home.test_new(profile)
    assert good.good, good.what
    assert "CloudStack 4.22" in good.what
    wrong = await try_cloud(Cloud("other", cloud["endpoint"], cloud["key"], "not the secret"))
    assert "refuses this key or its secret" in wrong.what
    assert [c.id for c in await home.clouds()] == ["lab"]
    home.keep(profile)
    every = await found("other")
    planner = CloudPlanner("other", read_only=False)
    scenario = replace(planner.draft(every[0], "probe-net"), egress_target="203.0.113.10")
    ground = await planner.ground(scenario, every, silent)
    assert "exists only inside a test cloud" in ground.survey(scenario).refused

    def never(*_: object) -> None:
        raise AssertionError("a tenant's address was dialled from the host")

    monkeypatch.setattr("csworkbench.cli.ssh_access.dial_tcp", never)
    tried = await ground.try_logins(scenario, silent)
    assert set(tried) == {"vm01", "vm02", "vm03"}
    assert all("exists only inside a test cloud" in why for why in tried.values())
