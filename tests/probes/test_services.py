# SPDX-License-Identifier: Apache-2.0
"""Probers of services, of connections and of neighbours: what each says when the answer is so. Real packets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import zlib
from typing import Any

import pytest

from .net import FAR, FAR_MAC, MS, NEAR, Net, Record, Spool, lane
from .test_lanes import CLOSED, DROP_ALL, FAIL, OK, REFUSED, RESET, SELF_LATE, TIMEOUT, UNREACHABLE, WRONG, said, settle

pytestmark = pytest.mark.lab
ABSENT = 7
ECHO = 7007
FAR_NUMBER = int.from_bytes(bytes(int(part) for part in FAR.split(".")), "big")
FAR_MAC_NUMBER = int(FAR_MAC.replace(":", ""), 16)


def listening(net: Net, seconds: float) -> None:
    net.probe([lane(0, "listen", port=ECHO)], seconds, side="far")


def within(spool: Spool, number: int, cut: tuple[int, int], healed: tuple[int, int], spare_ns: int = 0) -> list[Record]:
    """One outage in the lane, its bounds (S2) around the truth, widened by what a queue may hold back; the lost."""
    records = settle(spool, number)
    failed = [record for record in records if record.outcome == FAIL]
    assert failed, f"lane {number} saw nothing"
    assert said(failed) == {(FAIL, TIMEOUT, 0)}
    first, last = records.index(failed[0]), records.index(failed[-1])
    assert failed == records[first : last + 1]
    low, high = failed[-1].sent - failed[0].sent, records[last + 1].sent - records[first - 1].sent
    assert low - 5 * MS <= healed[1] - cut[0] + spare_ns
    assert high >= healed[0] - cut[1]
    return failed


def test_what_a_new_connection_meets(net: Net) -> None:
    net.script("far", "servers")
    sniffer = net.script("far", "sniff")
    lanes = [lane(0, "connect"), lane(1, "connect", port=9), lane(2, "connect", port=9, path=True)]
    lanes += [lane(3, "connect", path=True), lane(4, "connect", "192.0.2.9", path=True)]
    spool = net.probe(lanes, 0.5).result()
    assert [said(settle(spool, number)) for number in range(5)] == [
        {(OK, 0, 0)}, {(FAIL, REFUSED, 111)}, {(OK, 0, 111)}, {(OK, 0, 0)}, {(FAIL, UNREACHABLE, 101)},
    ]  # fmt: skip
    time.sleep(0.1)
    seen = json.loads(sniffer.communicate("")[0])
    opened = [segment for segment in seen if not segment[0] and segment[3] == 0x02]
    sent = sum(bool(record.sent) for number in range(4) for record in spool.lane(number))
    assert len({segment[1] for segment in opened}) == len(opened) == sent  # a fresh port each, one SYN each
    # By port: a banner that crosses the reset meets a connection that is gone, and our kernel resets that one again.
    reset = {segment[1] for segment in seen if not segment[0] and segment[3] & 0x04}
    assert reset == {segment[1] for segment in opened if segment[2] == 22}
    for side in ("near", "far"):
        waiting = [*net.words(side), "ss", "-Htan", "state", "time-wait"]
        assert subprocess.run(waiting, capture_output=True, check=True).stdout == b""


def test_what_a_web_server_may_answer(net: Net) -> None:
    net.script("far", "web")
    asking: dict[str, Any] = {"path": "/x", "headers": {"X-One": "1"}}
    crc = zlib.crc32(b"hello")
    lanes = [lane(port - 80, "http", port=port, every_ms=100, **asking) for port in range(80, 88)]
    lanes += [lane(8, "http", port=80, every_ms=100, expect_crc=crc, **asking)]
    lanes += [lane(9, "http", port=80, every_ms=100, expect_crc=crc ^ 1, **asking)]
    lanes += [lane(10, "http", port=81, every_ms=100, status=404, **asking), lane(11, "http", port=88)]
    spool = net.probe(lanes, 0.5).result()
    assert [said(settle(spool, number)) for number in range(12)] == [
        {(OK, 0, 200)}, {(FAIL, WRONG, 404)}, {(FAIL, CLOSED, 0)}, {(FAIL, CLOSED, 200)}, {(FAIL, WRONG, 0)},
        {(OK, 0, 200)}, {(FAIL, TIMEOUT, 0)}, {(OK, 0, 200)}, {(OK, 0, 200)}, {(FAIL, WRONG, 200)},
        {(OK, 0, 404)}, {(FAIL, REFUSED, 111)},
    ]  # fmt: skip
    values = {0: crc, 1: zlib.crc32(b"no"), 5: zlib.crc32(b"x" * 65536), 7: zlib.crc32(b""), 9: crc}
    for number, value in values.items():
        assert {record.value for record in settle(spool, number)} == {value}


def test_what_a_name_server_may_answer(net: Net) -> None:
    net.script("far", "names")
    net.call("far", "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0")
    asking: dict[str, Any] = {"name": "VM.example", "every_ms": 100}
    lanes = [lane(port - 5301, "dns", port=port, **asking) for port in range(5301, 5305)]
    lanes += [lane(4, "dns", port=5301, expect=["10.9.0.7", "10.9.0.5"], **asking)]
    lanes += [lane(5, "dns", port=5301, expect=["10.9.0.7"], **asking), lane(6, "dns", port=5305, **asking)]
    spool = net.probe(lanes, 0.5).result()
    assert [said(settle(spool, number)) for number in range(7)] == [
        {(OK, 0, 0)}, {(FAIL, WRONG, 3)}, {(FAIL, TIMEOUT, 0)}, {(FAIL, WRONG, 0)},
        {(OK, 0, 0)}, {(FAIL, WRONG, 0)}, {(FAIL, REFUSED, 0x0303)},
    ]  # fmt: skip
    both = zlib.crc32(bytes([10, 9, 0, 5, 10, 9, 0, 7]))
    for number in (0, 4, 5):
        assert {record.value for record in settle(spool, number)} == {both}
        assert {record.flags for record in settle(spool, number)} == {3}


def test_what_a_new_udp_flow_meets(net: Net) -> None:
    net.call("far", "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0")
    net.script("far", "names")
    listening(net, 2)
    lanes = [lane(0, "udp", port=ECHO), lane(1, "udp", port=9), lane(2, "udp", port=9, path=True)]
    lanes += [lane(3, "udp", port=5301), lane(4, "udp", "192.0.2.9", port=9)]
    spool = net.probe(lanes, 0.5).result()
    assert [said(settle(spool, number)) for number in range(5)] == [
        {(OK, 0, 0)}, {(FAIL, REFUSED, 0x0303)}, {(OK, 0, 0x0303)}, {(FAIL, TIMEOUT, 0)}, {(FAIL, UNREACHABLE, 101)},
    ]  # fmt: skip
    for number in range(3):
        assert {(record.value, record.flags) for record in settle(spool, number)} == {(FAR_NUMBER, 3)}


def test_a_router_that_rejects_proves_no_path(net: Net) -> None:
    net.call("far", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv4.icmp_ratelimit=0")
    net.ip("far", "link add name x0 type veth peer name x1", "addr add 203.0.113.1/24 dev x0", "link set x0 up")
    net.ip("far", "link set x1 up")
    net.ip("near", f"route add default via {FAR}")
    net.nft("far", "table ip f { chain i { type filter hook forward priority 0; reject; }; }")
    spool = net.probe([lane(0, "udp", "203.0.113.9", port=9, path=True)], 0.3).result()
    assert said(settle(spool, 0)) == {(FAIL, REFUSED, 0x0303)}
    assert {record.value for record in settle(spool, 0)} == {FAR_NUMBER}


def test_an_outage_of_known_length_and_a_held_connection_that_survives_it(net: Net) -> None:
    listening(net, 8)
    net.script("far", "names")
    net.script("far", "web")
    lanes = [
        lane(0, "connect", port=ECHO),
        lane(1, "udp", port=ECHO),
        lane(2, "dns", port=5301, name="a.b"),
        lane(3, "http", path="/x", headers={"X-One": "1"}),
        lane(4, "held", port=ECHO, mode="echo"),
        lane(5, "neighbour"),
    ]
    probe = net.probe(lanes, 3.6)
    time.sleep(0.6)
    cut = net.nft("far", DROP_ALL)
    time.sleep(1.0)
    healed = net.nft("far", "delete table netdev cut")
    spool = probe.result()
    for number in range(4):
        within(spool, number, cut, healed)
        assert len(spool.lane(number)) == 72
    assert said(settle(spool, 5)) == {(OK, 0, state) for _, _, state in said(settle(spool, 5))}
    # It stalled, for longer than the path: TCP asks again at its own times, twice as long after each failure.
    failed = within(spool, 4, cut, healed, spare_ns=1_600 * MS)
    late = spool.lane(4, kind=4)
    assert [record.seq for record in late] == [record.seq for record in failed]
    assert len({record.received // (5 * MS) for record in late}) < 4  # all at once: one retransmission
    assert min(record.received for record in late) > healed[0]


def test_a_held_connection_that_ends_stays_ended(net: Net) -> None:
    net.script("far", "servers")
    listening(net, 0.5)
    lanes = [lane(0, "held", port=25, mode="echo"), lane(1, "held", port=ECHO, mode="echo")]
    lanes += [lane(2, "held", port=9, mode="echo"), lane(3, "held", port=23, mode="echo")]
    spool = net.probe(lanes, 1.2).result()
    assert said(settle(spool, 0)) == {(FAIL, RESET, 104)}
    records = settle(spool, 1)
    assert [record.outcome for record in records] == sorted(record.outcome for record in records)
    assert (records[0].outcome, records[-1].outcome, records[-1].reason) == (OK, FAIL, CLOSED)
    assert said(settle(spool, 2)) == {(FAIL, REFUSED, 111)}  # never established: tried again each time
    assert {(record.outcome, record.reason) for record in settle(spool, 3)} <= {(FAIL, WRONG), (FAIL, CLOSED)}


def test_a_prober_that_stood_still_saw_no_outage(net: Net) -> None:
    listening(net, 4)
    net.script("far", "names")
    net.ip("near", f"neigh replace {FAR} lladdr {FAR_MAC} dev v0 nud permanent")
    lanes = [lane(0, "connect", port=ECHO), lane(1, "udp", port=ECHO), lane(2, "dns", port=5301, name="a")]
    lanes += [lane(3, "held", port=ECHO, mode="echo"), lane(4, "neighbour"), lane(5, "garp", "10.9.0.9")]
    probe = net.probe([*lanes, lane(6, "listen", NEAR, port=ECHO)], 2.0)
    time.sleep(0.6)
    os.kill(probe.report["pid"], signal.SIGSTOP)
    time.sleep(0.7)
    os.kill(probe.report["pid"], signal.SIGCONT)
    spool = probe.result()
    for number in range(7):
        records = spool.lane(number)
        assert {record.outcome for record in records} == {OK, 2}, number
        assert {record.reason for record in records if record.outcome == 2} == {SELF_LATE}
        assert sum(record.sent == 0 for record in records) >= 10


def test_what_is_on_this_host_may_refuse_at_once(net: Net) -> None:
    lanes = [lane(0, "held", "127.0.0.1", port=9, mode="echo"), lane(1, "connect", "127.0.0.1", port=9)]
    lanes += [lane(2, "connect", "127.0.0.1", port=9, path=True), lane(3, "http", "127.0.0.1", port=9)]
    spool = net.probe(lanes, 0.3).result()
    refused = {(FAIL, REFUSED, 111)}
    assert [said(settle(spool, number)) for number in range(4)] == [refused, refused, {(OK, 0, 111)}, refused]


@pytest.mark.slow
def test_a_silent_connection_is_known_to_live_by_its_keepalives(net: Net) -> None:
    net.script("far", "servers")
    sniffer = net.script("far", "sniff")
    keep: dict[str, Any] = {"mode": "keepalive", "every_ms": 1500, "tmax_ms": 500, "port": 26}
    probe = net.probe([lane(0, "held", **keep), lane(1, "held", **keep, reopen_ns=10**9)], 7.6)
    time.sleep(2.5)  # two samples
    cut = net.nft("far", DROP_ALL)
    time.sleep(2.0)  # at least one more
    healed = net.nft("far", "delete table netdev cut")
    spool = probe.result()
    within(spool, 0, cut, healed)
    within(spool, 1, cut, healed)
    answered = [record for record in settle(spool, 0) if record.outcome == OK]
    assert all(record.received - record.sent < 100 * MS for record in answered)  # asked then, not some time
    opened = {s[1] for s in json.loads(sniffer.communicate("")[0]) if not s[0] and s[3] == 0x02}
    assert 3 <= len(opened) <= 6  # the second lane opened anew, and no sample shows it


def test_the_kernels_entry_is_read_and_nothing_is_asked(net: Net) -> None:
    net.ip("near", "neigh replace 10.9.0.5 lladdr 02:00:00:00:00:05 dev v0 nud stale")
    net.ip("near", "addr add fd00::1/64 dev v0 nodad", "neigh replace fd00::5 lladdr 02:00:00:00:00:06 dev v0")
    lanes = [lane(0, "neighbour", "10.9.0.5"), lane(1, "neighbour", "10.9.0.6"), lane(2, "neighbour", "10.9.0.5")]
    lanes[2]["interface"] = "lo"
    lanes += [lane(3, "neighbour", "fd00::5", interface="v0"), lane(4, "neighbour", "10.9.0.5", interface="none0")]
    probe = net.probe(lanes, 1.0)
    time.sleep(0.5)
    changed = time.monotonic_ns()
    net.ip("near", "neigh replace 10.9.0.5 lladdr 02:00:00:00:00:07 dev v0 nud reachable")
    spool = probe.result()
    before = [record for record in settle(spool, 0) if record.received < changed]
    after = [record for record in settle(spool, 0) if record.sent > changed + 100 * MS]
    assert {(record.outcome, record.value, record.detail) for record in before} == {(OK, 0x020000000005, 4)}
    assert {(record.value, record.detail) for record in after} == {(0x020000000007, 2)}
    assert said(settle(spool, 1)) == said(settle(spool, 2)) == {(FAIL, ABSENT, 0)}
    assert {record.value for record in settle(spool, 3)} == {0x020000000006}
    assert said(settle(spool, 4)) == {(FAIL, UNREACHABLE, 19)}
    table = subprocess.run([*net.words("near"), "ip", "neigh"], capture_output=True, text=True, check=True).stdout
    assert "10.9.0.6" not in table


def test_announcements_are_heard_and_blindness_shows(net: Net) -> None:
    speaker = net.script("far", "announce", "025600000002", "10.9.0.9")
    probe = net.probe([lane(0, "garp", "10.9.0.9"), lane(1, "garp", "10.9.0.8", interface="v0")], 1.2)
    assert speaker.stdin is not None
    time.sleep(0.3)
    asked = time.monotonic_ns()
    speaker.stdin.write("1\n2\n3\n")
    speaker.stdin.flush()
    time.sleep(0.3)
    net.ip("near", "link set v0 down")
    time.sleep(0.2)
    net.ip("near", "link set v0 up")
    spool = probe.result()
    heard = spool.lane(0, kind=6)
    assert [(record.value, record.detail, record.flags) for record in heard] == [
        (0x025600000002, 1, 3),
        (0x025600000002, 2, 3),
    ]
    assert all(asked < record.received < asked + 300 * MS for record in heard)
    assert spool.lane(1, kind=6) == []
    beats = settle(spool, 0)
    assert said(beats) == {(OK, 0, 0), (FAIL, UNREACHABLE, 100)}
    assert (beats[0].outcome, beats[-1].outcome) == (OK, OK)


def test_ipv6_echoes_and_advertisements(net: Net) -> None:
    net.ip("near", "addr add fd00::1/64 dev v0 nodad")
    net.ip("far", "addr add fd00::2/64 dev v1 nodad", "addr add fe80::2/64 dev v1 nodad")
    listening(net, 0.1)
    speaker = net.script("far", "advertise")
    lanes = [lane(0, "icmp6", "fd00::2", flow="new"), lane(1, "icmp6", "fd00::2", flow="same")]
    lanes += [lane(2, "icmp6", "2001:db8::1", flow="new"), lane(3, "ra", "::", interface="v0")]
    lanes += [lane(4, "ra", "fe80::1", interface="v0"), lane(5, "connect", "fd00::2", port=9, path=True)]
    probe = net.probe(lanes, 1.4)
    time.sleep(0.5)
    assert speaker.stdin is not None
    speaker.stdin.write("1800\n0\n")
    speaker.stdin.flush()
    time.sleep(0.2)
    net.nft("far", DROP_ALL)
    spool = probe.result()
    for number in (0, 1):
        records = settle(spool, number)
        assert {(record.outcome, record.reason) for record in records} == {(OK, 0), (FAIL, TIMEOUT)}
        assert {(record.value, record.flags) for record in records if record.outcome == OK} == {(2, 3)}
    assert said(settle(spool, 2)) == {(FAIL, UNREACHABLE, 101)}
    heard = spool.lane(3, kind=6)
    assert [(record.value, record.detail) for record in heard] == [(FAR_MAC_NUMBER, 1800), (FAR_MAC_NUMBER, 0)]
    assert spool.lane(4, kind=6) == []
    assert said(settle(spool, 4)) == {(OK, 0, 0)}
    assert (OK, 0, 111) in said(settle(spool, 5))
