# SPDX-License-Identifier: Apache-2.0
"""Every service of a router in one run, while several of its paths are broken at the same time (S17)."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from .support import COMMAND, ROOT, csworkbench, lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SCENARIO = """\
name: all services
cloud: lab
network: probe-net
phases: {warmup: 1s, baseline: 3s, confirm: 2s}
intervals: {dns: 100ms, metadata: 100ms, password: 100ms, balancer: 100ms, held: 200ms}
budget: {balancer: 60s}
"""
BREAKS = {"dns": 900, "metadata": 1300, "balancer": 1700, "egress": 2100}
SEEN = (  # a break, a lane that sees it: service, prober, flow
    ("dns", "dns", "dns", ""),
    ("metadata", "metadata", "http", ""),
    ("balancer", "balancer", "connect", ""),
    ("egress", "egress", "icmp", "new"),
    ("egress", "egress", "icmp", "same"),
    ("egress", "egress", "connect", ""),
    ("egress", "egress", "udp", ""),
)


class Ran(NamedTuple):
    truths: dict[str, dict[str, Any]]
    summary: dict[str, Any]

    def lanes(self, service: str, prober: str = "", flow: str = "") -> list[dict[str, Any]]:
        wanted = {"service": service, **({"prober": prober, "flow": flow} if prober else {})}
        return [lane for lane in self.summary["lanes"] if wanted.items() <= lane.items()]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """All breaks begin at about the same time."""
    scenario = tmp_path_factory.mktemp("services") / "all.yaml"
    scenario.write_text(SCENARIO)
    with lab("--vms", "3", "--scale", "0.02"):
        words = [*COMMAND, "watch", str(scenario), "--json"]
        watching = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert watching.stderr is not None
        assert any("phase: measure" in line for line in watching.stderr), "it never began to measure"
        breaking = {
            path: subprocess.Popen(
                [*COMMAND, "lab", "break", path, "--ms", str(ms)], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            for path, ms in BREAKS.items()
        }
        truths = {path: json.loads(process.communicate(timeout=60)[0]) for path, process in breaking.items()}
        done = csworkbench("lab", "exec", "vm01", "--", "sleep", "3")  # samples after the outages
        assert done.returncode == 0, done.stderr
        watching.terminate()
        out, err = watching.communicate(timeout=120)
        assert watching.returncode == 0, err
    yield Ran(truths, json.loads(out))


@pytest.mark.parametrize(("path", "service", "prober", "flow"), SEEN)
def test_an_outage_lies_within_its_bounds(ran: Ran, path: str, service: str, prober: str, flow: str) -> None:
    truth = ran.truths[path]
    shortest, longest = truth["end_ns"][0] - truth["start_ns"][1], truth["end_ns"][1] - truth["start_ns"][0]
    lanes = ran.lanes(service, prober, flow)
    assert lanes
    for lane in lanes:
        print(
            f"{path} {prober} {lane['subject']}: true {shortest / 1e9:.3f}-{longest / 1e9:.3f} s,"
            f" measured {lane['down_s']:.3f} [{lane['low_s']:.3f}, {lane['high_s']:.3f}] s"
        )
        assert lane["low_s"] <= longest / 1e9 + 0.02, (truth, lane)
        assert shortest / 1e9 <= lane["high_s"] + 0.02, (truth, lane)
        assert not lane["open"]


def test_what_was_not_broken_was_never_down(ran: Ran) -> None:
    for service, count in (("gateway ARP", 4), ("password", 2), ("dhcp", 2), ("control", 11)):
        lanes = ran.lanes(service)
        assert len(lanes) == count, service
        for lane in lanes:
            assert (lane["outages"], lane["fail"]) == ([], 0), lane
            assert lane["ok"], lane
    assert all(lane["answers"] is None or not lane["answers"]["changed"] for lane in ran.summary["lanes"])


def test_a_held_connection_stalled_and_survived(ran: Ran) -> None:
    held = ran.lanes("egress", "held")
    assert len(held) == 3
    for lane in held:
        assert lane["outages"]
        assert not lane["open"]


def test_nothing_is_missing_and_what_is_not_measured_is_said(ran: Ran) -> None:
    summary = ran.summary
    assert summary["missing_records"] == 0
    assert (summary["verdict"], summary["reasons"]) == ("measured", [])
    services = ["egress", "gateway ARP", "ingress", "dns", "dhcp", "metadata", "password", "balancer"]
    assert list(summary["services"]) == services
    told = {(left["service"], left["why"]) for left in summary["lanes_left_out"]}
    assert told == {("dns", "dns_name is not given"), ("control", "vantages.outside.control is not given")}
    for vantage in summary["vantages"]:
        own = [lane for lane in summary["lanes"] if lane["vantage"] == vantage["name"]]
        assert 5 <= len(own) <= 16
