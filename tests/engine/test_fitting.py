# SPDX-License-Identifier: Apache-2.0
"""Lanes as far as each vantage's tier allows, who becomes the sentinel, and what is said of the rest."""

from csworkbench.engine.fitting import fit, told
from csworkbench.engine.roles import with_roles
from csworkbench.model.lane import Prober, Vantage, VantageKind
from csworkbench.model.scenario import Intervals
from csworkbench.model.tier import Tier
from csworkbench.probing.answers import Facts
from csworkbench.probing.bundle import Bundle
from csworkbench.probing.choose import Chosen
from csworkbench.probing.program import PythonProgram, ShellProgram
from tests.probing.test_lanes import INVENTORY, OUTSIDE

FACTS = Facts("3.9", packet_socket=False, raw_socket=False, user="ops")
SHELL, TENANTS = ShellProgram(b""), tuple(Vantage(f"vm0{number}", VantageKind.TENANT) for number in (1, 2, 3))


def chosen(tier: Tier, *, coarse: bool = False) -> Chosen:
    program = SHELL if tier is Tier.SHELL else PythonProgram(Bundle("0" * 16, b""), tier)
    return Chosen(program, FACTS, coarse)


def lanes_of(*tiers: Tier, coarse: bool = False, outside: Tier = Tier.ROOT):  # type: ignore[no-untyped-def]
    of = {vantage.name: chosen(tier, coarse=coarse) for vantage, tier in zip(TENANTS, tiers, strict=False)}
    of["outside"] = chosen(outside)
    vantages, _ = with_roles([*TENANTS[: len(tiers)], OUTSIDE], of, None, measure_only=False)
    return vantages, fit(INVENTORY, vantages, of, Intervals(), "203.0.113.10")


def test_the_sentinel_is_one_that_can_ask() -> None:
    vantages, fitted = lanes_of(Tier.SHELL, Tier.USER, Tier.SUDO)
    assert [vantage.name for vantage in vantages if vantage.sentinel] == ["vm03"]
    assert [lane.vantage for lane in fitted.lanes if lane.prober is Prober.ARP] == ["vm03"]
    vantages, fitted = lanes_of(Tier.USER, Tier.SHELL)
    assert not any(vantage.sentinel for vantage in vantages)
    assert not any(lane.prober is Prober.ARP for lane in fitted.lanes)


def test_the_shell_agent_has_one_slower_lane_with_steps_in_its_clock() -> None:
    for coarse, interval_ms in ((False, 200), (True, 1000)):
        _, fitted = lanes_of(Tier.SHELL, coarse=coarse)
        (lane,) = [lane for lane in fitted.lanes if lane.vantage == "vm01"]
        assert (lane.flow, lane.headline, lane.offset_ns) == ("new", True, 0)
        assert (lane.interval_ns, lane.stamp_step_ns) == (interval_ms * 1_000_000, 10_000_000)
        assert fitted.views["vm01"].cannot_see[-1] == f"outages under {2 * interval_ms} ms"


def test_what_is_said() -> None:
    _, fitted = lanes_of(Tier.ROOT, Tier.USER, Tier.USER, outside=Tier.USER)
    assert told(fitted.views) == [
        "vm02, vm03: tier user: cannot see gateway ARP",
        "outside: tier user: cannot see ingress syn",
    ]
    assert fitted.views["vm01"].sees == ("egress icmp new flow", "egress icmp same flow", "gateway ARP")
    assert fitted.views["vm02"].sees == ("egress icmp new flow", "egress icmp same flow", "gateway ARP neighbour")
    assert fitted.views["outside"].sees == ("ingress banner", "ingress held")
    assert [lane.id for lane in fitted.lanes] == sorted({lane.id for lane in fitted.lanes})


def test_two_that_could_ask_and_one_that_does_lack_nothing() -> None:
    _, fitted = lanes_of(Tier.ROOT, Tier.ROOT)
    assert fitted.views["vm02"].cannot_see == ()
    assert "gateway ARP" not in fitted.views["vm02"].sees
