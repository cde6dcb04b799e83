# SPDX-License-Identifier: Apache-2.0
"""Other people's programs read the exports as they are: pandas and DuckDB, CSV and Parquet, with the right types."""

import csv
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from csworkbench.cli import cli
from csworkbench.results.export import Form, export_run

ROOT = Path(__file__).resolve().parents[2]
RUN = ROOT / "samples" / "runs" / "live-patch" / "run.db"
FILES = ("samples.csv", "outages.csv", "events.csv", "summary.csv", "comparison.csv")
STAMPS = {"sent", "start", "end", "at"}
COUNTS = {"lane", "port", "seq", "detail", "value", "late", "headline", "lost", "blip", "open", "outages", "hit",
          "lanes", "missing_records", "vms", "vms_hit", "n"}  # fmt: skip
REALS = {"rtt_ms", "reduction", "reduction_low", "reduction_high", "reduction_highest", "p", "p_reachable"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("exports")
    export_run(RUN, made)
    export_run(RUN, made / "parquet", Form.PARQUET)
    runs = [str(path.parent) for path in sorted((ROOT / "samples" / "runs").glob("*/run.db"))]
    done = CliRunner().invoke(cli, ["compare", *runs, "--form", "csv", "--to", str(made / "comparison.csv")])
    assert done.exit_code == 0
    return made


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def kind(name: str) -> str:
    if name in STAMPS:
        return "stamp"
    if name in COUNTS or name.endswith("_ns"):
        return "whole"
    return "real" if name in REALS or name.endswith("_s") else "text"


@pytest.mark.parametrize("name", FILES)
def test_pandas_reads_it(folder: Path, name: str) -> None:
    told = rows(folder / name)
    stamps = [column for column in told[0] if kind(column) == "stamp"]
    frame = pd.read_csv(folder / name, parse_dates=stamps, dtype_backend="numpy_nullable")
    assert len(frame) == len(told)
    assert list(frame.columns) == list(told[0])
    for column in frame.columns:
        if all(row[column] == "" for row in told):
            continue
        dtype = frame[column].dtype
        right = {
            "stamp": str(dtype).startswith("datetime64[") and str(dtype).endswith("UTC]"),
            "whole": str(dtype) == "Int64", "real": str(dtype) in ("Float64", "Int64"), "text": str(dtype) == "string",
        }  # fmt: skip
        assert right[kind(column)], (column, dtype)
        if kind(column) == "whole":
            found = [None if pd.isna(value) else int(value) for value in frame[column]]
            assert found == [int(row[column]) if row[column] else None for row in told]


@pytest.mark.parametrize("name", FILES)
def test_duckdb_reads_it(folder: Path, name: str) -> None:
    told = rows(folder / name)
    types = dict(duckdb_rows(f"SELECT column_name, column_type FROM (DESCRIBE FROM '{folder / name}')"))
    assert list(types) == list(told[0])
    wanted = {
        "stamp": {"TIMESTAMP WITH TIME ZONE"}, "whole": {"BIGINT"}, "real": {"DOUBLE", "BIGINT"}, "text": {"VARCHAR"},
    }  # fmt: skip
    for column, found in types.items():
        if any(row[column] for row in told):
            assert found in wanted[kind(column)], (column, found)
    assert duckdb_rows(f"SELECT count(*) FROM '{folder / name}'") == [(len(told),)]


def duckdb_rows(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        return connection.sql(query).fetchall()


def test_parquet_is_the_csv(folder: Path) -> None:
    """Written for real, read back by both: every value is the one of samples.csv."""
    told, path = rows(folder / "samples.csv"), folder / "parquet" / "samples.parquet"
    frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
    assert list(frame.columns) == list(told[0])
    assert {str(frame[c].dtype) for c in frame.columns if kind(c) == "whole" and c != "late"} == {"Int64"}
    assert (str(frame["late"].dtype), str(frame["rtt_ms"].dtype)) == ("boolean", "Float64")
    for column in ("sent_ns", "intended_ns", "value", "port", "outcome", "reason", "subject"):
        found = ["" if pd.isna(value) else str(value) for value in frame[column]]
        assert found == [row[column] for row in told], column
    sent = duckdb_rows(f"SELECT sum(sent_ns::HUGEINT), count(rtt_ms), count(*) FILTER (late) FROM '{path}'")
    assert sent == [
        (sum(int(row["sent_ns"]) for row in told), sum(row["rtt_ms"] != "" for row in told),
         sum(row["late"] == "1" for row in told))
    ]  # fmt: skip


def test_a_figure_can_be_had_by_one_query(folder: Path) -> None:
    """The sum of a lane's outages is its service's downtime."""
    down = duckdb_rows(
        f"SELECT max(d) FROM (SELECT sum(down_s) d FROM '{folder / 'outages.csv'}'"
        " WHERE service = 'egress' AND headline = 1 GROUP BY lane)"
    )
    (told,) = [row for row in rows(folder / "summary.csv") if row["service"] == "egress"]
    assert down[0][0] == pytest.approx(float(told["down_s"]), abs=0.001)
