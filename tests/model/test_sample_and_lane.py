# SPDX-License-Identifier: Apache-2.0
"""Samples, MACs, labels."""

import pytest

from csworkbench.model.lane import Keys, Lane, Prober, Service
from csworkbench.model.sample import Outcome, Reason, Sample, mac_text
from csworkbench.model.scenario import Operation, Restart


@pytest.mark.parametrize(
    ("intended", "sent", "received", "at", "rtt"),
    [(10, 12, 20, 12, 8), (10, 0, 0, 10, 0), (10, 12, 0, 12, 0), (10, 12, 11, 12, 0)],
)
def test_when_and_how_long(intended: int, sent: int, received: int, at: int, rtt: int) -> None:
    sample = Sample(0, intended, sent, received, Outcome.OK, Reason.NONE, 0, 0)
    assert (sample.at_ns, sample.rtt_ns) == (at, rtt)


def test_macs_and_reasons_as_people_read_them() -> None:
    assert mac_text(0x02004F2A0001) == "02:00:4f:2a:00:01"
    assert mac_text(1 << 60 | 5) == "00:00:00:00:00:05"
    assert (Reason.TIMEOUT.text, Reason.SELF_LATE.text) == ("timeout", "self (late)")


@pytest.mark.parametrize(
    ("prober", "flow", "label"),
    [
        (Prober.ICMP, "new", "icmp"), (Prober.ICMP, "same", "icmp same"), (Prober.ARP, "", "arp"),
        (Prober.SYN, "", "syn .9:22"), (Prober.BANNER, "", "banner .9"),
        (Prober.ICMP6, "new", "icmp6"), (Prober.ICMP6, "same", "icmp6 same"), (Prober.DNS, "", "dns"),
        (Prober.CONNECT, "", "new tcp"), (Prober.HELD, "", "held tcp"), (Prober.UDP, "", "new udp"),
        (Prober.GARP, "", "garp .9"),
    ],
)  # fmt: skip
def test_labels(prober: Prober, flow: str, label: str) -> None:
    assert Lane(1, Service.EGRESS, prober, "vm", "203.0.113.9", 1, 1, flow=flow, port=22).label == label


def test_operations_have_a_title() -> None:
    assert (Operation().title, Operation().is_none) == ("measure only", True)
    assert Operation(Restart(cleanup=True)).title == "restart cleanup=true"


@pytest.mark.parametrize(
    ("service", "prober", "target", "keys", "label"),
    [
        (Service.CONTROL, Prober.ICMP, "127.0.0.1", Keys(), "loopback"),
        (Service.CONTROL, Prober.ICMP, "10.1.1.102", Keys(), "icmp .102"),
        (Service.CONTROL, Prober.CONNECT, "10.1.1.102", Keys(), "connect .102:80"),
        (Service.METADATA, Prober.HTTP, "10.1.1.1", Keys(path="/x"), "http"),
        (Service.DNS, Prober.DNS, "10.1.1.1", Keys(name="vm02.cs.internal"), "dns vm02"),
        (Service.INGRESS, Prober.HELD, "198.51.100.11", Keys(mode="keepalive"), "held .11:80"),
    ],
)
def test_labels_that_the_service_makes(service: Service, prober: Prober, target: str, keys: Keys, label: str) -> None:
    assert Lane(0, service, prober, "vm01", target, 1, 1, flow="", port=80, keys=keys).label == label
