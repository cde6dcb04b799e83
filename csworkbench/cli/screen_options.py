# SPDX-License-Identifier: Apache-2.0
"""The options of all commands that open the workbench: how it looks and how much a slow link has to carry."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import click

from .common import fail


class Look(NamedTuple):  # no dataclass: `lab nc` loads this too, and must start fast
    """How the workbench is to look. `layout` is a name or a file."""

    layout: str = "operator"
    slow: bool = False
    theme: str = "dark"
    glyphs: str = ""

    def check(self) -> None:
        """Ends with 2 when the layout cannot be used: before anything is started for it."""
        from csworkbench.tui.layout import LayoutError, load
        from csworkbench.tui.widgets import PANELS

        try:
            load(self.layout, PANELS)
        except LayoutError as error:
            fail(str(error), 2)


def screen_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --layout, --slow, --theme and --glyphs; the command gets them as one argument `look`."""

    @click.option("--layout", default="operator", metavar="NAME", help="operator, narrow, wall, report, or your own.")
    @click.option("--slow", is_flag=True, help="Redraw twice a second, for slow links.")
    @click.option(
        "--theme", type=click.Choice(["dark", "light", "ansi"]), default="dark", help="ansi: your terminal's."
    )
    @click.option("--glyphs", type=click.Choice(["blocks", "light", "ascii"]), help="By the terminal when not given.")
    @functools.wraps(command)
    def wrapped(*args: Any, layout: str, slow: bool, theme: str, glyphs: str | None, **kwargs: Any) -> Any:
        return command(*args, look=Look(layout, slow, theme, glyphs or ""), **kwargs)

    return wrapped
