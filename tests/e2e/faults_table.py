# SPDX-License-Identifier: Apache-2.0
"""What a run says when something goes wrong with a restart or a patch: one run on a test cloud for each fault.

`python -m tests.e2e.faults_table --to samples/results` runs them all, two at a time, and writes faults-verdicts.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .support import csworkbench

CODES = {
    "restarted": 0, "upgraded": 0, "changed nothing": 5, "failed and recovered": 1, "failed": 1, "open": 1,
    "not measurable": 4,
}  # fmt: skip
RESTART, PATCH = "{restart: {cleanup: true}}", "live_patch"
OUTDATED = 'profile: "4.17", upgrade: "4.22", code_only: true'


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, the operation under it, and the verdicts that are right. `lab`: options of its test cloud.

    Two verdicts are right where it depends on a race, or on the length of `settle`.
    """

    fault: str
    verdicts: tuple[str, ...]
    operation: str = RESTART
    target: str = "network: probe-net"
    lab: str = ""
    settle: str = "20s"
    says: str = ""

    @property
    def name(self) -> str:
        """For test ids and folders."""
        return self.fault or f"no fault, {self.operation.strip('{').split(':')[0]}, {self.verdicts[0]}"


CASES = (
    Case("", ("restarted",), says="is new"),
    Case("", ("upgraded",), PATCH, lab=OUTDATED, says="scripts version"),
    Case("", ("restarted",), PATCH, says="there was nothing to patch"),
    Case("live-patch-silent", ("changed nothing",), PATCH, lab=OUTDATED, says="was not patched"),
    Case("live-patch-no-change", ("changed nothing",), PATCH, lab=OUTDATED, says="was not patched"),
    Case("live-patch-rolled-back", ("changed nothing",), PATCH, lab=OUTDATED, says="was not patched"),
    Case("no-capacity", ("failed and recovered",), says="restartNetwork failed"),
    Case("router-never-starts", ("failed and recovered",), lab="scale: 0.02", says="restartNetwork failed"),
    Case("restart-fails", ("failed and recovered", "failed"), says="restartNetwork failed"),
    Case("duplicate-routers", ("failed", "open"), says="2 routers now, 1 before"),
    Case("address-rules-missing", ("open",), says="still down"),
    Case("health-checks-wrong", ("restarted",), says="failed before the change too: dhcp.service"),
    Case("leases-lost", ("failed", "open")),
    Case("password-server-dead", ("restarted",)),
    Case("metadata-changed", ("restarted",)),
    Case("router-hangs", ("not measurable",), says="none of 3 tenants could be reached"),
    Case("router-frozen", ("restarted", "not measurable"), says="is new"),
    Case("both-primary", ("failed", "not measurable"), lab="topology: redundant", settle="40s"),
    Case("job-lost", ("failed and recovered",), says="management server was stopped or restarted"),
    Case("events-missing", ("restarted",), says="is new"),
    Case("no-garp", ("restarted", "open"), settle="90s"),
    Case("real-arping", ("restarted", "open"), settle="90s"),
)  # fmt: skip


def run_case(case: Case, folder: Path) -> tuple[int, dict[str, Any], str]:
    """(exit code, summary, stderr) of the run of its own test cloud."""
    options = [f"vms: 3, faults: [{case.fault}]" if case.fault else "vms: 3"]
    options += [case.lab] if case.lab else []
    options += [] if "scale" in case.lab else ["scale: 0.1"]
    path = folder / "scenario.yaml"
    path.write_text(
        f"name: {case.fault or 'none'}\ncloud: lab\nlab: {{{', '.join(options)}}}\n{case.target}\n"
        f"operation: {case.operation}\n"
        f"phases: {{warmup: 500ms, baseline: 2s, confirm: 2s, settle_limit: {case.settle}}}\n"
    )
    environment = {
        "CSWORKBENCH_DATA_DIR": str(folder / "data"),
        "CSWORKBENCH_LAB_DIR": str(folder / "lab"),
        "CSWORKBENCH_CONFIG": str(folder / "config.yaml"),
    }
    done = csworkbench("run", str(path), "--yes", "--json", env=environment, timeout=280)
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else {}, done.stderr


def reasons(summary: dict[str, Any], stderr: str) -> str:
    """The verdict's reasons, in one line."""
    told = summary.get("reasons")
    if told:
        return "; ".join(str(reason) for reason in told)
    line = next((text for text in stderr.splitlines() if "verdict: " in text), "")
    return line.split(" · ", 1)[-1].strip()


def row(case: Case, code: int, summary: dict[str, Any], stderr: str) -> str:
    """A line of the table."""
    down = ", ".join(
        f"{service} {figures['down_s']:.1f}"
        for service, figures in summary.get("services", {}).items()
        if figures["down_s"]
    )
    told = reasons(summary, stderr).replace("|", "/")
    operation = "live patch" if case.operation == PATCH else "restart cleanup=true"
    cells = (
        f"`{case.fault}`" if case.fault else "none",
        operation,
        summary.get("verdict", "?"),
        str(code),
        down,
        told[:220],
    )
    return f"| {' | '.join(cells)} |"


def main(words: Sequence[str] | None = None) -> None:
    """Run all cases and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, help="folder for faults-verdicts.md")
    parser.add_argument("--only", nargs="*", help="faults, by name")
    options = parser.parse_args(words)
    cases = [case for case in CASES if not options.only or case.fault in options.only]

    def line(case: Case) -> str:
        with tempfile.TemporaryDirectory(prefix="csw-f-") as folder:
            return row(case, *run_case(case, Path(folder)))

    with ThreadPoolExecutor(2) as pool:
        lines = list(pool.map(line, cases))
    table = "\n".join(
        [
            "# Verdicts under faults",
            "",
            "One run for each fault of `lab fault` that concerns a restart or a patch, on a test cloud of its own: 3"
            " tenants, profile 4.22 (live patches: a management server upgraded from 4.17, code only). `python -m"
            " tests.e2e.faults_table --to samples/results` makes this table; seconds are of this machine. `open` and"
            " `failed` follow 20 s after the change here (`settle_limit`).",
            "",
            "| fault | operation | verdict | exit code | down, s | reasons |",
            "|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )
    print(table)
    if options.to:
        (options.to / "faults-verdicts.md").write_text(table)


if __name__ == "__main__":
    main()
