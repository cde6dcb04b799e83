# SPDX-License-Identifier: Apache-2.0
"""Making parts of a host's file system read-only for a while, as a disk with errors becomes."""

from __future__ import annotations

from collections.abc import Sequence

from csworkbench.lab import kernel


def protect(paths: Sequence[str]) -> str:
    """Nothing can be written below these paths any more. Raises OSError."""
    for path in paths:
        kernel.bind(path, path)
        kernel.make_read_only(path)
    return "{}"


def unprotect(paths: Sequence[str]) -> str:
    """Undo `protect`. Raises OSError."""
    for path in paths:
        kernel.unmount(path)
    return "{}"
