# SPDX-License-Identifier: Apache-2.0
"""Samples as CSV and as JSON Lines hold the same, whichever way they came; Parquet says what it needs."""

import csv
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from csworkbench.cli import cli
from csworkbench.measurement.clock import Alignment
from csworkbench.model.event import ClockEcho, SamplesArrived
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.model.sample_rows import SampleRows
from csworkbench.model.spilled_rows import BLOCK, Spill, SpilledRows
from csworkbench.recording.reader import load_state
from csworkbench.results import sample_table, tables
from csworkbench.results.export import Form, export_run, spilled_state
from csworkbench.results.run_result import analyse
from tests.measurement.ground_truth import S, Truth
from tests.measurement.synthetic_run import Plan, SyntheticRun
from tests.recording.run_files import write_events

PLAN = Plan(
    vms=2, downs={0: ((9.0, 11.3),), 200: ((9.5, 10.5),)},
    truth=Truth(lost=frozenset({150}), unheard=frozenset({30}), stopped=((5000 * S + 17 * S, 5000 * S + 18 * S),)),
)  # fmt: skip


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run.db"
    write_events(path, SyntheticRun(PLAN).events())
    return path


def test_json_lines_say_what_the_csv_says(run_file: Path, tmp_path: Path) -> None:
    written = export_run(run_file, tmp_path / "jsonl", Form.JSONL)
    assert [p.name for p in written] == ["samples.jsonl", "outages.csv", "events.csv", "summary.csv", "summary.json"]
    export_run(run_file, tmp_path / "csv")
    with (tmp_path / "csv" / "samples.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, strict=True))
    told = [json.loads(line) for line in (tmp_path / "jsonl" / "samples.jsonl").read_text().splitlines()]
    assert len(rows) == len(told) == 1000
    for row, one in zip(rows, told, strict=True):
        assert list(one) == list(tables.SAMPLES)
        texts = {**one, "late": int(one["late"]), "rtt_ms": None if one["rtt_ms"] is None else f"{one['rtt_ms']:.3f}"}
        assert {key: "" if value is None else str(value) for key, value in texts.items()} == row
    assert {type(one["sent_ns"]) for one in told} == {int, type(None)}
    for name in ("outages.csv", "events.csv", "summary.csv", "summary.json"):
        assert (tmp_path / "csv" / name).read_bytes() == (tmp_path / "jsonl" / name).read_bytes()


def test_samples_that_came_in_any_order_are_written_in_theirs(tmp_path: Path) -> None:
    events = SyntheticRun(replace(PLAN, vms=1)).events()
    bulk = [e for e in events if isinstance(e.body, SamplesArrived)]
    turned = {e.seq: replace(e, body=other.body) for e, other in zip(bulk, reversed(bulk), strict=True)}
    made = []
    for name, told in (("in", events), ("turned", [turned.get(e.seq, e) for e in events])):
        write_events(tmp_path / f"{name}.db", told)
        result = analyse(load_state(tmp_path / f"{name}.db"))
        chunks = sample_table.chunks(result)
        made.append([row for c in chunks for row in csv.reader(io.StringIO(sample_table.csv_text(c, ["x"])))])
    assert made[0] == made[1]


def test_text_of_the_lane_is_quoted_and_no_formula(run_file: Path) -> None:
    chunk = next(sample_table.chunks(analyse(load_state(run_file))))
    lane = replace(chunk.lane.lane, vantage='=a,"b"', subject="\x1b[2J")
    text = sample_table.csv_text(chunk, tables.lane_cells("+run", lane))
    row = next(csv.reader(io.StringIO(text), strict=True))
    assert (row[0], row[5], row[6]) == ("'+run", '\'=a,"b"', "\\x1b[2J")
    assert len(row) == len(tables.SAMPLES)


def test_samples_in_a_file_are_those_in_memory(run_file: Path, tmp_path: Path) -> None:
    with (tmp_path / "spill").open("w+b") as file:
        assert spilled_state(run_file, Spill(file)) == load_state(run_file)


SAMPLES = st.builds(
    Sample, st.integers(0, 99), st.integers(0, 2**62), st.integers(0, 2**62), st.integers(0, 2**62),
    st.sampled_from(Outcome), st.sampled_from(Reason), st.integers(0, 9), st.integers(0, 9),
)  # fmt: skip


@given(st.lists(st.lists(SAMPLES, max_size=40), max_size=40), st.integers(0, 2000), st.integers(0, 2000))
@settings(max_examples=40)
def test_spilled_rows_are_rows(tmp_path_factory: Any, batches: list[list[Sample]], first: int, last: int) -> None:
    with (tmp_path_factory.mktemp("spill") / "f").open("w+b") as file:
        spill = Spill(file)
        plain, others, spilled = SampleRows(), SpilledRows(spill), SpilledRows(spill)
        for batch in batches * 3:
            plain.extend(batch)
            others.extend(batch[:1])
            spilled.extend(batch)
        assert len(plain) == len(spilled)
        assert spilled == plain
        assert list(spilled) == list(plain)
        assert spilled[first:last] == plain[first:last]
        assert list(spilled.since(first)) == list(plain)[first:]
        if plain:
            assert (spilled[-1], spilled[first % len(plain)]) == (plain[-1], plain[first % len(plain)])
        assert len(spilled._rows) < BLOCK


STAMP = st.integers(0, 10**12) | st.integers(0, 2**62)


@given(st.lists(st.tuples(STAMP, st.integers(-(10**9), 10**9), st.integers(0, 10**8)), max_size=12), st.lists(STAMP))
def test_many_stamps_are_placed_as_each_one_is(echoes: Sequence[tuple[int, int, int]], stamps: list[int]) -> None:
    clock = Alignment(ClockEcho("v", at + off, at + off + took, at + took // 2, 0) for at, off, took in echoes)
    stamps = [*stamps, *(at + took // 2 for at, _, took in echoes)]
    host, bound = clock.many(np.array(stamps, dtype=np.int64))
    assert host.tolist() == [clock.to_host_ns(stamp) for stamp in stamps]
    assert bound.tolist() == [clock.bound_ns(stamp) if echoes else 0 for stamp in stamps]


def test_parquet_without_pyarrow_says_how_to_get_it(
    run_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    done = CliRunner().invoke(cli, ["export", str(run_file), "--form", "parquet", "--to", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "pip install 'csworkbench[parquet]'" in done.stderr
    assert not (tmp_path / "out").exists()
