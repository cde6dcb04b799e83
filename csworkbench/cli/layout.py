# SPDX-License-Identifier: Apache-2.0
"""`layout check`: is this layout one that the workbench can use?"""

import click

from .common import fail


@click.group()
def layout() -> None:
    """Check workbench layouts."""


@layout.command()
@click.argument("file")
def check(file: str) -> None:
    """Check FILE (a layout's .yaml, or a built-in name) and the stylesheet beside it. Ends with 2 when it is wrong."""
    from csworkbench.tui.layout import LayoutError, load
    from csworkbench.tui.widgets import PANELS

    try:
        found = load(file, PANELS)
    except LayoutError as error:
        fail(str(error), 2)
    click.echo(f"{found.name}: {found.title}, ok")
