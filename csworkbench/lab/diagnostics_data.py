# SPDX-License-Identifier: Apache-2.0
"""Diagnostics data: an archive made inside a router or system VM, and published by the secondary storage VM."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress

from csworkbench.lab import wire
from csworkbench.lab.hosts import Host, LabError
from csworkbench.lab.systemvm_services import DOWNLOADS
from csworkbench.lab.vr_services import DIRECTORY

_PATH = re.compile(r"(/[\w@+.-]+)+", re.ASCII)
_SCRIPT = re.compile(r"\w{1,64}|\[\w{1,64}\]", re.ASCII)
_LONGEST_PATH, _MOST_FILES = 1024, 200
_COMMANDS = {
    "iptables": ("iptables-save",),
    "ipaddr": ("ip", "address"),
    "iprule": ("ip", "rule", "list"),
    "iproute": ("ip", "route", "show", "table", "all"),
    "ifconfig": ("ip", "address"),
    "route": ("ip", "route"),
}
_PLACES = {
    "/etc/dnsmasq.conf": f"{DIRECTORY}/dnsmasq.conf",
    "/etc/dhcphosts.txt": f"{DIRECTORY}/dhcphosts.txt",
    "/var/lib/misc/dnsmasq.leases": f"{DIRECTORY}/dnsmasq.leases",
}
"""Where the lab's routers have these files."""


def check(files: Sequence[str]) -> None:
    """Raises ValueError that names the first entry that is neither an absolute path nor the name of a command."""
    if len(files) > _MOST_FILES:
        raise ValueError(f"more than {_MOST_FILES} files")
    for name in files:
        path = len(name) <= _LONGEST_PATH and _PATH.fullmatch(name) and ".." not in name.split("/")
        if not path and not _SCRIPT.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is not the path of a file")


async def collect(host: Host, files: Sequence[str]) -> str:
    """Make the archive on that host; its path there. Raises LabError."""
    made = await host.call("collect", files=list(files), commands=_COMMANDS, places=_PLACES)
    return str(made["archive"])


async def publish(source: Host, archive: str, store: Host, name: str) -> None:
    """Copy the archive to the web server of the secondary storage VM, under that name. Raises LabError."""
    carried = os.memfd_create("archive", os.MFD_CLOEXEC)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        await _to_the_end(source, ("cat", archive), [null, carried, null])
        os.lseek(carried, 0, os.SEEK_SET)
        await _to_the_end(store, ("tee", f"{DOWNLOADS}/{name}"), [carried, null, null])
    finally:
        wire.close_all([carried, null])


async def discard(host: Host, archive: str) -> None:
    """Remove the archive where it was made; a host that has gone took it along."""
    with suppress(LabError):
        await host.run("rm", "-f", archive)


async def _to_the_end(host: Host, argv: Sequence[str], descriptors: Sequence[int]) -> None:
    running = await host.spawn(argv, descriptors)
    if status := await running.ended():
        raise LabError(f"{host.name}: {argv[0]} failed ({status})")
