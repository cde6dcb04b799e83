# SPDX-License-Identifier: Apache-2.0
"""Starting the namespaces: `unshare`, the supervisor behind it, and hosts on request."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Iterator
from pathlib import Path

from csworkbench.lab import kernel, wire
from csworkbench.lab.hostfs import Spec
from csworkbench.lab.hosts import Channel, Host, LabError
from csworkbench.lab.state import StateDirectory

UNSHARE_AS_USER = ("unshare", "-U", "-c", "--keep-caps", "-nmupf", "--mount-proc", "--kill-child")
"""Own uid mapped to itself, capabilities kept as ambient ones: sshd and dnsmasq then skip every change of user."""
UNSHARE_AS_ROOT = ("unshare", "-nmupf", "--mount-proc", "--kill-child")


class Namespaces:
    """The running supervisor; `fab` is its own namespace, the others are made by `create`."""

    def __init__(self, process: Process, fab: Host, supervisor_pid: int) -> None:
        self.process = process
        self.fab = fab
        self.supervisor_pid = supervisor_pid

    @classmethod
    async def start(cls, *, root: bool) -> Namespaces:
        """Start the supervisor; raises LabError when the machine refuses it."""
        ours, theirs = wire.pair()
        words = (UNSHARE_AS_ROOT if root else UNSHARE_AS_USER) + (
            sys.executable,
            "-m",
            "csworkbench.lab.supervisor",
            str(theirs.fileno()),
        )
        process = await asyncio.create_subprocess_exec(
            *words,
            pass_fds=[theirs.fileno()],
            preexec_fn=kernel.die_with_parent,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=_environment(),
        )
        theirs.close()
        channel = Channel("supervisor", ours)
        try:
            await asyncio.wait_for(channel.ready, 20)
        except (LabError, TimeoutError) as error:
            detail = ""
            if channel.closed.done() and process.stderr is not None:
                detail = (await process.stderr.read()).decode(errors="replace").strip()
            channel.close()
            raise LabError(f"the namespaces could not be made: {detail or error}") from error
        pid = _only_child(process.pid)
        return cls(process, Host("fab", 1, channel, asyncio.get_running_loop().create_future()), pid)

    async def create(self, spec: Spec) -> Host:
        """Make one more host; returns when its PID 1 runs and its file system is furnished."""
        reply, descriptors = await self.fab.channel.request({"op": "create", "spec": spec})
        channel = Channel(spec["name"], socket.socket(fileno=descriptors[0]))
        await self.fab.channel.request({"op": "watch", "pid": reply["pid"]})
        gone = self.fab.channel.exit_of(reply["pid"])
        await channel.ready
        return Host(spec["name"], reply["pid"], channel, gone)

    async def destroy(self, host: Host) -> None:
        """Power a host off: its PID 1 ends and the kernel ends the rest; returns when that is confirmed."""
        host.channel.close()
        await host.gone

    async def stop(self) -> None:
        """End everything; returns when the kernel has."""
        self.fab.channel.close()
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def start_detached(
    state: StateDirectory, profile: str, topology: str, vms: int, scale: float, started_at: float
) -> Iterator[str]:
    """Start the outer process in a session of its own; yields its report lines until it is ready or has failed."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    numbers = ("--vms", str(vms), "--scale", str(scale), "--started-at", str(started_at), "--report", str(writer))
    with state.log_file.open("a") as log:
        subprocess.Popen(
            (
                *(sys.executable, "-m", "csworkbench.lab.outer", "--state", str(state.path)),
                *("--profile", profile, "--topology", topology, *numbers),
            ),
            pass_fds=[writer],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    os.close(writer)
    with os.fdopen(reader) as lines:
        yield from lines


def _environment() -> dict[str, str]:
    """This environment, with this package on the path wherever it lies."""
    package_root = str(Path(__file__).resolve().parents[2])
    search = os.pathsep.join([package_root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": search}
