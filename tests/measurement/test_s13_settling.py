# SPDX-License-Identifier: Apache-2.0
"""Which lanes a run waits for, and which make no figures (S13)."""

from collections.abc import Iterator
from dataclasses import replace

from csworkbench.measurement.analysis import Analysis
from csworkbench.model import event as ev
from csworkbench.model.lane import Lane, Prober, Service

from .ground_truth import S
from .synthetic_run import HOST, Plan, SyntheticRun, folded

FOREVER = ((9.0, 99.0),)
HELD, GARP, SLOW, OUT = 1, 2, 201, 202


class Run(SyntheticRun):
    """Lane 1 is a held connection that was cut, 2 a heartbeat that hears no more, 201 slow, 202 left out and down."""

    def lanes(self) -> list[Lane]:
        changed = {
            HELD: {"prober": Prober.HELD, "headline": False},
            GARP: {"prober": Prober.GARP, "headline": False},
            SLOW: {"service": Service.DHCP, "prober": Prober.DHCP, "interval_ns": 6 * S},
            OUT: {"service": Service.BALANCER},
        }
        return [replace(lane, **changed.get(lane.id, {})) for lane in super().lanes()]  # type: ignore[arg-type]

    def bodies(self) -> Iterator[tuple[int, ev.Body]]:
        yield from super().bodies()
        yield HOST + 7 * S, ev.LaneLeftOut(Service.BALANCER, "vm02", "lost 9 of 9 samples", OUT)


def analysis() -> Analysis:
    told = Analysis(folded(Run(Plan(downs={HELD: FOREVER, GARP: FOREVER, OUT: FOREVER})).events()))
    told.finish()
    return told


def test_nobody_waits_for_what_cannot_come_back() -> None:
    told = analysis()
    assert told.all_ok_since_ns() is not None
    assert told.seen_until_ns() < HOST + 19 * S  # the slow one has last spoken then
    assert told.seen_until_ns({SLOW}) > HOST + 19 * S
    assert told.lane(HELD).open


def test_heartbeats_and_lanes_that_are_left_out_make_no_outages() -> None:
    told = analysis()
    for lane in (GARP, OUT):
        report = told.lane(lane)
        assert report.fail
        assert (report.outages, report.down_ns, report.open) == ([], 0, False)
    assert Service.BALANCER not in {report.service for report in told.services()}


def test_a_slow_lane_s_baseline_is_all_it_has_said() -> None:
    baseline = analysis().baseline(SLOW)
    assert baseline is not None
    assert baseline.sent == 2  # at 0 s, in the warm-up, and at 6 s
