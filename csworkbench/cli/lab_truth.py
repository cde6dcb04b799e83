# SPDX-License-Identifier: Apache-2.0
"""`csworkbench lab truth`: the outages that were made, and what the cloud's own witness saw."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from csworkbench.cli.lab_errors import USAGE, fail, one_line_errors


@click.command()
@click.option("--watch", is_flag=True, help="Start the witness; returns when every path has answered.")
@click.option("--stop", is_flag=True, help="End the witness and print what it saw.")
@click.option("--for", "for_s", type=click.FloatRange(0.1, 86_400), metavar="SECONDS", help="--watch, wait, --stop.")
@click.option("--vantage", default="vm01", show_default=True, help="The tenant that it looks from.")
@click.option("--all", "everything", is_flag=True, help="Every forwarded port, not three of them.")
@click.pass_obj
def truth(state: Path, watch: bool, stop: bool, for_s: float | None, vantage: str, everything: bool) -> None:
    """Print every outage made so far with `break`, then what the witness saw; one JSON line each.

    The witness probes all services each 1 to 50 ms from inside the cloud, apart from the workbench's own probes.
    """
    if watch + stop + (for_s is not None) > 1:
        fail("only one of --watch, --stop and --for can be given", USAGE)
    start = {"action": "watch", "vantage": vantage, "everything": everything}
    if for_s is not None:
        _watch_for(state, start, for_s)
    elif watch:
        _ask(state, start)
    elif stop:
        _ask(state, {"action": "stop"})
    else:
        _ask(state, {})


def _watch_for(state: Path, start: dict[str, Any], seconds: float) -> None:
    import signal
    import time

    def ended(number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, ended)
    with suppress(KeyboardInterrupt):  # who is tired of waiting sees what was seen, and leaves no witness behind
        _ask(state, start)
        time.sleep(seconds)
    _ask(state, {"action": "stop"})


def _ask(state: Path, message: dict[str, Any]) -> None:
    import json

    from csworkbench.lab import client

    with one_line_errors():
        for reply in client.ask(state, {"op": "truth", **message}):
            if "made" in reply:
                click.echo(json.dumps(reply["made"]))
