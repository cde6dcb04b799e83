# SPDX-License-Identifier: Apache-2.0
"""A command on a terminal of its own, and a person who reads it and types."""

import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from fcntl import ioctl

PATIENCE_S = 60.0


class Terminal:
    """Starts the command; `until` waits for text that has not been waited for yet."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], columns: int = 80, rows: int = 24) -> None:
        self._master, slave = pty.openpty()
        ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**env, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""
        self._at = 0

    def until(self, text: str) -> None:
        """Read until that text has come."""
        end = time.monotonic() + PATIENCE_S
        while (found := self.seen.find(text, self._at)) < 0:
            assert time.monotonic() < end, f"{text!r} did not come; seen:\n{self.seen[self._at :]}"
            if not self._read(0.2):
                raise AssertionError(f"it ended before {text!r} came; seen:\n{self.seen[self._at :]}")
        self._at = found + len(text)

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        os.write(self._master, line.encode() + b"\n")

    def _read(self, wait_s: float) -> bool:
        """False when the other end has gone."""
        if not select.select([self._master], [], [], wait_s)[0]:
            return True
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: nobody has the terminal open any more
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)

    def end(self) -> int:
        """Wait for the end; the exit code."""
        end = time.monotonic() + PATIENCE_S
        while self._read(0.2):
            assert time.monotonic() < end, f"it does not end; seen:\n{self.seen[self._at :]}"
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.kill()
        os.close(self._master)
