# SPDX-License-Identifier: Apache-2.0
"""An upgrade session at 80x24 with keys alone, on the test cloud; its screens become docs/session-80x24.md.

`make session` plays it and writes page and pictures anew. The slow test beside it plays the same.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from .support import COMMAND, ROOT
from .tmux import Screen, Tmux

if TYPE_CHECKING:
    from rich.style import Style

FONT_SIZE, CELL_HEIGHT = 14, 17
CELL_WIDTH = FONT_SIZE * 1233 / 2048  # the advance of every glyph of DejaVu Sans Mono
PAPER, INK = "#0d1117", "#c9d1d9"
PAGE = ROOT / "docs" / "session-80x24.md"
PICTURES = ROOT / "docs" / "pictures"
HEAD = """\
# A session at 80x24, with keys alone

Played by `make session` on the test cloud (`tests/e2e/session_80x24.py`) and written down as it was on the screen.
The management server has gone from 4.17 to 4.22; the router still has the old scripts. Before it, in another terminal:

```
csworkbench lab up --profile 4.17 --vms 4
csworkbench lab manage upgrade 4.22 --code-only
```
"""


@dataclass(frozen=True, slots=True)
class Station:
    """One screen of the session. `keys` led to it; `picture` names a file where it is one."""

    title: str
    keys: str
    text: str
    screen: Screen
    picture: str = ""


def environment(folder: Path) -> dict[str, str]:
    """Folders of its own: nothing of the user's is read or written."""
    return {
        "CSWORKBENCH_DATA_DIR": str(folder / "data"),
        "CSWORKBENCH_CONFIG": str(folder / "config.yaml"),
        "CSWORKBENCH_LAB_DIR": str(folder / "lab"),
        "HOME": str(folder),
    }


def _lab(env: Mapping[str, str], *words: str) -> None:
    done = subprocess.run(
        [*COMMAND, "lab", *words], env={**os.environ, **env}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def play(folder: Path) -> Iterator[Station]:
    """The session's screens. The test cloud is up before and gone afterwards."""
    env = environment(folder)
    _lab(env, "up", "--profile", "4.17", "--vms", "4")
    try:
        _lab(env, "manage", "upgrade", "4.22", "--code-only")
        with Tmux(COMMAND, {**env, "PYTHONPATH": str(ROOT)}) as terminal:
            yield from _session(terminal)
    finally:
        _lab(env, "down")


def _session(t: Tmux) -> Iterator[Station]:
    yield Station(
        "Start", "", "`csworkbench` without a command. Nothing is configured yet, so it offers what there is.",
        t.until("http://127.0.0.1"),
    )  # fmt: skip
    t.press("Enter")
    yield Station(
        "The cloud", "Enter", "What needs upgrading, the most urgent first. It is only looked at.",
        t.until("3 of 3 rows"), "session-cloud",
    )  # fmt: skip
    t.press("Enter")
    yield Station(
        "The plan", "Enter", "The operation that fits stands first; what does not fit says why. Nothing has begun.",
        t.until("Ready: r starts the run"), "session-plan",
    )  # fmt: skip
    t.until("management servers", press="Down")
    t.press("Enter")
    yield Station(
        "Preflight", "Down … Enter", "All checks; one that says warn or stop would name its remedy.",
        t.until("Esc closes"),
    )  # fmt: skip
    t.press("Escape")
    t.gone("Esc closes")
    t.press("r")
    yield Station(
        "Start measuring?", "Esc r", "What the run does now, what it will do later, and the exact call.",
        t.until("Start measuring (y)"),
    )  # fmt: skip
    t.press("y")
    yield Station("The baseline", "y", "Probes run in four tenants and outside.", t.until("Measuring the baseline"))
    yield Station("Ready", "", "The baseline is good. Still nothing has been operated.", t.until("Press  r "))
    t.press("r")
    yield Station(
        "Live patch now?", "r", "The last question. From here on it cannot be recalled.", t.until("Live patch now (y)")
    )
    t.press("y")
    yield Station(
        "Watching", "y", "The job, its events and every service while it happens.", t.until("Settling"),
        "session-change",
    )  # fmt: skip
    yield Station(
        "The result", "", "Verdict, downtime of each service with its bounds, and what proves it.",
        t.until("UPGRADED"), "session-result",
    )  # fmt: skip
    t.press("e")
    yield Station("Export", "e", "CSV files and summary.json.", t.until("Exported to"))
    t.press("q")
    yield Station(
        "Back at the cloud", "q", "Read again: the router is current.", t.until("1 current"),
    )  # fmt: skip


def page(stations: list[Station]) -> str:
    """The session as Markdown."""
    parts = [HEAD]
    for number, station in enumerate(stations, 1):
        keys = f"Keys: `{'` `'.join(station.keys.split())}`. " if station.keys else ""
        shown = "\n".join(line.rstrip() for line in station.screen.text.rstrip("\n").splitlines())
        picture = f"\n![{station.title}](pictures/{station.picture}.png)\n" if station.picture else ""
        parts.append(f"## {number}. {station.title}\n\n{keys}{station.text}\n\n```text\n{shown}\n```\n{picture}")
    return "\n".join(parts)


def draw(screen: Screen, file: Path, columns: int = 80, rows: int = 24) -> None:
    """The screen as a picture; needs rsvg-convert (Debian: librsvg2-bin, fonts-dejavu-core)."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=columns, force_terminal=True, color_system="truecolor")
    width, height = columns * CELL_WIDTH, rows * CELL_HEIGHT
    parts = [f'<rect width="{width:.1f}" height="{height}" fill="{PAPER}"/>']
    for y, line in enumerate(screen.ansi.rstrip("\n").split("\n")[:rows]):
        x = 0
        for segment in console.render(Text.from_ansi(line, end=""), console.options):
            parts += _drawn(segment.text, segment.style, x, y)
            x += segment.cell_length
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.1f}" height="{height}">'
    style = f'font-family="DejaVu Sans Mono" font-size="{FONT_SIZE}" xml:space="preserve"'
    svg = f"{head}<g {style}>{''.join(parts)}</g></svg>"
    subprocess.run(["rsvg-convert", "-o", str(file)], input=svg, text=True, check=True)


def _drawn(text: str, style: "Style | None", x: int, y: int) -> list[str]:
    """One run of equal cells: its paper, then its letters."""
    ink, paper = INK, ""
    if style is not None:
        ink = style.color.get_truecolor().hex if style.color and not style.color.is_default else INK
        paper = style.bgcolor.get_truecolor().hex if style.bgcolor and not style.bgcolor.is_default else ""
        ink, paper = (paper or PAPER, ink) if style.reverse else (ink, paper)
    left, top = x * CELL_WIDTH, y * CELL_HEIGHT
    box = f'x="{left:.2f}" y="{top}" width="{len(text) * CELL_WIDTH + 0.5:.2f}" height="{CELL_HEIGHT}"'
    found = [f'<rect {box} fill="{paper}"/>'] if paper else []
    if text.strip():
        bold = ' font-weight="bold"' if style is not None and style.bold else ""
        found.append(f'<text x="{left:.2f}" y="{top + FONT_SIZE}" fill="{ink}"{bold}>{escape(text)}</text>')
    return found


def main() -> int:
    """Play it and write page and pictures."""
    folder = Path(tempfile.mkdtemp(prefix="csw-session-"))
    try:
        stations = list(play(folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    PAGE.write_text(page(stations), encoding="utf-8")
    for station in stations:
        if station.picture:
            draw(station.screen, PICTURES / f"{station.picture}.png")
    print(f"{PAGE}: {len(stations)} screens")
    return 0


if __name__ == "__main__":
    sys.exit(main())
