# SPDX-License-Identifier: Apache-2.0
"""`lab up --set NAME=VALUE`: settings that hold from the start, and those that there are not."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from csworkbench.cli.lab import lab
from csworkbench.cli.lab_cloud import _more
from csworkbench.lab.hosts import LabError
from csworkbench.lab.options import Options
from csworkbench.model.scenario import LabOptions


def test_what_a_scenario_sets_is_what_the_cloud_is_told() -> None:
    given = LabOptions(settings={"network.rolling.restart": False, "router.redundant.vrrp.interval": 0.1})
    words = _more(given)
    assert words == ["--set", "network.rolling.restart=false", "--set", "router.redundant.vrrp.interval=0.1"]
    told = Options(settings=(("network.rolling.restart", "false"),))
    assert told.check().name == "4.22"
    assert Options.from_json(told.to_json()) == told


@pytest.mark.parametrize(
    ("profile", "setting", "why"),
    [
        ("4.22", ("network.rolling.restrat", "false"), "no setting 'network.rolling.restrat'"),
        ("4.9", ("network.rolling.restart", "false"), "4.9 has no setting"),
        ("4.22", ("network.rolling.restart", "no"), "enter either 'true' or 'false'"),
        ("4.22", ("consoleproxy.restart", "true"), "is set per zone"),
    ],
)
def test_what_cannot_be_set(profile: str, setting: tuple[str, str], why: str) -> None:
    with pytest.raises(LabError, match=why):
        Options(profile, settings=(setting,)).check()


@pytest.mark.parametrize("words", [["x"], ["=y"], ["router.check.interval=3", "router.check.interval=4"]])
def test_what_is_no_setting_ends_with_2(words: list[str]) -> None:
    done = CliRunner().invoke(lab, ["up", *(part for word in words for part in ("--set", word))])
    assert done.exit_code == 2
    assert "NAME=VALUE is needed" in done.stderr
