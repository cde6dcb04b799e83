# SPDX-License-Identifier: Apache-2.0
"""`gate`: is a run worse than like runs were?"""

import json
from collections.abc import Sequence

import click

from csworkbench.results.gate import Gate, GateRefused
from csworkbench.results.gate import gate as hold

from .common import fail
from .compare import chosen
from .find import find
from .runs import load
from .team import store_option


@click.command()
@click.argument("run", default="last")
@click.option("--against", default="", help="The history: runs whose id or scenario name contains these words.")
@click.option("--tag", "tags", multiple=True, help="The history: runs with this tag; several: with all of them.")
@click.option("--percentile", type=click.FloatRange(1, 99.9), default=95.0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@store_option
def gate(run: str, against: str, tags: Sequence[str], percentile: float, as_json: bool) -> None:
    """Hold RUN against a percentile of the downtime of like runs (the same arm), service by service.

    Exit codes: 0 within, 1 unreadable, 2 usage, 3 over, 4 too few like runs for that percentile.
    """
    if not against and not tags:
        fail("against what? Name the history with --against WORDS or --tag TAG", 2)
    folder = find(run)
    history = [load(other) for other in chosen(against, tags) if other.path.resolve() != folder.path.resolve()]
    try:
        found = hold(load(folder), history, percentile)
    except GateRefused as error:
        fail(str(error), 4)
    for name, why in found.left_out:
        click.echo(f"not counted: {name}: {why}", err=True)
    if as_json:
        click.echo(json.dumps(_json(folder.name, percentile, found), indent=2))
    else:
        for limit in found.limits:
            relation = "over" if limit.over else "within"
            click.echo(
                f"{limit.service:<18} {limit.down_s:.3f} s  {relation} P{percentile:g} {limit.limit_s:.3f} s"
                f"  (n = {limit.n})"
            )
    raise SystemExit(3 if found.over else 0)


def _json(run: str, percentile: float, found: Gate) -> dict[str, object]:
    return {
        "run": run, "percentile": percentile, "over": found.over,
        "services": {
            str(limit.service): {
                "down_s": round(limit.down_s, 3), "limit_s": round(limit.limit_s, 3), "n": limit.n, "over": limit.over,
            }
            for limit in found.limits
        },
        "left_out": [{"run": name, "why": why} for name, why in found.left_out],
    }  # fmt: skip
