# SPDX-License-Identifier: Apache-2.0
"""S17: outages of known length, made by the test cloud, lie within the bounds that a run reports."""

import json
import random
import subprocess
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from .support import COMMAND, ROOT, csworkbench, lab, scenario

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
LEAST_MS, MOST_MS = 200, 5000


def breaks(count: int, seed: int) -> list[tuple[str, int]]:
    """Alternately egress and ingress; lengths over the whole range, more of the short ones."""
    chance = random.Random(seed)
    lengths = [round(LEAST_MS * (MOST_MS / LEAST_MS) ** chance.random()) for _ in range(count)]
    return [(path, ms) for ms in lengths for path in ("egress", "ingress")]


def measure(
    tmp_path: Path, wanted: list[tuple[str, int]], beside: AbstractContextManager[object] | None = None
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Make each outage while `watch` runs; (what the cloud says, what the run says of one lane of that path).

    `beside` is entered once the run measures, and left before it ends.
    """
    with lab("--vms", "2"):
        words = [*COMMAND, "watch", str(scenario(tmp_path, "watch")), "--json"]
        watching = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert watching.stderr is not None
        assert any("phase: measure" in line for line in watching.stderr), "it never began to measure"
        truths = []
        with beside or nullcontext():
            for path, ms in wanted:
                done = csworkbench("lab", "break", path, "--ms", str(ms))
                assert done.returncode == 0, done.stderr
                truths.append(json.loads(done.stdout))
        watching.terminate()
        out, err = watching.communicate(timeout=120)
        assert watching.returncode == 0, err
    summary = json.loads(out)
    assert summary["missing_records"] == 0
    lanes = {
        "egress": next(x for x in summary["lanes"] if x["service"] == "egress" and x["flow"] == "new"),
        "ingress": next(x for x in summary["lanes"] if x["prober"] == "syn"),
    }
    found = []
    for truth in truths:
        outages = [o for o in lanes[truth["path"]]["outages"] if o["start_ns"] < truth["end_ns"][1] < o["end_ns"] + 3e8]
        assert len(outages) == 1, (truth, lanes[truth["path"]]["outages"])
        found.append((truth, outages[0] | {"interval_s": lanes[truth["path"]]["interval_s"]}))
    for path, lane in lanes.items():
        assert len(lane["outages"]) == sum(t["path"] == path for t in truths), "an outage that nobody made"
    return found


def check(found: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    for truth, outage in found:
        shortest = (truth["end_ns"][0] - truth["start_ns"][1]) / 1e9
        longest = (truth["end_ns"][1] - truth["start_ns"][0]) / 1e9
        width = outage["high_s"] - outage["low_s"]
        print(
            f"{truth['path']:<8} true {shortest:.3f}-{longest:.3f} s  measured {outage['down_s']:.3f}"
            f" [{outage['low_s']:.3f}, {outage['high_s']:.3f}] s"
        )
        assert outage["low_s"] <= longest, (truth, outage)
        assert shortest <= outage["high_s"], (truth, outage)
        assert width <= 2 * outage["interval_s"] + 0.020, (truth, outage)


@pytest.mark.slow
def test_known_outages_lie_within_the_bounds(tmp_path: Path) -> None:
    check(measure(tmp_path, breaks(3, seed=1)))


@pytest.mark.slow
def test_twenty_known_outages_each_way_lie_within_the_bounds(tmp_path: Path) -> None:
    check(measure(tmp_path, breaks(20, seed=2)))
