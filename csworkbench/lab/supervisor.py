# SPDX-License-Identifier: Apache-2.0
"""PID 1 of the lab: an agent for the fabric's namespace ("the hypervisor") that can also make hosts.

Started by the outer process as `unshare ... python -m csworkbench.lab.supervisor FD`. Everything that lives in the
lab's namespaces descends from this process; when it ends, for whatever reason, the kernel ends them all.
"""

from __future__ import annotations

import os
import socket
import sys

from csworkbench.lab import kernel, wire
from csworkbench.lab.agent import Agent, detach_standard
from csworkbench.lab.hostfs import furnish

_NAMESPACES = (
    kernel.CLONE_NEWNET | kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS | kernel.CLONE_NEWPID | kernel.CLONE_NEWTIME
)


def _become_host(spec: wire.Message, channel: socket.socket) -> None:
    """The life of a host's PID 1; never returns."""
    status = 1
    try:
        os.setsid()
        os.dup2(channel.fileno(), 3)
        os.closerange(4, 1024)
        kept = socket.socket(fileno=3)
        kept.set_inheritable(False)
        try:
            furnish(spec)
        except OSError as error:
            wire.send(kept, {"event": "ready", "error": str(error)})
            return
        wire.send(kept, {"event": "ready"})
        Agent(kept).run()
        status = 0
    finally:
        os._exit(status)


def _create(control: socket.socket, message: wire.Message) -> None:
    """In a child of PID 1: make the namespaces, leave the host's PID 1 behind, tell the outer process; ends itself."""
    try:
        ours, theirs = wire.pair()
        kernel.unshare(_NAMESPACES)
        kernel.set_clock_offset(message["spec"]["clock_offset_s"])
        pid = os.fork()
        if pid == 0:
            _become_host(message["spec"], theirs)
        wire.send(control, {"id": message["id"], "pid": pid}, [ours.fileno()])
        os._exit(0)
    except Exception as error:
        wire.send(control, {"id": message["id"], "error": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(1)


def main() -> None:
    """Serve until the outer process is gone."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    detach_standard()
    agent = Agent(control)

    def create(message: wire.Message, _descriptors: list[int]) -> None:
        if os.fork() == 0:
            _create(control, message)

    agent.add("create", create)
    try:
        furnish({"name": "fab", "tmpfs": ["/run"], "directories": {"/run/lock": 0o755}})
        wire.send(control, {"event": "ready"})
        agent.run()
    except OSError as error:
        wire.send(control, {"event": "ready", "error": str(error)})
    os._exit(0)


if __name__ == "__main__":
    main()
