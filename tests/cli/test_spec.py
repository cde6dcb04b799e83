# SPDX-License-Identifier: Apache-2.0
"""A scenario reaches the engine's process as it is."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from csworkbench.cli.engine import as_written
from csworkbench.config.scenario_file import check_scenario, load_scenario
from csworkbench.config.yaml12 import parse

SAMPLES = sorted((Path(__file__).resolve().parents[2] / "samples" / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_survives_the_way_to_the_engine(path: Path) -> None:
    scenario = load_scenario(path)
    assert check_scenario(parse(json.dumps(as_written(asdict(scenario))), "scenario.json")) == scenario
