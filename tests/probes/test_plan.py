# SPDX-License-Identifier: Apache-2.0
"""A plan that is not right ends the program before anything is sent, with one line."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .net import load

plan = load("plan")
SHAPES = load("keys").SHAPES
errors = load("errors")

LANE = {"lane": 0, "prober": "icmp", "flow": "new", "target": "203.0.113.10"}
LANE |= {"interval_ns": 100_000_000, "tmax_ns": 1_000_000_000, "offset_ns": 0}
GOOD: dict[str, Any] = {"version": 1, "run": "0f" * 16, "duration_s": 1.5, "lanes": [LANE]}


def test_a_good_plan_is_read_and_unknown_keys_are_ignored() -> None:
    read = plan.parse_plan({**GOOD, "later": 1, "lanes": [{**LANE, "colour": "red"}]})
    assert (read.run, read.duration_ns, len(read.lanes)) == (b"\x0f" * 16, 1_500_000_000, 1)
    assert read.lanes[0].target == "203.0.113.10"


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"version": True}, {"version": "1"}, {"run": "0f"}, {"run": "x" * 32}, {"run": None},
        {"duration_s": 0}, {"duration_s": -1}, {"duration_s": float("nan")}, {"duration_s": float("inf")},
        {"duration_s": "1"}, {"duration_s": True}, {"lanes": []}, {"lanes": {}}, {"lanes": [1]},
        {"lanes": [LANE, LANE]},
        {"lanes": [{**LANE, "interval_ns": 100_000}], "duration_s": 30 * 86400},
    ],
)  # fmt: skip
def test_a_bad_plan_is_refused(change: dict[str, Any]) -> None:
    refused({**GOOD, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"lane": -1}, {"lane": 65535}, {"lane": 1.0}, {"prober": "dns"}, {"prober": "ftp"},
        {"prober": ["icmp"]}, {"prober": "../x"},
        {"flow": "old"}, {"flow": None}, {"target": "203.0.113"}, {"target": "example.org"}, {"target": "::1"},
        {"target": 7}, {"target": "1.2.3.4\0"}, {"target": "0.0.0.0"}, {"target": "224.0.0.1"},
        {"target": "255.255.255.255"}, {"interval_ns": 0}, {"interval_ns": 1e8}, {"tmax_ns": 0}, {"tmax_ns": 10**12},
        {"offset_ns": -1}, {"offset_ns": 2**70}, {"interface": "a/b"}, {"interface": "x" * 16}, {"interface": ""},
        {"prober": "connect"}, {"prober": "connect", "port": 22, "path": 1, "tmax_ns": 900_000_000},
        {"prober": "connect", "port": 22, "tmax_ns": 1_100_000_000}, {"prober": "udp", "port": 22, "path": "yes"},
        {"prober": "dns", "name": ""}, {"prober": "dns", "name": "a..b"}, {"prober": "dns", "name": "x" * 64},
        {"prober": "dns", "name": "a b"}, {"prober": "dns", "name": "a", "type": "MX"}, {"prober": "dns", "name": 7},
        {"prober": "dns", "name": "a", "expect": []}, {"prober": "dns", "name": "a", "expect": ["a"]},
        {"prober": "dns", "name": "a", "expect": [1]}, {"prober": "dns", "name": "a", "port": 0},
        {"prober": "http", "path": "x"}, {"prober": "http", "path": "/a b"}, {"prober": "http", "path": "/a\r\nB: c"},
        {"prober": "http", "headers": {"A": "b\r\nC: d"}}, {"prober": "http", "headers": {"A b": "c"}},
        {"prober": "http", "headers": ["a"]}, {"prober": "http", "host": "a\n"}, {"prober": "http", "status": 99},
        {"prober": "http", "status": True}, {"prober": "http", "expect_crc": -1},
        {"prober": "held", "port": 7}, {"prober": "held", "port": 7, "mode": "loud"},
        {"prober": "held", "port": 7, "mode": "keepalive"},
        {"prober": "held", "port": 7, "mode": "echo", "reopen_ns": 10**10},
        {"prober": "dhcp"}, {"prober": "ra", "target": "::"}, {"prober": "icmp6"}, {"prober": "icmp6", "target": "::"},
        {"prober": "icmp6", "target": "ff02::1"}, {"prober": "icmp6", "target": "fe80::1"},
        {"prober": "arp", "target": "fd00::1"}, {"prober": "neighbour", "target": "fe80::1"},
        {"prober": "listen", "port": 7, "target": "224.0.0.1"},
        {"prober": "syn"}, {"prober": "syn", "port": 0}, {"prober": "banner", "port": 65536},
    ],
)  # fmt: skip
def test_a_bad_lane_is_refused(change: dict[str, Any]) -> None:
    refused({**GOOD, "lanes": [{**LANE, **change}]})


@pytest.mark.parametrize(
    "change",
    [
        {"prober": "dns", "name": "a"}, {"prober": "http"}, {"prober": "listen", "port": 7, "target": "0.0.0.0"},
        {"prober": "ra", "target": "::", "interface": "eth0"}, {"prober": "dhcp", "interval_ns": 10**10},
        {"prober": "icmp6", "target": "fe80::1", "interface": "e"}, {"prober": "held", "port": 7, "mode": "echo"},
        {"prober": "http", "target": "fd00::1"}, {"prober": "connect", "port": 22, "path": True},
    ],
)  # fmt: skip
def test_each_prober_with_what_it_needs(change: dict[str, Any]) -> None:
    (lane,) = plan.parse_plan({**GOOD, "lanes": [{**LANE, **change}]}).lanes
    assert lane.prober == change["prober"]
    assert lane.port == change.get("port", {"dns": 53, "http": 80}.get(lane.prober, 0))


@pytest.mark.parametrize("key", sorted(set(LANE) | {"version", "run", "duration_s", "lanes"}))
def test_a_missing_key_is_refused(key: str) -> None:
    lane = {name: value for name, value in LANE.items() if name != key}
    refused({name: value for name, value in {**GOOD, "lanes": [lane]}.items() if name != key})


def refused(raw: object) -> None:
    with pytest.raises(errors.StartError) as caught:
        plan.parse_plan(raw)
    assert caught.value.code == "plan"
    assert "\n" not in caught.value.line


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b"1", b'"x"', b"null"])
def test_garbage_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "plan"
    path.write_bytes(text)
    with pytest.raises(errors.StartError) as caught:
        plan.read_plan(str(path))
    assert caught.value.code == "plan"


KEYS = sorted({*LANE, *GOOD, *(key for shape in SHAPES.values() for key in shape.options)})
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=8),
    max_leaves=12,
)


@given(_json, _json)
def test_nothing_but_a_start_error_comes_out(whole: object, part: object) -> None:
    rows = [{**LANE, "prober": prober, "port": 7, **part} for prober in SHAPES] if isinstance(part, dict) else []
    for raw in (whole, {**GOOD, "lanes": part}, {**GOOD, "lanes": [part]}, *({**GOOD, "lanes": [row]} for row in rows)):
        with contextlib.suppress(errors.StartError):
            plan.parse_plan(json.loads(json.dumps(raw)))
