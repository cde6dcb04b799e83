# SPDX-License-Identifier: Apache-2.0
"""What a lane's baseline means for the run (S13), slow lanes, budgets without lanes, and who starts first."""

import pytest

from csworkbench.engine.baseline import Ruling, judge, late_checks, late_limit_s, needed_services
from csworkbench.engine.order import PORTS, in_waves, listening, require_budgeted, with_port
from csworkbench.engine.prepared import NotPrepared
from csworkbench.measurement.outage import Baseline
from csworkbench.model.event import LaneLeftOut
from csworkbench.model.lane import Lane, Prober, Service, Vantage, VantageKind
from csworkbench.model.scenario import Scenario
from csworkbench.model.state import LaneState, RunState
from csworkbench.probing.derive import Targets

S = 1_000_000_000
NEEDED = needed_services(Scenario("x", "n", budget={"dns": 1.0}))


def lane(service: Service, prober: Prober = Prober.CONNECT, interval_s: float = 1, headline: bool = True) -> Lane:
    return Lane(0, service, prober, "vm01", "10.1.1.1", int(interval_s * S), S, headline=headline)


@pytest.mark.parametrize(
    ("of", "sent", "lost", "ruling"),
    [
        (lane(Service.EGRESS), 300, 0, Ruling.COUNTS),
        (lane(Service.EGRESS), 300, 4, Ruling.BLOCKS),
        (lane(Service.EGRESS), 300, 300, Ruling.BLOCKS),
        (lane(Service.EGRESS), 0, 0, Ruling.BLOCKS),
        (lane(Service.EGRESS, headline=False), 300, 300, Ruling.LEFT_OUT),
        (lane(Service.DNS), 5, 5, Ruling.BLOCKS),  # it has a budget
        (lane(Service.DNS), 2, 2, Ruling.LEFT_OUT),  # too few to block
        (lane(Service.BALANCER), 5, 5, Ruling.LEFT_OUT),  # derived, and never worked
        (lane(Service.BALANCER), 5, 3, Ruling.BLOCKS),  # works, but badly
        (lane(Service.BALANCER), 2, 1, Ruling.COUNTS),
        (lane(Service.CONTROL, headline=False), 50, 50, Ruling.LEFT_OUT),
        (lane(Service.DHCP, Prober.DHCP, 10), 0, 0, Ruling.COUNTS),  # has not had its turn yet
        (lane(Service.DHCP, Prober.DHCP, 10), 1, 1, Ruling.LEFT_OUT),
        (lane(Service.GATEWAY, Prober.GARP, headline=False), 0, 0, Ruling.COUNTS),
    ],
)
def test_rulings(of: Lane, sent: int, lost: int, ruling: Ruling) -> None:
    assert judge(of, Baseline(sent, lost, 0, 0), needed=NEEDED) is ruling


def test_slow_lanes_are_looked_at_afterwards_and_not_for_ever() -> None:
    state = RunState()
    state.lanes = {
        1: LaneState(lane(Service.DHCP, Prober.DHCP, 10)),
        2: LaneState(lane(Service.DNS, Prober.DNS, 1)),
        3: LaneState(lane(Service.DHCP, Prober.DHCP, 30), left_out=True),
        4: LaneState(lane(Service.EGRESS, Prober.HELD, 30, headline=False)),
    }
    assert late_checks(state, 5.0) == {1}
    assert late_checks(state, 60.0) == set()  # then it settles with the others
    assert 11.0 <= late_limit_s(state, {1}) <= 15.0


def test_a_budget_that_nothing_measures_ends_the_run_before_it_begins() -> None:
    lanes = [lane(Service.EGRESS), lane(Service.DNS, headline=False)]
    require_budgeted({"egress": 1.0}, lanes, [])
    with pytest.raises(NotPrepared, match=r"dns has a budget.*: names: the network offers no Dns") as caught:
        require_budgeted({"dns": 1.0}, lanes, [LaneLeftOut(Service.DNS, "names", "the network offers no Dns")])
    assert caught.value.exit_code == 4


def test_those_that_answer_start_first() -> None:
    vantages = [Vantage(name, VantageKind.TENANT) for name in ("vm01", "outside", "vm02")]
    answering = Lane(1, Service.CONTROL, Prober.LISTEN, "outside", "0.0.0.0", S, S, port=7)
    waves = in_waves(vantages, listening([answering]))
    assert [[v.name for v in wave] for wave in waves] == [["outside"], ["vm01", "vm02"]]
    assert [[v.name for v in wave] for wave in in_waves(vantages, frozenset())] == [["vm01", "outside", "vm02"]]


def test_the_port_is_the_one_given_or_the_run_s_own() -> None:
    assert with_port(Targets(outside_port=7), "ff" * 16).outside_port == 7
    chosen = {with_port(Targets(), f"{n:08x}" + "00" * 12).outside_port for n in (1, 2, 2**32 - 1)}
    assert len(chosen) == 3
    assert chosen <= set(PORTS)
