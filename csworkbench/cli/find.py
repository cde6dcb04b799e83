# SPDX-License-Identifier: Apache-2.0
"""Finding the run that was meant."""

from csworkbench.recording.library import RunFolder, RunNotFound, find_run, runs_dir

from .common import fail
from .team import clearly, current


def find(text: str) -> RunFolder:
    """A run by what the user typed; ends with 2 when there is none."""
    team = current()
    if team is not None and not text.endswith(".db"):
        with clearly():
            return team.find(text)
    try:
        return find_run(text, runs_dir())
    except RunNotFound as error:
        fail(str(error), 2)
