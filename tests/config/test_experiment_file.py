# SPDX-License-Identifier: Apache-2.0
"""Experiment files: arms over common keys, and errors that name file and line."""

from pathlib import Path

import pytest

from csworkbench.config import ConfigError
from csworkbench.config.experiment_file import Experiment, check_experiment, load_plan
from csworkbench.config.yaml12 import parse
from csworkbench.model.scenario import Scenario

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
name: two ways
cool_down: 2s
common:
  cloud: lab
  network: probe-net
  operation: {restart: {cleanup: true}}
  phases: {baseline: 5s, confirm: 5s}
  lab: {profile: "4.22", vms: 3}
arms:
  first:
    lab: {profile: "4.9"}
    operation: {restart: {cleanup: false}}
  second:
"""


def experiment(text: str) -> Experiment:
    return check_experiment(parse(text, "x.yaml"))


def test_arms_take_the_common_keys_and_change_some() -> None:
    found = experiment(GOOD)
    (first, one), (second, two) = found.arms
    assert (found.repeat, found.order, found.cool_down_s) == (5, "interleaved", 2.0)
    assert (first, second) == ("first", "second")
    assert one.name == "two ways: first"
    assert one.lab is not None
    assert two.lab is not None
    assert (one.lab.profile, one.lab.vms, two.lab.profile) == ("4.9", 3, "4.22")
    assert one.operation.restart is not None
    assert two.operation.restart is not None
    assert (one.operation.restart.cleanup, two.operation.restart.cleanup) == (False, True)
    assert (one.phases.baseline, two.phases.confirm) == (5.0, 5.0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("name: two ways\n", ""), "x.yaml:1: name: a name is needed"),
        (("cool_down: 2s", "cool_down: soon"), "x.yaml:2: cool_down: 'soon' is no duration"),
        (("cool_down: 2s", "cool_down: 2h"), "x.yaml:2: cool_down: 7200.0 is not between"),
        (("cool_down: 2s", "repeat: 0"), "x.yaml:2: repeat: 0 is not between 1 and 100"),
        (("cool_down: 2s", "order: random"), "x.yaml:2: order: 'random' is none of"),
        (("cool_down: 2s", "pause: 2s"), "x.yaml:2: unknown key 'pause'"),
        (("  second:\n", "  second: {repeat: 3}\n"), "x.yaml:13: repeat: an experiment has one"),
        (("  second:\n", "  second: 5\n"), "x.yaml:13: second: keys of a scenario are needed"),
        (('{profile: "4.9"}', '{profil: "4.9"}'), "x.yaml:11: unknown key 'profil'; did you mean 'profile'?"),
        (("baseline: 5s, confirm: 5s", "baseline: 5s, confrm: 5s"), "x.yaml:7: unknown key 'confrm'"),
        (("  network: probe-net\n", ""), "no target: name a network, vpc, router or systemvm"),
    ],
)
def test_errors_name_the_line(change: tuple[str, str], told: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(ConfigError) as caught:
        experiment(GOOD.replace(*change))
    assert told in str(caught.value)


def test_the_samples_are_what_they_say() -> None:
    for path in (ROOT / "samples" / "experiments").glob("*.yaml"):
        assert isinstance(load_plan(path), Experiment)
    assert isinstance(load_plan(ROOT / "samples" / "scenarios" / "watch.yaml"), Scenario)


CROSSED = GOOD.replace(
    "arms:\n",
    'environments:\n  KVM:\n    lab: {scale: 0.2}\n  VMware:\n    lab: {profile: "4.17", vms: 9}\narms:\n',
)


def test_environments_are_crossed_with_arms() -> None:
    """An arm's keys go before its environment's, and these before the common ones."""
    found = experiment(CROSSED)
    assert [arm for arm, _ in found.arms] == ["KVM · first", "KVM · second", "VMware · first", "VMware · second"]
    assert [(s.environment, s.strategy) for _, s in found.arms] == [
        ("KVM", "first"), ("KVM", "second"), ("VMware", "first"), ("VMware", "second")
    ]  # fmt: skip
    labs = [s.lab for _, s in found.arms if s.lab is not None]
    assert [(lab.profile, lab.vms, lab.scale) for lab in labs] == [
        ("4.9", 3, 0.2), ("4.22", 3, 0.2), ("4.9", 9, 0.1), ("4.17", 9, 0.1)
    ]  # fmt: skip
    assert found.arms[2][1].name == "two ways: VMware · first"


def test_without_environments_an_arm_is_a_strategy() -> None:
    assert [(s.environment, s.strategy) for _, s in experiment(GOOD).arms] == [("", "first"), ("", "second")]
    named = experiment(GOOD.replace("  first:\n", "  first:\n    environment: KVM\n"))
    assert [(s.environment, s.strategy) for _, s in named.arms] == [("KVM", ""), ("", "second")]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("  KVM:\n    lab: {scale: 0.2}\n", "  KVM: 5\n"), "x.yaml:10: KVM: keys of a scenario are needed"),
        (("scale: 0.2", "scael: 0.2"), "x.yaml:11: unknown key 'scael'; did you mean 'scale'?"),
        (("scale: 0.2}", "scale: 0.2}\n    repeat: 2"), "x.yaml:12: repeat: an experiment has one"),
        (("  KVM:\n    lab: {scale: 0.2}\n  VMware:\n    lab: {profile: \"4.17\", vms: 9}\n", "  []\n"),
         "x.yaml:9: environments: 1 to 100 names"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_environments(change: tuple[str, str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        experiment(CROSSED.replace(*change))
    assert str(caught.value).startswith(told)


def test_settings_of_a_test_cloud() -> None:
    found = experiment(GOOD.replace("vms: 3}", "vms: 3, settings: {network.rolling.restart: false, x: 5, y: z}}"))
    lab = found.arms[0][1].lab
    assert lab is not None
    assert lab.settings == {"network.rolling.restart": False, "x": 5, "y": "z"}


def test_the_sample_of_all_strategies() -> None:
    found = load_plan(ROOT / "samples" / "experiments" / "all-strategies.yaml")
    assert isinstance(found, Experiment)
    assert len(found.arms) == 12
    assert len({s.environment for _, s in found.arms}) == 2
