# SPDX-License-Identifier: Apache-2.0
"""The writer against the golden file, and the file's bytes against FORMAT.md."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from . import make_golden
from .net import load

GOLDEN = Path(__file__).parent / "golden"
spool = load("spool")


def test_the_golden_files_are_what_their_script_makes() -> None:
    assert (GOLDEN / "spool-v1.bin").read_bytes() == make_golden.golden_bytes()
    assert (GOLDEN / "spool-v1.json").read_text(encoding="utf-8") == make_golden.golden_json()


def test_the_golden_records_cover_every_kind_outcome_reason_and_flag() -> None:
    rows = make_golden.rows()
    assert {row["kind"] for row in rows} == {1, 2, 3, 4, 5, 6}
    assert {row["outcome"] for row in rows} == {0, 1, 2}
    assert {row["reason"] for row in rows if row["kind"] == 1} == {0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18}
    assert {row["flags"] for row in rows} == {0, 1, 2, 3}


def test_the_writer_makes_the_golden_bytes(tmp_path: Path) -> None:
    golden = json.loads((GOLDEN / "spool-v1.json").read_text(encoding="utf-8"))
    header = golden["header"]
    path = tmp_path / "spool"
    run = bytes.fromhex(header["run"])
    writer = spool.SpoolWriter(str(path), header["pid"], header["start_mono"], header["start_real"], run)
    *rows, end = golden["records"]
    for row in rows:
        if row["kind"] == 2:
            writer.clock(row["sent"], row["aux"])
            continue
        writer.add(*(row[name] for name in make_golden.FIELDS[1:]))
        if row["number"] % 5 == 0:
            writer.flush()
    writer.end(end["reason"], end["detail"], end["sent"])
    assert path.read_bytes() == (GOLDEN / "spool-v1.bin").read_bytes()
    assert path.stat().st_mode & 0o777 == 0o644


def test_an_existing_file_is_never_touched(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    path.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        spool.SpoolWriter(str(path), 1, 2, 3, bytes(16))
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        spool.SpoolWriter(str(link), 1, 2, 3, bytes(16))
    assert path.read_bytes() == b"mine"


def test_records_that_do_not_fit_are_given_up_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "spool"
    writer = spool.SpoolWriter(str(path), 1, 2, 3, bytes(16))
    writer._reserved = 64 + 10 * 56 + 30
    monkeypatch.setattr(spool, "_fallocate", lambda *_: 28)
    for seq in range(100):
        writer.add(0, 1, 0, 0, 0, 0, seq, 0, 0, 0, 0, 0)
    with pytest.raises(spool.SpoolError):
        writer.flush()
    writer.end(2, 28, 7)
    assert path.stat().st_size == 64 + 10 * 56
    assert int.from_bytes(path.read_bytes()[-56:-52], "little") == 9
