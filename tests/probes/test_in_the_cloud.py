# SPDX-License-Identifier: Apache-2.0
"""The probers against a router's own daemons, in outages of known length that the test cloud makes (S17)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from csworkbench.probing.bundle import build_bundle
from tests.lab import ordinary_user
from tests.lab.support import LAB, RunningCloud, environment, running_cloud

from .net import MS, RUN, Record, Spool, ended, lane, read_spool

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(170)]

OK, FAIL, TIMEOUT, WRONG = 0, 1, 1, 5
OUTSIDE, GATEWAY, WEB, SSH, ECHO = "203.0.113.10", "10.1.1.1", "198.51.100.30", "198.51.100.11", 7007
TENANT = [
    lane(0, "connect", OUTSIDE, port=ECHO, every_ms=100),
    lane(1, "udp", OUTSIDE, port=ECHO, every_ms=100),
    lane(2, "dns", GATEWAY, name="vm02.cs2cloud.internal", expect=["10.1.1.102"], every_ms=100),
    lane(3, "http", GATEWAY, path="/latest/meta-data/local-hostname", every_ms=100),
    lane(4, "http", GATEWAY, port=8080, every_ms=100),
    lane(5, "held", OUTSIDE, port=ECHO, mode="echo", every_ms=100),
    lane(6, "neighbour", GATEWAY, every_ms=100),
    lane(7, "garp", GATEWAY, every_ms=500),
    *(lane(8 + n, "dhcp", GATEWAY, every_ms=10_000, tmax_ms=1000, offset_ns=n * 100 * MS) for n in range(3)),
]
ABROAD = [
    lane(0, "listen", OUTSIDE, port=ECHO, every_ms=500),
    lane(1, "connect", SSH, every_ms=100),
    lane(2, "http", WEB, every_ms=100),
    lane(3, "held", SSH, port=22, mode="keepalive", every_ms=1500, tmax_ms=800, reopen_ns=60 * 10**9),
]
BREAKS = (("dns", 500), ("metadata", 600), ("balancer", 700), ("egress", 800), ("ingress", 1700))
PLANS = {
    "outside": ABROAD,
    "vm01": TENANT,
    "vm02": [lane(n, "dhcp", GATEWAY, every_ms=10_000, tmax_ms=1000, path=bool(n)) for n in range(2)],
}
SEEN = (  # a break, who sees it in which lane, and which of that lane's outages it is
    ("dns", "vm01", 2, 0),
    ("metadata", "vm01", 3, 0),
    ("balancer", "outside", 2, 0),
    ("egress", "vm01", 0, 0),
    ("egress", "vm01", 1, 0),
    ("ingress", "outside", 1, 0),
    ("ingress", "outside", 2, 1),
)
COUNTS = {"vm01": (1, 1, 1, 1, 0), "outside": (0, 1, 2)}


class Ran(NamedTuple):
    truths: dict[str, dict[str, Any]]
    spools: dict[str, Spool]
    leases: tuple[str, str]


def feed(cloud: RunningCloud, host: str, script: str, data: bytes) -> bytes:
    words = [*LAB, "--state", str(cloud.state), "exec", host, "--", "sh", "-c", script]
    done = subprocess.run(words, input=data, capture_output=True, timeout=60, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def start(cloud: RunningCloud, host: str, lanes: list[dict[str, Any]]) -> None:
    feed(cloud, host, "mkdir -p /tmp/b && gzip -dc | tar xf - -C /tmp/b", build_bundle().archive)
    plan = {"version": 1, "run": RUN, "duration_s": 120, "lanes": lanes}
    words = "PYTHONPATH=/tmp/b exec python3 -m csw_probe run --plan /tmp/plan --spool /tmp/spool --detach"
    out = feed(cloud, host, f"cat > /tmp/plan && {words}", json.dumps(plan).encode())
    assert "pid" in json.loads(out), out


@pytest.fixture(scope="module", params=["as we are", pytest.param("ordinary user", marks=pytest.mark.slow)])
def ran(request: pytest.FixtureRequest) -> Iterator[Ran]:
    """One cloud, one run of all probers, one break of each path after the other."""
    folder = Path(tempfile.mkdtemp(prefix="probes-"))  # pytest's own directories are closed to others
    prefix: Sequence[str] = LAB
    try:
        if request.param == "ordinary user":
            os.chown(folder, *ordinary_user.identity())
            prefix = ordinary_user.lab_prefix(folder)
        with running_cloud(folder / "lab", "--scale", "0.02", "--vms", "2", prefix=prefix) as cloud:
            yield measure(cloud, folder)
    finally:
        shutil.rmtree(folder)


def measure(cloud: RunningCloud, folder: Path) -> Ran:
    (router,) = cloud.routers()
    leased = cloud.run("vm01", "busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-f", "-s", "/bin/true")
    assert "lease of 10.1.1.101" in leased.stderr + leased.stdout
    before = leases(cloud, router["name"])
    for host, lanes in PLANS.items():
        start(cloud, host, lanes)
    truths = {}
    time.sleep(1.2)  # samples before, between and after the outages: time is what is measured
    for path, length_ms in BREAKS:
        truths[path] = json.loads(cloud.lab("break", path, "--ms", str(length_ms)).stdout)
        time.sleep(2.0 if path == "egress" else 1.2)  # what stalled comes back at its own time
    spools = {}
    for host in reversed(PLANS):  # the listener last
        feed(cloud, host, "PYTHONPATH=/tmp/b exec python3 -m csw_probe stop --spool /tmp/spool", b"")
        copy = folder / host
        script = "while ! flock -n -s /tmp/spool true; do sleep 0.05; done; cat /tmp/spool"
        copy.write_bytes(feed(cloud, host, script, b""))
        spools[host] = read_spool(copy)
        assert ended(spools[host]).reason == 1
    return Ran(truths, spools, (before, leases(cloud, router["name"])))


def leases(cloud: RunningCloud, router: str) -> str:
    found = cloud.run(router, "sh", "-c", "cat $(find / -name dnsmasq.leases -not -path '/proc/*' 2>/dev/null)")
    return found.stdout


def outages(records: list[Record]) -> list[tuple[int, int, list[Record]]]:
    """(low, high, lost) of each run of failed samples between two good ones (S1, S2)."""
    known = [record for record in records if record.outcome != 2]
    found: list[tuple[int, int, list[Record]]] = []
    lost: list[Record] = []
    last_ok: Record | None = None
    for record in known:
        if record.outcome == FAIL:
            lost.append(record)
            continue
        if lost and last_ok is not None:
            found.append((lost[-1].sent - lost[0].sent, record.sent - last_ok.sent, lost))
        lost, last_ok = [], record
    assert not lost, "still down at the end"
    return found


@pytest.mark.parametrize(("path", "host", "number", "place"), SEEN)
def test_an_outage_lies_within_its_bounds(ran: Ran, path: str, host: str, number: int, place: int) -> None:
    truth = ran.truths[path]
    shortest, longest = truth["end_ns"][0] - truth["start_ns"][1], truth["end_ns"][1] - truth["start_ns"][0]
    low, high, lost = outages(ran.spools[host].lane(number))[place]
    print(
        f"{path} {host} lane {number}: {shortest / 1e6:.0f}-{longest / 1e6:.0f} ms [{low / 1e6:.0f}, {high / 1e6:.0f}]"
    )
    assert low - 20 * MS <= longest
    assert high + 20 * MS >= shortest
    assert {(record.reason, record.detail) for record in lost} == {(TIMEOUT, 0)}


@pytest.mark.parametrize("host", COUNTS)
def test_a_lane_sees_the_outages_of_its_own_path_only(ran: Ran, host: str) -> None:
    found = tuple(len(outages(ran.spools[host].lane(number))) for number in range(len(COUNTS[host])))
    assert found == COUNTS[host]


def test_what_was_not_broken_never_failed(ran: Ran) -> None:
    for number in (6, 7, 8, 9, 10):
        records = ran.spools["vm01"].lane(number)
        assert {record.outcome for record in records} <= {OK, 2}, number
        assert [record.outcome for record in records].count(OK) >= min(len(records), 3) * 0.6, number


def test_a_held_connection_stalls_and_survives(ran: Ran) -> None:
    (found,) = outages(ran.spools["vm01"].lane(5))
    truth = ran.truths["egress"]
    assert found[1] >= truth["end_ns"][0] - truth["start_ns"][1]
    late = ran.spools["vm01"].lane(5, kind=4)
    assert {record.seq for record in late} == {record.seq for record in found[2]}  # nothing of it was lost
    shown = ran.spools["outside"].lane(3)  # sshd, which hears keepalives only
    assert {record.outcome for record in shown} <= {OK, FAIL, 2}
    assert (shown[0].outcome, shown[-1].outcome) == (OK, OK)
    assert {record.reason for record in shown if record.outcome == FAIL} <= {TIMEOUT}


def test_a_vm_without_a_lease_is_told_so_and_gets_none(ran: Ran) -> None:
    assert "10.1.1.102" not in "".join(ran.leases)
    record = ran.spools["vm02"].lane(0)[0]
    assert (record.outcome, record.reason, record.detail) == (FAIL, WRONG, 6)  # a NAK, which CloudStack's dnsmasq sends
    answered = ran.spools["vm02"].lane(1)[0]
    assert (answered.outcome, answered.reason, answered.detail) == (
        OK,
        0,
        6,
    )  # with `path` the server lives


def test_a_renewal_takes_no_lease_away(ran: Ran) -> None:
    assert "10.1.1.101" in ran.leases[0]
    assert ran.leases[0] == ran.leases[1]
    for number in (8, 9, 10):
        (record,) = ran.spools["vm01"].lane(number)[:1]
        assert (record.outcome, record.detail, record.value) == (OK, 5, 0x0A010101)
