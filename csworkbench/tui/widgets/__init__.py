# SPDX-License-Identifier: Apache-2.0
"""The panels that a layout may place. Each shows a part of the run and knows nothing of the others."""

from collections.abc import Callable

from textual.widget import Widget

from csworkbench.tui.glyphs import Glyphs
from csworkbench.tui.view import RunView

from .base import Panel
from .chrome import DetailPanel, GuidePanel, HeaderPanel, KeysPanel
from .facts import NetworkPanel, ServicesPanel
from .figures import FiguresPanel
from .outages import OutagesPanel
from .report import ReportPanel
from .time import TimelinePanel
from .vantages import VantagesPanel

PANELS: dict[str, Callable[[RunView, Glyphs], Widget]] = {
    "header": HeaderPanel,
    "guide": GuidePanel,
    "network": NetworkPanel,
    "services": ServicesPanel,
    "outages": OutagesPanel,
    "vantages": VantagesPanel,
    "timeline": TimelinePanel,
    "figures": FiguresPanel,
    "report": ReportPanel,
    "detail": DetailPanel,
    "keys": KeysPanel,
}

__all__ = ["PANELS", "Panel"]
