# SPDX-License-Identifier: Apache-2.0
"""Which runs are going on."""

import socket

from csworkbench.engine.address import short_path
from csworkbench.recording.library import RunFolder, all_runs, runs_dir


def is_live(folder: RunFolder) -> bool:
    """True when the run's engine answers on its socket."""
    try:
        with short_path(folder.socket) as path, socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1)
            probe.connect(path)
    except OSError:
        return False
    return True


def live_runs() -> list[RunFolder]:
    """The runs whose engines answer, newest first."""
    return [folder for folder in all_runs(runs_dir()) if folder.socket.exists() and is_live(folder)]
