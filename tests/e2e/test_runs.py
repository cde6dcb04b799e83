# SPDX-License-Identifier: Apache-2.0
"""Headless runs on test clouds of their own: the sample scenarios as they are."""

import csv
import json
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from .support import SCENARIOS, csworkbench, processes_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def run(name: str, out: Path) -> dict[str, Any]:
    done = csworkbench("run", str(SCENARIOS / f"{name}.yaml"), "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def test_a_restart_is_measured_whole(tmp_path: Path) -> None:
    summary = run("parallel-restart", tmp_path / "parallel")
    _measured_whole(summary)
    assert processes_of(tmp_path) == []
    _exports_agree(tmp_path / "parallel", summary)
    _journal_tells_the_story(next((tmp_path / "data/runs").glob("*parallel*/run.db")))


@pytest.mark.slow
def test_the_old_way_takes_longer(tmp_path: Path) -> None:
    parallel = run("parallel-restart", tmp_path / "parallel")
    serial = run("destroy-first-restart", tmp_path / "serial")
    _measured_whole(serial)
    for service in ("egress", "ingress"):
        assert serial["services"][service]["down_s"] > parallel["services"][service]["down_s"] > 0


def _measured_whole(summary: dict[str, Any]) -> None:
    assert summary["verdict"] == "restarted"
    assert summary["missing_records"] == 0
    assert [job["status"] for job in summary["jobs"]] == ["succeeded"]
    assert not summary["left_out"]
    # Each of 10 tenants: icmp new and same, ARP or neighbour, loopback, peer. garp. 3 x connect, udp, held.
    # 2 x dns, dhcp, metadata, password. Outside: 10 x SYN, banner, held; balancer; listen; loopback. 3 back ends.
    # None leads to the quiet VM, and it has no peer.
    assert len(summary["lanes"]) == 10 * 5 - 1 + 1 + 3 * 3 + 2 * 4 + 10 * 3 + 3 + 3
    assert max(Counter(lane["vantage"] for lane in summary["lanes"] if lane["vantage"] != "outside").values()) <= 12
    (quiet,) = (vantage for vantage in summary["vantages"] if vantage["quiet"])
    assert (quiet["name"], len(quiet["hushed"])) == ("vm09", 1)  # the last tenant has an address of its own
    assert quiet["channel_losses"] == 0
    egress = summary["services"]["egress"]
    assert egress["router_gap_s"] is not None, egress["split"]
    # What the VM lost while a router answered and its kernel held the right MAC is neither of the two.
    assert 0 < egress["router_gap_s"] + egress["arp_tail_s"] < egress["down_s"] + 0.002 * egress["outages"] + 0.001
    for figures in summary["services"].values():
        assert figures["low_s"] <= figures["down_s"] <= figures["high_s"]
        assert not figures["open"]
    # S10: the SSH path runs through the router, so the change cuts it, and nothing is lost for that.
    assert sum(v["channel_losses"] for v in summary["vantages"]) > 0


def _exports_agree(folder: Path, summary: dict[str, Any]) -> None:
    assert json.loads((folder / "summary.json").read_text()) == summary
    tables = {p.stem: list(csv.DictReader(p.open(newline=""))) for p in folder.glob("*.csv")}
    assert set(tables) == {"samples", "outages", "events", "summary"}
    assert {row["service"]: float(row["down_s"]) for row in tables["summary"]} == {
        name: figures["down_s"] for name, figures in summary["services"].items()
    }
    assert len(tables["outages"]) == sum(len(lane["outages"]) for lane in summary["lanes"])
    assert len(tables["samples"]) >= sum(lane["sent"] for lane in summary["lanes"])
    kinds = {row["kind"] for row in tables["events"]}
    assert {"phase", "call", "job", "event", "channel", "spool", "verdict"} <= kinds


def _journal_tells_the_story(run_file: Path) -> None:
    """Any tool that reads SQLite can read it."""
    with sqlite3.connect(run_file) as db:
        macs = db.execute(
            "SELECT DISTINCT s.value FROM samples s JOIN lanes l ON l.id = s.lane"
            " WHERE l.prober = 'arp' AND s.outcome = 0"
        ).fetchall()
        assert len(macs) == 2  # the old router's and the new one's
        assert db.execute("SELECT count(*) FROM lanes").fetchone() == (103,)
        methods = dict(db.execute("SELECT command, method FROM api_calls").fetchall())
        assert methods["restartNetwork"] == "POST"
        assert methods["listRouters"] == "GET"
        bodies = [json.loads(row[0]) for row in db.execute("SELECT body FROM journal WHERE kind = 'api_called'")]
        assert not {key.lower() for body in bodies for key in body["params"]} & {"signature", "apikey", "secretkey"}
