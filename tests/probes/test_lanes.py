# SPDX-License-Identifier: Apache-2.0
"""Real packets between two namespaces: what each prober says when the path, the service or the answer is so."""

from __future__ import annotations

import json
import sys
import time
import zlib
from pathlib import Path

import pytest

from .net import FAR, FAR_MAC, MS, Net, Record, Spool, ended, lane

pytestmark = pytest.mark.lab

OK, FAIL, UNKNOWN = 0, 1, 2
TIMEOUT, REFUSED, RESET, UNREACHABLE, WRONG, CLOSED, SELF_LATE, SELF_ERROR = 1, 2, 3, 4, 5, 6, 16, 17
FAR_MAC_NUMBER = int(FAR_MAC.replace(":", ""), 16)
ALL_FIVE = [
    lane(0, "icmp"),
    lane(1, "icmp", flow="same"),
    lane(2, "arp"),
    lane(3, "syn"),
    lane(4, "banner"),
]
DROP_ALL = "table netdev cut { chain c { type filter hook ingress device v1 priority 0; policy drop; }; }"


def said(records: list[Record]) -> set[tuple[int, int, int]]:
    return {(record.outcome, record.reason, record.detail) for record in records}


def settle(spool: Spool, number: int) -> list[Record]:
    """Without samples that a busy test machine made late."""
    records = spool.lane(number)
    kept = [record for record in records if record.reason != SELF_LATE]
    assert len(kept) >= len(records) * 0.7
    return kept


def test_all_answer_with_value_and_kernel_stamp(net: Net) -> None:
    net.script("far", "servers")
    probe = net.probe(ALL_FIVE, 1.0)
    spool = probe.result()
    assert spool.pid == probe.report["pid"]
    assert (spool.start_mono, spool.start_real) == (probe.report["start_mono"], probe.report["start_real"])
    assert (ended(spool).reason, ended(spool).detail) == (0, 0)
    address = int.from_bytes(bytes(int(part) for part in FAR.split(".")), "big")
    values = {0: address, 1: address, 2: FAR_MAC_NUMBER, 3: 0, 4: zlib.crc32(b"SSH-2.0-OpenSSH_9.6")}
    for number, value in values.items():
        assert len(spool.lane(number)) == 20
        for record in settle(spool, number):
            assert (record.outcome, record.reason, record.value) == (OK, 0, value)
            assert record.flags == (0 if number == 4 else 1) + (0 if number == 3 else 2)
            assert record.intended == spool.start_mono + number * MS + record.seq * 50 * MS
            assert record.intended <= record.sent < record.intended + 25 * MS
            assert record.sent <= record.received < record.sent + 50 * MS
    clocks = [record for record in spool.records if record.kind == 2]
    assert len(clocks) >= 1
    for record in clocks:
        assert abs((record.aux - record.sent) - (spool.start_real - spool.start_mono)) < 5 * MS


def test_an_outage_of_known_length_lies_within_the_bounds_of_every_lane(net: Net) -> None:
    net.script("far", "servers")
    probe = net.probe(ALL_FIVE, 2.6)
    time.sleep(0.6)
    cut = net.nft("far", DROP_ALL)
    time.sleep(1.0)
    healed = net.nft("far", "delete table netdev cut")
    spool = probe.result()
    shortest, longest = healed[0] - cut[1], healed[1] - cut[0]
    for number in range(5):
        records = settle(spool, number)
        failed = [record for record in records if record.outcome == FAIL]
        assert said(failed) == {(FAIL, TIMEOUT, 0)}
        first, last = records.index(failed[0]), records.index(failed[-1])
        assert failed == records[first : last + 1]
        low = failed[-1].sent - failed[0].sent
        high = records[last + 1].sent - records[first - 1].sent
        assert low - 5 * MS <= longest
        assert high >= shortest
        assert high - low <= 100 * MS + 20 * MS + 50 * MS * (len(spool.lane(number)) - len(records))
        # Open loop: it went on sending at its rate while nothing came back.
        assert len(spool.lane(number)) == 52
        assert all(record.sent - record.intended < 25 * MS for record in failed)


def test_a_port_without_a_listener_refuses(net: Net) -> None:
    spool = net.probe([lane(0, "syn", port=9), lane(1, "banner", port=9)], 0.3).result()
    assert said(settle(spool, 0)) == {(FAIL, REFUSED, 0)}
    assert said(settle(spool, 1)) == {(FAIL, REFUSED, 111)}
    assert all(record.received for record in settle(spool, 0))


def test_what_a_service_may_say_instead_of_a_banner(net: Net) -> None:
    net.script("far", "servers")
    spool = net.probe([lane(port - 23, "banner", port=port) for port in range(23, 28)], 0.3).result()
    assert said(settle(spool, 0)) == {(FAIL, WRONG, 0)}
    assert {record.value for record in settle(spool, 0)} == {zlib.crc32(b"Exceeded MaxStartups")}
    assert said(settle(spool, 1)) == {(FAIL, CLOSED, 0)}
    assert said(settle(spool, 2)) == {(FAIL, RESET, 104)}
    assert said(settle(spool, 3)) == {(FAIL, TIMEOUT, 0)}
    assert said(settle(spool, 4)) == {(OK, 0, 0)}
    assert {record.value for record in settle(spool, 4)} == {zlib.crc32(b"SSH-2.0-split")}


def test_no_route_is_an_outage_at_once(net: Net) -> None:
    net.ip("near", "route add unreachable 203.0.113.0/24")
    lanes = [lane(0, "icmp", "192.0.2.9"), lane(1, "syn", "192.0.2.9"), lane(2, "banner", "192.0.2.9")]
    lanes += [lane(3, "icmp", "203.0.113.9"), lane(4, "syn", "203.0.113.9")]
    spool = net.probe(lanes, 0.3).result()
    for number, detail in {0: 101, 1: 101, 2: 101, 3: 113, 4: 113}.items():
        assert said(settle(spool, number)) == {(FAIL, UNREACHABLE, detail)}


def test_a_router_that_says_unreachable(net: Net) -> None:
    net.call("far", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0")
    net.ip("far", "link add name x0 type veth peer name x1", "addr add 203.0.113.1/24 dev x0", "link set x0 up")
    rule = "reject with icmp type host-unreachable"
    net.nft("far", f"table ip f {{ chain i {{ type filter hook forward priority 0; {rule}; }}; }}")
    net.ip("far", "link set x1 up")
    net.ip("near", f"route add default via {FAR}")
    target = "203.0.113.9"
    same = lane(1, "icmp", target, flow="same")
    spool = net.probe([lane(0, "icmp", target), same, lane(2, "syn", target), lane(3, "banner", target)], 0.4).result()
    for number in (0, 1, 2):
        assert said(settle(spool, number)) == {(FAIL, UNREACHABLE, 0x0301)}
        assert all(record.flags & 1 for record in settle(spool, number))
    assert said(settle(spool, 3)) == {(FAIL, UNREACHABLE, 113)}
    router = int.from_bytes(bytes(int(part) for part in FAR.split(".")), "big")
    assert {record.value for record in settle(spool, 0)} == {router}


def test_a_firewall_that_rejects_is_refused(net: Net) -> None:
    rule = "reject with icmp type port-unreachable"
    net.nft(
        "far",
        f"table ip f {{ chain i {{ type filter hook input priority 0; meta l4proto {{ tcp, icmp }} {rule}; }}; }}",
    )
    net.call("far", "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0")
    spool = net.probe([lane(0, "icmp"), lane(1, "syn"), lane(2, "banner")], 0.3).result()
    assert said(settle(spool, 0)) == {(FAIL, REFUSED, 0x0303)}
    assert said(settle(spool, 1)) == {(FAIL, REFUSED, 0x0303)}
    assert said(settle(spool, 2)) == {(FAIL, REFUSED, 111)}


def test_our_own_firewall_is_our_own_error(net: Net) -> None:
    net.nft("near", f"table ip f {{ chain o {{ type filter hook output priority 0; ip daddr {FAR} drop; }}; }}")
    spool = net.probe([lane(0, "icmp"), lane(1, "syn")], 0.3).result()
    assert said(settle(spool, 0)) == {(UNKNOWN, SELF_ERROR, 1)}
    assert said(settle(spool, 1)) == {(UNKNOWN, SELF_ERROR, 1)}


def test_an_interface_that_goes_down_and_comes_back(net: Net) -> None:
    probe = net.probe([lane(0, "icmp"), lane(1, "arp")], 1.6)
    time.sleep(0.5)
    net.ip("near", "link set v0 down")
    time.sleep(0.4)
    net.ip("near", "link set v0 up")
    spool = probe.result()
    for number in (0, 1):
        records = settle(spool, number)
        assert (records[0].outcome, records[-1].outcome) == (OK, OK)
        assert (FAIL, UNREACHABLE) in {(record.outcome, record.reason) for record in records}
        assert UNKNOWN not in {record.outcome for record in records}


def test_answers_after_the_verdict_are_late_and_once(net: Net) -> None:
    net.ip("near", f"neigh replace {FAR} lladdr {FAR_MAC} dev v0")
    net.nft("far", DROP_ALL)
    net.script("far", "slow_answers", "0.25")
    lanes = [lane(0, "icmp", tmax_ms=100), lane(1, "syn", tmax_ms=100), lane(2, "icmp", tmax_ms=500)]
    spool = net.probe([*lanes, lane(3, "icmp", tmax_ms=100, every_ms=600)], 0.5).result()
    for number in (0, 1):
        assert said(settle(spool, number)) == {(FAIL, TIMEOUT, 0)}
        late = spool.lane(number, kind=4)
        assert [record.seq for record in late] == [record.seq for record in settle(spool, number)]
        for record in late:
            assert 240 * MS < record.received - record.sent < 300 * MS
            assert record.outcome == OK
    assert said(settle(spool, 2)) == {(OK, 0, 0)}
    assert spool.lane(2, kind=4) == []


def test_two_owners_of_an_address_show(net: Net) -> None:
    net.script("far", "second_owner", "025600000002")
    spool = net.probe([lane(0, "arp")], 0.4).result()
    records, second = settle(spool, 0), spool.lane(0, kind=5)
    assert {record.value for record in records} == {FAR_MAC_NUMBER}
    assert {record.value for record in second} == {0x025600000002}
    assert [record.seq for record in second] == [record.seq for record in records]
    assert all(other.received > record.received for record, other in zip(records, second, strict=True))


def test_a_half_open_syn_leaves_one_syn_and_one_reset_of_ours(net: Net) -> None:
    net.script("far", "servers")
    sniffer = net.script("far", "sniff")
    spool = net.probe([lane(0, "syn"), lane(1, "syn", port=9)], 0.5).result()
    assert said(settle(spool, 0)) == {(OK, 0, 0)}
    time.sleep(0.1)
    out, _ = sniffer.communicate("")
    flows: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
    for outgoing, from_port, to_port, flags, number, acknowledged in json.loads(out):
        port = to_port if outgoing else from_port
        flows.setdefault((port, from_port if outgoing else to_port), []).append((flags, number, acknowledged))
    assert len(flows) == sum(1 for record in spool.lane(0) + spool.lane(1) if record.sent)  # a fresh port each
    for (_port, service), segments in flows.items():
        flags = [segment[0] for segment in segments]
        if service == 22:
            assert flags == [0x02, 0x12, 0x04]
            assert segments[2][1] == (segments[0][1] + 1) & 0xFFFFFFFF
        else:
            assert flags == [0x02, 0x14]


def test_no_packet_from_outside_ends_a_prober(net: Net) -> None:
    fuzz = net.start("near", sys.executable, str(Path(__file__).with_name("fuzz_answers.py")), "1")
    out, _ = fuzz.communicate(timeout=30)
    assert fuzz.returncode == 0
    tried, taken = map(int, out.split())
    assert tried > 10_000
    assert taken > 0  # the good ones with a byte changed that does not matter
