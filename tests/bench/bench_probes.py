# SPDX-License-Identifier: Apache-2.0
"""Punctuality and CPU of the prober beside fping's, in one run on one machine.

`python -m tests.bench.bench_probes [--full]`.

Both send ICMP echoes over a veth pair to a namespace of their own. Lateness is taken from the wire, by the kernel's
stamps at the far end: for each target, the echo with number k against the best line of the wanted slope through all
of them (fping numbers across targets and never skips one: there k is counted). CPU is the kernel's run time of the
process over the middle of the run, without start-up. `at once` gives all targets the same due time, as fping -i0
does; else they are spread over the interval. `no FIFO` is the prober where it may have no real-time priority. `two
calls` is what Python cannot go below with a call for each packet (two_calls.py). With `--full` the figures are medians
of five rounds, in which all take turns. Then what a tenant pays for eight lanes at 10 Hz (footprint.py).

Goals: no load falls behind; CPU at most 1.15 x fping -i0 at 10,000 probes/s; p99 lateness at most 1/2 of fping's for
one target and 1/10 for more.
"""

from __future__ import annotations

import array
import contextlib
import itertools
import json
import os
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import footprint

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 3.0
SPOOL = ".spool"
SKIP_S = 1.0  # start-up, and the neighbour's first resolution
LOADS = [(1, 10), (100, 100), (100, 10), (1000, 100), (1000, 50)]
FULL = [(1, 1)]
ROUNDS, FULL_ROUNDS = 1, 5
NO_FIFO = ("setpriv", "--inh-caps=-sys_nice", "--bounding-set=-sys_nice")
FAR_MAC = "02:56:00:00:00:0f"
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
SO_ATTACH_FILTER = 26


def address(number: int) -> str:
    return f"10.9.{1 + number // 250}.{1 + number % 250}"


def sniff(ready: int) -> None:
    """In the target's namespace: (target, number), stamp of each echo request until SIGTERM; then to the pipe."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    sock.bind(("v1", 0x0800))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    code = [(0x30, 0, 0, 9), (0x15, 0, 3, 1), (0x30, 0, 0, 20), (0x15, 0, 1, 8), (6, 0, 0, 64), (6, 0, 0, 0)]
    words = array.array("Q", b"".join(struct.pack("@HBBI", *line) for line in code))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", len(words), words.buffer_info()[0]))
    sock.setblocking(False)
    seen = array.array("Q")
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    os.write(ready, b"1")
    while not stop:
        select.select([sock], [], [], 0.05)
        with contextlib.suppress(BlockingIOError):
            while True:
                data, ancillary, _flags, _who = sock.recvmsg(64, 64)
                seconds, nanoseconds = struct.unpack_from("@ll", ancillary[0][2])
                seen.append(int.from_bytes(data[18:20] + data[26:28], "big"))
                seen.append(seconds * 1_000_000_000 + nanoseconds)
        time.sleep(0.01)
    with os.fdopen(ready, "wb") as pipe:
        pipe.write(seen.tobytes())


def run_time_ns(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def measure(command: list[str], env: dict[str, str], holder: int, interval_ns: int) -> dict[str, float]:
    read_fd, write_fd = os.pipe()
    sniffer = subprocess.Popen(
        [
            "nsenter",
            "-t",
            str(holder),
            "-n",
            sys.executable,
            "-m",
            "tests.bench.bench_probes",
            "--sniff",
            str(write_fd),
        ],
        pass_fds=[write_fd],
        cwd=ROOT,
    )
    os.close(write_fd)
    os.read(read_fd, 1)
    tells = subprocess.PIPE if "csw_probe" in command else subprocess.DEVNULL
    process = subprocess.Popen(command, env=env, cwd=ROOT, stdout=tells, stderr=subprocess.DEVNULL)
    if process.stdout is not None:
        process.stdout.readline()  # it runs: a thousand lanes take a second to prepare on a busy machine
    time.sleep(SKIP_S)
    began_ns, before_ns = time.time_ns(), run_time_ns(process.pid)
    time.sleep(SECONDS - SKIP_S)
    ended_ns, after_ns = time.time_ns(), run_time_ns(process.pid)
    process.terminate()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
    sniffer.terminate()
    with os.fdopen(read_fd, "rb") as pipe:
        seen = array.array("Q", pipe.read())
    sniffer.wait()
    per_target: dict[int, list[int]] = {}  # stamps less what the schedule says
    sent = 0
    for name, stamp in zip(seen[::2], seen[1::2], strict=True):
        if began_ns <= stamp <= ended_ns:
            sent += 1
            offsets = per_target.setdefault(name >> 16, [])
            number = name & 0xFFFF if "csw_probe" in command else len(offsets)
            offsets.append(stamp - number * interval_ns)
    late = []
    for offsets in per_target.values():
        best = min(offsets)
        late += [offset - best for offset in offsets]
    late.sort()
    return {
        "rate": sent * 1e9 / (ended_ns - began_ns),
        "cpu_us": (after_ns - before_ns) / 1e3 / max(1, sent),
        "p50": late[len(late) // 2] / 1e3,
        "p99": late[len(late) * 99 // 100] / 1e3,
        "max": late[-1] / 1e3,
    }


def plan(targets: int, interval_ms: int, spread: bool) -> dict[str, object]:
    interval_ns = interval_ms * 1_000_000
    lanes = [
        {
            "lane": number,
            "prober": "icmp",
            "flow": "same",
            "target": address(number),
            "interval_ns": interval_ns,
            "tmax_ns": 1_000_000_000,
            "offset_ns": interval_ns * number // targets if spread else 0,
        }
        for number in range(targets)
    ]
    return {"version": 1, "run": "0" * 32, "duration_s": SECONDS + 60, "lanes": lanes}


def bundle(folder: Path) -> dict[str, str]:
    import scapy

    (folder / "csw_probe").symlink_to(ROOT / "probes")
    (folder / "scapy").symlink_to(Path(scapy.__file__).parent)
    return {**os.environ, "PYTHONPATH": str(folder)}


def inside(folder: Path, loads: list[tuple[int, int]], rounds: int) -> None:
    """In a network namespace of our own."""
    holder = subprocess.Popen(["unshare", "-n", "sleep", "600"])
    try:
        time.sleep(0.1)
        far = ["nsenter", "-t", str(holder.pid), "-n"]

        def run(*words: str) -> None:
            subprocess.run(words, check=True)

        run("ip", "link", "set", "lo", "up")
        pair = ["v0", "type", "veth", "peer", "name", "v1", "address", FAR_MAC, "netns", str(holder.pid)]
        run("ip", "link", "add", "name", *pair)
        run("ip", "addr", "add", "10.9.0.1/16", "dev", "v0")
        run("ip", "link", "set", "v0", "up")
        addresses = [address(number) for number in range(max(load[0] for load in loads))]
        lines = "".join(f"addr add {each}/16 dev v1\n" for each in addresses)
        subprocess.run([*far, "ip", "-batch", "-"], input=f"{lines}link set v1 up\n", text=True, check=True)
        # All namespaces together have 1,024 neighbours (gc_thresh3); beyond, sends fail. Permanent ones do not count.
        lines = "".join(f"neigh add {each} lladdr {FAR_MAC} dev v0 nud permanent\n" for each in addresses)
        subprocess.run(["ip", "-batch", "-"], input=lines, text=True, check=True)
        time.sleep(0.2)
        env = bundle(folder)
        print("load               prober     probes/s  cpu us/probe   late p50 / p99 / max (us)")
        for targets, interval_ms in loads:
            compare(folder, env, holder.pid, targets, interval_ms, rounds)
        for prober in footprint.GOALS:
            footprint.measure(folder, env, prober, address(0))
    finally:
        holder.kill()
        holder.wait()


def compare(folder: Path, env: dict[str, str], holder: int, targets: int, interval_ms: int, rounds: int) -> None:
    commands = commands_of(folder, targets, interval_ms)
    measured: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for turn, (name, command) in itertools.product(range(rounds), commands.items()):
        words = [word.replace(SPOOL, f"{SPOOL}{name.strip()}{turn}") for word in command]
        measured[name].append(measure(words, env, holder, interval_ms * 1_000_000))
    rows = {}
    for name, found in measured.items():
        row = rows[name] = {key: statistics.median(one[key] for one in found) for key in found[0]}
        print(
            f"{targets:5d} x {interval_ms:4d} ms   {name:10s} {row['rate']:8.0f}  {row['cpu_us']:12.1f}   "
            f"{row['p50']:8.0f} / {row['p99']:8.0f} / {row['max']:8.0f}",
            flush=True,
        )
    fpings = [name for name in rows if "fping" in name]
    for ours, other in itertools.product([name for name in rows if name not in fpings], fpings):
        cpu = rows[ours]["cpu_us"] / rows[other]["cpu_us"]
        late = rows[ours]["p99"] / max(0.1, rows[other]["p99"])
        print(f"      {ours.strip()} / {other}: cpu {cpu:.2f}, p99 lateness {late:.3f}", flush=True)


def commands_of(folder: Path, targets: int, interval_ms: int) -> dict[str, list[str]]:
    addresses = [address(number) for number in range(targets)]
    commands = {}
    for name, spread in [("csw_probe", True), ("  at once", False)][: 1 if targets == 1 else 2]:
        plan_path = folder / f"plan-{targets}-{interval_ms}-{spread}.json"
        plan_path.write_text(json.dumps(plan(targets, interval_ms, spread)))
        command = [sys.executable, "-m", "csw_probe", "run", "--plan", str(plan_path)]
        commands[name] = [*command, "--spool", str(plan_path.with_suffix(SPOOL))]
    rate = targets * 1000 // interval_ms
    if rate <= 1000:
        commands["  no FIFO"] = [*NO_FIFO, *commands["csw_probe"]]
    spacing_ms = min(1.0, interval_ms / targets)  # its default of 10 ms would not reach the rate
    fping = ["fping", "-l", "-q", "-p", str(interval_ms), *addresses]
    if targets <= 100:  # with more it falls behind from 5,000/s on
        commands[f"fping -i{spacing_ms:g}"] = [fping[0], f"-i{spacing_ms:g}", *fping[1:]]
    commands["fping -i0"] = [fping[0], "-i0", *fping[1:]]
    if rate == 10_000:
        commands["two calls"] = [sys.executable, "-m", "tests.bench.two_calls", str(interval_ms), *addresses]
    return commands


def main() -> int:
    words = sys.argv[1:]
    if words[:1] == ["--sniff"]:
        sniff(int(words[1]))
        return 0
    loads, rounds = (LOADS + FULL, FULL_ROUNDS) if "--full" in words else (LOADS, ROUNDS)
    if "--inside" not in words:
        if os.getuid() != 0 or not shutil.which("fping"):
            print("bench_probes: needs root and fping", file=sys.stderr)
            return 3
        again = [sys.executable, "-m", "tests.bench.bench_probes", "--inside", *words]
        return subprocess.run(["unshare", "-n", *again], cwd=ROOT, check=False).returncode
    with tempfile.TemporaryDirectory() as folder:
        inside(Path(folder), loads, rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
