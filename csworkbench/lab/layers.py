# SPDX-License-Identifier: Apache-2.0
"""Directories of the machine that a host sees with a writable layer of its own over them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from csworkbench.lab import kernel

_LAYERS = "/run/layers"


class Layers:
    """The layers of one host, in its /run. Fill them through `place` before `mount`: files that the machine has too can
    then be replaced by whoever may not write the machine's."""

    def __init__(self, directories: Sequence[str]) -> None:
        self._directories = tuple(directories)

    def prepare(self) -> None:
        """Make the empty layers. Raises OSError, also for a directory that the machine does not have."""
        for directory in self._directories:
            if not Path(directory).is_dir():
                raise FileNotFoundError(f"this machine has no directory {directory}")
            for part in ("own", "work", "machine"):
                _layer(directory, part).mkdir(parents=True)
            _layer(directory, "own").chmod(0o755)

    def place(self, path: str) -> Path:
        """Where to write what shall appear at that path; its directories are made."""
        for directory in self._directories:
            if Path(path).is_relative_to(directory):
                root = _layer(directory, "own")
                placed = root / Path(path).relative_to(directory)
                for parent in reversed(placed.parents):
                    if parent.is_relative_to(root) and not parent.is_dir():
                        parent.mkdir()
                        parent.chmod(0o755)
                return placed
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return Path(path)

    def mount(self) -> None:
        """Put each layer over its directory. Raises OSError."""
        for directory in self._directories:
            own, work = _layer(directory, "own"), _layer(directory, "work")
            options = f"lowerdir={directory},upperdir={own},workdir={work},userxattr"
            try:
                kernel.mount("overlay", directory, "overlay", kernel.MS_NOSUID | kernel.MS_NODEV, options)
            except OSError:  # not in this kernel's user namespaces, or the container has mounts of its own below
                mirror(directory, own, _layer(directory, "machine"))


def mirror(directory: str, own: Path, machine: Path) -> None:
    """The same without an overlay: the layer itself, with links to everything of the machine's that it lacks.

    `machine`: an empty directory that will show the original, which cannot be written there. Raises OSError.
    """
    kernel.mount(directory, str(machine), None, kernel.MS_BIND | kernel.MS_REC)
    kernel.make_read_only(str(machine))
    _link(machine, own)
    kernel.bind(str(own), directory)


def _link(machine: Path, own: Path) -> None:
    for entry in os.scandir(machine):
        mine = own / entry.name
        if entry.is_symlink() and not os.path.lexists(mine):
            mine.symlink_to(os.readlink(entry.path))  # a relative link keeps its meaning  # noqa: PTH115
        elif entry.is_dir(follow_symlinks=False) and mine.is_dir():
            if os.access(entry.path, os.R_OK | os.X_OK):
                _link(machine / entry.name, mine)
        elif not os.path.lexists(mine):
            mine.symlink_to(entry.path)


def _layer(directory: str, part: str) -> Path:
    return Path(_LAYERS, directory.strip("/").replace("/", "-"), part)
