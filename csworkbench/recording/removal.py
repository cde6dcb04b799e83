# SPDX-License-Identifier: Apache-2.0
"""Deleting a run: how much would go, and its end."""

import shutil

from .library import RunFolder


def size_bytes(folder: RunFolder) -> int:
    """What all files in a run's folder take; links count for nothing. Raises OSError."""
    return sum(path.lstat().st_size for path in folder.path.rglob("*") if path.is_file() and not path.is_symlink())


def remove(folder: RunFolder) -> None:
    """Delete a run's folder with all that lies in it. What a link leads to stays. Raises OSError."""
    if folder.path.is_symlink():
        folder.path.unlink()
    else:
        shutil.rmtree(folder.path)
