# SPDX-License-Identifier: Apache-2.0
"""The table of environments and strategies as one HTML file; nothing is fetched."""

from xml.etree.ElementTree import Element

from csworkbench.results.comparison import ArmFigures
from csworkbench.results.strategy_table import StrategyTable, cell_lines, how_to_read

from .document import document
from .elements import Child, element, extend, table


def table_page(found: StrategyTable, title: str) -> str:
    """The whole document."""
    parts: list[Child] = [element("p", how_to_read(found))]
    heads = ("environment", *found.strategies)
    for service, cells in found.services.items():
        rows: list[tuple[Child, ...]] = [
            (environment, *(_cell(found, cells.get((environment, strategy), ())) for strategy in found.strategies))
            for environment in found.environments
        ]
        parts += [element("h2", str(service)), table(heads, rows, cls="strategies")]
    parts.append(element("h2", "What is behind the names"))
    parts += [element("p", element("b", name), f": {words}") for name, words in found.legend]
    parts += [element("p", note, cls="soft") for note in found.notes]
    return document(f"Downtime by environment and strategy: {title}", *parts)


def _cell(found: StrategyTable, several: tuple[ArmFigures, ...]) -> Element:
    made = element("div")
    for figures in several:
        first, *more = cell_lines(figures)
        if len(several) > 1:
            extend(made, element("div", found.apart[figures.arm], cls="soft"))
        extend(made, element("b", first), *(element("div", line) for line in more))
    if not several:
        extend(made, "–")
    return made
