# SPDX-License-Identifier: Apache-2.0
"""Finding the run that was meant."""

from csworkbench.recording.library import RunFolder, RunNotFound, find_run, runs_dir

from .common import fail


def find(text: str) -> RunFolder:
    """A run by what the user typed; ends with 2 when there is none."""
    try:
        return find_run(text, runs_dir())
    except RunNotFound as error:
        fail(str(error), 2)
