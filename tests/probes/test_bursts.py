# SPDX-License-Identifier: Apache-2.0
"""Lanes that are due together are sent with one call: each sample has its own verdict all the same."""

from __future__ import annotations

import errno
import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .net import FAR, MS, Net, lane, load

burst, ticks, plan = load("burst"), load("ticks"), load("plan")

FIRST, MANY = 100, 70  # more than one call sends
OK, FAIL, UNKNOWN = 0, 1, 2
UNREACHABLE, SELF_LATE, SELF_ERROR = 4, 16, 17


def lanes_at(times: list[tuple[int, int]]) -> list[Any]:
    rows = [lane(n, "icmp", interval_ns=interval, offset_ns=offset) for n, (interval, offset) in enumerate(times)]
    return list(plan.parse_plan({"version": 1, "run": "0" * 32, "duration_s": 1, "lanes": rows}).lanes)


TIMES = st.tuples(st.sampled_from([MS, 7 * MS, 10 * MS, 33 * MS, 100 * MS, 1000 * MS]), st.integers(0, 3000 * MS))


@given(st.lists(TIMES, min_size=1, max_size=60))
def test_brought_together_no_more_often_than_each_step_and_never_later(times: list[tuple[int, int]]) -> None:
    lanes = lanes_at(times)
    moved = ticks.together(lanes)
    for before, after in zip(lanes, moved, strict=True):
        assert after == before._replace(offset_ns=after.offset_ns)
        assert 0 <= before.offset_ns - after.offset_ns < min(before.interval_ns, 2 * ticks.MANY_TICK_NS)
    for interval in {interval for interval, _offset in times}:
        steps = max(1, interval // ticks.TICK_NS)
        wanted = {one.offset_ns % interval for one in lanes if one.interval_ns == interval}
        places = {one.offset_ns % interval for one in moved if one.interval_ns == interval}
        assert len(places) <= steps + (interval % steps > 0)
        assert len(wanted) > steps or places == wanted


@given(st.lists(st.sampled_from([0, errno.EPERM, errno.ENETUNREACH]), min_size=1, max_size=20), st.data())
def test_who_could_not_be_sent_is_named_and_the_others_are_sent_once(outcomes: list[int], data: st.DataObject) -> None:
    """A kernel that stops at the first that fails, or earlier, as it may."""
    size = burst.MESSAGE.size
    sent: list[int] = []
    said = SimpleNamespace(errno=0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.MonkeyPatch.context() as patch:
        made = burst.Burst(sock, None, [bytes(64)] * len(outcomes), [FAR] * len(outcomes))

        def call(_fd: int, at: int, count: int, _flags: int) -> int:
            first = (at - made._at) // size
            most = data.draw(st.integers(1, count))
            done = 0
            while done < most and not outcomes[first + done]:
                sent.append(first + done)
                done += 1
            said.errno = outcomes[first + done] if done < count else 0
            return done or -1

        made._call = call
        patch.setattr(burst, "ctypes", SimpleNamespace(get_errno=lambda: said.errno))
        assert list(made.send()) == [(place, number) for place, number in enumerate(outcomes) if number]
        assert sent == [place for place, number in enumerate(outcomes) if not number]


def address(number: int) -> str:
    return f"10.9.0.{FIRST + number}"


@pytest.mark.lab
def test_each_lane_of_a_burst_has_its_own_verdicts(net: Net) -> None:
    net.ip("far", *(f"addr add {address(number)}/24 dev v1" for number in range(MANY)))
    net.ip("near", f"route add unreachable {address(1)}/32")
    firewall = "table ip f { chain o { type filter hook output priority 0; ip daddr %s drop; }; }"
    net.nft("near", firewall % address(2))
    lanes = [
        lane(n, "icmp", address(n % MANY), flow="new" if n < MANY else "same", offset_ns=n % 50 * MS)
        for n in range(2 * MANY)
    ]
    spool = net.probe(lanes, 1.0).result()
    kept = 0
    for row in lanes:
        records = spool.lane(row["lane"])
        assert len(records) == 20
        said = {(record.outcome, record.reason, record.detail) for record in records if record.reason != SELF_LATE}
        kept += sum(record.reason != SELF_LATE for record in records)
        if row["target"] == address(1):
            assert said == {(FAIL, UNREACHABLE, errno.EHOSTUNREACH)}
        elif row["target"] == address(2):
            assert said == {(UNKNOWN, SELF_ERROR, errno.EPERM)}
        else:
            assert said == {(OK, 0, 0)}
            number = int.from_bytes(socket.inet_aton(row["target"]), "big")
            assert {(r.value, r.flags) for r in records if r.outcome == OK} == {(number, 3)}
            assert all(r.intended <= r.sent <= r.received for r in records if r.outcome == OK)
    assert kept > 0.7 * 20 * len(lanes)
    assert len({record.intended for record in spool.records if record.kind == 1}) == 20 * 5


@pytest.mark.lab
def test_samples_to_one_address_at_one_time_are_flows_of_their_own(net: Net) -> None:
    flows = ["new", "same", "new", "same", "new"]
    sniffer = net.script("far", "sniff_echo")
    spool = net.probe([lane(n, "icmp", flow=flow, offset_ns=0) for n, flow in enumerate(flows)], 1.0).result()
    out, _ = sniffer.communicate("")
    answered = [record for record in spool.records if record.kind == 1 and record.outcome == OK]
    ids = [ident for ident, _seq in json.loads(out)]
    assert len(ids) == sum(record.sent > 0 for record in spool.records if record.kind == 1)
    new = [ident for ident in ids if ident < 0xFF00]
    assert len(answered) > 0.7 * 20 * len(flows)
    assert len(set(new)) == len(new) > 0.7 * 20 * 3
    assert len({ident for ident in ids if ident >= 0xFF00}) == 2
