# SPDX-License-Identifier: Apache-2.0
"""Rows in bytes are a list of samples to everybody who reads them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model.codec import CodecError, sample_from_row
from csworkbench.model.sample import MOST, Outcome, Reason, Sample
from csworkbench.model.sample_rows import SampleRows

number = st.integers(-MOST, MOST)
sample = st.builds(
    Sample, number, number, number, number, st.sampled_from(Outcome), st.sampled_from(Reason), number, number
)


@given(st.lists(sample, max_size=30), st.lists(sample, max_size=30), st.slices(60))
def test_it_reads_as_a_list_does(first: list[Sample], more: list[Sample], part: slice) -> None:
    rows, known = SampleRows(first), [*first, *more]
    rows.extend(more[:-1])
    for one in more[-1:]:
        rows.append(one)
    assert list(rows) == known
    assert len(rows) == len(known)
    assert bool(rows) == bool(known)
    assert rows[part] == known[part]
    assert [rows[at] for at in range(-len(known), len(known))] == known + known
    assert all(type(got.outcome) is Outcome and type(got.reason) is Reason for got in rows)
    assert rows == SampleRows(known)
    assert (SampleRows(first) == rows) == (not more)
    with pytest.raises(IndexError):
        rows[len(known)]


def test_it_may_grow_while_it_is_read() -> None:
    one = Sample(0, 1, 2, 3, Outcome.OK, Reason.NONE, 0, 0)
    rows = SampleRows([one] * 5000)
    seen = 0
    for _ in rows:
        seen += 1
        if seen == 10:
            rows.extend([one] * 5000)
    assert seen == 10_000


@pytest.mark.parametrize("place", [0, 1, 2, 3, 6, 7])
def test_a_number_that_does_not_fit_is_refused_where_it_comes_in(place: int) -> None:
    row = [0, 1, 2, 3, 0, 0, 0, 0]
    row[place] = MOST + 1
    with pytest.raises(CodecError):
        sample_from_row(row)
    with pytest.raises(struct.error):
        SampleRows([Sample._make([*row[:4], Outcome.OK, Reason.NONE, *row[6:]])])
