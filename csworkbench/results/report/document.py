# SPDX-License-Identifier: Apache-2.0
"""The frame of an HTML file that stands alone: its style is in it, and it may fetch nothing."""

from importlib.resources import files

from .elements import Child, element, html

POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def document(title: str, *children: Child) -> str:
    """The text of the whole file."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width"),
        element("title", title),
        element("style", (files(__package__) / "style.css").read_text("utf-8").replace("\n", " ")),
    )
    return html(element("html", head, element("body", element("h1", title), *children), lang="en"))
