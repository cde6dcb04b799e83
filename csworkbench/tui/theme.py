# SPDX-License-Identifier: Apache-2.0
"""The workbench's colours, dark, light and the terminal's own; red is kept for what is down."""

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
        "violet": "#a48ad4",
        "dim": "#9aa3ad",
        "cursor-row": "#1d2a38",
        "cursor-column": "#4a525c",
        "mark-column": "#5a4a2e",
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


LIGHT = Theme(
    name="csworkbench-light",
    primary="#1f5f99",
    secondary="#57606a",
    accent="#8a5a00",
    foreground="#1f2328",
    background="#ffffff",
    surface="#f3f5f7",
    panel="#e6eaee",
    success="#1a7f37",
    warning="#8a5a00",
    error="#c4281c",
    dark=False,
    variables={
        "muted": "#57606a",
        "faint": "#7d8590",
        "violet": "#6639ba",
        "dim": "#424a53",
        "cursor-row": "#dbe9f7",
        "cursor-column": "#b6c2cf",
        "mark-column": "#f0d9a8",
        "border": "#c4ccd4",
        "border-blurred": "#c4ccd4",
        "footer-background": "#e6eaee",
        "footer-key-foreground": "#8a5a00",
        "footer-description-foreground": "#57606a",
        "block-cursor-background": "#b9d4ee",
        "block-cursor-foreground": "#1f2328",
        "block-cursor-text-style": "none",
        "input-cursor-background": "#1f2328",
    },
)

# The sixteen colours as the person has set them in the terminal; no mixing, for nobody knows what they are.
ANSI = Theme(
    name="csworkbench-ansi",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_yellow",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    variables={
        "ansi-background": "ansi_black",
        "ansi-foreground": "ansi_white",
        "muted": "ansi_default",
        "faint": "ansi_bright_black",
        "violet": "ansi_magenta",
        "dim": "ansi_default",
        "cursor-row": "ansi_bright_black",
        "cursor-column": "ansi_blue",
        "mark-column": "ansi_magenta",
        "border": "ansi_bright_black",
        "border-blurred": "ansi_bright_black",
        "footer-background": "ansi_default",
        "footer-key-foreground": "ansi_yellow",
        "footer-description-foreground": "ansi_default",
        "block-cursor-background": "ansi_blue",
        "block-cursor-foreground": "ansi_bright_white",
        "block-cursor-text-style": "none",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_black",
        "scrollbar": "ansi_bright_black",
        "scrollbar-hover": "ansi_blue",
        "scrollbar-active": "ansi_blue",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
    },
)

THEMES = {"dark": THEME, "light": LIGHT, "ansi": ANSI}


def css_variables() -> dict[str, str]:
    """The variables that a layout's stylesheet may use."""
    return {**THEME.to_color_system().generate(), **THEME.variables}
