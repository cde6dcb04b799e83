# SPDX-License-Identifier: Apache-2.0
"""Starting the namespaces: `unshare`, the supervisor behind it, and hosts on request."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from csworkbench.lab import guard, kernel, wire
from csworkbench.lab.hostfs import Spec
from csworkbench.lab.hosts import Channel, Host, LabError
from csworkbench.lab.state import StateDirectory

UNSHARE_AS_USER = ("unshare", "-U", "-c", "--keep-caps", "-nmupf", "--mount-proc", "--kill-child")
"""Own uid mapped to itself, capabilities kept as ambient ones: sshd and dnsmasq then skip every change of user."""
_START_LIMIT_S = 20.0
_REAP_LIMIT_S = 1.0
UNSHARE_AS_ROOT = ("unshare", "-nmupf", "--mount-proc", "--kill-child")


class Namespaces:
    """The running supervisor; `fab` is its own namespace, the others are made by `create`."""

    def __init__(self, fab: Host, guard: int, life_line: int) -> None:
        self.fab = fab
        self._guard = guard
        self._life_line = life_line
        self.supervisor_pid = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Resolves when every process of the namespaces is gone."""
        self._watch()

    @classmethod
    async def start(cls, *, root: bool) -> Namespaces:
        """Start the supervisor; raises LabError when the machine refuses it."""
        kernel.adopt_orphans()  # should the guard itself be killed, its children come to us and not to a slow init
        ours, theirs = wire.pair()
        life_line = os.pipe2(os.O_CLOEXEC)
        errors = os.pipe2(os.O_CLOEXEC)
        command = (sys.executable, "-m", "csworkbench.lab.supervisor", str(theirs.fileno()))
        words = (UNSHARE_AS_ROOT if root else UNSHARE_AS_USER) + command
        pid = guard.start(words, theirs.fileno(), life_line[0], errors[1], _environment())
        theirs.close()
        wire.close_all([life_line[0], errors[1]])
        channel = Channel("supervisor", ours)
        fab = Host("fab", 1, channel, asyncio.get_running_loop().create_future())
        namespaces = cls(fab, pid, life_line[1])
        try:
            await asyncio.wait_for(channel.ready, _START_LIMIT_S)
            namespaces.supervisor_pid = _only_child(_only_child(pid))
        except (LabError, TimeoutError) as error:
            await namespaces.stop()
            detail = os.read(errors[0], 4096).decode(errors="replace").strip()
            raise LabError(f"the namespaces could not be made: {detail or error}") from error
        finally:
            os.close(errors[0])
        return namespaces

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
        if self._life_line >= 0:
            os.close(self._life_line)
            self._life_line = -1
        await self.ended

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        descriptor = os.pidfd_open(self._guard)

        def gone() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)
            os.waitpid(self._guard, 0)
            self._reaping = loop.create_task(self._reap())

        loop.add_reader(descriptor, gone)

    async def _reap(self) -> None:
        """Reap what a killed guard left, so that no zombie pins a namespace; nothing, when it ended in order."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + _REAP_LIMIT_S
        with suppress(ChildProcessError):
            while loop.time() < limit:
                if os.waitpid(-1, os.WNOHANG) == (0, 0):  # noqa: ASYNC222 - WNOHANG does not wait
                    await asyncio.sleep(0.005)
        if not self.ended.done():
            self.ended.set_result(None)


def _only_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def start_detached(state: StateDirectory, options: str, started_at: float) -> Iterator[str]:
    """Start the outer process in a session of its own; yields its report lines until it is ready or has failed.

    `options`: as `Options.to_json` has them.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    words = ("--options", options, "--started-at", str(started_at), "--report", str(writer))
    with state.log_file.open("a") as log:
        subprocess.Popen(
            (sys.executable, "-m", "csworkbench.lab.outer", "--state", str(state.path), *words),
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
