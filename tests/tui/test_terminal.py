# SPDX-License-Identifier: Apache-2.0
"""The real program on a real pty whose other end goes away."""

import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

DEMO = Path(__file__).with_name("demo_screen.py")


@pytest.mark.parametrize("controlling", [True, False])
def test_a_terminal_that_is_closed_ends_the_viewer(controlling: bool) -> None:
    master, slave = pty.openpty()
    words = ["setsid", "-c", "-w"] if controlling else ["setsid", "-w"]
    process = subprocess.Popen(
        [*words, sys.executable, str(DEMO), "--done"],
        stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(slave)
    seen = b""
    end = time.monotonic() + 20
    while b"RESTARTED" not in seen and time.monotonic() < end:
        if select.select([master], [], [], 0.5)[0]:
            seen += os.read(master, 65536)
    assert b"RESTARTED" in seen
    os.close(master)
    try:
        assert process.wait(10) == 0
    finally:
        process.kill()
