# SPDX-License-Identifier: Apache-2.0
"""How far the figures can be trusted, in all outputs alike: reasons, ambiguity, blindness, clocks, order."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from csworkbench.engine.verdict import decide
from csworkbench.model import event as ev
from csworkbench.model.event import Event
from csworkbench.model.sample import Reason
from csworkbench.results.export import export_run
from csworkbench.results.headline import text_report
from csworkbench.results.run_result import RunResult, load_result
from tests.measurement.ground_truth import MS, T0, S, Truth
from tests.measurement.synthetic_run import HOST, WALL, Plan
from tests.measurement.test_s07_control import ControlledRun
from tests.recording.run_files import write_events

PLAN = Plan(
    downs={0: ((9.0, 12.0),), 1: ((9.0, 11.0),), 201: ((9.5, 10.5),), 400: ((10.0, 13.0),)},
    truth=Truth(stopped=((T0 + 17 * S, T0 + 19 * S),)),
)
OFFSET_S = 120.0  # the management server is two minutes ahead


def events() -> list[Event]:
    """A run whose vm00 has a bad network of its own as well; its first losses are refused by a host."""
    ours_s = (WALL - HOST) / S
    told: list[tuple[float, ev.Body]] = [
        (0.5, ev.ServerClock(ours_s + OFFSET_S - 0.3, ours_s + OFFSET_S + 0.2)),
        (9.9, ev.CloudEventSeen("1", "ROUTER.STOP", "INFO", "Started", "text", WALL // S + 9 + int(OFFSET_S))),
    ]
    run = ControlledRun(PLAN).events(told)
    remote = ControlledRun(PLAN).remote("vm01", HOST)
    run = [
        *run[:-1],
        replace(run[-1], body=ev.RemoteClock("vm01", remote, WALL)),
        replace(run[-1], seq=run[-1].seq + 1, body=ev.RemoteClock("vm01", remote + S, WALL + 90 * S)),
        replace(run[-1], seq=run[-1].seq + 2),
    ]
    out = []
    for event in run:
        body = event.body
        if isinstance(body, ev.SamplesArrived) and body.lane == 0:
            body = ev.SamplesArrived(0, tuple(
                s._replace(reason=Reason.UNREACHABLE, detail=0x0301) if s.seq in (91, 92) else s for s in body.samples
            ))  # fmt: skip
        out.append(replace(event, body=body))
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("run")
    write_events(made / "run.db", events())
    export_run(made / "run.db", made / "out")
    return made


@pytest.fixture(scope="module")
def result(folder: Path) -> RunResult:
    return load_result(folder / "run.db")


@pytest.fixture(scope="module")
def summary(folder: Path) -> Any:
    return json.loads((folder / "out" / "summary.json").read_text(encoding="utf-8"))


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / "out" / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def test_an_outage_has_its_reasons_with_counts(folder: Path, summary: Any, result: RunResult) -> None:
    (outage,) = summary["lanes"][0]["outages"]
    assert [(r["text"], r["count"]) for r in outage["reasons"]] == [("timeout", 28), ("unreachable: host 3/1", 2)]
    row = next(r for r in rows(folder, "outages.csv") if r["lane"] == "0")
    assert row["reasons"] == "timeout 28, unreachable: host 3/1 2"
    assert (row["reason"], row["late"], row["unknown"]) == ("timeout", "0", "")
    assert "timeout 28, unreachable: host 3/1 2" in text_report(result)


def test_ambiguous_time_is_the_same_everywhere_and_counts(folder: Path, summary: Any, result: RunResult) -> None:
    egress = summary["services"]["egress"]
    assert egress["worst"] == "vm00"
    assert egress["down_s"] > egress["ambiguous_s"] > 1.8
    assert "vm01" in egress["ambiguous"]
    by_service = {r["service"]: r for r in rows(folder, "summary.csv")}
    assert by_service["egress"]["ambiguous_s"] == f"{egress['ambiguous_s']:.3f}"
    assert by_service["ingress"]["ambiguous_s"] == "0.000"
    row = next(r for r in rows(folder, "outages.csv") if r["lane"] == "0")
    assert (row["ambiguous"], row["ambiguous_s"]) == (egress["ambiguous"], f"{egress['ambiguous_s']:.3f}")
    text = text_report(result)
    assert f"{egress['ambiguous_s']:.2f} s ambiguous" in text
    assert "control lanes were down as well (1)" in text
    assert "control" not in summary["services"]
    verdict = decide(result.analysis.services(), {}, failure=None, proof=None)
    assert any("ambiguous" in reason and "egress" in reason for reason in verdict.reasons)


def test_blindness_is_said_with_its_cause(folder: Path, summary: Any, result: RunResult) -> None:
    lane = summary["lanes"][0]
    (blind,) = lane["blind"]
    assert (blind["cause"], blind["samples"]) == ("prober stopped", 20)
    assert abs(lane["blind_s"] - 2.0) <= 0.1
    assert abs(blind["start_ns"] - HOST - 17 * S) < 150 * MS
    assert summary["services"]["egress"]["blind_s"] == lane["blind_s"]
    line = "vm00 was blind for 2.0 s during the change (prober stopped): an outage there may have gone unseen"
    assert line in summary["warnings"]
    assert line in text_report(result)


def test_clocks(folder: Path, summary: Any, result: RunResult) -> None:
    server = summary["server_clock"]
    assert server == {"offset_s": OFFSET_S - 0.05, "low": OFFSET_S - 0.3, "high": OFFSET_S + 0.2}
    assert [(s["clock"], s["step_s"]) for s in summary["clock_steps"]] == [("vm01", 89.0)]
    assert all(v["clock_bound_ms"] > 0 for v in summary["vantages"])
    assert summary["lanes"][0]["outages"][0]["clock_bound_ms"] > 0
    (stop,) = (r for r in rows(folder, "events.csv") if r["name"] == "ROUTER.STOP")
    low, high = int(stop["low_ns"]), int(stop["high_ns"])
    assert low <= HOST + 9 * S < HOST + 9900 * MS == high, "written in that second of its clock, seen at 9.9 s"
    assert high - low < 1300 * MS
    assert "the management server's is +119.95 s" in text_report(result)


def test_an_event_of_a_server_without_a_date_has_only_a_latest_time(tmp_path: Path) -> None:
    seen = ev.CloudEventSeen("1", "ROUTER.STOP", "INFO", "Started", "text", WALL // S)
    write_events(tmp_path / "run.db", ControlledRun(Plan(vms=1, length=9.0)).events([(3.0, seen)]))
    export_run(tmp_path / "run.db", tmp_path / "out")
    (row,) = (r for r in rows(tmp_path, "events.csv") if r["source"] == "cloudstack")
    assert (row["low_ns"], row["high_ns"]) == ("", str(HOST + 3 * S))
    told = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (told["server_clock"], told["clock_steps"]) == (None, [])


def test_what_came_first_is_said_as_far_as_it_is_known(folder: Path, summary: Any, result: RunResult) -> None:
    egress = summary["services"]["egress"]
    onset, over = egress["onset_after_job_s"], egress["end_after_job_s"]
    assert onset["low"] <= 0.75 <= 1.0 <= onset["high"]
    assert over["low"] <= -2.0 <= -1.75 <= over["high"] < 0
    row = next(r for r in rows(folder, "summary.csv") if r["service"] == "egress")
    assert (row["onset_after_job_low_s"], row["end_after_job_high_s"]) == (
        f"{onset['low']:.3f}", f"{over['high']:.3f}",
    )  # fmt: skip
    assert summary["lanes"][0]["onset_after_job_s"] == onset
    assert f"began {onset['low']:.2f} to {onset['high']:.2f} s after the job did" in text_report(result)
    assert summary["services"]["gateway ARP"]["onset_after_job_s"] is None


def test_totals_of_the_run_and_over_vms(summary: Any) -> None:
    totals, services = summary["run_totals"], summary["services"]
    assert totals["services"] == 3
    assert totals["services_hit"] == 2
    assert totals["any_down_s"] >= max(s["any_down_s"] for s in services.values())
    assert totals["all_down_s"] == totals["all_services_down_s"] == 0.0, "the gateway answered all the time"
    egress = services["egress"]
    assert (egress["vms"], egress["vms_hit"], egress["share_hit"]) == (3, 2, 0.667)
    assert abs(egress["median_vm_s"] - 2.0) < 0.11
    assert abs(egress["by_loss_s"] - egress["down_s"]) < 0.2, "two estimators of one clean outage agree"
