# SPDX-License-Identifier: Apache-2.0
import math

from hypothesis import given
from hypothesis import strategies as st

from csworkbench.cloudstack.clock import ServerClockBounds, parse_date


@given(
    st.floats(1.8e9, 2.0e9),
    st.lists(st.tuples(st.floats(0.01, 5), st.floats(0, 0.5), st.floats(0, 0.5)), min_size=1, max_size=40),
)
def test_the_truth_lies_within(offset: float, replies: list[tuple[float, float, float]]) -> None:
    bounds, now, widths = ServerClockBounds(), 10.0, []
    for pause, out, back in replies:
        now += pause
        at_server = now + out
        event = bounds.add(math.floor(at_server + offset), int(now * 1e9), int((at_server + back) * 1e9))
        assert bounds.low_s - 1e-6 <= offset <= bounds.high_s + 1e-6
        if event:
            widths.append(event.high_s - event.low_s)
        now = at_server + back
    assert widths == sorted(widths, reverse=True)


def test_it_speaks_first_then_only_when_notably_better() -> None:
    bounds = ServerClockBounds()
    assert bounds.add(1000, 0, 100_000_000) is not None
    assert bounds.add(1000, 10_000_000, 110_000_000) is None
    better = bounds.add(1001, 500_000_000, 510_000_000)
    assert better is not None
    assert better.high_s - better.low_s < 0.52


def test_a_server_clock_that_was_set_starts_anew() -> None:
    bounds = ServerClockBounds()
    bounds.add(1000, 0, 100_000_000)
    event = bounds.add(5000, 200_000_000, 300_000_000)
    assert event is not None
    assert event.low_s > 4000


def test_dates() -> None:
    assert parse_date("Fri, 01 Jan 2027 00:00:10 GMT") == 1_798_761_610
    assert parse_date("yesterday") is None
    assert parse_date("") is None
