# SPDX-License-Identifier: Apache-2.0
"""What several commands share."""

import sys
from typing import NoReturn

import click


def fail(message: str, code: int) -> NoReturn:
    """One clear line on stderr and the exit code of the design."""
    click.echo(f"csworkbench: {message}", err=True)
    sys.exit(code)


def has_terminal() -> bool:
    """True when a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()
