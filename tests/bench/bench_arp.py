# SPDX-License-Identifier: Apache-2.0
"""Router gap and ARP tail against the truth: a gateway that goes away for an exact time and has another MAC then.

Run: `python -m tests.bench.bench_arp [--full]`. One run of `watch` on a test cloud of its own, in which nobody talks to
any tenant: gaps with gratuitous ARP, with a guest whose packets wait for ARP (S2), then a gap of 1.0 s without it. The
truth is the test cloud's: its stamps of the gap, and when a listener on the router's own device saw a guest's first
packet to the new MAC. `--full`: five times, with gaps up to 20 s.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csworkbench.measurement.arp_report import SENTINEL_NOTE
from csworkbench.model.sample import Outcome
from csworkbench.results.run_result import RunResult, load_result

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "csworkbench")
NETWORK, SENTINEL, WAITING, QUIET = "arp-01", "n02-vm01", "n02-vm02", "n02-vm04"
INTERVAL_S = 0.1
CALM_S = 2.5
FOLLOW_S = 75
RESOLVING_S = 3  # then Linux gives up, drops what waits and begins anew: a router may come back just then
FLEET = "networks:\n  - {name: arp, count: 1, vms: 4}\n"
# No load balancer, no probes from outside, no channels: a router that asks for any guest is heard by all of them.
SCENARIO = f"""\
name: a gateway with another MAC
cloud: lab
network: {NETWORK}
operation: none
vantages:
  tenants: {{vms: all, quiet: all, sentinel: {SENTINEL}}}
  outside:
lanes: [egress, gateway ARP]
phases: {{warmup: 1s, baseline: 4s}}
"""


@dataclass(frozen=True, slots=True)
class Swap:
    """One change of the MAC, as the test cloud made it."""

    garp: bool
    start_ns: tuple[int, int]
    end_ns: tuple[int, int]
    found_ns: dict[str, int]
    queued: bool

    @property
    def gap_s(self) -> float:
        """How long the router was away."""
        return (sum(self.end_ns) - sum(self.start_ns)) / 2e9

    def tail_s(self, vm: str) -> float:
        """How long after that the VM still sent to the old MAC."""
        return (self.found_ns[vm] - self.end_ns[1]) / 1e9


class Bench:
    """A test cloud, a watching run, and the swaps made meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._env = {
            **os.environ, "PYTHONPATH": str(ROOT), "CSWORKBENCH_LAB_DIR": str(folder / "lab"),
            "CSWORKBENCH_DATA_DIR": str(folder / "data"),
        }  # fmt: skip
        (folder / "fleet.yaml").write_text(FLEET)
        (folder / "scenario.yaml").write_text(SCENARIO)

    def lab(self, *words: str) -> str:
        """One command of the test cloud; its output."""
        done = subprocess.run(
            [*COMMAND, "lab", *words], env=self._env, capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            raise SystemExit(f"lab {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def run(self, queued_gaps_ms: list[int]) -> tuple[RunResult, dict[str, Any], list[Swap]]:
        """The run, its summary, and the truth."""
        self.lab("up", "--vms", "1", "--fleet", str(self._folder / "fleet.yaml"))
        try:
            return self._watched(queued_gaps_ms)
        finally:
            self.lab("down")

    def _watched(self, queued_gaps_ms: list[int]) -> tuple[RunResult, dict[str, Any], list[Swap]]:
        words = [*COMMAND, "watch", str(self._folder / "scenario.yaml"), "--json"]
        watching = subprocess.Popen(
            words, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        try:
            return self._measured(watching, queued_gaps_ms)
        finally:
            watching.kill()
            watching.wait()

    def _measured(
        self, watching: subprocess.Popen[str], queued_gaps_ms: list[int]
    ) -> tuple[RunResult, dict[str, Any], list[Swap]]:
        assert watching.stderr is not None
        said: list[str] = []
        for line in watching.stderr:
            said.append(line)
            if "phase: measure" in line:
                break
        else:
            raise SystemExit(f"it never began to measure: {''.join(said[-5:])}")
        # Without gratuitous ARP first: one just heard makes an entry stale, and a stale one is asked about soon.
        swaps = [self._swap(1000, garp=False), self._swap(1000)]
        swaps += [self._swap(gap_ms, queued=True) for gap_ms in queued_gaps_ms]
        time.sleep(CALM_S)
        watching.terminate()
        out, err = watching.communicate(timeout=120)
        if watching.returncode:
            raise SystemExit(err)
        summary = json.loads(out)
        (file,) = (self._folder / "data").rglob("run.db")
        return load_result(file), summary, swaps

    def _swap(self, gap_ms: int, *, garp: bool = True, queued: bool = False) -> Swap:
        time.sleep(CALM_S)
        words = [*COMMAND, "lab", "swap-mac", NETWORK, "--gap-ms", str(gap_ms), "--follow", str(FOLLOW_S)]
        swapping = subprocess.Popen(
            [*words, *([] if garp else ["--no-garp"])], env=self._env, stdout=subprocess.PIPE, text=True
        )
        if queued:
            time.sleep(gap_ms / 2000)  # well inside the gap: from here on its packets wait for an answer to who-has
            self.lab("exec", WAITING, "--", "ip", "neigh", "flush", "dev", "eth0")
        out, _ = swapping.communicate(timeout=FOLLOW_S + gap_ms / 1000 + 30)
        made = json.loads(out)
        return Swap(garp, tuple(made["start_ns"]), tuple(made["end_ns"]), made["found_ns"], queued)


class Check:
    """Prints one line per figure and remembers whether all were right."""

    def __init__(self) -> None:
        self.good = True

    def near(self, what: str, measured_s: float, true_s: float, allowed_s: float) -> None:
        """A figure beside its truth."""
        fine = abs(measured_s - true_s) <= allowed_s
        ratio = f"{measured_s / true_s:6.3f}" if true_s > INTERVAL_S else "     –"
        print(
            f"{what:<34} measured {measured_s:7.3f} s  true {true_s:7.3f} s  ratio {ratio}  {'' if fine else 'WRONG'}"
        )
        self.good &= fine

    def holds(self, what: str, fine: bool) -> None:
        """Something that must be so."""
        print(f"{what:<34} {'yes' if fine else 'WRONG: no'}")
        self.good &= fine


def check(result: RunResult, summary: dict[str, Any], swaps: list[Swap], to: Check) -> None:
    """Hold a run against its truth."""
    lanes = {x["vantage"]: x for x in summary["lanes"] if x["service"] == "egress" and x["flow"] == "new"}
    for swap in swaps:
        kind = f"{swap.gap_s:.1f} s {'' if swap.garp else 'no '}garp"
        for vm, lane in lanes.items():
            found = [o for o in lane["outages"] if _of(o, swap)]
            if len(found) != 1 or found[0]["router_gap_s"] is None:
                to.holds(f"{kind} {vm}: one outage, split ({[o['split'] for o in found]})", fine=False)
                continue
            outage = found[0]
            waited = _waited(result, lane, swap)
            if waited:
                _check_bounds(waited, outage, f"{kind} {vm}", swap, to)
                continue
            if swap.queued and vm == WAITING and swap.gap_s < 2 * RESOLVING_S:
                to.holds(f"{kind} {vm}: packets waited", fine=False)
            to.near(f"{kind} {vm} router gap", outage["router_gap_s"], swap.gap_s, 2 * INTERVAL_S)
            true_tail_s = max(swap.tail_s(vm), 0.0) if not swap.garp and vm != SENTINEL else 0.0
            to.near(f"{kind} {vm} ARP tail", outage["arp_tail_s"], true_tail_s, 2 * INTERVAL_S)
            if vm == SENTINEL:
                to.holds(f"{kind} {vm} says why", outage["split"] == SENTINEL_NOTE)
    to.holds("no record is missing", summary["missing_records"] == 0)


def _of(outage: dict[str, Any], swap: Swap) -> bool:
    return bool(swap.start_ns[0] - 2e8 < outage["start_ns"] < swap.end_ns[1])


def _waited(result: RunResult, lane: dict[str, Any], swap: Swap) -> list[int]:
    """When the packets were sent that were answered at last because they waited for ARP, recorder ns.

    Those of any guest do when a gap is longer than its kernel believes in a MAC that does not answer.
    """
    samples = result.state.lanes[lane["lane"]].samples
    sent = [(result.analysis.align(lane["vantage"], s.sent_ns), s) for s in samples if s.outcome is Outcome.OK]
    return [at for at, s in sent if swap.start_ns[1] < at < swap.end_ns[0] and s.rtt_ns > INTERVAL_S * 1e9]


def _check_bounds(waited: list[int], outage: dict[str, Any], what: str, swap: Swap, to: Check) -> None:
    """Packets that waited move no edge: the truth lies within the bounds, and near the upper one and their middle."""
    naive_s = (min(waited) - swap.start_ns[1]) / 1e9
    print(
        f"{what}: {len(waited)} packets waited; by send stamps {naive_s:.3f} s, {naive_s / swap.gap_s:.3f} of the truth"
    )
    for part in ("", "router_gap_"):
        low, high = outage[f"{part}low_s"] - 0.001, outage[f"{part}high_s"] + 0.001
        to.holds(f"  true {swap.gap_s:.3f} in {part or 'outage_'}[{low:.3f}, {high:.3f}]", low <= swap.gap_s <= high)
    to.near(f"{what} high bound", outage["high_s"], swap.gap_s, 2 * INTERVAL_S)
    to.near(f"{what} middle", outage["down_s"], swap.gap_s, 2 * INTERVAL_S)


def main() -> None:
    """Print measured and true figures; exit 1 when one is further off than two intervals."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--full", action="store_true", help="Five runs, with gaps of 2, 5, 10 and 20 s.")
    full = parser.parse_args().full
    to = Check()
    begun = time.monotonic()
    for _ in range(5 if full else 1):
        with tempfile.TemporaryDirectory(prefix="csw-arp-") as folder:
            check(*Bench(Path(folder)).run([2000, 5000, 10_000, 20_000] if full else [2000]), to)
    print(f"{time.monotonic() - begun:.0f} s; {'all figures hold' if to.good else 'some figures do NOT hold'}")
    sys.exit(not to.good)


if __name__ == "__main__":
    main()
