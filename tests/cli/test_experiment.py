# SPDX-License-Identifier: Apache-2.0
"""The order of an experiment's runs, and how many more are needed."""

from collections import Counter

import pytest

from csworkbench.cli.experiment import order_of, runs_needed
from csworkbench.config.experiment_file import Experiment
from csworkbench.model.scenario import Scenario

ARMS = tuple((name, Scenario(name=name, network="n")) for name in "ABC")


def order(kind: str, seed: int = 0) -> str:
    return "".join(name for name, _ in order_of(Experiment("x", ARMS, repeat=3, order=kind), seed))


def test_orders() -> None:
    assert order("interleaved") == "ABCABCABC"
    assert order("blocks") == "AAABBBCCC"
    shuffled = {order("shuffled", seed) for seed in range(10)}
    assert len(shuffled) > 1
    for found in shuffled:
        assert Counter(found) == {"A": 3, "B": 3, "C": 3}
        assert all(sorted(found[i : i + 3]) == ["A", "B", "C"] for i in (0, 3, 6))


def test_runs_needed() -> None:
    assert runs_needed((1.0,)) is None
    assert runs_needed((0.0, 0.0)) is None
    assert runs_needed((1.0, 1.0)) == 0
    few = runs_needed((9.0, 10.0, 11.0))
    many = runs_needed((5.0, 10.0, 15.0))
    assert few is not None
    assert many is not None
    assert few == pytest.approx(7 - 3, abs=1)  # t(6) x 0.1 / sqrt(7) is below 0.1
    assert many > 10 * few
