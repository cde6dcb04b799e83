# SPDX-License-Identifier: Apache-2.0
"""How the commands of the test cloud fail."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

FAILED, USAGE = 1, 2


def fail(text: object, code: int = FAILED) -> NoReturn:
    """One line on stderr, and that exit code."""
    click.echo(f"csworkbench lab: {text}", err=True)
    sys.exit(code)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """What a cloud that is down, or refuses, looks like: one line."""
    from csworkbench.lab.client import NotUpError, RefusedError

    try:
        yield
    except (NotUpError, RefusedError) as error:
        fail(error)
