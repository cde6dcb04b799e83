# SPDX-License-Identifier: Apache-2.0
"""A scenario that was written is read as it was; what a file may not say is not written."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.config import ConfigError
from csworkbench.config.scenario_file import check_scenario, load_scenario
from csworkbench.config.scenario_text import scenario_text
from csworkbench.config.yaml12 import parse
from csworkbench.model.operation import DestroyRouter, LivePatch, Operation, RebootRouter, Restart
from csworkbench.model.scenario import Outside, Phases, Refused, Scenario, Tenants, Vantages

SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "scenarios"
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(str.strip)
TRICKY = st.sampled_from(["0o17", "1e3", "12:30", "yes", "null", "~", "# no", "a: b", "- x", "{", "'", '"', "%", "é"])
NAMES = TEXTS | TRICKY
LENGTHS = st.floats(1.0, 3600.0, allow_nan=False).map(lambda s: round(s, 3))


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("*.yaml")), ids=lambda f: f.stem)
def test_the_samples_survive(file: Path) -> None:
    scenario = load_scenario(file)
    assert check_scenario(parse(scenario_text(scenario), "x")) == scenario


@given(
    name=NAMES, target=NAMES, user=st.just("") | NAMES, vms=st.just("all") | st.lists(NAMES, min_size=1).map(tuple),
    operation=st.sampled_from([
        Operation(), Operation(restart=Restart(cleanup=True)), Operation(live_patch=LivePatch()),
        Operation(reboot_router=RebootRouter(forced=True)), Operation(destroy_router=DestroyRouter()),
    ]),
    baseline=LENGTHS, confirm=LENGTHS, limit=LENGTHS, refused=st.sampled_from(Refused), outside=st.booleans(),
)  # fmt: skip
def test_what_is_written_is_read(
    name: str, target: str, user: str, vms: str | tuple[str, ...], operation: Operation, baseline: float,
    confirm: float, limit: float, refused: Refused, outside: bool,
) -> None:  # fmt: skip
    scenario = Scenario(
        name, network=target, cloud="prod", operation=operation,
        vantages=Vantages(Tenants(vms=vms, user=user, refused=refused), Outside() if outside else None),
        phases=Phases(baseline=baseline, confirm=confirm, settle_limit=limit), budget={"egress": baseline},
    )  # fmt: skip
    text = scenario_text(scenario)
    assert check_scenario(parse(text, "x")) == scenario
    assert yaml.safe_load(text)["name"] == name, "other readers of YAML read the same"


def test_what_a_file_may_not_say() -> None:
    with pytest.raises(ConfigError, match="not between 1 and"):
        scenario_text(Scenario("x", network="n", phases=Phases(baseline=0.1)))
    with pytest.raises(ConfigError, match="cannot be done to a systemvm"):
        scenario_text(Scenario("x", systemvm="s-1-VM", operation=Operation(restart=Restart(cleanup=True))))
