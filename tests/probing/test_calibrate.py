# SPDX-License-Identifier: Apache-2.0
"""What a vantage says of its calibration: judged here, and never believed blindly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csworkbench.model.event import Calibrated
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.probing.bundle import Bundle
from csworkbench.probing.calibrate import MOST_NS, calibrate, read_answer, trouble
from csworkbench.probing.plan import ProbePlan
from csworkbench.probing.program import Program, PythonProgram, ShellProgram
from csworkbench.probing.shell import Completed, ShellError

MS = 1_000_000
PLAN = ProbePlan("5a" * 16, 60.0, (Lane(0, Service.EGRESS, Prober.ICMP, "vm01", "192.0.2.1", 100 * MS, 1000 * MS),))
PYTHON = PythonProgram(Bundle("d" * 16, b""))
GOOD: dict[str, Any] = {
    "wanted": 40, "sent": 40, "self_late": 0, "late_ns": [MS // 10, MS // 5, MS], "interval_ns": 100 * MS,
    "rtt_ns": MS // 4, "silenced": [1030 * MS, 1031 * MS], "woken": [1330 * MS, 1331 * MS],
    "edges": [1000 * MS, 1100 * MS, 1300 * MS, 1400 * MS], "scheduler": "fifo",
}  # fmt: skip


class Says:
    """A shell that answers one thing; implements what calibrating needs of Shell."""

    def __init__(self, out: str, status: int = 0) -> None:
        self.out, self.status = out, status
        self.said: list[str] = []

    async def run(self, script: str, timeout_s: float = 30.0) -> Completed:
        self.said.append(script)
        assert timeout_s <= 30.0
        return Completed(self.status, self.out, "")

    async def put(self, data: bytes, path: str) -> None:
        assert ".." not in path


async def ask(out: str, program: Program = PYTHON, status: int = 0) -> Calibrated:
    return await calibrate("vm01", Says(out, status), program, PLAN, 1.0)  # type: ignore[arg-type]


async def test_a_good_answer() -> None:
    found = await ask(json.dumps(GOOD))
    assert (found.true_low_ns, found.true_high_ns) == (299 * MS, 301 * MS)
    assert (found.low_ns, found.high_ns, found.off_ns) == (200 * MS, 400 * MS, 0)
    assert (found.late_p99_ns, found.scheduler, found.why, trouble(found)) == (MS // 5, "fifo", "", "")


@pytest.mark.parametrize(
    ("change", "off_ns"),
    [
        ({"edges": [1040 * MS, 1100 * MS, 1300 * MS, 1400 * MS]}, 9 * MS - MS // 4),  # ok after it had fallen silent
        ({"edges": [900 * MS, 1000 * MS, 1300 * MS, 1400 * MS]}, 30 * MS - MS // 4),  # lost before
        ({"edges": [1000 * MS, 1100 * MS, 1340 * MS, 1400 * MS]}, 9 * MS - MS // 4),  # lost after it was back
        ({"edges": [1000 * MS, 1100 * MS, 1200 * MS, 1300 * MS]}, 30 * MS - MS // 4),  # ok before it was back
        ({"edges": [1031 * MS + MS // 5, 1100 * MS, 1300 * MS, 1400 * MS]}, 0),  # it was under way
    ],
)
def test_a_truth_that_lies_outside_is_said(change: dict[str, Any], off_ns: int) -> None:
    found = read_answer("vm01", 100 * MS, GOOD | change)
    assert found.off_ns == off_ns
    assert bool(trouble(found)) == bool(off_ns)


def test_a_slow_vantage_is_told_what_to_do() -> None:
    slow = read_answer("vm01", 100 * MS, GOOD | {"sent": 30, "self_late": 10})
    assert "10 of 40 samples too late to count; longer `intervals`" in trouble(slow)
    late = read_answer("vm01", 100 * MS, GOOD | {"late_ns": [MS, 60 * MS, 80 * MS]})
    assert trouble(late).startswith("vm01 is slow: its prober sent up to 60.0 ms late (p99)")
    blind = read_answer("vm01", 100 * MS, GOOD | {"edges": []})
    assert trouble(blind).startswith("vm01 could not be calibrated: it did not see the whole of an outage")


@pytest.mark.parametrize(
    "out",
    ["", "nonsense", "[]", "{}", "null", json.dumps(GOOD)[:-1], json.dumps({"error": "no\nsuch\x1b[31m plan"}),
     json.dumps(GOOD | {"wanted": 0}), json.dumps(GOOD | {"sent": 10**12}), json.dumps(GOOD | {"late_ns": [3, 2, 1]}),
     json.dumps(GOOD | {"late_ns": [1, 2, MOST_NS + 1]}), json.dumps(GOOD | {"silenced": [10**18, 10**18 + 1]}),
     json.dumps(GOOD | {"woken": [1330 * MS, 10**18]}), json.dumps(GOOD | {"edges": [0, 1, 2, 10**18]}),
     json.dumps(GOOD | {"edges": ["a", None, {}, []]}), json.dumps(GOOD | {"edges": [1]}), "[" * 100_000],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_is_none(out: str) -> None:
    found = await ask(out)
    assert found.why and "\n" not in found.why and len(found.why) <= 300
    assert (found.wanted, found.high_ns, found.late_max_ns) == (0, 0, 0)
    assert "could not be calibrated" in trouble(found)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(GOOD)), VALUES))
def test_whatever_it_says_the_numbers_are_bounded(change: dict[str, Any]) -> None:
    try:
        found = read_answer("vm01", 100 * MS, GOOD | change)
    except ShellError:
        return
    for name in ("late_p50_ns", "late_p99_ns", "late_max_ns", "true_low_ns", "true_high_ns", "low_ns", "high_ns"):
        assert 0 <= getattr(found, name) <= MOST_NS
    assert found.low_ns <= found.high_ns and found.true_low_ns <= found.true_high_ns
    assert len(found.scheduler) <= 10


async def test_a_plain_shell_tells_what_it_can() -> None:
    found = await ask("100.00 100.60\n", ShellProgram(b""))
    assert (found.late_p50_ns, found.step_ns) == (120 * MS, 10 * MS)
    assert "only its clock and how long a ping takes" in found.why
    assert trouble(found).startswith("vm01 is slow: a ping takes 120 ms to start")
    assert not trouble(await ask("100.00 100.10\n", ShellProgram(b"")))
    for lie in ("", "1", "a b", "5 4", "nan nan", "0 inf", "1 2 3"):
        assert "makes no sense" in (await ask(lie, ShellProgram(b""))).why
