# SPDX-License-Identifier: Apache-2.0
"""S11 over whole runs: whose word it is, what is said of it, and why an outage is not split."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from csworkbench.measurement.analysis import Analysis
from csworkbench.measurement.arp_report import (
    ALOUD_NOTE,
    HEALED_NOTE,
    SENTINEL_NOTE,
    TALKED_TO_NOTE,
    ArpReport,
    Split,
)
from csworkbench.model import event as ev
from csworkbench.model.cloud import Inventory, Network
from csworkbench.model.event import ChannelState
from csworkbench.model.lane import Lane, Prober, Service
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.model.sample_rows import SampleRows
from csworkbench.model.state import RunState, apply
from tests.measurement.ground_truth import MS, S
from tests.measurement.synthetic_run import HOST, NEW_MAC, OLD_MAC, Plan, SyntheticRun, folded

GAP = (9.0, 11.3)
Downs = dict[int, tuple[tuple[float, float], ...]]
DOWNS: Downs = {0: (GAP,), 100: ((9.0, 11.2),), 1: (GAP,), 2: ((9.0, 15.0),)}
QUIET = [(7.9, ev.ChannelChanged("vm02", ChannelState.QUIET)), (18.0, ev.ChannelChanged("vm02", ChannelState.OPENING))]


def report(
    downs: Downs | None = None, *, mac_change: float = 11.2,
    extra: Iterable[tuple[float, ev.Body]] = (), quiet: bool = True, without: Iterable[int] = (),
) -> ArpReport:  # fmt: skip
    run = SyntheticRun(Plan(downs=DOWNS if downs is None else downs, mac_change=mac_change))
    state = folded(run.events(extra))
    for lane in without:
        del state.lanes[lane]
    known = state.vantages["vm02"]
    known.vantage = replace(known.vantage, quiet=quiet)
    return analysed(state)


def analysed(state: RunState) -> ArpReport:
    analysis = Analysis(state)
    analysis.finish()
    return ArpReport(state, analysis)


def of(arp: ArpReport, lane: int) -> list[Split]:
    return [arp.split(outage) for outage in arp._analysis.lane(lane).outages]


def near(split: Split, gap_s: float, tail_s: float) -> None:
    assert split.gap is not None
    assert split.tail is not None
    for part, true_s in ((split.gap, gap_s), (split.tail, tail_s)):
        assert part.low_ns <= true_s * S <= part.high_ns, (part, true_s)
        assert abs(part.down_ns - true_s * S) <= 200 * MS


def test_the_quiet_vm_has_a_tail_and_the_others_have_none() -> None:
    arp = report(extra=QUIET)
    (sentinel,), (loud,), (quiet,) = of(arp, 0), of(arp, 1), of(arp, 2)
    near(quiet, 2.3, 3.7)
    near(loud, 2.3, 0.0)
    near(sentinel, 2.3, 0.0)
    assert sentinel.why == SENTINEL_NOTE
    assert loud.why == ""
    assert quiet.why == ALOUD_NOTE  # probes from outside go on
    worst = arp.egress()
    assert worst is not None
    assert (worst.role, worst.split) == ("quiet vm02", quiet)
    assert arp.quiet() == worst


def test_who_was_talked_to_or_woken_too_early_says_less() -> None:
    (quiet,) = of(report(extra=[QUIET[0], (14.8, QUIET[1][1])]), 2)
    near(quiet, 2.3, 3.7)
    assert quiet.why == HEALED_NOTE
    (loud,) = of(report(quiet=False), 2)
    assert loud.why == TALKED_TO_NOTE
    hushed = [(s, replace(body, vantage=name)) for s, body in QUIET for name in ("vm00", "vm01", "vm02")]
    (alone,) = of(report(extra=hushed, without=(200, 201, 202)), 2)
    assert alone.why == ""


def test_while_two_routers_answer_the_sentinel_cannot_tell_which_one_a_guest_uses() -> None:
    """From 12 s to 14 s; the tail is what is left before and after."""
    second = [(s / 10, ev.SecondOwner(100, s, 0, OLD_MAC)) for s in range(120, 141)]
    (quiet,) = of(report(extra=[*QUIET, *second]), 2)
    assert quiet.gap is not None
    assert quiet.tail is not None
    near(quiet, 4.3, 1.7)
    assert quiet.gap.low_ns <= 2.3 * S < 4.3 * S <= quiet.gap.high_ns


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mac_change": 18.5}, "the gateway kept its MAC: 3.70 s of it have another cause than ARP"),
        ({"without": (100,)}, "no sentinel: no VM asks for the gateway's MAC"),
        ({"without": (0,)}, "the sentinel vm00 has no egress lane"),
        ({"downs": DOWNS | {2: ((9.0, 30.0),)}}, "it has no end"),
    ],
)
def test_why_not(changes: dict[str, object], why: str) -> None:
    (split,) = of(report(**changes), 2)  # type: ignore[arg-type]
    assert (split.gap, split.tail) == (None, None)
    assert split.why.startswith(why[:25])
    assert split.why == why or "another cause" in split.why


def test_a_sentinel_that_ended_early_judges_nothing() -> None:
    run = SyntheticRun(Plan(downs=DOWNS, mac_change=11.2))
    state = folded(run.events())
    for lane in (0, 100):
        state.lanes[lane].samples = SampleRows(
            s for s in state.lanes[lane].samples if s.at_ns < run.remote("vm00", HOST + 14 * S)
        )
    (split,) = of(analysed(state), 2)
    assert split == Split(why="the sentinel vm00 was not measured to its end")


def test_the_kernels_own_entry_divides_tail_from_the_rest() -> None:
    """The guest learns the new MAC 2 s before its egress is back: that is no ARP any more."""
    run = SyntheticRun(Plan(downs=DOWNS, mac_change=11.2))
    lane = Lane(300, Service.GATEWAY, Prober.NEIGHBOUR, "vm02", "10.1.1.1", 100 * MS, S, subject="vm02", headline=False)
    state = folded(run.events())
    samples = []
    for n in range(200):
        at = run.remote("vm02", HOST + n * 100 * MS)
        mac = OLD_MAC if n < 130 else NEW_MAC
        samples.append(Sample(n, at, at, at, Outcome.OK, Reason.NONE, 2, mac))
    bodies: tuple[ev.Body, ...] = (ev.LaneAdded(lane), ev.SamplesArrived(300, tuple(samples)))
    for number, body in enumerate(bodies, state.seq + 1):
        apply(state, ev.Event(number, state.last_ns, 0, body))
    arp = analysed(state)
    (split,) = of(arp, 2)
    near(split, 2.3, 1.7)
    assert "2.0" in split.why
    assert "more with the right MAC" in split.why
    (stale,) = arp.stale()
    assert (stale.vantage, stale.mac) == ("vm02", OLD_MAC)
    assert stale.onset[0] <= HOST + 11.2 * S <= stale.onset[1] + 200 * MS
    assert stale.end[0] <= HOST + 13 * S <= stale.end[1]


def test_a_vm_in_another_tier_than_the_sentinels_is_not_split() -> None:
    state = folded(SyntheticRun(Plan(downs=DOWNS)).events(QUIET))
    tiers = tuple(
        Network(n, n, "Implemented", cidr=f"10.1.{i}.0/24", gateway=f"10.1.{i}.1") for i, n in ((1, "web"), (2, "app"))
    )
    state.before = Inventory("4.22", tiers[0], tiers=tiers)
    arp_vantage = next(s.lane.vantage for s in state.lanes.values() if s.lane.prober is Prober.ARP)
    for name, known in state.vantages.items():
        known.vantage = replace(known.vantage, guest_ip="10.1.1.11" if name == arp_vantage else "10.1.2.11")
    arp = analysed(state)
    (other,) = of(arp, 2)
    assert other.gap is None
    assert "another tier" in other.why
    assert of(arp, 0)[0].gap is not None
