# SPDX-License-Identifier: Apache-2.0
"""A running cloud: every path that a measurement uses, and the commands around it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import asyncssh
import pytest

from csworkbench.lab import client
from tests.lab.support import LAB, RunningCloud, environment, lab, running_cloud

pytestmark = pytest.mark.lab

SSH_LIMIT_S = 20.0


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCloud]:
    with running_cloud(tmp_path_factory.mktemp("c") / "lab", "--scale", "0.02") as running:
        yield running


def addresses(cloud: RunningCloud) -> list[str]:
    rows = cloud.api("listPortForwardingRules", listall="true")[1]["portforwardingrule"]
    return [row["ipaddress"] for row in rows]


async def ssh(cloud: RunningCloud, address: str) -> asyncssh.SSHClientConnection:
    connected = await asyncio.to_thread(client.connect, cloud.state, address, 22)
    return await asyncssh.connect(
        address,
        sock=connected,
        username=cloud.info["ssh"]["user"],
        client_keys=[cloud.info["ssh"]["key"]],
        known_hosts=cloud.info["ssh"]["known_hosts"],
        config=[],
    )


async def test_ssh_to_every_tenant_through_the_router(cloud: RunningCloud) -> None:
    async def look(address: str) -> list[str]:
        connection = await ssh(cloud, address)
        done = await connection.run("hostname; whoami; command -v python3; cut -d' ' -f1 /proc/uptime", check=True)
        connection.close()
        await connection.wait_closed()
        return str(done.stdout).split()

    async with asyncio.timeout(SSH_LIMIT_S):
        answers = await asyncio.gather(*(look(address) for address in addresses(cloud)))
    assert [answer[0] for answer in answers] == [f"vm{number:02}" for number in range(1, 11)]
    assert {answer[1] for answer in answers} == {"ops"}
    assert {answer[2] for answer in answers} <= {"/usr/bin/python3", "/usr/local/bin/python3", "/bin/python3"}
    uptimes = sorted(float(answer[3]) for answer in answers)
    assert all(later - sooner > 500 for sooner, later in pairwise(uptimes))  # own clocks


async def test_sftp_and_private_files(cloud: RunningCloud) -> None:
    async with asyncio.timeout(SSH_LIMIT_S), await ssh(cloud, "198.51.100.11") as first:
        async with first.start_sftp_client() as sftp, sftp.open("/tmp/here", "w") as file:
            await file.write("first")
        async with await ssh(cloud, "198.51.100.12") as second:
            for path in ("/tmp/here", "~/x"):
                done = await second.run(f"cat {path}")
                assert done.exit_status != 0
        tenant = await first.run("cat /tmp/here; echo; stat -c %U ~", check=True)
    assert str(tenant.stdout).split() == ["first", "ops"]
    assert not await asyncio.to_thread(Path("/tmp/here").exists)


async def test_a_wrong_key_is_refused(cloud: RunningCloud, tmp_path: Path) -> None:
    connected = await asyncio.to_thread(client.connect, cloud.state, "198.51.100.11", 22)
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            "198.51.100.11",
            sock=connected,
            username="ops",
            client_keys=[asyncssh.generate_private_key("ssh-ed25519")],
            known_hosts=cloud.info["ssh"]["known_hosts"],
            config=[],
        )


def test_outside_reaches_every_public_address_and_tenants_reach_outside(cloud: RunningCloud) -> None:
    for address in addresses(cloud):
        done = cloud.run("outside", "ping", "-c", "1", "-W", "1", address)
        assert done.returncode == 0, done.stdout
    done = cloud.run("vm07", "ping", "-c", "2", "-i", "0.1", "-W", "1", cloud.info["egress_target"])
    assert done.returncode == 0, done.stdout
    assert cloud.run("outside", "ping", "-c", "1", "-W", "0.3", "198.51.100.10").returncode != 0  # no rule allows it


def test_tenants_resolve_each_other_and_have_a_raw_socket(cloud: RunningCloud) -> None:
    assert cloud.run("vm02", "getent", "hosts", "vm05").stdout.split()[0] == "10.1.1.105"
    code = (
        "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW); "
        "print(*sorted(name for _, name in socket.if_nameindex()))"
    )
    assert cloud.run("vm02", "python3", "-c", code).stdout.split() == ["eth0", "lo"]


def test_the_router_is_reachable_by_its_name_and_only_answers_the_guest_side(cloud: RunningCloud) -> None:
    (router,) = cloud.routers()
    rules = cloud.run(router["name"], "iptables-save").stdout
    assert "-A FW_EGRESS_RULES -s 10.1.1.0/24 -j ACCEPT" in rules
    assert cloud.run(router["name"], "cat", "/sys/class/net/eth0/address").stdout.strip() == router["guestmacaddress"]
    with pytest.raises(client.RefusedError):
        client.connect(cloud.state, "198.51.100.1", 22)


def test_nothing_of_the_cloud_is_visible_on_the_host(cloud: RunningCloud) -> None:
    assert "brguest" not in {name for _, name in socket.if_nameindex()}
    assert socket.gethostname() not in ("fab", "gateway", "outside")
    mounts = Path("/proc/self/mountinfo").read_text()
    assert "/run/home/ops" not in mounts


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"CONNECT 198.51.100.11 22\n", b"OK\n"),
        (b"CONNECT 203.0.113.10 9\n", b"ERR outside: Connection refused\n"),
        (b"CONNECT localhost 22\n", b"ERR not an IPv4 address: localhost\n"),
        (b"CONNECT 198.51.100.11 70000\n", b"ERR expected `CONNECT host port`\n"),
        (b"GET / HTTP/1.1\n", b"ERR expected `CONNECT host port`\n"),
        (b"x" * 4000, b"ERR expected `CONNECT host port`\n"),
    ],
)
def test_the_connect_socket_speaks_its_line_protocol(cloud: RunningCloud, line: bytes, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(11)
        channel.connect(cloud.info["connect_socket"])
        channel.sendall(line)
        data, descriptors, _, _ = socket.recv_fds(channel, 512, 4)
        for descriptor in descriptors:
            os.close(descriptor)
    assert data == answer
    assert bool(descriptors) == (answer == b"OK\n")


def test_openssh_through_lab_nc(cloud: RunningCloud) -> None:
    words = " ".join([LAB[0], LAB[1], f"'{LAB[2]}'", "--state", str(cloud.state), "nc", "%h", "%p"])
    for options in ([], ["-o", "ProxyUseFdpass=yes"]):
        done = subprocess.run(
            [
                *("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", f"ProxyCommand={words}", *options),
                *("-o", f"UserKnownHostsFile={cloud.info['ssh']['known_hosts']}", "-i", cloud.info["ssh"]["key"]),
                *("ops@198.51.100.13", "hostname"),
            ],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            env=environment(),
        )
        assert (done.returncode, done.stdout) == (0, "vm03\n"), done.stderr


def test_exec_passes_input_output_and_status(cloud: RunningCloud) -> None:
    done = subprocess.run(
        [*LAB, "--state", str(cloud.state), "exec", "vm01", "--", "sh", "-c", "cat; echo err >&2; exit 9"],
        input="in\n",
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        env=environment(),
    )
    assert (done.returncode, done.stdout, done.stderr) == (9, "in\n", "err\n")
    assert cloud.run("vm01", "sh", "-c", "kill -9 $$").returncode == 128 + 9
    missing = cloud.run("vm99", "true")
    assert missing.returncode == 1
    assert "there are gateway, outside, r-" in missing.stderr
    assert "No such file" in cloud.run("vm01", "no-such-program").stderr


def test_exec_ends_with_its_client_but_an_own_session_lives_on(cloud: RunningCloud) -> None:
    script = "sleep 302 & setsid sh -c 'echo ready; exec sleep 301'"  # ready once the session is its own
    process = subprocess.Popen(
        [*LAB, "--state", str(cloud.state), "exec", "vm04", "--", "sh", "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    limit = time.monotonic() + 5
    while "sleep 302" in (listing := cloud.run("vm04", "ps", "ax").stdout):
        assert time.monotonic() < limit, listing
    assert "sleep 301" in listing
    cloud.run("vm04", "pkill", "sleep")


def test_break_is_timed_and_hits_only_its_path(cloud: RunningCloud) -> None:
    pinging = {
        "egress": ("vm03", cloud.info["egress_target"]),
        "ingress": ("outside", "198.51.100.14"),
    }
    for path, length_ms in (("egress", 300), ("ingress", 400), ("all", 200)):
        before = time.monotonic_ns()
        processes = {
            name: subprocess.Popen(
                [*LAB, "--state", str(cloud.state), "exec", host, "--", "ping", "-i", "0.02", "-w", "2", "-q", target],
                stdout=subprocess.PIPE,
                text=True,
                env=environment(),
            )
            for name, (host, target) in pinging.items()
        }
        made = json.loads(cloud.lab("break", path, "--ms", str(length_ms)).stdout)
        (first, second), (third, fourth) = made["start_ns"], made["end_ns"]
        assert before < first < second < third < fourth < time.monotonic_ns()
        assert second - first < 50e6
        assert fourth - third < 50e6
        assert abs((third - second) / 1e6 - length_ms) < 50
        for name, process in processes.items():
            output, _ = process.communicate(timeout=10)
            if path not in (name, "all"):
                assert " 0% packet loss" in output, (path, name, output)
    assert len(cloud.lab("truth").stdout.splitlines()) == 3
    assert cloud.lab("break", "mail", "--ms", "10").returncode == 2
    assert cloud.lab("break", "egress", "--ms", "0").returncode == 2


def test_a_break_is_seen_where_it_should_be(cloud: RunningCloud) -> None:
    words = [*LAB, "--state", str(cloud.state), "break", "egress", "--ms", "1500"]
    breaking = subprocess.Popen(words, stdout=subprocess.DEVNULL, env=environment())
    lost = cloud.run("vm03", "ping", "-i", "0.05", "-w", "1", "-q", cloud.info["egress_target"])
    breaking.wait(timeout=10)
    assert " 0% packet loss" not in lost.stdout
    assert cloud.run("vm03", "ping", "-c", "1", "-W", "1", cloud.info["egress_target"]).returncode == 0


def test_ssh_off_stops_the_last_tenants_server_only(cloud: RunningCloud) -> None:
    assert cloud.lab("fault", "ssh-off").returncode == 0
    with pytest.raises(client.RefusedError, match="refused"):
        client.connect(cloud.state, "198.51.100.20", 22)
    assert cloud.banner("198.51.100.19").startswith(b"SSH-2.0-")
    assert "on   ssh-off" in cloud.lab("fault").stdout
    cloud.lab("fault", "ssh-off", "--off")
    assert cloud.banner("198.51.100.20").startswith(b"SSH-2.0-")
    assert cloud.lab("fault", "earthquake").returncode == 1


def test_status_env_and_a_second_up(cloud: RunningCloud) -> None:
    info = json.loads(cloud.lab("status", "--json").stdout)
    assert {**info, "memory_mb": 0} == {**cloud.info, "memory_mb": 0}
    shown = subprocess.run(
        [
            "sh",
            "-c",
            f'{cloud.lab("env").stdout.strip()}; echo "$CLOUDSTACK_ENDPOINT $CLOUDSTACK_KEY $CLOUDSTACK_SECRET"',
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == [info["endpoint"], info["key"], info["secret"]]
    second = cloud.lab("up")
    assert second.returncode == 1
    assert "already up" in second.stderr


def test_no_cloud_is_one_clear_line(tmp_path: Path) -> None:
    for words in (["status"], ["down"], ["env"], ["exec", "vm01", "--", "true"], ["nc", "1.2.3.4", "22"]):
        done = lab(tmp_path / "none", *words)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert "no cloud is up" in done.stderr
    assert json.loads(lab(tmp_path / "none", "status", "--json").stdout) == {"state": "down"}


@pytest.mark.parametrize(
    "words", [("--profile", "3.0"), ("--vms", "0"), ("--vms", "500"), ("--topology", "ring"), ("--scale", "-1")]
)
def test_up_refuses_what_it_does_not_offer(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = lab(tmp_path / "lab", "up", *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_the_private_parts_are_private(cloud: RunningCloud) -> None:
    assert cloud.state.stat().st_mode & 0o777 == 0o700
    for name in ("lab.json", "api.json", "id_ed25519", "seed"):
        assert (cloud.state / name).stat().st_mode & 0o077 == 0
