# SPDX-License-Identifier: Apache-2.0
"""`import` and `redact`: run files from and for other people."""

import sqlite3
from pathlib import Path

import click

from csworkbench.recording.importing import ImportRefused, import_run, run_files
from csworkbench.recording.library import runs_dir
from csworkbench.recording.reader import RunFileError
from csworkbench.recording.redact import redact_file

from .common import fail
from .find import find
from .live import is_live


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="FILE.db|DIR")
def import_(source: Path) -> None:
    """Take in a colleague's run file, or all that lie in a folder. What is already here is refused."""
    files = run_files(source)
    if not files:
        fail(f"{source}: no run file (*.db) in it", 2)
    refused = 0
    for file in files:
        try:
            click.echo(import_run(file, runs_dir()).name)
        except ImportRefused as error:
            click.echo(f"csworkbench: {error}", err=True)
            refused += 1
        except (RunFileError, OSError, sqlite3.Error) as error:
            click.echo(f"csworkbench: {file}: {error}", err=True)
            refused += 1
    raise SystemExit(1 if refused else 0)


@click.command()
@click.argument("run", default="last")
@click.option("--to", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The run file to write.")
def redact(run: str, to: Path) -> None:
    """Copy RUN to a file without names and addresses. Times, figures and the verdict stay as they are.

    Names of VMs, networks, routers, accounts and hosts, all addresses, and the API's texts are replaced, each by the
    same pseudonym throughout the file. Tags and notes stay here.
    """
    folder = find(run)
    if is_live(folder):
        fail(f"{folder.name} is going on; wait for its end", 2)
    try:
        redact_file(folder.file, to)
    except (RunFileError, OSError, sqlite3.Error) as error:
        fail(f"{error}", 1)
    click.echo(str(to))
