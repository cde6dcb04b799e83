# SPDX-License-Identifier: Apache-2.0
"""The file of `lab up --fleet`: the sample is right, and mistakes are named with file, line and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from csworkbench.cli.fleet_file import load_fleet
from csworkbench.cli.lab import lab
from csworkbench.config import ConfigError

SAMPLE = Path(__file__).resolve().parents[2] / "samples/fleets/mixed.yaml"


def test_the_sample_has_twelve_networks_in_mixed_states() -> None:
    groups = load_fleet(SAMPLE)
    assert sum(group.count for group in groups) == 12
    assert {group.state for group in groups} == {"Running", "Stopped"}
    assert len({group.template for group in groups}) > 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("networks:\n  - {name: a}\nother: 1\n", "1: a fleet has the one key networks"),
        ("- name: a\n", "1: a fleet has the one key networks"),
        ("networks:\n", "1: networks must be a list of groups"),
        ("networks:\n  - a\n", "2: a group must have keys"),
        ("networks:\n  - count: 2\n", "2: key 'name' is missing"),
        ("networks:\n  - name: a\n    cuont: 2\n", "3: unknown key 'cuont'"),
        ("networks:\n  - name: a\n    count: 0\n", "3: count must be a number from 1 to 100, not 0"),
        ("networks:\n  - name: a\n    count: true\n", "3: count must be a number"),
        ("networks:\n  - name: a\n    vms: 6\n", "3: vms must be a number from 0 to 5"),
        ("networks:\n  - name: A b\n", "2: name must be lower-case letters"),
        ("networks:\n  - name: a\n    template: 4.15\n", "3: template must be a version in quotes"),
        ("networks:\n  - name: a\n    state: running\n", "3: state must be Running or Stopped"),
        ("networks:\n  - name: a\n    state: Stopped\n    health: failing\n", "4: health of a Stopped router"),
        ("networks:\n  - name: a\n    topology: vpc\n", "3: a vpc has no tiers here: vms must be 0"),
        ("networks:\n  - name: a\n    pair: no primary\n", "3: only a Running pair"),
        ("networks:\n  - name: a\n    health: [bad]\n", "3: health must be passing or failing"),
        ("networks:\n  - name: a\n  - name: a\n", "3: name 'a' is used twice"),
        ("networks:\n  - name: a\n    name: b\n", "3: key 'name' is repeated"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_fleet(file)
    assert f"{file}:{said}" in str(error.value)


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("networks:\n  - {name: a, cuont: 1}\n", (), "unknown key 'cuont'"),
        ("networks:\n  - {name: a, count: 60}\n  - {name: b, count: 41}\n", (), "at most 100 networks, not 101"),
        ("networks:\n  - {name: a, count: 100}\n", ("--vms", "150"), "public addresses"),
    ],
)
def test_lab_up_refuses_it_before_anything_is_started(
    tmp_path: Path, text: str, words: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text(text)
    result = CliRunner().invoke(lab, ["--state", str(tmp_path / "lab"), "up", "--fleet", str(file), *words])
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "lab").exists()
