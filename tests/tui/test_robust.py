# SPDX-License-Identifier: Apache-2.0
"""What terminals and people do to a screen: sizes down to one cell, suspending, names that fight back."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from csworkbench.tui.layout import known
from csworkbench.tui.screens.help import HelpScreen

from .helpers import at_end, at_ready

DEMO = Path(__file__).with_name("demo_screen.py")


@pytest.mark.parametrize("layout", known())
async def test_any_size_and_back(layout: str) -> None:
    async with at_end(hostile=True) as b:
        await b.app.use_layout(layout)
        for size in ((1, 1), (2, 40), (200, 2), (10, 5), (120, 40)):
            await b.pilot.resize_terminal(*size)
            b.app.tick()
            await b.press("right", "down", "plus")
        await b.until(lambda: b.app.session.timeline.display and len(b.rows) > 5)
        for line in range(b.app.session.timeline.size.height):
            strip = b.app.session.timeline.render_line(line)
            assert strip.cell_length == b.app.session.timeline.scrollable_content_region.width
            assert not any(ord(c) < 32 or c in "\u202e\u200b" for c in strip.text)


async def test_an_ascii_terminal_gets_ascii_only_in_the_narrowest_frame() -> None:
    async with at_end((80, 24), ascii_only=True) as b:
        await b.press("right_square_bracket", "m", "left")
        lines = b.app.screen._compositor.render_strips()
        assert {c for line in lines for c in line.text if not c.isascii()} == set()


async def test_help_begins_with_what_has_the_keys() -> None:
    async with at_ready() as b:
        for key, words in ((None, "The timeline has the keys"), ("o", "The list of outages has the keys")):
            if key:
                await b.press(key)
            await b.press("question_mark")
            await b.until(lambda: b.on(HelpScreen))
            assert words in str(b.app.screen.query_one("#help-text Static").render())
            await b.press("escape")


def test_the_viewer_can_be_suspended_and_goes_on() -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(DEMO), "--done"],
        stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm-256color"}, process_group=0,
    )  # fmt: skip
    os.close(slave)

    def read(text: bytes) -> bytes:
        seen, end = b"", time.monotonic() + 30
        while text not in seen and time.monotonic() < end:
            if select.select([master], [], [], 0.2)[0]:
                seen += os.read(master, 65536)
        assert text in seen
        return seen

    try:
        read(b"RESTARTED")
        os.kill(process.pid, signal.SIGTSTP)
        read(b"\x1b[?1049l")  # the shell's screen is back
        assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])  # a SIGCONT before that would be lost
        os.kill(process.pid, signal.SIGCONT)
        read(b"\x1b[?1049h")
        read(b"RESTARTED")
    finally:
        process.kill()
        process.wait()
        os.close(master)
