# SPDX-License-Identifier: Apache-2.0
"""All files of one run in one folder."""

import json
from pathlib import Path

from .budget import budget_of
from .run_result import load_result
from .summary import summarise
from .tables import write_tables


def export_run(run_file: Path, folder: Path) -> list[Path]:
    """Write samples.csv, outages.csv, events.csv, summary.csv and summary.json. Raises RunFileError or OSError."""
    result = load_result(run_file)
    folder.mkdir(parents=True, exist_ok=True)
    written = write_tables(result, run_file, folder, budget_of(result.state))
    part = folder / "summary.json.part"
    part.write_text(json.dumps(summarise(result), indent=2, ensure_ascii=True) + "\n", encoding="utf-8")
    return [*written, part.replace(folder / "summary.json")]
