# SPDX-License-Identifier: Apache-2.0
"""What a host sees of the file system: its own /proc, /tmp, /var, /run, and its own files in /etc over the machine's.

All of it is tmpfs and overlays inside the host's mount namespace; the machine's own files are never written.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

from csworkbench.lab import kernel
from csworkbench.lab.layers import Layers

Spec = dict[str, Any]
"""`name`; `tmpfs`: mount points; `layered`: directories of the machine that are seen through a writable layer;
`directories` and `files`: {path: mode} and {path: [text, mode]}; `owners`: {path: [uid, gid]} of some of these;
`hidden`: programs of the machine that are not there; `sysctls`: {path below /proc/sys: value}; `proc`: mount an own
/proc and /dev/pts; `home`: the working directory of what is started there; `read_only`: the machine's root file system
cannot be written."""


def furnish(spec: Spec) -> None:
    """Make this mount, UTS and network namespace the host of that description. Raises OSError."""
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.set_hostname(spec["name"])
    if spec.get("proc", False):
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        with contextlib.suppress(OSError):  # refused where parts of /sys are masked; only device listings need it
            kernel.mount("sysfs", "/sys", "sysfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        _own_terminals()
    for path in spec.get("tmpfs", []):
        kernel.mount("tmpfs", path, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=755,size=64m")
    layers = Layers(spec.get("layered", []))
    layers.prepare()
    for path, mode in spec.get("directories", {}).items():
        placed = layers.place(path)
        placed.mkdir(exist_ok=True)
        placed.chmod(mode)
    for path, (text, mode) in spec.get("files", {}).items():
        placed = layers.place(path)
        placed.write_text(text, errors="surrogateescape")
        placed.chmod(mode)
    for path, (uid, gid) in spec.get("owners", {}).items():
        os.chown(layers.place(path), uid, gid)
    layers.mount()
    for path in spec.get("hidden", []):  # it cannot be run
        kernel.bind("/dev/null", path)
    if spec.get("read_only", False):
        with contextlib.suppress(OSError):  # a courtesy: a root tenant shares the machine's file system
            kernel.make_read_only("/")
    os.chdir(spec.get("home", "/"))
    for name, value in spec.get("sysctls", {}).items():
        with contextlib.suppress(FileNotFoundError):  # absent with that feature, e.g. ipv6 off
            Path("/proc/sys", name).write_text(value)


def _own_terminals() -> None:
    """Terminals of its own: sshd must own what it opens, and the group `tty` is not ours in a user namespace."""
    options = f"newinstance,ptmxmode=0666,mode=0620,gid={os.getgid()}"
    kernel.mount("devpts", "/dev/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, options)
    kernel.bind("/dev/pts/ptmx", "/dev/ptmx")
