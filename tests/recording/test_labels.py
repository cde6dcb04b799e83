# SPDX-License-Identifier: Apache-2.0
"""Tags and notes beside a run file."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.recording.labels import (
    LABELS_FILE,
    BadLabel,
    Labels,
    change_note,
    change_tags,
    read_labels,
    write_labels,
)


def test_they_come_back_as_they_were_and_nothing_else_is_left(tmp_path: Path) -> None:
    assert read_labels(tmp_path) == Labels()
    labels = change_note(change_tags(Labels(), ["+baseline", "old", "-old"]), " two\n lines ")
    write_labels(tmp_path, labels)
    assert read_labels(tmp_path) == Labels(("baseline",), "two lines") == labels
    assert [path.name for path in tmp_path.iterdir()] == [LABELS_FILE]
    assert stat.S_IMODE((tmp_path / LABELS_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("change", ["", "+", "-", "+A", "+a b", "+../x", "+" + "x" * 33, "=cmd", "+\x1b[2J"])
def test_a_tag_is_one_plain_word(change: str) -> None:
    with pytest.raises(BadLabel):
        change_tags(Labels(), [change])


def test_there_is_a_limit_to_tags_and_notes() -> None:
    with pytest.raises(BadLabel, match="at most"):
        change_tags(Labels(), [f"+t{n}" for n in range(33)])
    with pytest.raises(BadLabel, match="2001"):
        change_note(Labels(), "x" * 2001)


@given(st.binary(max_size=60) | st.sampled_from([b'{"tags": 7}', b'{"tags": [1, "\\u001b"], "note": []}', b"[" * 9999]))
def test_a_damaged_file_is_no_labels(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("run")
    (folder / LABELS_FILE).write_bytes(data)
    assert read_labels(folder) == Labels()
