# SPDX-License-Identifier: Apache-2.0
"""S7: an outage is ambiguous while a control lane speaks against its vantage, and only then."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.blind import STOPPED, Blind
from csworkbench.measurement.control import Controls, Role, control_of
from csworkbench.measurement.outage import Outage, Span
from csworkbench.measurement.totals import LaneReport
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.sample import Reason
from tests.measurement.ground_truth import MS, S
from tests.measurement.synthetic_run import Plan, SyntheticRun, folded

NAMES = ("vm01", "vm02", "vm03", "vm04")
VANTAGES = {n: Vantage(n, VantageKind.TENANT, guest_ip=f"10.1.1.{i}") for i, n in enumerate(NAMES, 1)}
VANTAGES["outside"] = Vantage("outside", VantageKind.OUTSIDE)
DOWN: Span = (10 * S, 12 * S)


def lane(number: int, vantage: str, target: str, service: Service = Service.CONTROL, subject: str = "") -> Lane:
    prober = Prober.ICMP if vantage != "outside" else Prober.SYN
    return Lane(number, service, prober, vantage, target, 100 * MS, S, flow="new", subject=subject or vantage)


def outage(number: int, start: int, end: int, clock: int = 0) -> Outage:
    onset, over = (start - 100 * MS, start), (end - 100 * MS, end)
    return Outage(
        number, start - 50 * MS, end - 50 * MS, onset, over, end - start, end - start - 100 * MS,
        end - start + 100 * MS, 20, Reason.TIMEOUT, False, False, clock_ns=clock,
    )  # fmt: skip


def report(of: Lane, *downs: Span, blind: Span | None = None) -> LaneReport:
    outages = [outage(of.id, a, b) for a, b in downs]
    blinds = [Blind(*blind, STOPPED, 20)] if blind else []
    return LaneReport(of, 100, 80, 20, 0, outages, blinds, None, 0, 0, 0, 0, 0, False, False)


def judged(subject: Lane, *reports: LaneReport, blind: dict[str, list[Span]] | None = None) -> tuple[str, int]:
    return Controls(reports, VANTAGES, blind or {}).against(subject, outage(subject.id, *DOWN))


EGRESS = lane(1, "vm01", "203.0.113.9", Service.EGRESS)
INGRESS = lane(2, "outside", "203.0.113.1", Service.INGRESS, "vm01")
TO_2 = lane(11, "vm01", "10.1.1.2")
TWO_TO_3 = lane(12, "vm02", "10.1.1.3")
THREE_TO_2 = lane(13, "vm03", "10.1.1.2")
FOUR_TO_1 = lane(14, "vm04", "10.1.1.1")


@pytest.mark.parametrize(
    ("of", "role", "peer"),
    [
        (lane(1, "vm01", "127.0.0.1"), Role.LOOPBACK, ""),
        (lane(1, "outside", "127.0.0.1"), Role.LOOPBACK, ""),
        (lane(1, "vm01", "::1"), Role.LOOPBACK, ""),
        (TO_2, Role.PEER, "vm02"),
        (lane(1, "vm01", "10.1.1.77"), Role.PEER, "10.1.1.77"),
        (lane(1, "vm01", "10.9.9.9", subject="vm03"), Role.PEER, "vm03"),
        (lane(1, "outside", "198.51.100.7"), Role.UNRELATED, ""),
        (lane(1, "outside", "10.1.1.2", subject="web rule"), Role.OTHER, ""),
    ],
)
def test_s07_what_a_control_lane_asks(of: Lane, role: Role, peer: str) -> None:
    found = control_of(of, VANTAGES)
    assert (found.role, found.peer) == (role, peer)


def test_s07_without_control_lanes_or_with_good_ones_nothing_is_ambiguous() -> None:
    assert judged(EGRESS) == ("", 0)
    assert judged(EGRESS, report(lane(10, "vm01", "127.0.0.1")), report(TO_2)) == ("", 0)


def test_s07_the_own_loopback_and_the_own_peer_make_it_ambiguous() -> None:
    why, for_ns = judged(EGRESS, report(lane(10, "vm01", "127.0.0.1"), DOWN))
    assert "vm01" in why
    assert for_ns == outage(1, *DOWN).down_ns
    assert judged(EGRESS, report(TO_2, DOWN))[0]
    assert not judged(EGRESS, report(lane(10, "vm02", "127.0.0.1"), DOWN))[0], "that of another VM does not"


def test_s07_only_the_time_in_common_counts() -> None:
    why, for_ns = judged(EGRESS, report(TO_2, (11 * S, 30 * S)))
    assert why
    assert S <= for_ns <= S + 200 * MS
    assert judged(EGRESS, report(TO_2, (20 * S, 30 * S))) == ("", 0)


def test_s07_bounds_of_the_clocks_count_for_overlap() -> None:
    controls = Controls([report(TO_2, (12 * S + 300 * MS, 20 * S))], VANTAGES, {})
    assert controls.against(EGRESS, outage(1, *DOWN)) == ("", 0)
    assert controls.against(EGRESS, outage(1, *DOWN, clock=500 * MS))[0]


def test_s07_a_peer_that_was_itself_the_cause_proves_nothing() -> None:
    assert not judged(EGRESS, report(TO_2, DOWN), report(TWO_TO_3, DOWN))[0], "vm02 reached nobody"
    assert not judged(EGRESS, report(TO_2, DOWN), report(THREE_TO_2, DOWN))[0], "nobody reached vm02"
    assert not judged(EGRESS, report(TO_2, DOWN), blind={"vm02": [DOWN]})[0], "vm02's prober stood still"
    assert not judged(EGRESS, report(TO_2, DOWN), report(FOUR_TO_1))[0], "vm01 is cleared, vm02 is not"


def test_s07_a_peer_that_others_reached_was_not_the_cause() -> None:
    assert judged(EGRESS, report(TO_2, DOWN), report(THREE_TO_2))[0]
    assert judged(EGRESS, report(TO_2, DOWN), report(TWO_TO_3))[0]
    assert judged(EGRESS, report(TO_2, DOWN), report(FOUR_TO_1, DOWN), report(TWO_TO_3))[0]


def test_s07_the_whole_network_down_makes_everything_ambiguous() -> None:
    ring = [report(of, DOWN) for of in (TO_2, TWO_TO_3, lane(15, "vm03", "10.1.1.4"), FOUR_TO_1)]
    for i, name in enumerate(NAMES):
        assert judged(lane(50 + i, name, "203.0.113.9", Service.EGRESS), *ring)[0], name
    pair = [report(TO_2, DOWN), report(lane(16, "vm02", "10.1.1.1"), DOWN)]
    assert judged(EGRESS, *pair)[0]
    assert judged(lane(51, "vm02", "203.0.113.9", Service.EGRESS), *pair)[0]


def test_s07_from_outside_its_own_lanes_and_those_of_the_vm_behind_the_address() -> None:
    assert judged(INGRESS, report(lane(20, "outside", "198.51.100.7"), DOWN))[0]
    assert judged(INGRESS, report(TO_2, DOWN), report(THREE_TO_2))[0]
    assert not judged(EGRESS, report(lane(20, "outside", "198.51.100.7"), DOWN))[0], "a tenant does not need it"


def test_s07_a_back_end_that_was_down_itself() -> None:
    balancer = lane(30, "outside", "203.0.113.14", Service.BALANCER, "web rule")
    back_end = lane(31, "outside", "10.1.1.2", subject="web rule")
    assert judged(balancer, report(back_end, DOWN))[0]
    assert not judged(INGRESS, report(back_end, DOWN))[0]


def test_s07_a_control_lane_is_not_judged_itself() -> None:
    assert judged(TO_2, report(lane(10, "vm01", "127.0.0.1"), DOWN)) == ("", 0)


@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from((*NAMES, "")), st.integers(0, 30), st.integers(0, 10)),
        max_size=8,
    )
)
@settings(max_examples=150)
def test_s07_ambiguous_time_lies_in_the_outage_and_needs_a_control_outage(
    made: list[tuple[str, str, int, int]],
) -> None:
    reports = [
        report(
            lane(100 + i, near, VANTAGES[far].guest_ip if far else "127.0.0.1"),
            *([(at * S, (at + length) * S)] if length else []),
        )
        for i, (near, far, at, length) in enumerate(made)
        if near != far
    ]
    controls = Controls(reports, VANTAGES, {})
    for of in (EGRESS, INGRESS):
        found = outage(of.id, *DOWN)
        why, for_ns = controls.against(of, found)
        assert 0 <= for_ns <= found.down_ns
        assert bool(why) >= bool(for_ns)
        touching = [r for r in reports for o in r.outages if o.span[0] < found.span[1] and found.span[0] < o.span[1]]
        if not touching:
            assert (why, for_ns) == ("", 0)
        if any(r.lane.target == "127.0.0.1" and r.lane.vantage == "vm01" for r in touching):
            assert why, "nothing excuses the own loopback"


class ControlledRun(SyntheticRun):
    """Each VM has a loopback lane (300 + i) and one to the next VM (400 + i)."""

    def lanes(self) -> list[Lane]:
        found = super().lanes()
        for i, name in enumerate(self.names()):
            to = f"10.1.1.{(i + 1) % self.plan.vms}"
            base = Lane(300 + i, Service.CONTROL, Prober.ICMP, name, "127.0.0.1", 100 * MS, S, subject=name)
            found += [base, replace(base, id=400 + i, target=to)]
        return found


def test_s07_a_run_says_how_much_is_ambiguous_and_still_counts_it() -> None:
    run = ControlledRun(Plan(downs={0: ((9.0, 12.0),), 1: ((9.0, 11.0),), 400: ((10.0, 13.0),)}))
    analysis = Analysis(folded(run.events()))
    analysis.finish()
    (first,), (second,) = analysis.lane(0).outages, analysis.lane(1).outages
    assert "vm01" in first.ambiguous
    assert 2 * S - 200 * MS <= first.ambiguous_ns <= 2 * S + 300 * MS
    assert (second.ambiguous, second.ambiguous_ns) == ("", 0)
    services = {s.service: s for s in analysis.services()}
    assert Service.CONTROL not in services, "it is no service"
    egress = services[Service.EGRESS]
    assert egress.worst == "vm00"
    assert egress.low_ns <= 3 * S <= egress.high_ns, "ambiguous outages count"
    assert egress.ambiguous_ns == first.ambiguous_ns
    assert egress.ambiguous == first.ambiguous
    assert analysis.lane(400).outages[0].ambiguous == ""


def test_s07_a_live_analysis_judges_like_a_finished_one() -> None:
    events = ControlledRun(Plan(vms=2, downs={0: ((9.0, 12.0),), 400: ((10.0, 13.0),), 401: ((10.5, 12.0),)})).events()
    from csworkbench.model.state import RunState, apply

    state = RunState()
    live = Analysis(state)
    for i, event in enumerate(events):
        apply(state, event)
        if i % 97 == 0:
            live.update()
            for lane_id in state.lanes:
                live.lane(lane_id)
    live.finish()
    whole = Analysis(folded(events))
    whole.finish()
    assert [live.lane(i) for i in state.lanes] == [whole.lane(i) for i in state.lanes]
    assert live.lane(0).ambiguous_ns
