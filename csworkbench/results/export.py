# SPDX-License-Identifier: Apache-2.0
"""All files of one run in one folder."""

import json
import tempfile
from enum import StrEnum
from pathlib import Path

from csworkbench.model.spilled_rows import Spill, SpilledRows
from csworkbench.model.state import RunState, apply
from csworkbench.recording.reader import RunFileReader

from . import sample_table
from .budget import budget_of
from .parquet import require_pyarrow, write_parquet
from .run_result import RunResult, analyse
from .summary import summarise
from .tables import SAMPLES, lane_cells, write_tables

ENTRIES = 20  # journal entries at a time, each of up to some thousand samples


class Form(StrEnum):
    """The form of the samples; the smaller tables are always CSV."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def export_run(run_file: Path, folder: Path, form: Form = Form.CSV) -> list[Path]:
    """Write samples, outages.csv, events.csv, summary.csv and summary.json.

    Its samples wait in a temporary file of 50 bytes each, not in memory. Raises RunFileError, OSError, NoPyarrow.
    """
    if form is Form.PARQUET:
        require_pyarrow()
    samples = {Form.CSV: None, Form.JSONL: write_jsonl, Form.PARQUET: write_parquet}[form]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        result = analyse(spilled_state(run_file, Spill(file)))
        written = write_tables(result, run_file, folder, budget_of(result.state), samples)
        part = folder / "summary.json.part"
        part.write_text(json.dumps(summarise(result), indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
    return [*written, part.replace(folder / "summary.json")]


def spilled_state(run_file: Path, spill: Spill) -> RunState:
    """As load_state, with the samples in a file. Raises RunFileError, OSError."""
    state, reader, after = RunState(), RunFileReader(run_file), 0
    try:
        while events := reader.read(after, ENTRIES):
            for event in events:
                known = len(state.lanes)
                apply(state, event)
                if len(state.lanes) > known:
                    state.lanes[next(reversed(state.lanes))].samples = SpilledRows(spill)
            after = events[-1].seq
    finally:
        reader.close()
    return state


def write_jsonl(result: RunResult, folder: Path) -> Path:
    """samples.jsonl: an object per sample. Raises OSError."""
    part = folder / "samples.part"
    with part.open("w", encoding="utf-8") as file:
        file.writelines(
            sample_table.json_text(chunk, SAMPLES, lane_cells(result.run, chunk.lane.lane))
            for chunk in sample_table.chunks(result)
        )
    return part.replace(folder / "samples.jsonl")
