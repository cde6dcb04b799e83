# SPDX-License-Identifier: Apache-2.0
"""The code of a second factor: from the environment, or asked for at the terminal without showing it."""

import os
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager

import click

from csworkbench.cloudstack.errors import TwoFactor
from csworkbench.cloudstack.login import VALIDATE
from csworkbench.cloudstack.text import one_line

from .typed import typed_line

VARIABLE = "CSWORKBENCH_2FA_CODE"
NOBODY = f"Set {VARIABLE} to a code that is good now, or use an API key: signed calls need no second factor."


async def code_from_environment(provider: str) -> str:
    """For what has no terminal, or shows a screen on it. Raises TwoFactor."""
    code = os.environ.get(VARIABLE, "")
    if not code:
        raise TwoFactor(VALIDATE, f"the login asks for a second factor ({one_line(provider, 40)})", hint=NOBODY)
    return code


async def ask_code(provider: str) -> str:
    """From the environment, else from the person at the terminal. Raises TwoFactor when nobody is there."""
    if os.environ.get(VARIABLE) or not sys.stdin.isatty():
        return await code_from_environment(provider)
    with _unseen(sys.stdin.fileno()):  # first: what is typed before would be shown, and then thrown away
        click.echo(f"Code of the second factor ({one_line(provider, 40)}): ", nl=False, err=True)
        code = await typed_line()
    click.echo(err=True)
    return code


@contextmanager
def _unseen(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    quiet = [*before]
    quiet[3] = before[3] & ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSAFLUSH, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
