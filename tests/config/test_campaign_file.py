# SPDX-License-Identifier: Apache-2.0
"""Plan files: what they may say, and errors that name the file, the line and the nearest right key."""

from datetime import time
from pathlib import Path

import pytest

from csworkbench.config import ConfigError, yaml12
from csworkbench.config.campaign_file import check_campaign, load_campaign
from csworkbench.model.operation import LivePatch, Operation, Restart
from csworkbench.upgrade.campaign import Canary, Caps, StopRule, Unmeasured, Window

ROOT = Path(__file__).resolve().parents[2]
WHOLE = """
name: everything
cloud: prod
select: {needs: [template, current], kinds: vpc, zones: [z*], leave_out: vip}
canary: {names: ops-net, soak: 10m, confirm: true}
waves: [5, 25%, rest]
soak: 30s
caps: {total: 6, zone: 3, pod: 2, host: 1, account: 1}
window: {from: "22:00", to: 5:30, zone: Europe/Berlin, days: [sat], reserve: 20m}
stop: {over_budget: 2, failed: 0, unknown: 3}
operation: live_patch
fallback: {restart: {cleanup: true}}
retries: 1
without_vantages: outside
calls_per_second: 7
egress_target: 192.0.2.1
budget: {egress: 10s}
phases: {baseline: 5s}
"""


def test_every_key() -> None:
    plan = check_campaign(yaml12.parse(WHOLE, "plan.yaml"))
    assert plan.select.needs == ("template", "current")
    assert plan.select.kinds == ("vpc",)
    assert plan.select.leave_out == ("vip",)
    assert plan.canary == Canary(1, ("ops-net",), 600.0, True)
    assert plan.waves == (5, "25%", "rest")
    assert plan.caps == Caps(6, 3, 2, 1, 1)
    assert plan.window == Window(time(22), time(5, 30), "Europe/Berlin", ("sat",), 1200.0)
    assert plan.stop == StopRule(2, 0, 3)
    assert plan.operation == Operation(live_patch=LivePatch())
    assert plan.fallback == Operation(restart=Restart(cleanup=True))
    assert (plan.retries, plan.without_vantages, plan.calls_per_second) == (1, Unmeasured.OUTSIDE, 7)
    assert (plan.cloud, plan.budget, plan.soak) == ("prod", {"egress": 10.0}, 30.0)
    assert plan.scenario.phases.baseline == 5.0


def test_little_is_enough() -> None:
    plan = check_campaign(yaml12.parse("name: small\n", "plan.yaml"))
    assert plan.operation is None
    assert plan.canary.size == 1
    assert plan.stop == StopRule(1, 1, 1)
    assert plan.cloud == "lab"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cloud: lab", "p.yaml:1: name: a name is needed"),
        ("- a", "p.yaml:1: plan: keys are needed"),
        ("name: x\nwave: 3", "p.yaml:2: unknown key 'wave'; did you mean 'waves'?"),
        ("name: x\ncaps: {totl: 3}", "p.yaml:2: unknown key 'totl'; did you mean 'total'?"),
        ("name: x\ncaps: {total: 0}", "total: '0' is not between 1 and 200"),
        ("name: x\ncaps: {zone: true}", "zone: 'True' is not between"),
        ("name: x\nwaves: []", "waves: a list of sizes"),
        ("name: x\nwaves: [5, 0%]", "a number, a share such as 25%, or rest, not '0%'"),
        ("name: x\nwaves: [101%]", "not '101%'"),
        ("name: x\nwindow: {from: '22:00'}", "to: hours and minutes are needed"),
        ("name: x\nwindow: {from: '24:00', to: '1:00'}", "from: hours and minutes"),
        ("name: x\nwindow: {from: '22:00', to: '1:00', zone: Middle/Earth}", "'Middle/Earth' is no time zone"),
        ("name: x\nwindow: {from: '22:00', to: '1:00', days: [today]}", "'today' is none of mon"),
        ("name: x\nwindow: {from: '22:00', to: '23:00', reserve: 1h}", "as long as the window"),
        ("name: x\ncanary: {size: 1, names: a}", "`names` is there too"),
        ("name: x\ncanary: {confirm: maybe}", "true or false"),
        ("name: x\nsoak: soon", "'soon' is no duration"),
        ("name: x\nselect: {needs: [new]}", "'new' is none of template"),
        ("name: x\nselect: {zones: []}", "a name, or a list of names"),
        ("name: x\nwithout_vantages: guess", "one of skip, outside"),
        ("name: x\noperation: none", "p.yaml:2: operation"),
        ("name: x\noperation: {restart: {clean: true}}", "unknown key 'clean'"),
        ("name: x\nfallback: {restart: {}}", "p.yaml:2: key 'cleanup' is missing"),
        ("name: x\noperation: explode", "operation"),
        ("name: x\nbudget: {egres: 1s}", "unknown service 'egres'"),
        ("name: x\nphases: {baselin: 1s}", "p.yaml:2: unknown key 'baselin'"),
        ("name: x\nrepeat: 3", "unknown key 'repeat'"),
        ("name: x\nnetwork: a", "unknown key 'network'"),
        ("name: x\nretries: -1", "retries: '-1' is not between"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_campaign(yaml12.parse(text, "p.yaml"))
    assert said in str(error.value)
    assert str(error.value).startswith("p.yaml:")


def test_a_file_of_names_lies_beside_the_plan(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("name: x\nselect: {file: list.txt}\n")
    with pytest.raises(ConfigError, match=r"list\.txt: cannot be read"):
        load_campaign(tmp_path / "plan.yaml")
    (tmp_path / "list.txt").write_text("# those of tonight\nnet-1\n\nnet-2 # the small one\nnet-1\n")
    assert load_campaign(tmp_path / "plan.yaml").select.listed == ("net-1", "net-2")
    (tmp_path / "list.txt").write_text("# nothing\n")
    with pytest.raises(ConfigError, match="not 0"):
        load_campaign(tmp_path / "plan.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "samples" / "plans").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_samples_are_right(path: Path) -> None:
    assert load_campaign(path).name
