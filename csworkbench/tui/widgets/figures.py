# SPDX-License-Identifier: Apache-2.0
"""Large figures for a screen on the wall: each service's downtime in digits three lines high."""

from collections.abc import Iterable

from csworkbench.measurement.totals import ServiceReport
from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.guide import Line, Part
from csworkbench.tui.text import fit
from csworkbench.tui.times import bounds, number
from csworkbench.tui.view import RunView

from .base import LinesPanel

DIGITS = {
    "0": ("┏━┓", "┃ ┃", "┗━┛"), "1": (" ╻ ", " ┃ ", " ╹ "), "2": ("╺━┓", "┏━┛", "┗━╸"), "3": ("╺━┓", "╺━┫", "╺━┛"),
    "4": ("╻ ╻", "┗━┫", "  ╹"), "5": ("┏━╸", "┗━┓", "╺━┛"), "6": ("┏━╸", "┣━┓", "┗━┛"), "7": ("╺━┓", "  ┃", "  ╹"),
    "8": ("┏━┓", "┣━┫", "┗━┛"), "9": ("┏━┓", "┗━┫", "╺━┛"), ".": (" ", " ", "╹"),
}  # fmt: skip
ASCII_DIGITS = {
    "0": (" _ ", "| |", "|_|"), "1": ("   ", "  |", "  |"), "2": (" _ ", " _|", "|_ "), "3": (" _ ", " _|", " _|"),
    "4": ("   ", "|_|", "  |"), "5": (" _ ", "|_ ", " _|"), "6": (" _ ", "|_ ", "|_|"), "7": (" _ ", "  |", "  |"),
    "8": (" _ ", "|_|", "|_|"), "9": (" _ ", "|_|", " _|"), ".": (" ", " ", "."),
}  # fmt: skip
TILE = 24  # cells of one service
HIGH = 5  # lines of one service: name, three of the figure, bounds
UP = "up"


def big(text: str, *, ascii_only: bool = False) -> tuple[str, str, str]:
    """A number in three lines; characters without a large form are left out."""
    shapes = ASCII_DIGITS if ascii_only else DIGITS
    known = [shapes[char] for char in text if char in shapes]
    first, second, third = (" ".join(shape[i] for shape in known) for i in range(3))
    return first, second, third


class FiguresPanel(LinesPanel):
    """Services as tiles, those with downtime large, the longest first after egress and ingress."""

    def __init__(self, view: RunView, glyphs: Glyphs) -> None:
        super().__init__(view, glyphs, panel_id="figures")

    def lines(self) -> Iterable[Line]:
        """Rows of tiles, as many as there is room for, then the services without an outage."""
        cells = max(self.content_size.width, TILE)
        spoken = {r.lane.service for r in self.view.reports.values() if r.sent}
        hit = [r for r in self.view.services if r.outages]
        across = max(cells // TILE, 1)
        rows = max(self.app.size.height // 3 // (HIGH + 1), 1)
        for start in range(0, min(len(hit), across * rows), across):
            tiles = [self._tile(report) for report in hit[start : start + across]]
            for line in range(HIGH):
                yield tuple(part for tile in tiles for part in (tile[line],))
        left = [f"{r.service.value} {number(r.down_ns)} s" for r in hit[across * rows :]]
        if left:
            yield ((fit("also " + " · ".join(left), cells), "$accent"),)
        quiet = [r.service.value for r in self.view.services if not r.outages and r.service in spoken]
        if quiet:
            yield ((fit("no outage   " + " · ".join(quiet), cells), "$success"),)
        if not hit and not quiet:
            yield (("nothing counted yet", "$faint"),)

    def _tile(self, report: ServiceReport) -> list[Part]:
        style = "b $error" if report.open else "b $accent"
        name = f"{report.service.value} {'DOWN' if report.open else ''}"
        rows = big(number(report.down_ns), ascii_only=self.glyphs.cells.isascii())
        return [
            (fit(name, TILE), "b"),
            *((fit(f"{row}{' s' if i == len(rows) - 1 else ''}", TILE), style) for i, row in enumerate(rows)),
            (fit(bounds(report.low_ns, report.high_ns), TILE), "$muted"),
        ]
