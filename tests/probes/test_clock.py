# SPDX-License-Identifier: Apache-2.0
"""Kernel stamps (realtime) become monotonic, also when the realtime clock is stepped between packet and reading."""

from __future__ import annotations

import struct

import pytest

from .net import load

clock = load("clock")

SECOND = 1_000_000_000


class Clocks:
    """The two clocks, turned by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mono = 5_000 * SECOND
        self.real = 1_790_000_000 * SECOND
        monkeypatch.setattr(clock, "monotonic_ns", lambda: self.mono)
        monkeypatch.setattr(clock, "clock_gettime_ns", lambda _clock: self.real)

    def pass_by(self, duration_ns: int) -> None:
        self.mono += duration_ns
        self.real += duration_ns

    def stamp(self) -> list[tuple[int, int, bytes]]:
        return [(1, 35, struct.pack("@ll", self.real // SECOND, self.real % SECOND))]


@pytest.mark.parametrize("step_s", [0, 3600, -3600, 3, -3, 0.5, -0.5])
def test_a_step_between_packet_and_reading(monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
    clocks = Clocks(monkeypatch)
    stamps = clock.Stamps()
    stamps.begin()
    stamps.drained()
    clocks.pass_by(5_000_000)
    received, message = clocks.mono, clocks.stamp()
    clocks.pass_by(5_000_000)
    clocks.real += int(step_s * SECOND)
    stamps.begin()
    assert stamps.mono(message) == (received, 1)


def test_a_stamp_that_fits_nowhere_is_not_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    clocks = Clocks(monkeypatch)
    stamps = clock.Stamps()
    message = clocks.stamp()
    for _ in range(3):
        clocks.pass_by(SECOND)
        stamps.begin()
        stamps.drained()
    assert stamps.mono(message) == (clocks.mono, 0)
    assert stamps.mono([]) == (clocks.mono, 0)


def test_a_pair_is_taken_together() -> None:
    first, second = clock.clock_pair(), clock.clock_pair()
    assert second[0] > first[0]
    assert abs((second[1] - first[1]) - (second[0] - first[0])) < 1_000_000
