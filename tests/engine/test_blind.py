# SPDX-License-Identifier: Apache-2.0
"""S6 with a real prober that is really stopped: what it does not see is blind, never up, never down."""

import asyncio
import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest

from csworkbench.engine.engine import Engine
from csworkbench.model.protocols import Journal
from csworkbench.results.headline import text_report
from csworkbench.results.run_result import load_result
from csworkbench.results.summary import summarise

from .loopback import Outage, Sshd, loopback

pytestmark = pytest.mark.lab


@dataclass
class Unseen(Outage):
    """One outage while the prober is stopped, then one that begins while it is stopped."""

    engine: Engine | None = None

    async def run(self, journal: Journal) -> None:
        assert self.engine is not None
        started = self.engine.state.vantages["outside"].started
        assert started is not None
        for lasts, stopped in ((0.5, 0.8), (1.2, 0.6)):
            os.kill(started.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(0.15)
                down = asyncio.create_task(self.sshd.down(lasts))
                await asyncio.sleep(stopped)
            finally:
                os.kill(started.pid, signal.SIGCONT)
            await down
            await asyncio.sleep(0.6)


async def test_s06_a_stopped_prober_is_blind_and_widens_the_outage_beside_it(tmp_path: Path) -> None:
    made: list[Unseen] = []

    def operation(sshd: Sshd) -> Unseen:
        made.append(Unseen(sshd))
        made[0].engine = run.engine
        return made[0]

    run = await loopback(tmp_path, operation=operation)
    assert await run.engine.run() == 0
    run.writer.close()
    result = load_result(run.folder.file)
    summary = summarise(result)
    lane = next(lane for lane in summary["lanes"] if lane["headline"])
    unseen, seen = ((after - before) / 1e9 for before, after in run.sshd.closed_ns)
    first = run.sshd.closed_ns[0]
    around = [b for b in lane["blind"] if b["start_ns"] <= first[0] and first[1] <= b["end_ns"]]
    assert [b["cause"] for b in around] == ["prober stopped"], lane["blind"]
    (outage,) = [o for o in lane["outages"] if o["start_ns"] > first[1]]
    assert outage["low_s"] <= seen <= outage["high_s"] + 0.05
    assert outage["high_s"] - outage["low_s"] > 0.4, "nobody saw it begin"
    assert all(o["end_ns"] < first[0] or o["start_ns"] > first[1] for o in lane["outages"]), "nobody saw the first one"
    assert unseen < lane["blind_s"]
    (warning,) = [w for w in summary["warnings"] if w.startswith("outside was blind for")]
    assert "during the change (prober stopped" in warning
    assert warning in text_report(result)
    assert [r["text"] for r in outage["reasons"]] == ["refused"]
    assert summary["missing_records"] == 0
