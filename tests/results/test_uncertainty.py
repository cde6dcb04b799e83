# SPDX-License-Identifier: Apache-2.0
"""The run's uncertainty: from interval, lateness and clock; said in the report and in summary.json."""

from csworkbench.model.event import Calibrated
from csworkbench.results.headline import text_report
from csworkbench.results.run_result import analyse
from csworkbench.results.summary import summarise
from csworkbench.results.uncertainty import uncertainties
from tests.measurement.ground_truth import MS
from tests.measurement.synthetic_run import Plan, SyntheticRun, folded


def test_it_adds_up_and_names_the_worst_vantage() -> None:
    run = SyntheticRun(Plan(vms=2))
    first, second = run.names()
    tried = [
        Calibrated(first, 100 * MS, late_p99_ns=MS // 5, high_ns=1),
        Calibrated(second, 100 * MS, late_p99_ns=3 * MS, high_ns=1, off_ns=7),
        Calibrated("outside", 100 * MS, why="no answer"),
        Calibrated("ghost", 100 * MS),
    ]
    result = analyse(folded(run.events([(0.5, one) for one in tried])))
    worst, *_ = uncertainties(result)
    assert (worst.vantage, worst.interval_ns, worst.late_ns) == (second, 100 * MS, 3 * MS)
    assert worst.length_ns == 103 * MS
    assert worst.edge_ns == 103 * MS // 2 + result.analysis.bound_ns(second)
    text = text_report(result)
    assert f"uncertainty: {worst.line}" in text
    assert "an outage of known length lay within the bounds on 1 of 2 vantages" in text
    assert "calibrated in part: outside: no answer" in text


def test_the_summary_has_it_for_each_vantage() -> None:
    run = SyntheticRun(Plan(vms=1))
    (name,) = run.names()
    tried = Calibrated(
        name, 100 * MS, 100 * MS, 40, 39, 1, MS // 10, MS // 5, MS, 299 * MS, 301 * MS, 200 * MS, 400 * MS,
        scheduler="fifo",
    )  # fmt: skip
    summary = summarise(analyse(folded(run.events([(0.5, tried)]))))
    told = {v["name"]: v["calibration"] for v in summary["vantages"]}
    assert told["outside"] is None  # it was not tried
    assert told[name] | {"clock_bound_ms": 0} == {
        "late_p50_ms": 0.1, "late_p99_ms": 0.2, "late_max_ms": 1.0, "wanted": 40, "sent": 39, "too_late": 1,
        "scheduler": "fifo", "clock_bound_ms": 0, "clock_step_ms": 0.0, "not_tried": "",
        "known_outage": {"interval_ms": 100.0, "true_low_ms": 299.0, "true_high_ms": 301.0, "low_ms": 200.0,
                         "high_ms": 400.0, "within": True},
    }  # fmt: skip


def test_a_run_without_it_says_nothing() -> None:
    assert "uncertainty" not in text_report(analyse(folded(SyntheticRun(Plan(vms=1)).events())))
