# SPDX-License-Identifier: Apache-2.0
"""Runs are averaged within their arm alone, and compared with the base."""

import csv
import io
import json
from dataclasses import replace

import pytest

from csworkbench.model import event as ev
from csworkbench.model.lane import Service
from csworkbench.results import comparison_tables as tables
from csworkbench.results.comparison import Comparison, compare
from csworkbench.results.run_result import RunResult, analyse
from tests.measurement.synthetic_run import Plan, SyntheticRun, folded

SLOW, FAST = "VMware 5.5", "KVM"


def run(name: str, environment: str, down_s: float, operation: str = "restart", **more: object) -> RunResult:
    """One run with an egress outage of that length, 0 for none."""
    told: dict[str, object] = {"environment": environment, "budget": {}, **more}
    scenario = json.dumps(told)
    downs: dict[int, tuple[tuple[float, float], ...]] = {0: ((9.0, 9.0 + down_s),)} if down_s else {}
    events = [
        replace(e, body=replace(e.body, run=name, operation=operation)) if isinstance(e.body, ev.RunOpened) else e
        for e in SyntheticRun(Plan(vms=1, downs=downs, scenario=scenario)).events()
    ]
    return analyse(folded(events))


def runs_of(environment: str, *downs: float) -> list[RunResult]:
    return [run(f"{environment}-{i}", environment, down) for i, down in enumerate(downs)]


@pytest.fixture(scope="module")
def both() -> Comparison:
    return compare([*runs_of(SLOW, 4.0, 4.4, 3.6, 4.2, 3.8), *runs_of(FAST, 1.0, 0.6, 1.4, 0.8, 1.2)])


def test_average_lowest_and_reduction(both: Comparison) -> None:
    base, arm = both.services[Service.EGRESS]
    assert (base.spread.n, arm.spread.n) == (5, 5)
    assert base.spread.mean == pytest.approx(4.0, abs=0.05)
    assert arm.spread.mean == pytest.approx(1.0, abs=0.05)
    assert base.reduction is None
    assert arm.reduction is not None
    assert arm.reduction.average == pytest.approx(0.75, abs=0.02)
    assert arm.reduction.highest == pytest.approx(1 - arm.spread.lowest / base.spread.mean)
    assert arm.reduction.interval is not None
    assert arm.reduction.interval[0] < 0.75 < arm.reduction.interval[1]
    assert arm.reduction.p == pytest.approx(2 / 252)
    assert both.warnings == ()


def test_the_base_can_be_chosen() -> None:
    results = [*runs_of(SLOW, 4.0, 4.4), *runs_of(FAST, 1.0, 0.6)]
    found = compare(results, base=f"{FAST}-0")
    assert found.arms[0].environment == FAST
    with pytest.raises(LookupError, match="not among the runs"):
        compare(results, base="other")


def test_what_differs_in_anything_that_matters_is_never_mixed() -> None:
    """Another operation, another number of VMs in the test cloud: arms of their own, and the label says why."""
    found = compare(
        [
            run("a", SLOW, 1.0, lab={"vms": 3}),
            run("b", SLOW, 1.0, lab={"vms": 4}),
            run("c", SLOW, 1.0, "live patch", lab={"vms": 3}),
        ]
    )
    assert [arm.operation for arm in found.arms] == ["restart", "restart", "live patch"]
    assert [found.labels[arm] for arm in found.arms[:2]] == [
        f"{SLOW} · restart (test cloud vms 3)", f"{SLOW} · restart (test cloud vms 4)"
    ]  # fmt: skip
    assert {len(figures) for figures in found.services.values()} == {3}


def test_small_numbers_carry_warnings() -> None:
    found = compare([*runs_of(SLOW, 4.0, 4.4, 3.6), *runs_of(FAST, 1.0, 0.6, 0.0)])
    told = " ".join(words for _, words in found.warnings)
    assert "fewer than 5 runs" in told
    assert "cannot reach p <= 0.05 (at best 0.1)" in told


@pytest.mark.parametrize(
    ("old", "new", "test", "p"),
    [
        ((4.0, 4.2, 4.4, 4.6), (1.0, 0.0, 0.5, 0.0), "permutation", 2 / 70),
        ((4.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), "Fisher", 1.0),
        ((4.0, 4.0, 4.0, 0.0), (0.0, 0.0, 0.0, 0.0), "Fisher", 10 / 70),
    ],
)
def test_where_most_runs_had_no_downtime_their_share_is_tested(
    old: tuple[float, ...], new: tuple[float, ...], test: str, p: float
) -> None:
    found = compare([*runs_of(SLOW, *old), *runs_of(FAST, *new)])
    reduction = found.services[Service.EGRESS][1].reduction
    assert reduction is not None
    assert test in reduction.test
    assert reduction.p == pytest.approx(p)


def test_runs_that_are_no_example_of_the_operation_are_left_out_and_named() -> None:
    results = runs_of(SLOW, 4.0, 4.4)
    failed = SyntheticRun(Plan(vms=1, verdict=ev.Verdict.FAILED_AND_RECOVERED)).state()
    found = compare([*results, analyse(failed)])
    assert found.left_out == (("20261120-140311-synthetic", "the operation failed"),)
    assert sum(f.spread.n for f in found.services[Service.EGRESS]) == 2
    with pytest.raises(LookupError, match="the operation failed"):
        compare([analyse(failed)])


def test_no_per_cent_of_a_base_that_was_hardly_down() -> None:
    found = compare([*runs_of(SLOW, 0.0, 0.0), *runs_of(FAST, 1.0, 0.6)])
    assert found.services[Service.EGRESS][1].reduction is None


def test_the_same_runs_give_the_same_bytes(both: Comparison) -> None:
    again = compare([*runs_of(SLOW, 4.0, 4.4, 3.6, 4.2, 3.8), *runs_of(FAST, 1.0, 0.6, 1.4, 0.8, 1.2)])
    for form in (tables.text, tables.markdown, tables.as_csv, lambda c: json.dumps(tables.as_json(c))):
        assert form(both) == form(again)


def test_forms(both: Comparison) -> None:
    lines = tables.text(both).splitlines()
    assert lines[0] == "A  VMware 5.5 · restart"
    assert all(len(line) <= 100 for line in lines)
    rows = list(csv.DictReader(io.StringIO(tables.as_csv(both))))
    assert tuple(rows[0]) == tables.COMPARISON
    assert float(rows[1]["reduction"]) == pytest.approx(0.75, abs=0.02)
    data = tables.as_json(both)
    assert data["services"]["egress"][1]["arm"] == 1
    assert "| VMware 5.5 · restart | 5 |" in tables.markdown(both)


def test_hostile_names_arrive_harmless() -> None:
    name = "=cmd|'/c calc'!A1 <script>alert(1)</script>\x1b]0;x\x07"
    found = compare([run("a", name, 1.0)])
    cell = next(csv.DictReader(io.StringIO(tables.as_csv(found))))["environment"]
    assert cell.startswith("'=")
    assert "<script" not in tables.markdown(found)
    assert all("\x1b" not in form(found) for form in (tables.text, tables.markdown, tables.as_csv))
