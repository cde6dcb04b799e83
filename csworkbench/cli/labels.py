# SPDX-License-Identifier: Apache-2.0
"""`tag` and `note`: what people say of a run."""

from collections.abc import Callable, Sequence

import click

from csworkbench.recording.labels import BadLabel, Labels, change_note, change_tags
from csworkbench.recording.library import RUN_FILE, RunFolder
from csworkbench.results.tables import harmless

from .common import fail
from .find import find
from .team import clearly, store_option


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})  # -h…: a tag to take
@click.argument("run")
@click.argument("changes", nargs=-1, metavar="+TAG... -TAG...", type=click.UNPROCESSED)
@store_option
def tag(run: str, changes: Sequence[str]) -> None:
    """Add tags to RUN (+baseline) or take them away (-old); without any, print them."""
    folder = find(run)
    labels = _changed(folder, lambda labels: change_tags(labels, changes)) if changes else folder.labels
    click.echo(" ".join([folder.name, *(f"+{name}" for name in labels.tags)]))


@click.command()
@click.argument("run")
@click.argument("text", required=False)
@store_option
def note(run: str, text: str | None) -> None:
    """Keep TEXT as the note of RUN ("" takes it away); without TEXT, print it."""
    folder = find(run)
    if text is not None:
        _changed(folder, lambda labels: change_note(labels, text))
    elif folder.labels.note:
        click.echo(harmless(folder.labels.note))


def _changed(folder: RunFolder, change: Callable[[Labels], Labels]) -> Labels:
    if folder.file_name != RUN_FILE:
        fail(f"{folder.file} is not in a folder of its own; `csworkbench import` takes it in", 2)
    try:
        with clearly():
            return folder.change_labels(change)
    except BadLabel as error:
        fail(str(error), 2)
    except OSError as error:
        fail(f"cannot write into {folder.path}: {error.strerror or error}", 1)
