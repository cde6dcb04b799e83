# SPDX-License-Identifier: Apache-2.0
"""Which vantages see less than others, in one line of the network panel."""

from textual.geometry import Size

from csworkbench.model.event import Body, Event, InventorySeen, ProberStarted, VantageAdded
from csworkbench.model.lane import Vantage, VantageKind
from csworkbench.tui.glyphs import BLOCK
from csworkbench.tui.view import RunView
from csworkbench.tui.widgets.facts import NetworkPanel

from .synthetic import Story


class Panel(NetworkPanel):
    """Wide enough to be read whole."""

    @property
    def content_size(self) -> Size:
        return Size(120, 20)


LACKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "vm01": ("root", ()),
    "vm02": ("user", ("gateway ARP",)),
    "vm03": ("user", ("gateway ARP",)),
    "vm04": ("shell", ("egress icmp same flow", "gateway \x1b[31mARP")),
}


def test_vantages_that_see_less_are_named() -> None:
    view = RunView(live=True, where="", read_only=False, clock=lambda: 0)
    bodies: list[Body] = [InventorySeen(Story().inventory(0))]
    for name, (tier, lacks) in LACKS.items():
        bodies += [
            VantageAdded(Vantage(name, VantageKind.TENANT)),
            ProberStarted(name, 1, 2, 3, tier, "abc", (), lacks),
        ]
    view.fold([Event(seq, seq, seq, body) for seq, body in enumerate(bodies, 1)])
    shown = ["".join(text for text, _ in line) for line in Panel(view, BLOCK).lines()]
    assert [line.strip() for line in shown[-2:]] == [
        "vm02, vm03 (user): not gateway ARP",
        "vm04 (shell): not egress icmp same flow, gateway [31mARP",
    ]
    assert not any("vm01" in line for line in shown)
