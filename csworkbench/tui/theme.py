# SPDX-License-Identifier: Apache-2.0
"""The workbench's colours: dark, restrained; red is kept for what is down."""

from textual.theme import Theme

THEME = Theme(
    name="csworkbench",
    primary="#6ea8d9",
    secondary="#8f9bb3",
    accent="#d7a65f",
    foreground="#c9d1d9",
    background="#0d1117",
    surface="#11161d",
    panel="#1b222c",
    success="#5fb37c",
    warning="#d7a65f",
    error="#e5645e",
    dark=True,
    variables={
        "muted": "#8b949e",
        "faint": "#5c6672",
        "border": "#2d3743",
        "border-blurred": "#2d3743",
        "footer-background": "#11161d",
        "footer-key-foreground": "#d7a65f",
        "footer-description-foreground": "#8b949e",
        "block-cursor-background": "#26405a",
        "block-cursor-foreground": "#e6edf3",
        "block-cursor-text-style": "none",
        "input-cursor-background": "#c9d1d9",
    },
)


def css_variables() -> dict[str, str]:
    """The variables that a layout's stylesheet may use."""
    return {**THEME.to_color_system().generate(), **THEME.variables}
