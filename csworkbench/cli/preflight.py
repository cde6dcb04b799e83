# SPDX-License-Identifier: Apache-2.0
"""`preflight`: what needs upgrading, and whether now is a safe time."""

import asyncio
import json
import os
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from csworkbench.cloudstack import CloudStackError
from csworkbench.cloudstack.paging import PAGE_SIZE
from csworkbench.config import ConfigError
from csworkbench.config.scenario_file import load_scenario
from csworkbench.model.scenario import Scenario
from csworkbench.results.readiness import COLOURS, plain, readiness_json, readiness_text
from csworkbench.upgrade import Level, assess
from csworkbench.upgrade import preflight as run_checks
from csworkbench.upgrade.settings import snapshot

from .cloud_access import open_cloud, read_facts
from .common import fail
from .profile import exit_code_of

_WIDEST = 110


@click.command()
@click.argument("scenario", type=click.Path(path_type=Path), required=False)
@click.option("--cloud", help="A cloud of config.yaml, `env`, or `lab` (the default).")
@click.option("--all", "everything", is_flag=True, help="List also what is current.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--snapshot", "keep", type=click.Path(path_type=Path, dir_okay=False), help="Write the settings to FILE.")
@click.option(
    "--restore", type=click.Path(path_type=Path, dir_okay=False), help="Set the settings back to those in FILE; asks."
)
@click.option("--yes", is_flag=True, help="With --restore: do not ask.")
@click.option("--tui", is_flag=True, help="As a list to browse.")
def preflight(
    scenario: Path | None,
    cloud: str | None,
    everything: bool,
    as_json: bool,
    keep: Path | None,
    restore: Path | None,
    yes: bool,
    tui: bool,
) -> None:
    """Print what needs upgrading in a cloud, by which operation, and the checks before it. Changes nothing.

    With SCENARIO, only what bears on its target. Ends with 1 when a check says stop, and when the API fails.
    """
    try:
        loaded = load_scenario(scenario) if scenario is not None else None
        name = cloud or (loaded.cloud if loaded is not None else "lab")
        if restore is not None:
            from .settings_restore import restore_settings

            raise SystemExit(asyncio.run(restore_settings(name, restore, yes=yes)))
        if tui:
            from .cloud_screen import browse

            raise SystemExit(browse(name, loaded))
        raise SystemExit(asyncio.run(_preflight(name, loaded, everything=everything, as_json=as_json, keep=keep)))
    except ConfigError as error:
        fail(str(error), 2)
    except CloudStackError as error:
        fail(str(error), exit_code_of(error))
    except KeyboardInterrupt:
        fail("interrupted; nothing was changed", 1)


def read_and_print(name: str) -> int:
    """What `preflight --cloud NAME` prints; its exit code."""
    try:
        return asyncio.run(_preflight(name, None, everything=False, as_json=False, keep=None))
    except ConfigError as error:
        fail(str(error), 2)
    except CloudStackError as error:
        fail(str(error), 1)


async def _preflight(
    name: str, scenario: Scenario | None, *, everything: bool, as_json: bool, keep: Path | None
) -> int:
    with ReadingLine() as reading:
        async with open_cloud(name) as opened:
            facts = await read_facts(opened.client, scenario, reading)
    needs, findings = assess(facts.fleet), run_checks(facts)
    if keep is not None:
        taken = datetime.now(UTC).isoformat(timespec="seconds")
        _write(keep, snapshot(facts.fleet, cloud=name, endpoint=opened.cloud.endpoint, taken=taken))
    if as_json:
        click.echo(json.dumps(readiness_json(name, facts.fleet, needs, findings), indent=2))
    else:
        width = min(max(shutil.get_terminal_size().columns, 80), _WIDEST) if sys.stdout.isatty() else 80
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        click.echo(
            readiness_text(
                facts.fleet, needs, findings, everything=everything, width=width, paint=_colour if colour else plain
            )
        )
    stops = [f"{f.id} ({f.evidence})" for f in findings if f.level is Level.STOP]
    if stops:
        from csworkbench.results.tables import printable

        click.echo(f"csworkbench: stop: {printable('; '.join(stops))}", err=True)
    return 1 if stops else 0


def _colour(text: str, meaning: str) -> str:
    return click.style(text, fg=COLOURS.get(meaning), bold=meaning in ("head", Level.STOP))  # type: ignore[call-overload]


def _write(path: Path, text: str) -> None:
    """Beside, then in place; settings are for the owner's eyes."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.touch(mode=0o600)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        fail(f"cannot write {path}: {error.strerror or error}", 1)
    click.echo(f"settings kept in {path}; `csworkbench preflight --restore {path}` sets them back", err=True)


class ReadingLine:
    """How far the lists are, on stderr: one line that changes on a terminal, else a line per further page."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._last = ""

    def __enter__(self) -> "ReadingLine":
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal and self._last:
            click.echo("\r\x1b[K", nl=False, err=True)

    def __call__(self, command: str, read: int, total: int) -> None:
        """One more page."""
        text = f"{command}: {read} of {total}"
        if self._terminal:
            click.echo(f"\r\x1b[K{text}", nl=False, err=True)
        elif read > PAGE_SIZE:
            click.echo(text, err=True)
        self._last = text
