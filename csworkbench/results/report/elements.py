# SPDX-License-Identifier: Apache-2.0
"""HTML and SVG as element trees: whatever a name contains, it is text and never markup."""

from xml.etree.ElementTree import Element, SubElement, tostring

from csworkbench.results.tables import printable

Child = Element | str


def element(tag: str, *children: Child, **attributes: object) -> Element:
    """An element. In attribute names `_` stands for `-`; `cls` is `class`; None leaves an attribute out."""
    named = {
        ("class" if name == "cls" else name.replace("_", "-")): printable(str(value))
        for name, value in attributes.items()
        if value is not None
    }
    made = Element(tag, named)
    extend(made, *children)
    return made


def extend(parent: Element, *children: Child) -> None:
    """Append elements and text, in order."""
    for child in children:
        if isinstance(child, Element):
            parent.append(child)
        elif len(parent):
            parent[-1].tail = (parent[-1].tail or "") + printable(child)
        else:
            parent.text = (parent.text or "") + printable(child)


def table(heads: tuple[str, ...], rows: list[tuple[Child, ...]], cls: str = "") -> Element:
    """A table; cells that look like numbers are aligned as such."""
    made = element("table", cls=cls or None)
    head = SubElement(SubElement(made, "thead"), "tr")
    for name in heads:
        head.append(element("th", name))
    body = SubElement(made, "tbody")
    for row in rows:
        line = SubElement(body, "tr")
        for cell in row:
            number = isinstance(cell, str) and cell.lstrip("-[")[:1].isdigit()
            line.append(element("td", cell, cls="n" if number else None))
    return element("div", made, cls="scroll")


def html(page: Element) -> str:
    """The document's text."""
    return "<!DOCTYPE html>\n" + tostring(page, encoding="unicode", method="html") + "\n"
