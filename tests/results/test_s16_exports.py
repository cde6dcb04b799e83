# SPDX-License-Identifier: Apache-2.0
"""The files of a run: columns, agreement with each other, byte-identical re-analysis, the contract's keys."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from csworkbench.model import event as ev
from csworkbench.recording.writer import RunFileWriter
from csworkbench.results import tables
from csworkbench.results.export import export_run
from csworkbench.results.headline import text_report
from csworkbench.results.run_result import analyse, load_result
from csworkbench.results.summary import summarise, summarise_many
from tests.measurement.ground_truth import MS, S, Truth
from tests.measurement.synthetic_run import HOST, WALL, Plan, SyntheticRun, budget
from tests.recording.run_files import write_events

FILES = ["samples.csv", "outages.csv", "events.csv", "summary.csv", "summary.json"]
PLAN = Plan(
    downs={0: ((9.0, 11.3),), 200: ((9.5, 10.5), (12.0, 12.05)), 201: ((15.0, 99.0),)},
    truth=Truth(lost=frozenset({150}), unheard=frozenset({30}), stopped=((5000 * S + 17 * S, 5000 * S + 18 * S),)),
    scenario=budget(egress=10.0, ingress=2.5),
)
COLUMNS = {
    "samples.csv": "run,lane,service,prober,flow,vantage,subject,target,port,seq,phase,sent,sent_ns,vantage_sent_ns,"
    "align_bound_ns,intended_ns,rtt_ms,outcome,reason,detail,value,late",
    "outages.csv": "run,lane,service,prober,flow,vantage,subject,target,port,headline,start,start_ns,end,end_ns,"
    "onset_low_ns,onset_high_ns,end_low_ns,end_high_ns,down_s,low_s,high_s,lost,reason,blip,open,reasons,unknown,"
    "late,ambiguous,ambiguous_s,clock_bound_ns,"
    "router_gap_s,router_gap_low_s,router_gap_high_s,arp_tail_s,arp_tail_low_s,arp_tail_high_s,split",
    "events.csv": "run,seq,at,at_ns,source,kind,name,status,low_ns,high_ns,text",
    "summary.csv": "run,verdict,service,down_s,low_s,high_s,longest_s,median_s,outages,worst,hit,lanes,any_down_s,"
    "all_down_s,open,budget_s,missing_records,by_loss_s,ambiguous_s,blind_s,vms,vms_hit,median_vm_s,"
    "onset_after_job_low_s,onset_after_job_high_s,end_after_job_low_s,end_after_job_high_s",
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    write_events(folder / "run.db", SyntheticRun(PLAN).events())
    export_run(folder / "run.db", folder / "out")
    return folder / "out"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def summary(exported: Path) -> Any:
    return json.loads((exported / "summary.json").read_text(encoding="utf-8"))


def test_all_files_are_written_and_nothing_else(exported: Path) -> None:
    assert sorted(p.name for p in exported.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_columns_are_fixed_and_new_ones_only_come_at_the_end(exported: Path, name: str) -> None:
    first, *rest = (exported / name).read_text(encoding="utf-8").splitlines()
    assert first.startswith(COLUMNS[name])
    assert rest
    assert all(len(row) == len(first.split(",")) for row in csv.reader([first, *rest], strict=True))


def test_s16_re_analysis_is_byte_identical(exported: Path, tmp_path: Path) -> None:
    export_run(exported.parent / "run.db", tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (exported / name).read_bytes()


def test_s16_the_summary_of_the_file_is_that_of_the_live_state(exported: Path) -> None:
    live = summarise(analyse(SyntheticRun(PLAN).state()))
    assert json.loads(json.dumps(live)) == summary(exported)


def test_summary_json_has_the_keys_of_the_contract(exported: Path) -> None:
    told = summary(exported)
    assert {"run", "verdict", "missing_records", "services", "lanes", "jobs"} <= told.keys()
    assert (told["run"], told["verdict"], told["missing_records"]) == ("20261120-140311-synthetic", "restarted", 0)
    for figures in told["services"].values():
        assert {"down_s", "low_s", "high_s", "longest_s", "outages", "worst"} <= figures.keys()
    for lane in told["lanes"]:
        assert {
            "service", "prober", "vantage", "target", "interval_s", "sent", "ok", "fail", "unknown", "down_s",
            "low_s", "high_s", "outages",
        } <= lane.keys()  # fmt: skip
        for outage in lane["outages"]:
            assert {"start", "start_ns", "end", "end_ns", "low_s", "high_s", "reason"} <= outage.keys()
    (job,) = told["jobs"]
    assert (job["command"], job["status"], job["seconds"]) == ("restartNetwork", "succeeded", 5.8)
    assert told["services"]["egress"]["worst"] == "vm00"
    assert told["services"]["gateway ARP"]["worst"] is not None
    assert told["services"]["ingress"]["open"] is True


def test_outages_csv_agrees_with_summary_json(exported: Path) -> None:
    told = summary(exported)
    from_json = [
        (lane["lane"], o["start"], o["start_ns"], o["end"] or "", o["end_ns"] or "", f"{o['down_s']:.3f}",
         f"{o['low_s']:.3f}", f"{o['high_s']:.3f}", o["lost"], o["reason"], int(o["blip"]), int(o["open"]))
        for lane in told["lanes"] for o in lane["outages"]
    ]  # fmt: skip
    keys = ("lane", "start", "start_ns", "end", "end_ns", "down_s", "low_s", "high_s", "lost", "reason", "blip", "open")
    from_csv = [tuple(row[key] for key in keys) for row in rows(exported / "outages.csv")]
    assert sorted(from_csv) == sorted(tuple(map(str, o)) for o in from_json)
    assert len(from_csv) >= 4
    for row in rows(exported / "outages.csv"):
        assert int(row["onset_low_ns"]) <= int(row["start_ns"]) <= int(row["onset_high_ns"])
        assert (row["end_ns"] == "") == (row["end"] == "")


def test_summary_csv_agrees_with_summary_json(exported: Path) -> None:
    told = summary(exported)["services"]
    found = rows(exported / "summary.csv")
    assert [row["service"] for row in found] == list(told)
    for row in found:
        for key in ("down_s", "low_s", "high_s", "longest_s", "median_s", "any_down_s", "all_down_s"):
            assert row[key] == f"{told[row['service']][key]:.3f}"
        for key in ("outages", "hit", "lanes"):
            assert int(row[key]) == told[row["service"]][key]
        assert row["worst"] == (told[row["service"]]["worst"] or "")
    assert {row["service"]: row["budget_s"] for row in found} == {"egress": "10.0", "gateway ARP": "", "ingress": "2.5"}


def test_samples_csv_holds_every_sample_with_its_own_stamp_and_its_bound(exported: Path) -> None:
    state = SyntheticRun(PLAN).state()
    found = rows(exported / "samples.csv")
    assert len(found) == sum(len(lane.samples) for lane in state.lanes.values())
    result = load_result(exported.parent / "run.db")
    for row in found:
        own = int(row["vantage_sent_ns"] or row["intended_ns"])
        assert int(row["align_bound_ns"]) == result.analysis.bound_ns(row["vantage"], own)
        assert (row["sent_ns"] == "") == (row["vantage_sent_ns"] == "")
        assert (row["rtt_ms"] == "") == (row["outcome"] != "ok")
        if row["sent_ns"]:
            assert abs(int(row["sent_ns"]) - result.analysis.align(row["vantage"], own)) == 0
    blind = [r for r in found if r["lane"] == "0" and r["outcome"] == "unknown"]
    assert {r["reason"] for r in blind} == {"self (late)", "self (error)"}
    away = max(int(r["align_bound_ns"]) for r in found if r["vantage"] == "vm00")
    here = min(int(r["align_bound_ns"]) for r in found if r["vantage"] == "vm00")
    assert away > here + 20_000, "the bound grows while the channel is away"


def test_samples_csv_names_the_phase_of_each_sample(exported: Path) -> None:
    change = [r for r in rows(exported / "samples.csv") if r["lane"] == "200" and r["phase"] == "change"]
    assert abs(int(change[0]["sent_ns"]) - HOST - 8 * S) < 101 * MS
    assert len(change) == 60


def test_events_csv_tells_the_run_in_order(exported: Path) -> None:
    found = rows(exported / "events.csv")
    assert [int(r["seq"]) for r in found] == sorted(int(r["seq"]) for r in found)
    assert [r["name"] for r in found if r["kind"] == "phase"][:4] == ["prepare", "warm-up", "baseline", "change"]
    job = [r for r in found if r["kind"] == "job"]
    assert [(r["status"], int(r["high_ns"]) - int(r["low_ns"])) for r in job] == [
        ("pending", 250 * MS), ("succeeded", 250 * MS),
    ]  # fmt: skip
    assert found[0]["at"] == "2026-11-20T14:03:11.000000Z"
    assert WALL // S == 1_795_183_391


def test_the_text_report_shows_value_and_bounds(exported: Path) -> None:
    result = load_result(exported.parent / "run.db")
    text = text_report(result)
    egress = summary(exported)["services"]["egress"]
    assert f"{egress['down_s']:.2f} s [{egress['low_s']:.2f}, {egress['high_s']:.2f}]" in text
    assert "verdict: restarted" in text
    assert "still down" in text
    assert "0 missing records" in text


@pytest.mark.parametrize("bodies", [(), (ev.RunOpened("r", "n", "v", "lab", "op", ""),)])
def test_a_run_that_never_got_lanes_exports_cleanly(tmp_path: Path, bodies: tuple[ev.Body, ...]) -> None:
    writer = RunFileWriter(tmp_path / "run.db", {})
    for body in bodies:
        writer.write(body)
    writer.close()
    assert [p.name for p in export_run(tmp_path / "run.db", tmp_path / "out")] == FILES
    assert rows(tmp_path / "out" / "samples.csv") == []
    told = summary(tmp_path / "out")
    assert (told["verdict"], told["services"], told["lanes"], told["missing_records"]) == ("unfinished", {}, [], None)
    assert "unfinished" in text_report(load_result(tmp_path / "run.db"))


@pytest.mark.parametrize("scenario", ["{", "[]", "null", '{"budget": 7}', '{"budget": {"egress": "x"}}', "{}"])
def test_a_scenario_text_of_another_version_does_not_stop_the_export(tmp_path: Path, scenario: str) -> None:
    write_events(tmp_path / "run.db", SyntheticRun(Plan(vms=1, scenario=scenario, length=9.0)).events())
    export_run(tmp_path / "run.db", tmp_path / "out")
    assert {row["budget_s"] for row in rows(tmp_path / "out" / "summary.csv")} == {""}


def test_an_impossible_date_of_the_server_does_not_stop_the_export(tmp_path: Path) -> None:
    seen = ev.CloudEventSeen("1", "ROUTER.STOP", "INFO", "Started", "text", 10**15)
    write_events(tmp_path / "run.db", SyntheticRun(Plan(vms=0)).events([(3.0, seen)]))
    export_run(tmp_path / "run.db", tmp_path / "out")
    (row,) = (r for r in rows(tmp_path / "out" / "events.csv") if r["source"] == "cloudstack")
    assert row["text"].split() == ["INFO", "text"]


def test_s14_many_runs_are_folded_per_service_and_never_added_up() -> None:
    made = [{"verdict": "restarted", "services": {"egress": {"down_s": s}}} for s in (1.0, 2.0, 6.0)]
    made.append({"verdict": "failed", "services": {}})
    folded = summarise_many(made)
    assert folded["runs"] == made
    assert folded["summary"]["n"] == 4
    assert folded["summary"]["services"]["egress"] == {
        "n": 3, "mean_s": 3.0, "median_s": 2.0, "lowest_s": 1.0, "highest_s": 6.0,
    }  # fmt: skip


def test_declared_columns_are_what_is_written() -> None:
    for name, declared in zip(COLUMNS, (tables.SAMPLES, tables.OUTAGES, tables.EVENTS, tables.SUMMARY), strict=True):
        assert ",".join(declared).startswith(COLUMNS[name])
