# SPDX-License-Identifier: Apache-2.0
"""The code of a second factor: typed unseen at a terminal, from the environment, or not at all."""

import asyncio
import os
import signal
import sys

import pytest

from csworkbench.cli.second_factor import VARIABLE, ask_code, code_from_environment
from csworkbench.cloudstack.errors import TwoFactor

from .terminal import Terminal

ASK = "import asyncio; from csworkbench.cli.second_factor import ask_code; print(len(asyncio.run(ask_code('totp'))))"


def test_a_typed_code_is_not_shown() -> None:
    terminal = Terminal([sys.executable, "-c", ASK], {**os.environ, VARIABLE: ""})
    try:
        terminal.until("Code of the second factor (totp): ")
        terminal.type("624913")
        terminal.until("6\n")
        assert terminal.end() == 0
        assert "624913" not in terminal.seen
    finally:
        terminal.close()


def test_ctrl_c_at_the_question_ends_at_once_and_gives_the_terminal_back() -> None:
    asked = ASK.replace("; ", "\n    ")
    again = f"try:\n    {asked}\nexcept KeyboardInterrupt:\n    print('left', input('? '))"
    terminal = Terminal([sys.executable, "-c", again], {**os.environ, VARIABLE: ""})
    try:
        terminal.until("(totp): ")
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("? ")
        terminal.type("seen again")
        terminal.until("left seen again")
        assert terminal.seen.count("seen again") == 2, "the terminal echoes"
    finally:
        terminal.close()


def test_without_a_terminal_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", open(os.devnull))  # noqa: SIM115, PTH123 - closed with the test
    monkeypatch.setenv(VARIABLE, "123456")
    assert asyncio.run(ask_code("totp")) == "123456"
    monkeypatch.delenv(VARIABLE)
    for ask in (ask_code, code_from_environment):
        with pytest.raises(TwoFactor, match=rf"second factor \(totp\).*Set {VARIABLE}"):
            asyncio.run(ask("totp"))
