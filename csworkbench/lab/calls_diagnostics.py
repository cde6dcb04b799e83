# SPDX-License-Identifier: Apache-2.0
"""get_diagnostics_files.py as a system VM has it: files and command outputs of this host into one archive."""

from __future__ import annotations

import json
import subprocess
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_DIRECTORY = "/var/tmp"  # noqa: S108 - of the host's own
_OWN_TREES = (Path("/var"), Path("/run"), Path("/tmp"))  # noqa: S108
_OWN_FILES = frozenset(
    Path("/etc", name) for name in ("hosts", "hostname", "resolv.conf", "cloudstack-release", "haproxy/haproxy.cfg")
)
"""What is the host's own: the rest of its file system is the machine's and none of an administrator's business."""
_COMMAND_LIMIT_S = 20.0


def collect(files: Sequence[str], commands: Mapping[str, Sequence[str]], places: Mapping[str, str]) -> str:
    """Write the archive and return `{"archive": path}`. Raises OSError.

    `files`: absolute paths and names of commands, in `[]` or bare; `commands`: what they run; `places`: where the
    lab has a file of that path. Each file goes in without its directory; `fileinfo.txt` lists all, also the missing.
    It is a zip file in spite of its name.
    """
    archive = Path(_DIRECTORY, f"diagnostics_files_{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns()}.tar")
    found: list[str] = []
    missing: list[str] = []
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in files:
            if not name.startswith("/"):
                script = name.strip("[]").lower()
                packed.writestr(f"{script}.log", _output(script, commands))
                found.append(f"{script}.log")
            elif (content := _content(places.get(name, name)) or _content(name)) is not None:
                packed.writestr(Path(name).name, content)
                found.append(name)
            else:
                missing.append(name)
        lines = [*found, *(f"{name}File Not Found!!" for name in missing)]
        packed.writestr("fileinfo.txt", "".join(f"{line}\n" for line in lines))
    return json.dumps({"archive": str(archive)})


def _output(script: str, commands: Mapping[str, Sequence[str]]) -> bytes:
    if script not in commands:
        return f"Unable to generate command for {script}, perhaps missing file".encode()
    done = subprocess.run(commands[script], capture_output=True, timeout=_COMMAND_LIMIT_S, check=False)
    return done.stdout if done.returncode == 0 else done.stderr


def _content(path: str) -> bytes | None:
    """None for what is not there, no regular file, or not the host's own."""
    try:
        real = Path(path).resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    own = real in _OWN_FILES or any(real.is_relative_to(tree) for tree in _OWN_TREES)
    return real.read_bytes() if own and real.is_file() else None
