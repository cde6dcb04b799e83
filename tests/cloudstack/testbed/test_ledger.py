# SPDX-License-Identifier: Apache-2.0
"""The journal on disk: cut off anywhere, it tells no more and no less than what is on it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack.testbed import Bed, Ledger, LedgerError, Progress, read_ledger

from .test_plan import spec


def written(file: Path) -> bytes:
    with Ledger.begin(file, Bed(spec(), "lab", "http://127.0.0.1:1/client/api")) as ledger:
        ledger.began("network", "createNetwork", "testbed-0123abcd")
        ledger.note("network", Progress.MADE, id="n1", job="")
        ledger.note("network", Progress.READY)
        ledger.began("vm:01", "deployVirtualMachine", "vm01-0123abcd")
        ledger.note("vm:01", Progress.MADE, id="v1", job="j1")
        ledger.note("vm:01", Progress.FAILED, text="no\nroom")
        ledger.began("ip:01", "associateIpAddress", "")
    return file.read_bytes()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "j")
    bed = read_ledger(tmp_path / "j")
    assert (bed.spec, bed.cloud) == (spec(), "lab")
    assert {key: made.progress for key, made in bed.steps.items()} == {
        "network": Progress.READY, "vm:01": Progress.FAILED, "ip:01": Progress.BEGUN
    }  # fmt: skip
    assert (bed.steps["vm:01"].id, bed.steps["vm:01"].job, bed.steps["vm:01"].text) == ("v1", "j1", "no\nroom")
    assert bed.ids("vm") == {"v1": "vm:01"}
    assert (bed.pending("ip"), bed.pending("vm")) == (1, 0)
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600


@given(st.integers(0, 10_000))
def test_a_journal_cut_off_anywhere_is_a_beginning_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    file = tmp_path_factory.mktemp("j") / "j"
    data = written(file)
    file.write_bytes(data[: cut % (len(data) + 1)])
    lines = data[: cut % (len(data) + 1)].count(b"\n")
    if lines == 0:
        with pytest.raises(FileNotFoundError):
            read_ledger(file)
        return
    with Ledger.again(file) as ledger:
        before = len(ledger.bed.steps)
        ledger.began("key", "registerSSHKeyPair", "k")
    assert file.read_bytes().count(b"\n") == lines + 1
    assert len(read_ledger(file).steps) == before + 1


def test_one_at_a_time_and_never_over_another(tmp_path: Path) -> None:
    written(tmp_path / "j")
    with Ledger.again(tmp_path / "j"), pytest.raises(LedgerError, match="in use"):
        Ledger.again(tmp_path / "j")
    with pytest.raises(FileExistsError):
        Ledger.begin(tmp_path / "j", Bed(spec(), "lab", ""))


def test_a_first_line_that_never_got_to_its_end_is_no_bed(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b'{"e": "bed", "sp')
    assert written(tmp_path / "j").startswith(b'{"e": "bed", "spec"')
    assert len(read_ledger(tmp_path / "j").steps) == 3


@pytest.mark.parametrize("line", [b"[]", b"nonsense", b'{"e":"ready","key":"x"}', b'{"e":"what","key":"network"}'])
def test_a_line_that_is_none_of_ours_is_named(tmp_path: Path, line: bytes) -> None:
    data = written(tmp_path / "j")
    (tmp_path / "j").write_bytes(data + line + b"\n")
    with pytest.raises(LedgerError, match=":9: "):
        read_ledger(tmp_path / "j")
