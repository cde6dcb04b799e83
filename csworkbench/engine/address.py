# SPDX-License-Identifier: Apache-2.0
"""Unix sockets in folders of any depth: the kernel allows 107 bytes of path, so go through the folder's descriptor."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A path of a few bytes for `path`, valid inside the `with`. Raises OSError when its folder is not there."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
