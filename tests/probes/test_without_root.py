# SPDX-License-Identifier: Apache-2.0
"""A prober whose user may open no raw socket: datagram ICMP where the kernel allows it, a clear word where not."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from typing import Any

import pytest

from .net import FAR, MS, Net, Probe, lane
from .test_lanes import DROP_ALL, FAIL, OK, REFUSED, TIMEOUT, UNREACHABLE, said, settle

pytestmark = pytest.mark.lab
NO_CAPABILITIES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")


def allow(net: Net, groups: str) -> None:
    net.call("near", "sh", "-c", f"echo '{groups}' > /proc/sys/net/ipv4/ping_group_range")


def probe(net: Net, lanes: Iterable[dict[str, Any]], duration_s: float) -> Probe:
    plan, spool = net.plan(lanes, duration_s)
    words = [sys.executable, "-m", "csw_probe", "run", "--plan", str(plan), "--spool", str(spool)]
    return Probe(net.start("near", *NO_CAPABILITIES, *words), spool)


def test_datagram_icmp_in_both_flows_and_an_outage_of_known_length(net: Net) -> None:
    allow(net, "0 0")
    sniffer = net.script("far", "sniff_echo")
    running = probe(net, [lane(0, "icmp"), lane(1, "icmp", flow="same")], 2.0)
    time.sleep(0.5)
    cut = net.nft("far", DROP_ALL)
    time.sleep(0.8)
    healed = net.nft("far", "delete table netdev cut")
    spool = running.result()
    shortest, longest = healed[0] - cut[1], healed[1] - cut[0]
    address = int.from_bytes(bytes(int(part) for part in FAR.split(".")), "big")
    for number in (0, 1):
        records = settle(spool, number)
        failed = [record for record in records if record.outcome == FAIL]
        assert said(failed) == {(FAIL, TIMEOUT, 0)}
        good = [record for record in records if record.outcome == OK]
        assert {(record.value, record.flags) for record in good} == {(address, 3)}
        first, last = records.index(failed[0]), records.index(failed[-1])
        assert failed == records[first : last + 1]
        assert failed[-1].sent - failed[0].sent - 5 * MS <= longest
        high = records[last + 1].sent - records[first - 1].sent
        assert shortest <= high <= longest + 120 * MS + 50 * MS * (len(spool.lane(number)) - len(records))
    out, _ = sniffer.communicate("")
    flows = [ident for ident, _seq in json.loads(out)]
    once = {ident for ident in flows if flows.count(ident) == 1}
    repeated = set(flows) - once
    assert len(repeated) == 1  # the same flow
    assert len(once) >= 0.7 * sum(1 for record in spool.lane(0) if record.outcome == OK)  # an id each


def test_routers_and_firewalls_that_answer_are_heard(net: Net) -> None:
    allow(net, "0 0")
    net.call("far", "sysctl", "-q", "-w", "net.ipv4.icmp_ratelimit=0")
    rules = "icmp type echo-request ip daddr {0} reject with icmp type {1}"
    text = rules.format(FAR, "port-unreachable")
    net.nft("far", f"table ip f {{ chain i {{ type filter hook input priority 0; {text}; }}; }}")
    spool = probe(net, [lane(0, "icmp"), lane(1, "icmp", flow="same")], 0.4).result()
    for number in (0, 1):
        assert said(settle(spool, number)) == {(FAIL, REFUSED, 0x0303)}
    net.nft("far", "delete table ip f")
    text = rules.format(FAR, "host-unreachable")
    net.nft("far", f"table ip f {{ chain i {{ type filter hook input priority 0; {text}; }}; }}")
    spool = probe(net, [lane(0, "icmp"), lane(1, "icmp", flow="same"), lane(2, "icmp", "192.0.2.9")], 0.4).result()
    for number in (0, 1):
        assert said(settle(spool, number)) == {(FAIL, UNREACHABLE, 0x0301)}
    assert said(settle(spool, 2)) == {(FAIL, UNREACHABLE, 101)}


def test_what_needs_more_is_refused_in_words(net: Net) -> None:
    allow(net, "1 0")
    report = probe(net, [lane(0, "icmp")], 0.3).report
    assert report["code"] == "permission"
    assert "ping_group_range" in report["error"]
    allow(net, "0 0")
    for prober in ("arp", "syn"):
        assert probe(net, [lane(0, prober)], 0.3).report["code"] == "permission"
