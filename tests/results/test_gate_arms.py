# SPDX-License-Identifier: Apache-2.0
"""A gate holds a run against its own arm only: another way to operate, or another environment, is no history of it."""

import pytest

from csworkbench.results.gate import GateRefused, gate

from .test_s15_comparison import run

LAB = {"profile": "4.17", "scale": 0.1}


def test_each_way_and_each_environment_has_its_own_limit() -> None:
    parallel = [run(f"p{i}", "KVM", 2.0 + i / 10, strategy="parallel", lab=LAB) for i in range(10)]
    patched = [run(f"l{i}", "KVM", 0.2 + i / 100, "live patch", strategy="live patch", lab=LAB) for i in range(10)]
    slow_host = [run(f"v{i}", "VMware", 20.0 + i, strategy="parallel", lab=LAB) for i in range(10)]
    history = [*parallel, *patched, *slow_host]
    fresh = run("new", "KVM", 0.9, "live patch", strategy="live patch", lab=LAB)
    found = gate(fresh, history, 90)
    (limit,) = (one for one in found.limits if one.service == "egress")
    assert (limit.n, limit.over) == (10, True), "0.9 s would be fine for a restart"
    assert limit.limit_s < 0.5
    assert {why for _, why in found.left_out} == {"another arm"}
    assert len(found.left_out) == 20
    assert not gate(run("new", "KVM", 2.8, strategy="parallel", lab=LAB), history, 90).over
    assert not gate(run("new", "VMware", 25.0, strategy="parallel", lab=LAB), history, 90).over
    assert gate(run("new", "KVM", 4.0, strategy="parallel", lab=LAB), history, 90).over


@pytest.mark.parametrize(
    "other",
    [
        {"lab": {**LAB, "settings": {"network.rolling.restart": False}}},
        {"lab": {**LAB, "handover": "external"}},
        {"lab": {**LAB, "topology": "redundant"}},
        {"lab": {**LAB, "scale": 0.3}},
        {"lab": LAB, "strategy": "in the night"},
    ],
)
def test_whatever_changes_a_figure_makes_another_arm(other: dict[str, object]) -> None:
    history = [run(f"p{i}", "KVM", 2.0, lab=LAB) for i in range(10)]
    with pytest.raises(GateRefused, match="n = 0 like runs"):
        gate(run("new", "KVM", 2.0, "restart", **other), history, 90)
