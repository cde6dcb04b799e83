# SPDX-License-Identifier: Apache-2.0
"""One rate for several processes: whatever their number, no second has more calls than the file allows."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csworkbench.cloudstack.slots import MOST_AHEAD_NS, VARIABLE, SharedSlots, slots_from

SECOND = 1_000_000_000


class Time:
    """A clock that only sleeping moves."""

    def __init__(self, now_ns: int = 50 * SECOND) -> None:
        self.now_ns = now_ns

    def clock_ns(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(calls=st.integers(1, 50), order=st.lists(st.integers(0, 3), min_size=2, max_size=60))
async def test_no_second_has_more_than_the_file_allows(tmp_path: Path, calls: int, order: list[int]) -> None:
    time, file = Time(), tmp_path / "slots"
    file.unlink(missing_ok=True)
    clients = [SharedSlots(file, calls, time.clock_ns, time.sleep) for _ in range(4)]
    made = []
    for number in order:
        await clients[number].take()
        made.append(time.now_ns)
    assert all(later - first >= SECOND - calls for first, later in zip(made, made[calls:], strict=False))


async def test_a_servers_own_limit_is_kept_by_all(tmp_path: Path) -> None:
    time = Time()
    one, other = (SharedSlots(tmp_path / "slots", 10, time.clock_ns, time.sleep) for _ in range(2))
    for client in (one, other):
        client.respect(25, 10)  # 20 in 10 s, with the usual distance to it
        client.respect(0, 10)
    begun = time.now_ns
    for client in (one, other) * 3:
        await client.take()
    assert time.now_ns - begun == 5 * SECOND // 2


@pytest.mark.parametrize("text", [b"", b"nonsense", b"9" * 30, b"\xff\xfe"])
async def test_a_file_from_before_a_reboot_or_of_nonsense_is_begun_anew(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "slots").write_bytes(text)
    time = Time()
    await SharedSlots(tmp_path / "slots", 1, time.clock_ns, time.sleep).take()
    assert time.now_ns < 50 * SECOND + MOST_AHEAD_NS
    assert time.now_ns == 50 * SECOND


def test_processes_share_it(tmp_path: Path) -> None:
    code = (
        "import asyncio, os, time; from csworkbench.cloudstack.slots import slots_from\n"
        "slots = slots_from(os.environ)\n"
        "async def main():\n"
        "    for _ in range(8):\n"
        "        await slots.take(); print(time.monotonic_ns(), flush=True)\n"
        "asyncio.run(main())"
    )
    env = {**os.environ, VARIABLE: f"20:{tmp_path / 'slots'}"}
    running = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=env) for _ in "123"
    ]
    made = sorted(int(line) for process in running for line in process.communicate(timeout=60)[0].splitlines())
    assert len(made) == 24
    assert made[-1] - made[0] >= 23 * SECOND // 20 - SECOND // 20  # the first may have been late itself


def test_what_the_environment_says() -> None:
    for value in ("", "5", ":/x", "0:/x", "x:/x", "-1:/x", "5:"):
        assert slots_from({VARIABLE: value}) is None
    assert slots_from({}) is None
    assert slots_from({VARIABLE: "5:/tmp/a:b"}) is not None
