# SPDX-License-Identifier: Apache-2.0
"""What eight lanes at 10 Hz cost the tenant: CPU and memory of the prober and its tail, and bits on the channel."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import zlib
from pathlib import Path

LANES = 8
SECONDS = 8.0
SKIP_S = 2.0
GOALS = {"with Scapy": 60, "without Scapy": 25}  # MiB of the prober


def rows(prober: str, target: str, mac_target: str) -> list[dict[str, object]]:
    """Eight lanes: echoes, ARP and half-open SYNs, or connections and datagrams for a prober without Scapy."""
    kinds: list[dict[str, object]]
    if prober == "with Scapy":
        kinds = [{"prober": "icmp", "flow": flow} for flow in ("new", "same", "new", "same")]
        kinds += [{"prober": "syn", "port": port} for port in (22, 80, 443)]
        kinds += [{"prober": "arp", "target": mac_target}]
    else:
        kinds = [{"prober": name, "port": port} for name in ("connect", "udp") for port in (22, 53, 80, 443)]
    common = {"target": target, "interval_ns": 100_000_000, "tmax_ns": 900_000_000}
    return [{**common, "lane": at, "offset_ns": at * 10_000_000, **kind} for at, kind in enumerate(kinds)]


def run_time_s(pid: int) -> float:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def resident_mib(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")) / 1024


def measure(folder: Path, env: dict[str, str], prober: str, target: str) -> None:
    plan, spool = folder / f"{prober}.json", folder / f"{prober}.spool"
    planned = {"version": 1, "run": "0" * 32, "duration_s": SECONDS + 60, "lanes": rows(prober, target, target)}
    plan.write_text(json.dumps(planned))
    start = [sys.executable, "-m", "csw_probe"]
    running = subprocess.Popen(
        [*start, "run", "--plan", str(plan), "--spool", str(spool)], env=env, stdout=subprocess.PIPE
    )
    assert running.stdout is not None
    running.stdout.readline()  # it runs
    stream = folder / "tail"
    with stream.open("wb") as taken:
        tail = subprocess.Popen(
            [*start, "tail", "--spool", str(spool), "--offset", "0"],
            env=env, stdin=subprocess.PIPE, stdout=taken,
        )  # fmt: skip
    time.sleep(SKIP_S)
    pids = (running.pid, tail.pid)
    before, size, began = [run_time_s(pid) for pid in pids], stream.stat().st_size, time.monotonic()
    time.sleep(SECONDS - SKIP_S)
    after, took_s = [run_time_s(pid) for pid in pids], time.monotonic() - began
    data = stream.read_bytes()[size:]
    memory = [resident_mib(pid) for pid in pids]
    for process in (running, tail):
        process.terminate()
        process.wait()
    running.stdout.close()
    cpu = [100 * (late - early) / took_s for early, late in zip(before, after, strict=True)]
    print(
        f"{LANES} lanes at 10 Hz, {prober:13s} prober {cpu[0]:.2f} % CPU, {memory[0]:.1f} MiB"
        f" (goal {GOALS[prober]}); tail {cpu[1]:.2f} %, {memory[1]:.1f} MiB;"
        f" channel {len(data) * 8 / took_s / 1e3:.1f} kbit/s, {compressed(data) * 8 / took_s / 1e3:.1f} with zlib",
        flush=True,
    )


def compressed(data: bytes) -> int:
    """Bytes on the wire when the channel compresses, a packet each 50 ms."""
    stream = zlib.compressobj(6)
    step = max(len(data) * 50 // int((SECONDS - SKIP_S) * 1000), 1)
    packets = [data[at : at + step] for at in range(0, len(data), step)]
    return sum(len(stream.compress(packet) + stream.flush(zlib.Z_SYNC_FLUSH)) for packet in packets)
