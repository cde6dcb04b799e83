# SPDX-License-Identifier: Apache-2.0
"""Which runs are going on."""

import socket

from csworkbench.engine.address import short_path
from csworkbench.model.event import RunClosed
from csworkbench.recording.library import RunFolder, all_runs, runs_dir
from csworkbench.recording.reader import RunFileError, RunFileReader

from .team import TeamRun


def is_live(folder: RunFolder) -> bool:
    """True when the run's engine answers on its socket; of a team's run, when it was added to just now."""
    if isinstance(folder, TeamRun):
        return folder.stored.live
    if not folder.socket.exists():
        return False
    try:
        with short_path(folder.socket) as path, socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(path)
    except OSError:
        return False
    return True


def has_ended(folder: RunFolder) -> bool:
    """True when its engine ended it in order, or its file cannot be read."""
    try:
        reader = RunFileReader(folder.file)
        try:
            return any(isinstance(event.body, RunClosed) for event in reader.without_samples())
        finally:
            reader.close()
    except (RunFileError, OSError):
        return True


def live_runs() -> list[RunFolder]:
    """The runs whose engines answer, newest first."""
    return [folder for folder in all_runs(runs_dir()) if folder.socket.exists() and is_live(folder)]
