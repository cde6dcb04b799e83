# SPDX-License-Identifier: Apache-2.0
"""systemctl for a system VM: its programs ask, the lab, whose children the daemons are, acts and answers."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from csworkbench.lab import image
from csworkbench.lab.fabric import Daemon
from csworkbench.lab.hosts import Host, LabError

_log = logging.getLogger(__name__)
_REQUEST = re.compile(r"(/run/cloud/reply\.\d+) ([a-z-]+)(?: ([\w@.:-]+))?")
"""FIFO for the answer, verb, unit."""
_STOP_S = 5.0
_OK, _FAILED, _INACTIVE, _UNKNOWN = 0, 1, 3, 5
_LINE_LIMIT = 4096

Answer = tuple[int, str]
"""Exit status and what systemctl prints."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A service: its daemons, none before its first start, and how to start it (raises LabError)."""

    daemons: Callable[[], Sequence[Daemon]]
    start: Callable[[], Awaitable[None]]

    @property
    def active(self) -> bool:
        """Whether they run."""
        daemons = self.daemons()
        return bool(daemons) and not any(daemon.running.exited.done() for daemon in daemons)


class Units:
    """The services of one system VM by name; `serve` answers its /opt/cloud/bin/systemctl until `close`."""

    def __init__(self, host: Host, units: Mapping[str, Unit]) -> None:
        self._host, self._units = host, dict(units)
        self._requests = -1
        self._pending = b""
        self._answering: set[asyncio.Task[None]] = set()

    def add(self, name: str, unit: Unit) -> None:
        """One more service."""
        self._units[name] = unit

    async def serve(self) -> None:
        """Read requests from the VM's FIFO, which exists. Raises LabError."""
        self._requests = await self._host.open(image.SYSTEMCTL, os.O_RDWR | os.O_NONBLOCK)
        asyncio.get_running_loop().add_reader(self._requests, self._on_readable)

    def close(self) -> None:
        """The VM is off."""
        if self._requests >= 0:
            asyncio.get_running_loop().remove_reader(self._requests)
            os.close(self._requests)
            self._requests = -1
        for task in self._answering:
            task.cancel()

    async def perform(self, verb: str, name: str) -> Answer:
        """One request."""
        unit = self._units.get(name.removesuffix(".service").partition("@")[0])
        match verb:
            case "daemon-reload":
                return _OK, ""
            case "is-active":
                active = unit is not None and unit.active
                return (_OK, "active") if active else (_INACTIVE, "inactive")
            case "start" | "stop" | "restart" if unit is None:
                return _UNKNOWN, f"Unit {name} not found."
            case "start" | "stop" | "restart" if unit is not None:
                return await self._change(verb, name, unit)
        return _FAILED, f"Unknown command verb {verb}."

    async def _change(self, verb: str, name: str, unit: Unit) -> Answer:
        if verb != "start":
            await asyncio.gather(*(_stop(daemon) for daemon in unit.daemons()))
        if verb != "stop" and not unit.active:
            try:
                await unit.start()
            except LabError as error:
                _log.warning("%s: %s: %s", self._host.name, name, error)
                return _FAILED, f"Job for {name}.service failed: {error}"
        return _OK, ""

    def _on_readable(self) -> None:
        with suppress(BlockingIOError):
            self._pending += os.read(self._requests, _LINE_LIMIT)
        *lines, self._pending = self._pending.split(b"\n")
        self._pending = self._pending[-_LINE_LIMIT:]
        for line in lines:
            found = _REQUEST.fullmatch(line.decode(errors="replace"))
            if found is not None:
                task = asyncio.create_task(self._answer(found[1], found[2], found[3] or ""))
                self._answering.add(task)
                task.add_done_callback(self._answering.discard)

    async def _answer(self, reply: str, verb: str, name: str) -> None:
        status, text = await self.perform(verb, name)
        try:
            writer = await self._host.open(reply, os.O_WRONLY | os.O_NONBLOCK)
        except LabError:
            return  # whoever asked is gone
        with os.fdopen(writer, "wb", buffering=0) as stream, suppress(OSError):
            stream.write(f"{status} {' '.join(text.split())}\n".encode())


async def _stop(daemon: Daemon) -> None:
    await daemon.running.signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(daemon.running.ended(), _STOP_S)
    except TimeoutError:
        await daemon.running.kill()
        await daemon.running.ended()
