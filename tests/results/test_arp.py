# SPDX-License-Identifier: Apache-2.0
"""Router gap and ARP tail as people and programs read them."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from csworkbench.model import event as ev
from csworkbench.results.arp import SPLIT_COLUMNS
from csworkbench.results.export import export_run
from csworkbench.results.headline import text_report
from csworkbench.results.run_result import load_result
from tests.measurement.synthetic_run import Plan, SyntheticRun
from tests.recording.run_files import write_events

DOWNS: dict[int, tuple[tuple[float, float], ...]] = {
    0: ((9.0, 11.3),),
    100: ((9.0, 11.2),),
    1: ((9.0, 11.3),),
    2: ((9.0, 15.0),),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("run")
    events = [
        replace(e, body=ev.VantageAdded(replace(e.body.vantage, quiet=True)))
        if isinstance(e.body, ev.VantageAdded) and e.body.vantage.name == "vm02"
        else e
        for e in SyntheticRun(Plan(downs=DOWNS, mac_change=11.2)).events(
            [(s / 10, ev.SecondOwner(100, s, 0, 0x020000000007)) for s in range(112, 115)]
        )
    ]
    write_events(made / "run.db", events)
    export_run(made / "run.db", made / "out")
    return made


def test_json_and_csv_agree_and_add_up(folder: Path) -> None:
    told = json.loads((folder / "out/summary.json").read_text())
    egress = told["services"]["egress"]
    assert egress["router_gap_s"] + egress["arp_tail_s"] == pytest.approx(egress["down_s"], abs=0.0015)
    for part in ("router_gap", "arp_tail"):
        assert egress[f"{part}_low_s"] <= egress[f"{part}_s"] <= egress[f"{part}_high_s"]
    assert egress["quiet"] == {"vm": "vm02", **{name: egress[name] for name in SPLIT_COLUMNS}}
    by_start = {(lane["lane"], o["start_ns"]): o for lane in told["lanes"] for o in lane["outages"]}
    with (folder / "out/outages.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            outage = by_start[int(row["lane"]), int(row["start_ns"])]
            for name in SPLIT_COLUMNS[:-1]:
                assert row[name] == (f"{outage[name]:.3f}" if name in outage else "")
            assert row["split"] == (outage.get("split") or "")
    gateway = told["services"]["gateway ARP"]
    assert [owner["mac"] for owner in gateway["owners"]] == ["02:00:4f:2a:00:01", "02:00:11:9c:00:07"]
    assert gateway["dual_owner_low_s"] <= 0.2 <= gateway["dual_owner_high_s"]
    assert [second["mac"] for second in gateway["second_owners"]] == ["02:00:00:00:00:07"] * 3
    assert [v["name"] for v in told["vantages"] if v["quiet"]] == ["vm02"]


def test_the_report_says_which_vm_was_what(folder: Path) -> None:
    text = text_report(load_result(folder / "run.db"))
    line = next(line for line in text.splitlines() if line.startswith("egress"))
    assert " s]  = router gap " not in line
    assert "  = router gap " in line
    assert " s (quiet vm02)" in line
    assert "sentinel vm00: asks who has the gateway; asking heals its own entry: its ARP tail is about 0" in text
    assert "quiet vm02: nobody talked to it" in text
    assert "two owners answered for the gateway for" in text
