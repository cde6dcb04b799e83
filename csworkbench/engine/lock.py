# SPDX-License-Identifier: Apache-2.0
"""One engine per run: whoever holds the lock in its folder. The kernel lets go of it when that process dies."""

import os
from pathlib import Path
from typing import Self

from csworkbench.recording.on_disk import take_lock

LOCK = "engine.lock"


class Locked(Exception):
    """The run's engine lives."""


class RunLock:
    """`with RunLock(folder): …`. Raises Locked, OSError."""

    def __init__(self, folder: Path) -> None:
        self._path, self._fd = folder / LOCK, -1

    def __enter__(self) -> Self:
        try:
            self._fd = take_lock(self._path)
        except BlockingIOError:
            raise Locked from None
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
