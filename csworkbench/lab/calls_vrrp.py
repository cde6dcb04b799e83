# SPDX-License-Identifier: Apache-2.0
"""What keepalived's notify script is on a real router: it acts on each transition, inside the router.

A program of the router's own, because tenants wait for it: it must not queue behind whatever the lab does meanwhile.
"""

from __future__ import annotations

import json
import os
import subprocess
import time

FOLLOWING: dict[str, object] = {"following": True}
"""The first line: the FIFO exists and is read."""


def follow_vrrp(fifo: str, commands: dict[str, list[list[str]]], environment: dict[str, str]) -> str:
    """Run the commands of each state (MASTER, BACKUP, FAULT) that keepalived writes to the FIFO; never returns.

    Writes one JSON line per transition: `state`, `first_ms` and `all_ms` (from the event to the end of the first and
    of the last command), `failed` (error texts). A failing command does not stop the next, as in CloudStack's scripts.
    """
    os.mkfifo(fifo, 0o600)
    reader = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)  # a writer of our own: no end of file when keepalived restarts
    _tell(FOLLOWING)
    with os.fdopen(reader) as lines:
        for line in lines:
            words = line.split()  # INSTANCE "inside_network" MASTER 100
            if len(words) == 4 and words[0] == "INSTANCE" and words[2] in commands:
                _tell({"state": words[2], **_run(commands[words[2]], environment)})
    return ""


def _run(commands: list[list[str]], environment: dict[str, str]) -> dict[str, object]:
    start = time.monotonic()
    ends_ms: list[float] = []
    failed: list[str] = []
    for argv in commands:
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        ends_ms.append(round((time.monotonic() - start) * 1000, 3))
        if done.returncode:
            failed.append(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return {"first_ms": ends_ms[0], "all_ms": ends_ms[-1], "failed": failed}


def _tell(message: dict[str, object]) -> None:
    os.write(1, (json.dumps(message) + "\n").encode())
