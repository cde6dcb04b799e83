# SPDX-License-Identifier: Apache-2.0
"""What several commands share."""

import os
import sys
from typing import NoReturn

import click

READ_ONLY = "CSWORKBENCH_READ_ONLY"
"""Set for the engines that a command starts, too."""


def fail(message: str, code: int) -> NoReturn:
    """One clear line on stderr and the exit code of the design."""
    click.echo(f"csworkbench: {message}", err=True)
    sys.exit(code)


def read_only_asked() -> bool:
    """Whether this process, or the one that started it, was called with --read-only."""
    return os.environ.get(READ_ONLY, "") not in ("", "0")


def resume_line(run: str) -> str:
    """What to do with a run whose engine is gone."""
    return (
        f"{run} is interrupted: its engine is gone, its probers go on for a while. `csworkbench resume {run}` goes on"
        " with it, with --stop it is closed"
    )


def has_terminal() -> bool:
    """True when a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()
