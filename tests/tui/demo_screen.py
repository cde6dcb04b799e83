# SPDX-License-Identifier: Apache-2.0
"""The workbench on a synthetic run, for looking at it: `python tests/tui/demo_screen.py [options]`.

--ready      start when the baseline is over     --done     a finished run (replay)
--lose N     the engine goes N s into the change  --ascii    ASCII glyphs
--read-only  as a viewer                          --hostile  hostile VM names
--controls   control lanes as well
"""

import argparse
import asyncio
import importlib
import sys
from pathlib import Path
from typing import Any


def main() -> int:
    """Run the app; its exit code."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from csworkbench.tui.app import WorkbenchApp

    # By name: as a script this file is no part of the package whose modules it uses.
    feeds: Any = importlib.import_module("tests.tui.feeds")
    synthetic: Any = importlib.import_module("tests.tui.synthetic")

    parser = argparse.ArgumentParser(description=__doc__)
    for flag in ("done", "ascii", "read-only", "hostile", "slow", "controls"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--layout", default="operator")
    parser.add_argument("--glyphs", default="")
    parser.add_argument("--theme", default="dark")
    parser.add_argument("--lose", type=float, default=0.0)
    args = parser.parse_args()

    async def export() -> str:
        await asyncio.sleep(0.2)
        return "/var/lib/csworkbench/runs/20261120-140311-parallel/export"

    feed = feeds.PlayedFeed(lose_at_s=args.lose)
    if args.done:
        feed = feeds.HandFeed(live=False)
        feed.give(synthetic.Story(names=synthetic.HOSTILE if args.hostile else (), controls=args.controls).events())
        feed.end()
    app = WorkbenchApp(
        feed,
        args.layout,
        read_only=args.read_only,
        export=export,
        slow=args.slow,
        glyphs="ascii" if args.ascii else args.glyphs,
        theme=args.theme,
    )
    app.run()
    return app.return_code or 0


if __name__ == "__main__":
    sys.exit(main())
