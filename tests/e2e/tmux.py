# SPDX-License-Identifier: Apache-2.0
"""A program on a terminal of tmux: keys in, screens out, as a person would type and see them."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

PATIENCE_S = 120.0
LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Screen:
    """What stood on the terminal: as text, and with its colours as ANSI sequences."""

    text: str
    ansi: str


class Tmux:
    """`with Tmux(words, env) as t: t.until("…"); t.press("Enter")`. A server of its own, gone at the end."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], columns: int = 80, rows: int = 24) -> None:
        self._socket = f"csworkbench-{os.getpid()}-{id(self):x}"
        self._words, self._env, self._size = words, env, (columns, rows)

    def __enter__(self) -> Self:
        columns, rows = self._size
        environment = [f"{name}={value}" for name, value in self._env.items()]
        self._tmux(
            "-f", os.devnull, "new-session", "-d", "-s", "it", "-x", str(columns), "-y", str(rows),
            "env", *environment, "COLORTERM=truecolor", "TERM=tmux-256color", *self._words,
        )  # fmt: skip
        self._tmux("set", "-g", "status", "off")
        self._tmux("set", "-g", "remain-on-exit", "on")
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-L", self._socket, *words], capture_output=True, text=True, check=False)
        return done.stdout

    def screen(self) -> Screen:
        """What stands there now."""
        text = self._tmux("capture-pane", "-p", "-t", "it")
        return Screen(text, self._tmux("capture-pane", "-p", "-e", "-N", "-t", "it"))

    def press(self, *keys: str) -> None:
        """Keys by tmux's names, one after the other."""
        for key in keys:
            self._tmux("send-keys", "-t", "it", key)
            time.sleep(LOOK_S)  # as no person types faster; a key sequence must not be taken for an escape

    def gone(self, text: str, limit_s: float = PATIENCE_S) -> None:
        """Wait until the text is no more there. After Escape: the next key would make another key of it."""
        end = time.monotonic() + limit_s
        while text in (now := self.screen()).text:
            assert time.monotonic() < end, f"{text!r} stays; on the screen:\n{now.text}"
            time.sleep(LOOK_S)

    def until(self, text: str, press: str = "", limit_s: float = PATIENCE_S) -> Screen:
        """Wait for the text, pressing that key until it comes; the screen with it."""
        end = time.monotonic() + limit_s
        while text not in (now := self.screen()).text:
            assert time.monotonic() < end, f"{text!r} did not come; on the screen:\n{now.text}"
            if press:
                self.press(press)
            time.sleep(LOOK_S)
        return now
