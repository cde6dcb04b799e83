# SPDX-License-Identifier: Apache-2.0
"""What was copied, in a file of the run's folder: OSC 52 has no answer, and tmux, screen and many terminals drop it."""

import os
from pathlib import Path

NAME = "copied.txt"


def keep(text: str, folder: Path) -> Path:
    """Add a line to the folder's copied.txt, readable by its owner only; its path. Raises OSError."""
    file = folder / NAME
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "a", encoding="utf-8") as out:
        out.write(f"{text}\n")
    return file
