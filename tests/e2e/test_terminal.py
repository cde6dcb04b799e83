# SPDX-License-Identifier: Apache-2.0
"""The workbench in a real terminal: one confirmed key, and what happens when the terminal goes in the middle of it."""

import json
import os
import pty
import queue
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import pytest

from .support import COMMAND, ROOT, csworkbench, processes_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
KEY_EVERY_S = 0.5
# Make standard input the controlling terminal, so that closing it sends SIGHUP.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """`csworkbench demo` on a pseudo-terminal of 120x40 that is read all the time, as a real one would."""

    def __init__(self) -> None:
        self.master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.seen = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *COMMAND, "demo", "--vms", "3"], stdin=slave, stdout=slave,
            stderr=slave, cwd=ROOT, env={**os.environ, "TERM": "xterm-256color"}, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.open = True
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while self.open:
            try:
                if select.select([self.master], [], [], 0.1)[0]:
                    self.seen += os.read(self.master, 65536)
            except OSError:
                return

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def close(self) -> None:
        """Close the terminal's window: the kernel sends SIGHUP."""
        if self.open:
            self.open = False
            os.close(self.master)

    def end(self) -> int:
        return self.process.wait(60)


class Follower:
    """`csworkbench attach --plain`: sees the run from elsewhere."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "attach", "--plain"], stdout=subprocess.PIPE, text=True, cwd=ROOT, stdin=subprocess.DEVNULL
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def until(self, text: str, limit_s: float = 90, meanwhile: object = None) -> None:
        """Read lines until one has the text; call `meanwhile` now and then."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            try:
                line = self.lines.get(timeout=KEY_EVERY_S)
            except queue.Empty:
                if callable(meanwhile):
                    meanwhile()
                continue
            assert line is not None, f"the run ended before {text!r}"
            if text in line:
                return
        raise AssertionError(f"{text!r} did not come")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal()
    try:
        yield terminal
    finally:
        terminal.close()
        if terminal.process.poll() is None:
            terminal.process.kill()
        terminal.process.wait(30)


def follow(tmp_path: Path) -> Follower:
    end = time.monotonic() + 60
    while not list((tmp_path / "data").glob("runs/*/engine.sock")):
        assert time.monotonic() < end, "no engine came up"
        time.sleep(0.05)
    return Follower()


def confirm(terminal: Terminal, follower: Follower) -> None:
    """Press r, then y, until the change has begun: what a person does who looks at the screen."""
    follower.until("phase: ready")
    keys = iter("ry" * 60)
    terminal.press(next(keys))
    follower.until("phase: change", meanwhile=lambda: terminal.press(next(keys)))


@pytest.mark.parametrize("how", ["SIGHUP", pytest.param("SIGKILL", marks=pytest.mark.slow)])
def test_a_terminal_that_goes_during_the_restart_costs_nothing(tmp_path: Path, terminal: Terminal, how: str) -> None:
    follower = follow(tmp_path)
    confirm(terminal, follower)
    if how == "SIGHUP":
        terminal.close()
    else:
        os.kill(terminal.process.pid, signal.SIGKILL)
    terminal.end()
    again = Follower()  # attach in between shows it live, from its beginning
    again.until("phase: ready")
    again.until("phase: settle")
    follower.until("phase: done")
    assert follower.process.wait(60) == 0
    again.process.wait(60)
    shown = csworkbench("show", "--json")
    assert shown.returncode == 0, shown.stderr
    summary = json.loads(shown.stdout)
    assert summary["verdict"] == "restarted"
    assert summary["missing_records"] == 0
    assert summary["services"]["egress"]["outages"] > 0
    end = time.monotonic() + 20
    while processes_of(tmp_path):  # the engine takes the cloud down when the last viewer has left
        assert time.monotonic() < end, processes_of(tmp_path)
        time.sleep(0.05)


@pytest.mark.slow
def test_export_and_quit_from_the_keyboard(tmp_path: Path, terminal: Terminal) -> None:
    follower = follow(tmp_path)
    confirm(terminal, follower)
    follower.until("phase: done")
    end = time.monotonic() + 60
    while not list((tmp_path / "data").glob("runs/*/export/summary.json")):
        assert time.monotonic() < end, "e did not export"
        terminal.press("e")
        time.sleep(KEY_EVERY_S)
    while terminal.process.poll() is None:
        assert time.monotonic() < end, "q did not quit"
        terminal.press("q")
        time.sleep(KEY_EVERY_S)
    assert terminal.process.returncode == 0
    assert b"csworkbench show" in terminal.seen
