# SPDX-License-Identifier: Apache-2.0
"""The table of environments and strategies: what stands in a cell, what is never averaged, the published ones."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from csworkbench.lab.hostile import TEXTS
from csworkbench.measurement.statistics import spread
from csworkbench.model.lane import Service
from csworkbench.results.arms import Arm
from csworkbench.results.comparison import RunRecord
from csworkbench.results.report.table_page import table_page
from csworkbench.results.strategy_table import cell_lines, markdown, percent, table_of

from .test_report import FETCHING, Elements

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
KVM, VMWARE = "KVM 4.22", "VMware 7.0"
OLD, NEW = "destroy-first", "parallel"


def records(environment: str, strategy: str, *downs: float, **conditions: str) -> list[RunRecord]:
    arm = Arm(environment, "restart cleanup=true", tuple(sorted(conditions.items())), strategy)
    name = f"{environment}-{strategy}-{'-'.join(conditions.values())}"
    return [RunRecord(f"{name}-{i}", arm, "", {Service.EGRESS: (down, 0.1)}, True) for i, down in enumerate(downs)]


def whole() -> list[RunRecord]:
    return [
        *records(KVM, OLD, 44.0, 43.0, 45.0, 42.0, 46.0), *records(KVM, NEW, 26.0, 9.0, 30.0, 31.0, 34.0),
        *records(VMWARE, OLD, 119.0, 120.0, 118.0, 117.0, 121.0), *records(VMWARE, NEW, 21.0, 12.0, 25.0, 22.0, 25.0),
    ]  # fmt: skip


def test_each_row_is_held_against_its_own_base() -> None:
    """ShapeBlue's figures: 44 s to 26 s is 41 %, 119 s to 21 s is 82 %."""
    table = table_of(whole())
    assert (table.environments, table.strategies, table.base) == ((KVM, VMWARE), (OLD, NEW), OLD)
    cells = table.services[Service.EGRESS]
    assert cells[KVM, OLD][0].reduction is None
    assert [line.split(" [")[0] for line in cell_lines(cells[KVM, NEW][0])][:3] == [
        "26.00 s (9.00)", "n 5,", "reduction 41 % (80 %)"
    ]  # fmt: skip
    told = cell_lines(cells[VMWARE, NEW][0])
    assert told[0] == "21.00 s (12.00)"
    assert told[2] == "reduction 82 % (90 %)"
    assert told[3].endswith("p 0.008")
    text = markdown(table, "x")
    assert f"| {VMWARE} | **119.00 s (117.00)**<br>n 5, [" in text
    found = Elements(table_page(table, "x"))
    assert "reduction 82 % (90 %)" in found.text
    assert found.tags.count("tr") == 3


def test_what_differs_within_a_cell_is_not_averaged() -> None:
    table = table_of([*whole(), *records(KVM, NEW, 5.0, 5.0, tenants="100")])
    found = table.services[Service.EGRESS][KVM, NEW]
    assert [f.spread.n for f in found] == [5, 2]
    assert "tenants 100<br>**5.00 s (5.00)**" in markdown(table, "x")
    assert "tenants 100" in Elements(table_page(table, "x")).text


def test_no_reduction_in_a_row_without_the_base() -> None:
    table = table_of([*whole(), *records("XenServer", NEW, 33.0, 15.0), *records("XenServer", "live patch", 1.0, 2.0)])
    cells = table.services[Service.EGRESS]
    assert cells["XenServer", NEW][0].reduction is None
    assert cells["XenServer", "live patch"][0].reduction is None
    assert ("XenServer", OLD) not in cells
    assert "| XenServer | – |" in markdown(table, "x")


def test_the_base_can_be_chosen_and_failed_runs_are_named() -> None:
    failed = replace(records(KVM, OLD, 1.0)[0], run="broken", why="the operation failed")
    table = table_of([failed, *whole()], f"{KVM}-{NEW}--0")
    assert table.base == NEW
    assert table.services[Service.EGRESS][KVM, NEW][0].reduction is None
    assert any(note == "left out: broken: the operation failed" for note in table.notes)
    with pytest.raises(LookupError, match="not among the runs"):
        table_of(whole(), "other")
    with pytest.raises(LookupError, match="no run"):
        table_of([failed])


def test_small_numbers_are_said_with_what_the_test_can_do() -> None:
    three = table_of([*records(KVM, OLD, 4.0, 5.0, 6.0), *records(KVM, NEW, 1.0, 2.0, 0.0)])
    notes = " ".join(three.notes)
    assert "cannot reach p <= 0.05 (at best 0.1)" in notes
    assert "may not have been seen" in notes
    four = table_of([*records(KVM, OLD, 4.0, 5.0, 6.0, 7.0), *records(KVM, NEW, 1.0, 2.0, 3.0, 2.5)])
    assert "more cautious than it says: 2.9% by chance" in " ".join(four.notes)
    five = table_of(
        [*records(KVM, OLD, *(4.0 + i for i in range(5))), *records(KVM, NEW, *(1.0 + i for i in range(5)))]
    )
    assert not any("few" in note for note in five.notes)


def test_nearly_all_is_not_all() -> None:
    assert [percent(share) for share in (0.816, 0.9996, 0.99, 1.0, -0.26)] == [
        "82 %", "99.9 %", "99.0 %", "100 %", "-26 %"
    ]  # fmt: skip


@pytest.mark.parametrize("name", TEXTS, ids=ascii)
def test_hostile_names_are_text(name: str) -> None:
    table = table_of(
        [*records(name, name, 1.0, 2.0), *records("x", name, 1.0), replace(whole()[0], run=name, why=name)]
    )
    text, page = markdown(table, name), table_page(table, name)
    assert not any(ord(c) < 32 and c != "\n" for c in text + page)
    assert not set("\x7f\x9b\u202e\u2066\u2069\u200f") & set(text + page)
    assert "<script" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
    found = Elements(page)
    assert not {"script", "img"} & set(found.tags)
    assert not {name for name, _ in found.attributes if name in FETCHING or name.startswith("on")}


@pytest.mark.parametrize(("form", "file"), [("table", "table.md"), ("table-html", "table.html")])
def test_s16_the_same_run_files_give_the_published_bytes(form: str, file: str, tmp_path: Path) -> None:
    """The recorded sample runs, read anew: the table is what it was when it was published, byte by byte."""
    runs = [str(SAMPLES / "runs" / name) for name in ("destroy-first-restart", "parallel-restart", "live-patch")]
    done = CliRunner().invoke(cli, ["compare", *runs, "--form", form, "--to", str(tmp_path / file)])
    assert done.exit_code == 0, done.output
    kept = SAMPLES / "results" / "sample-runs" / file
    made, told = ((path / file).read_bytes().split(b"</head>")[-1] for path in (tmp_path, kept.parent))  # without style
    assert made == told, f"if that is meant: compare --form {form} --to {kept}"


def published() -> Any:
    return json.loads((SAMPLES / "results" / "all-strategies" / "comparison.json").read_text(encoding="utf-8"))


def test_the_published_table_has_the_figures_of_its_runs() -> None:
    """Every cell again from the downtimes of the single runs, which stand beside it."""
    told, data = (SAMPLES / "results" / "all-strategies" / "table.md").read_text(encoding="utf-8"), published()
    parts = {part.split("\n")[0]: part for part in told.split("\n## ")[1:]}
    seen = 0
    for service, figures in data["services"].items():
        for f in figures:
            arm, s = data["arms"][f["arm"]], spread(f["down_s"])
            assert s.interval is not None
            within = f"[{s.interval[0]:.2f}, {s.interval[1]:.2f}]" if s.highest else "none seen"
            cell = f"**{s.mean:.2f} s ({s.lowest:.2f})**<br>n {s.n}, {within}"
            heads = [head.strip() for head in parts[service].split("\n")[2].split("|")]
            row = next(r for r in parts[service].split("\n") if r.startswith(f"| {arm['environment']} |")).split("|")
            assert row[heads.index(arm["strategy"])].strip().startswith(cell), (service, arm["label"])
            seen += 1
    assert seen == len(data["services"]) * 12


def test_the_published_table_is_whole() -> None:
    data = published()
    assert {(arm["environment"], arm["strategy"]) for arm in data["arms"]} == {
        (environment, strategy)
        for environment in ("test cloud, boot 3 s", "test cloud, boot 9 s")
        for strategy in ("destroy-first", "parallel", "redundant pair", "live patch", "external handover",
                         "negotiated handover")
    }  # fmt: skip
    assert {"egress", "ingress"} <= set(data["services"])
    assert min(f["n"] for figures in data["services"].values() for f in figures) >= 5
