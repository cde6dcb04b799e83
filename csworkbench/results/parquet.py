# SPDX-License-Identifier: Apache-2.0
"""samples.parquet, where pyarrow is installed: it is no dependency of csworkbench."""

import importlib
from pathlib import Path
from typing import Any

from . import sample_table
from .run_result import RunResult
from .tables import SAMPLES, lane_cells

_NUMBERS = frozenset(
    {"lane", "port", "seq", "sent_ns", "vantage_sent_ns", "align_bound_ns", "intended_ns", "detail", "value"}
)


class NoPyarrow(Exception):
    """pyarrow is not installed; the message says how to."""


def require_pyarrow() -> Any:
    """The module. Raises NoPyarrow."""
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        raise NoPyarrow("Parquet needs pyarrow: pip install 'csworkbench[parquet]', or use --form csv") from None


def write_parquet(result: RunResult, folder: Path) -> Path:
    """samples.parquet with the columns of samples.csv; a row group per chunk of samples. Raises OSError, NoPyarrow."""
    arrow, parquet = require_pyarrow(), importlib.import_module("pyarrow.parquet")
    schema = arrow.schema([(name, _type(arrow, name)) for name in SAMPLES])
    part = folder / "samples.part"
    with parquet.ParquetWriter(part, schema) as writer:
        for chunk in sample_table.chunks(result):
            head = sample_table.nulled_head(lane_cells(result.run, chunk.lane.lane))
            rows = [[*head, *sample_table.typed_row(chunk, place)] for place in range(len(chunk.phases))]
            columns = [list(column) for column in zip(*rows, strict=True)]
            arrays = [arrow.array(c, type=field.type) for c, field in zip(columns, schema, strict=True)]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
    return part.replace(folder / "samples.parquet")


def _type(arrow: Any, name: str) -> Any:
    if name in _NUMBERS:
        return arrow.int64()
    return {"rtt_ms": arrow.float64(), "late": arrow.bool_()}.get(name, arrow.string())
