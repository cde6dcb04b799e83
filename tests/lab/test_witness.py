# SPDX-License-Identifier: Apache-2.0
"""`lab truth`: outages of known length are found by the witness, on every path that they hit and on no other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from csworkbench.lab.cloud import Cloud
from csworkbench.lab.hosts import LabError
from csworkbench.lab.launch import Namespaces
from csworkbench.lab.options import Options
from csworkbench.lab.state import StateDirectory
from csworkbench.lab.witness import Witness
from csworkbench.lab.witness_paths import Kind, Session, SessionKind
from csworkbench.lab.witness_paths import Path as Watched
from tests.lab import ordinary_user
from tests.lab.support import LAB, RunningCloud, descendants, environment, running_cloud
from tests.lab.test_gone import assert_gone, trace

pytestmark = pytest.mark.lab

Line = dict[str, Any]
MS = 300
HIT = {
    "egress": {"egress", "egress_same", "static_nat"},
    "ingress": {"ingress", "balancer"},
    "dns": {"dns"},
    "metadata": {"metadata"},
    "balancer": {"balancer"},
}
"""Which paths an outage of that name hits, with static NAT to the last tenant."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("w") / "lab", "--scale", "0.02", "--vms", "3") as running:
        yield running


def told(done: subprocess.CompletedProcess[str]) -> list[Line]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


class Watching:
    """The witness during a with block; then `paths` and `sessions`."""

    def __init__(self, cloud: RunningCloud) -> None:
        self._cloud = cloud
        self.paths: list[Line] = []
        self.sessions: dict[str, Line] = {}
        self.vantages: dict[str, Line] = {}

    def __enter__(self) -> Watching:
        assert told(self._cloud.lab("truth", "--watch")) == []
        return self

    def __exit__(self, *_: object) -> None:
        lines = told(self._cloud.lab("truth", "--stop"))
        self.paths = [line for line in lines if "path" in line]
        self.sessions = {line["session"]: line for line in lines if "session" in line}
        self.vantages = {line["witness"]: line for line in lines if "witness" in line}

    def named(self, name: str) -> list[Line]:
        found = [line for line in self.paths if line["path"] == name]
        assert found, name
        return found


def holds(outage: Line, made: Line) -> bool:
    """Whether the bounds of an outage agree with the stamps of `lab break` at both ends."""
    return all(outage[end][0] <= made[end][1] and made[end][0] <= outage[end][1] for end in ("start_ns", "end_ns"))


def test_each_outage_is_found_where_it_was_made(cloud: RunningCloud) -> None:
    with Watching(cloud) as seen:
        made = {name: told(cloud.lab("break", name, "--ms", str(MS)))[0] for name in HIT}
    for line in seen.paths:
        hits = [made[name] for name, paths in HIT.items() if line["path"] in paths]
        assert len(line["outages"]) == line["count"] == len(hits), line
        for outage, hit in zip(line["outages"], hits, strict=True):
            assert holds(outage, hit), (line, hit)
            assert outage["reason"] == "timeout"
        assert (line["lost"] > 0) == bool(hits)
        assert line["low_ms"] <= sum((hit["end_ns"][0] - hit["start_ns"][1]) / 1e6 for hit in hits) + 0.1
        assert line["high_ms"] >= sum((hit["end_ns"][1] - hit["start_ns"][0]) / 1e6 for hit in hits) - 0.1
    assert {line["path"] for line in seen.paths} >= {
        *HIT,
        "egress_same",
        "gateway",
        "control",
        "password",
        "static_nat",
    }
    assert {name: line["alive"] for name, line in seen.sessions.items()} == dict.fromkeys("TPSO", True)
    assert min(line["longest_gap_ms"] for line in seen.sessions.values()) > MS - 50
    assert cloud.run("outside", "sh", "-c", "ls /run/*.key").stdout == ""  # the user's key is not left there


def test_all_stays_readable_after_the_stop_beside_what_was_broken(cloud: RunningCloud) -> None:
    with Watching(cloud):
        before = told(cloud.lab("truth"))
        told(cloud.lab("break", "dns", "--ms", "50"))
    lines = told(cloud.lab("truth"))
    made = [line for line in lines if "start_ns" in line]
    assert [line["start_ns"] for line in made if line["path"] == "dns"]
    (dns,) = (line for line in lines if line.get("path") == "dns" and "sent" in line)
    assert holds(dns["outages"][-1], made[-1])
    (earlier,) = (line for line in before if line.get("path") == "dns" and "sent" in line)
    assert 0 < earlier["sent"] < dns["sent"]
    assert earlier["lost"] == 0


@pytest.mark.slow
def test_a_rolling_restart_costs_the_balancer_and_not_the_peer(cloud: RunningCloud) -> None:
    with Watching(cloud) as seen:
        assert cloud.restart(cleanup=True)["jobstatus"] == 1
    (balancer,) = seen.named("balancer")
    (control,) = seen.named("control")
    (dns,) = seen.named("dns")
    assert balancer["low_ms"] > 0
    assert balancer["down_ms"] > dns["down_ms"] > 0
    assert {outage["reason"] for outage in dns["outages"]} <= {"refused", "timeout"}
    assert (control["lost"], control["outages"]) == (0, [])
    assert not seen.sessions["P"]["alive"]  # the new router knows nothing of it


@contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            pass
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def witnesses(cloud: RunningCloud) -> dict[str, int]:
    """The witness's processes as this machine counts them, by the host they run in."""
    names = {}
    for pid in descendants(cloud.info["pid"]):
        if Path(f"/proc/{pid}/comm").read_text() == "lab-witness\n":
            done = subprocess.run(
                ["nsenter", "-t", str(pid), "-u", "hostname"], capture_output=True, text=True, check=True
            )
            names[done.stdout.strip()] = pid
    return names


@pytest.mark.skipif(os.geteuid() != 0, reason="looks into namespaces from outside")
def test_a_stopped_witness_is_blind_and_sees_no_outage(cloud: RunningCloud) -> None:
    with Watching(cloud) as seen:
        with _stopped(witnesses(cloud)["vm01"]):
            told(cloud.lab("break", "egress", "--ms", str(MS)))
            time.sleep(1.2)  # longer than any deadline
        (egress,) = (line for line in told(cloud.lab("truth")) if line.get("path") == "egress" and "sent" in line)
    inside = [line for line in seen.paths if line["vantage"] == "vm01"]
    assert all(line["blind_ms"] > MS + 1000 for line in [*inside, egress])
    assert all((line["lost"], line["outages"]) == (0, []) for line in inside), inside
    assert seen.vantages["vm01"]["stalled_ms"] > MS + 1000
    assert [len(line["outages"]) for line in seen.named("static_nat")] == [1]  # whose witness was awake
    assert seen.sessions["O"]["longest_gap_ms"] < MS + 1000


@pytest.mark.slow
def test_nothing_is_lost_while_both_cores_are_busy(cloud: RunningCloud) -> None:
    busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(os.cpu_count() or 1)]
    try:
        lines = told(cloud.lab("truth", "--for", "3"))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    paths = [line for line in lines if "path" in line]
    assert {line["path"]: line["lost"] for line in paths} == dict.fromkeys([line["path"] for line in paths], 0)
    assert min(line["sent"] * line["period_ms"] for line in paths) > 1000
    assert max(line["cpu_percent"] for line in lines if "witness" in line) < 60


def test_a_wrong_use_is_refused(cloud: RunningCloud) -> None:
    for words, code, text in (
        (("--stop",), 1, "no witness is watching"),
        (("--watch", "--stop"), 2, "only one of"),
        (("--for", "0"), 2, "--for"),
        (("--watch", "--vantage", "vm99"), 1, "no tenant 'vm99'; there are vm01, vm02, vm03"),
    ):
        done = cloud.lab("truth", *words)
        assert (done.returncode, text in done.stderr) == (code, True), done.stderr
    with Watching(cloud):
        done = cloud.lab("truth", "--watch")
        assert (done.returncode, "already" in done.stderr) == (1, True)


def gateway_probes(cloud: RunningCloud) -> int:
    """How many the witness has sent so far; the same again when none is watching."""
    return sum(line["sent"] for line in told(cloud.lab("truth")) if line.get("path") == "gateway")


def test_a_command_that_is_ended_early_takes_its_witness_along(cloud: RunningCloud) -> None:
    command = [*LAB, "--state", str(cloud.state), "truth", "--for", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        while gateway_probes(cloud) == gateway_probes(cloud):
            pass
        process.terminate()
        output, _ = process.communicate(timeout=20)
    assert [json.loads(line)["lost"] for line in output.splitlines() if "gateway" in line] == [0]
    assert process.returncode == 0
    assert "no witness is watching" in cloud.lab("truth", "--stop").stderr


def test_a_cloud_ends_with_its_witness(tmp_path: Path) -> None:
    with running_cloud(tmp_path / "lab", "--scale", "0", "--vms", "1") as running:
        told(running.lab("truth", "--watch"))  # one tenant has no peer, and leaves by its own address
        processes, spaces = trace(running)
    assert_gone(processes, spaces, running.process.pid)


@pytest.mark.slow
def test_an_ordinary_user_has_a_witness() -> None:
    home = Path(tempfile.mkdtemp(prefix="lab-user-"))
    try:
        os.chown(home, *ordinary_user.identity())
        options = ("--vms", "2", "--scale", "0")
        with running_cloud(home / "lab", *options, prefix=ordinary_user.lab_prefix(home)) as running:
            with Watching(running) as seen:
                made = told(running.lab("break", "egress", "--ms", str(MS)))[0]
            (egress,) = seen.named("egress")
            assert [holds(outage, made) for outage in egress["outages"]] == [True]
            assert all(line["alive"] for line in seen.sessions.values())
    finally:
        shutil.rmtree(home)


@pytest.fixture
async def inner(tmp_path: Path) -> AsyncIterator[Cloud]:
    """A cloud in this process, for who uses the witness from Python."""
    state = StateDirectory(tmp_path / "lab")
    state.prepare()
    namespaces = await Namespaces.start(root=os.geteuid() == 0)
    try:
        yield await Cloud.bring_up(Options(vms=3, scale=0), state, namespaces, lambda _: None)
    finally:
        await namespaces.stop()


async def test_paths_and_sessions_of_ones_own(inner: Cloud) -> None:
    paths = [
        Watched("peer", Kind.ECHO, "vm02", "10.1.1.103", 0, 2),
        Watched("page", Kind.HTTP, "vm03", "10.1.1.101", 8000, 20, "/", ("vm01",)),
        Watched("ssh", Kind.SYN, "vm03", "10.1.1.101", 22, 5),
    ]
    witness = Witness(inner.host, paths, [Session("E", SessionKind.ECHOES, "vm02", "10.1.1.103", 7, server="vm03")])
    await witness.start()
    await inner.cut("all", 100)  # nothing of it goes over the gateway
    truth = await witness.stop()
    assert [(item.path.name, item.lost, item.outages) for item in truth.paths] == [
        (name, 0, ()) for name in ("page", "ssh", "peer")
    ]
    assert min(item.sent * item.path.period_ms for item in truth.paths) > 50
    assert [(item.alive, item.reason) for item in truth.sessions] == [(True, None)]


async def test_a_path_that_does_not_answer_is_named(inner: Cloud) -> None:
    paths = [
        Watched("wrong", Kind.HTTP, "vm02", "10.1.1.101", 8000, 20, "/", ("vm02",)),
        Watched("right", Kind.HTTP, "vm02", "10.1.1.101", 8000, 20, "/", ("vm01",)),
        Watched("closed", Kind.SYN, "vm02", "10.1.1.101", 23, 5),
    ]
    witness = Witness(inner.host, paths)
    with pytest.raises(LabError) as refused:
        await witness.start(limit_s=0.7)
    assert "wrong (vm02 to 10.1.1.101:8000), closed (vm02 to 10.1.1.101:23)" in str(refused.value)
    listed = await inner.host("vm02").run("ps", "-A", "-o", "comm")
    assert "lab-witness" not in listed.output
