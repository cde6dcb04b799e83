# SPDX-License-Identifier: Apache-2.0
"""Stands in for the engine of a run: a real process that writes a real run file, and ends as its folder's name says.

`FOLDER/../go` lets those end that wait; each start is a line in `FOLDER/../starts`.
"""

import json
import os
import sys
import time
from pathlib import Path

from csworkbench.model.event import Phase, PhaseEntered, RunClosed, RunOpened, Verdict, VerdictReached
from csworkbench.recording.library import RunFolder
from csworkbench.recording.writer import RunFileWriter


def main() -> None:
    """One run: prepare, change, done; `fail`, `early` and `late` in the network's name make it end otherwise."""
    folder = RunFolder(Path(sys.argv[1]))
    shared = folder.path.parent
    scenario = json.loads((folder.path / "scenario.json").read_text())
    what = scenario["network"]
    with (shared / "starts").open("a") as file:
        file.write(f"{what} {next(iter(scenario['operation']))}\n")
    if "never" in what:
        sys.exit("cannot begin")
    writer = RunFileWriter(folder.file, {"run": folder.name})
    writer.write(RunOpened(folder.name, what, "0", "lab", "restart", "{}"), PhaseEntered(Phase.PREPARE))
    if "early" in what and not (shared / "mended").exists():
        os._exit(9)
    writer.write(PhaseEntered(Phase.CHANGE))
    while "wait" in what and not (shared / "go").exists():
        time.sleep(0.02)
    if "late" in what:
        os._exit(9)
    failed = "fail" in what and "live_patch" in scenario["operation"]
    verdict = Verdict.FAILED_AND_RECOVERED if failed else Verdict.UPGRADED
    over = "over" in what
    writer.write(VerdictReached(verdict, over, ("egress was down 12 s, its budget is 10 s",) if over else ()))
    writer.write(PhaseEntered(Phase.DONE), RunClosed(1 if failed else 3 if over else 0))
    writer.close()


if __name__ == "__main__":
    main()
