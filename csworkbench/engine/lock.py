# SPDX-License-Identifier: Apache-2.0
"""One engine per run: whoever holds the lock in its folder. The kernel lets go of it when that process dies."""

import fcntl
import os
from pathlib import Path
from typing import Self

LOCK = "engine.lock"


class Locked(Exception):
    """The run's engine lives."""


class RunLock:
    """`with RunLock(folder): …`. Raises Locked, OSError."""

    def __init__(self, folder: Path) -> None:
        self._path, self._fd = folder / LOCK, -1

    def __enter__(self) -> Self:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise Locked from None
        self._fd = fd
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)
