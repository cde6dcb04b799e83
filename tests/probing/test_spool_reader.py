# SPDX-License-Identifier: Apache-2.0
"""The reader of spools against the golden file that the writer in probes/ is held to as well."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model.event import Announced, Body, LateArrived, RemoteClock, SamplesArrived, SecondOwner
from csworkbench.probing.spool import HEADER, RECORD, SpoolError, SpoolReader

GOLDEN = Path(__file__).parent.parent / "probes" / "golden"
DATA = (GOLDEN / "spool-v1.bin").read_bytes()
SAID: dict[str, Any] = json.loads((GOLDEN / "spool-v1.json").read_text())
RUN = bytes.fromhex(SAID["header"]["run"])
LANES = frozenset(r["lane"] for r in SAID["records"]) - {0xFFFF}


def reader() -> SpoolReader:
    return SpoolReader("vm01", LANES, RUN)


def flat(bodies: list[Body]) -> list[tuple[str, int, int, int, int]]:
    found = []
    for body in bodies:
        if isinstance(body, SamplesArrived | LateArrived):
            kind = "sample" if isinstance(body, SamplesArrived) else "late"
            found += [(kind, body.lane, s.seq, s.sent_ns, s.received_ns) for s in body.samples]
        elif isinstance(body, SecondOwner):
            found.append(("owner", body.lane, body.seq, body.remote_ns, body.mac))
        elif isinstance(body, Announced):
            found.append(("announced", body.lane, body.detail, body.remote_ns, body.mac))
        elif isinstance(body, RemoteClock):
            found.append(("clock", 0xFFFF, 0, body.remote_ns, body.remote_real_ns))
    return sorted(found)


def fit(number: int) -> int:
    """The run file's integers are signed: what is larger is kept as the largest."""
    return min(number, (1 << 63) - 1)


def expected() -> list[tuple[str, int, int, int, int]]:
    found = []
    for r in SAID["records"]:
        match r["kind"]:
            case 1 | 4:
                kind = "sample" if r["kind"] == 1 else "late"
                found.append((kind, r["lane"], r["seq"], fit(r["sent"]), fit(r["received"])))
            case 2:
                found.append(("clock", 0xFFFF, 0, fit(r["sent"]), fit(r["aux"])))
            case 5:
                found.append(("owner", r["lane"], r["seq"], fit(r["received"]), r["value"]))
            case 6:
                found.append(("announced", r["lane"], r["detail"], fit(r["received"]), r["value"]))
    return sorted(found)


def test_golden_file_says_what_its_json_says() -> None:
    spool = reader()
    assert flat(spool.feed(0, DATA)) == expected()
    assert (spool.records, spool.gaps, spool.strange) == (len(SAID["records"]), 0, 0)
    assert spool.ended
    assert spool.offset == len(DATA)


@given(st.lists(st.integers(0, len(DATA)), max_size=12))
def test_any_cut_gives_the_same_records(cuts: list[int]) -> None:
    spool = reader()
    found: list[Body] = []
    edges = sorted({0, *cuts, len(DATA)})
    for start, end in itertools.pairwise(edges):
        found += spool.feed(start, DATA[start:end])
    assert flat(found) == expected()


@given(st.integers(HEADER.size, len(DATA)), st.integers(0, 200))
def test_a_tail_that_begins_again_earlier_repeats_nothing(cut: int, back: int) -> None:
    spool = reader()
    found = spool.feed(0, DATA[:cut])
    again = max(spool.offset - back, 0)
    found += spool.feed(again, DATA[again:])
    assert flat(found) == expected()


def test_a_missing_record_is_counted() -> None:
    spool = reader()
    cut = HEADER.size + 3 * RECORD.size
    whole = DATA[:cut] + DATA[cut + 2 * RECORD.size :]
    spool.feed(0, whole)
    assert spool.gaps == 2


@pytest.mark.parametrize(
    "data",
    [b"x" * 64, DATA[:8] + b"\x02" + DATA[9:], DATA[:32] + b"\xff" * 16 + DATA[48:]],
    ids=["garbage", "another version", "another run"],
)
def test_a_spool_that_is_not_ours_is_refused(data: bytes) -> None:
    with pytest.raises(SpoolError):
        reader().feed(0, data)


def test_a_jump_in_the_offset_is_refused() -> None:
    spool = reader()
    spool.feed(0, DATA[:200])
    with pytest.raises(SpoolError, match="skipped"):
        spool.feed(400, DATA[400:])


@given(st.binary(max_size=600))
def test_hostile_records_never_raise_anything_else(tail: bytes) -> None:
    spool = reader()
    for body in spool.feed(0, DATA[: HEADER.size] + tail):
        if isinstance(body, SamplesArrived | LateArrived):
            assert body.lane in LANES
            assert all(0 <= n < 1 << 63 for sample in body.samples for n in map(int, sample))
