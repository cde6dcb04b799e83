# SPDX-License-Identifier: Apache-2.0
"""The witness's schedule and its source ports, without a cloud."""

from __future__ import annotations

import os
import time
from itertools import combinations

from csworkbench.lab.witness_loop import Loop
from csworkbench.lab.witness_raw import FIRST_PORT, PORTS, source_port

MS = 1_000_000


def test_the_schedule_is_a_grid_that_nothing_shifts() -> None:
    loop = Loop()
    fired: list[int] = []

    def fire() -> None:
        fired.append(time.monotonic_ns())
        if len(fired) == 3:
            time.sleep(0.035)  # three of its moments pass: they are left out, not made up for

    loop.every(10 * MS, fire)
    while len(fired) < 8:
        loop.turn()
    steps = [round((later - fired[0]) / (10 * MS)) for later in fired]
    assert steps[3] - steps[2] >= 4
    assert steps == sorted(set(steps))


def test_a_sweep_is_told_a_time_before_anything_was_read() -> None:
    """Else a reply that came while the process stood still would count as none."""
    loop = Loop()
    reader, writer = os.pipe()
    reads: list[int] = []
    swept: list[int] = []

    def read() -> None:
        reads.append(time.monotonic_ns())
        os.read(reader, 1)
        time.sleep(0.02)

    loop.watch(reader, read)
    loop.sweeps.append(swept.append)
    loop.every(MS, lambda: None)
    os.write(writer, b".")
    loop.turn()
    assert len(reads) == len(swept) == 1
    assert swept[0] <= reads[0]
    os.close(reader)
    os.close(writer)


def test_source_ports_of_few_probers_meet_late() -> None:
    """At 5 ms a probe, a port comes back from another prober after 6 s at the soonest, from its own after 110 s."""
    assert {source_port(number, 0) for number in range(PORTS)} == set(range(FIRST_PORT, FIRST_PORT + PORTS))
    for one, other in combinations([source_port(0, index) for index in range(12)], 2):
        distance = abs(one - other)
        assert min(distance, PORTS - distance) * 0.005 > 6
    assert min(abs(source_port(0, 2) - source_port(0, 3)), PORTS - abs(source_port(0, 2) - source_port(0, 3))) > 8000
