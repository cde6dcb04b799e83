# SPDX-License-Identifier: Apache-2.0
"""One service over all arms: a dot per run, the mean and its interval."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from csworkbench.results.arms import Arm
from csworkbench.results.comparison import ArmFigures

from .elements import element

WIDTH, LEFT, ROW, TOP = 1100, 40, 26, 18
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MARKS = 10


def chart(names: dict[Arm, str], figures: Sequence[ArmFigures]) -> Element:
    """The drawing, on an axis of seconds from 0."""
    most = max(
        (max(f.highest if (f := figure.spread) else 0, (f.interval or (0, 0))[1]) for figure in figures), default=1
    )
    step = next((s for s in STEPS if most / s <= MARKS), STEPS[-1])
    end = max(most, step) * 1.03

    def x(seconds: float) -> float:
        return round(LEFT + seconds / end * (WIDTH - LEFT - 20), 1)

    height = TOP + ROW * len(figures) + 4
    drawing = element("svg", viewBox=f"0 0 {WIDTH} {height}", role="img", xmlns="http://www.w3.org/2000/svg")
    for number in range(int(end / step) + 1):
        at = x(number * step)
        drawing.append(element("line", x1=at, x2=at, y1=TOP - 4, y2=height, cls="grid"))
        drawing.append(element("text", f"{number * step:g} s", x=at, y=TOP - 7, cls="axis"))
    for number, figure in enumerate(figures):
        y = TOP + number * ROW + ROW / 2
        drawing.append(element("text", names[figure.arm], x=4, y=y + 4))
        if figure.spread.interval is not None:
            low, high = figure.spread.interval
            drawing.append(element("line", x1=x(low), x2=x(high), y1=y, y2=y, cls="interval"))
        drawing.append(
            element("line", x1=x(figure.spread.mean), x2=x(figure.spread.mean), y1=y - 8, y2=y + 8, cls="mean")
        )
        for value in figure.values:
            drawing.append(element("circle", element("title", f"{value:.2f} s"), cx=x(value), cy=y, r=3.5, cls="dot"))
    return element("figure", drawing)
