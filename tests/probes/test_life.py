# SPDX-License-Identifier: Apache-2.0
"""A prober's life: detached, stopped, suspended, on a full disk, badly started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from .net import FAR, MS, NEAR, Net, ended, lane, read_spool

pytestmark = pytest.mark.lab


def gone(pid: int, seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.02)
    return False


def command(net: Net, *words: str) -> tuple[int, dict[str, Any]]:
    process = net.start("near", sys.executable, "-m", "csw_probe", *words)
    out, _ = process.communicate(timeout=20)
    return process.returncode, json.loads(out) if out else {}


def test_detached_it_ends_by_itself(net: Net) -> None:
    plan, spool = net.plan([lane(0, "icmp")], 0.5)
    status, report = command(net, "run", "--plan", str(plan), "--spool", str(spool), "--detach")
    assert status == 0
    assert report["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert os.getsid(report["pid"]) not in {os.getsid(0), 0}
    assert str(Path(f"/proc/{report['pid']}/fd/1").readlink()) == "/dev/null"
    assert gone(report["pid"])
    result = read_spool(spool)
    assert (result.pid, ended(result).reason) == (report["pid"], 0)
    assert len(result.lane(0)) == 10
    status, report = command(net, "run", "--plan", str(plan), "--spool", str(spool), "--detach")
    assert (status, report["code"]) == (1, "spool")
    assert read_spool(spool) == result


def test_stop_drains_and_ends(net: Net) -> None:
    net.nft("far", "table ip f { chain i { type filter hook input priority 0; policy drop; }; }")
    plan, spool = net.plan([lane(0, "icmp"), lane(1, "icmp", tmax_ms=500)], 60)
    status, report = command(net, "run", "--plan", str(plan), "--spool", str(spool), "--detach")
    assert status == 0
    time.sleep(0.2)
    asked = time.monotonic_ns()
    assert command(net, "stop", "--spool", str(spool)) == (0, {})
    assert gone(report["pid"])
    result = read_spool(spool)
    assert ended(result).reason == 1
    verdicts = [record for record in result.records if record.kind == 1]
    assert {record.outcome for record in verdicts} <= {1, 2}
    assert {record.reason for record in verdicts} <= {1, 16}  # drained: every one had its whole Tmax
    assert max(record.sent for record in verdicts) < asked + 300 * MS
    assert command(net, "stop", "--spool", str(spool)) == (0, {})
    status, report = command(net, "stop", "--spool", str(spool) + "-none")
    assert (status, report["code"]) == (1, "spool")


def test_a_second_stop_ends_at_once(net: Net) -> None:
    net.nft("far", "table ip f { chain i { type filter hook input priority 0; policy drop; }; }")
    probe = net.probe([lane(0, "icmp", tmax_ms=5000)], 60)
    time.sleep(0.3)
    for _ in range(2):
        os.kill(probe.report["pid"], signal.SIGTERM)
        time.sleep(0.1)
    result = probe.result()
    assert ended(result).reason == 1
    assert {(record.outcome, record.reason) for record in result.lane(0)} == {(2, 18)}


def test_suspended_it_is_blind_and_fires_no_burst(net: Net) -> None:
    probe = net.probe([lane(0, "icmp"), lane(1, "syn", port=9)], 2.0)
    time.sleep(0.5)
    os.kill(probe.report["pid"], signal.SIGSTOP)
    time.sleep(0.8)
    os.kill(probe.report["pid"], signal.SIGCONT)
    result = probe.result()
    for number, answered in ((0, (0, 0)), (1, (1, 2))):
        records = result.lane(number)
        assert len(records) == 40
        assert {(record.outcome, record.reason) for record in records} == {answered, (2, 16)}
        blind = [record for record in records if record.reason == 16]
        assert len(blind) >= 14
        sends = [record.sent for record in records if record.sent]
        assert min(after - before for before, after in pairwise(sends)) > 20 * MS
        assert records[-1].reason != 16


def test_suspended_in_an_outage_what_was_on_its_way_is_unknown(net: Net) -> None:
    net.nft("far", "table ip f { chain i { type filter hook input priority 0; policy drop; }; }")
    probe = net.probe([lane(0, "icmp"), lane(1, "syn")], 2.0)
    time.sleep(0.8)
    stopped = time.monotonic_ns()
    os.kill(probe.report["pid"], signal.SIGSTOP)
    time.sleep(0.5)
    os.kill(probe.report["pid"], signal.SIGCONT)
    result = probe.result()
    for number in (0, 1):
        records = result.lane(number)
        assert len(records) == 40
        assert {(record.outcome, record.reason) for record in records} == {(1, 1), (2, 16)}
        on_their_way = [record for record in records if stopped - 100 * MS < record.sent < stopped]
        assert {record.reason for record in on_their_way} == {16}
        assert {record.reason for record in records if 0 < record.sent < stopped - 200 * MS} <= {1, 16}
        assert records[-1].reason == 1


def test_a_full_disk_ends_it_with_a_record_that_says_so(net: Net) -> None:
    disk = net.folder / "disk"
    disk.mkdir()
    plan, _ = net.plan([lane(number, "icmp", every_ms=2) for number in range(20)], 60)
    probe = [sys.executable, "-m", "csw_probe", "run", "--plan", str(plan), "--spool", str(disk / "spool")]
    script = f'mount -t tmpfs -o size=128k none {disk} && "$@"; cp {disk}/spool {net.folder}/copy'
    run = net.start("near", "unshare", "-m", "sh", "-c", script, "sh", *probe)
    assert run.wait(timeout=20) == 0
    result = read_spool(net.folder / "copy")
    last = result.records[-1]
    assert (last.kind, last.reason, last.detail, last.aux) == (3, 2, 28, last.number)
    assert last.number > 1500


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"prober": "arp", "interface": "nosuch0"}, "interface"),
        ({"prober": "arp", "interface": "lo"}, "interface"),
        ({"prober": "arp", "target": "203.0.113.1"}, "interface"),
        ({"prober": "dns"}, "plan"),
    ],
)
@pytest.mark.parametrize("how", [(), ("--detach",)])
def test_what_cannot_start_says_why_in_one_line(
    net: Net, change: dict[str, Any], code: str, how: tuple[str, ...]
) -> None:
    plan, spool = net.plan([{**lane(0, "icmp"), **change}], 5)
    status, report = command(net, "run", "--plan", str(plan), "--spool", str(spool), *how)
    assert (status, report["code"]) == (1, code)
    assert "\n" not in report["error"]
    assert not spool.exists()


def test_without_privilege_it_says_so(net: Net) -> None:
    drop = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"]
    needy = [lane(0, prober) for prober in ("icmp", "arp", "syn", "garp")]
    needy += [lane(0, "dhcp", every_ms=10_000), lane(0, "icmp6", "fd00::2", flow="new")]
    for row in (*needy, lane(0, "ra", "::", interface="v0")):
        plan, spool = net.plan([row], 5)
        words = ["-m", "csw_probe", "run", "--plan", str(plan), "--spool", str(spool), "--detach"]
        process = net.start("near", *drop, sys.executable, *words)
        out, _ = process.communicate(timeout=20)
        assert (process.returncode, json.loads(out)["code"]) == (1, "permission")
    probers = ("banner", "connect", "udp", "dns", "http", "held", "listen", "neighbour")
    more: dict[str, Any] = {"port": 5301, "name": "a", "mode": "echo"}
    plan, spool = net.plan([lane(n, p, NEAR if p == "listen" else FAR, **more) for n, p in enumerate(probers)], 0.2)
    words = ["-m", "csw_probe", "run", "--plan", str(plan), "--spool", str(spool)]
    assert net.start("near", *drop, sys.executable, *words).wait(timeout=20) == 0
    reasons = {record.reason for record in read_spool(spool).records if record.kind == 1}
    assert reasons <= {
        0,
        1,
        2,
        7,
        16,
    }  # no error of its own; 1: closed ports are told of now and then
    assert {0, 2} <= reasons


def test_a_week_old_spool_is_removed_and_nothing_else(net: Net) -> None:
    old, young, other = net.folder / "old", net.folder / "young", net.folder / "other"
    for path in (old, young):
        path.write_bytes(b"CSWSPOOL" + bytes(56))
    other.write_bytes(b"something else")
    for path in (old, other):
        os.utime(path, (1, 1))
    net.probe([lane(0, "icmp")], 0.1).result()
    assert not old.exists()
    assert young.exists()
    assert other.exists()


def test_the_tail_follows_a_run_to_its_end(net: Net) -> None:
    probe = net.probe([lane(0, "icmp", every_ms=10, target=FAR)], 0.8)
    follow = [sys.executable, "-m", "csw_probe", "tail", "--offset", "0", "--spool", str(probe.path)]
    tail = subprocess.Popen(
        [*net.words("near"), "env", f"PYTHONPATH={net.folder}", *follow], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    result = probe.result()
    time.sleep(0.2)
    out, _ = tail.communicate(timeout=5)
    data, at = b"", 0
    while at < len(out):
        length = int.from_bytes(out[at + 1 : at + 5], "little")
        if out[at : at + 1] == b"D":
            assert int.from_bytes(out[at + 5 : at + 13], "little") == len(data)
            data += out[at + 13 : at + 5 + length]
        at += 5 + length
    assert data == probe.path.read_bytes()
    assert ended(result).reason == 0
