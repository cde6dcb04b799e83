# SPDX-License-Identifier: Apache-2.0
"""A negotiated handover, as the two routers make it: one process in each, one TCP connection on the control network.

    old                                             new (its gate is closed)
    flows, then every change of one   ──▶           enters them into its own connection tracking
    mark                              ──▶
                                      ◀──           ready
    closes its gate, sends the last changes, yours ──▶  enters them, opens its gate, announces
                                      ◀──           done
    kept (it leaves)                  ──▶

Without `done` in time the old router sends `back` and opens its gate again; the new one then closes its own.
"""

from __future__ import annotations

import errno
import json
import os
import selectors
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from csworkbench.lab.calls_arp import packet
from csworkbench.lab.calls_conntrack import EVENTS, Copy, is_last, request_dump
from csworkbench.lab.gate import Gate
from csworkbench.lab.netfilter import connect

PORT = 3923
CONFIRM_S = 0.2
"""From the old router's last word to its change of mind."""
_ALL_S = 60.0
"""For everything before that."""
_RECEIVE_BUFFER = 8 << 20
_SO_RCVBUFFORCE = 33
_TRIES = 5
_FLOWS, _MARK, _YOURS, _KEPT, _BACK = b"F", b"M", b"Y", b"K", b"B"
_READY, _DONE = b"R", b"D"
_HEAD = struct.Struct("!cI")
_CAUGHT_UP_S = 0.002
"""A mark that comes back so soon had no backlog before it: the old router may close its gate."""


class _Peer:
    """Framed messages to the other router; nothing blocks on a slow one."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self.connection = connection
        self._in, self._out = bytearray(), bytearray()

    @property
    def pending(self) -> bool:
        """Whether anything is not sent yet."""
        return bool(self._out)

    def put(self, kind: bytes, data: bytes = b"") -> None:
        """Send a message, or as much of it as goes now."""
        self._out += _HEAD.pack(kind, len(data)) + data
        self.push()

    def push(self) -> None:
        """Go on sending."""
        with suppress(BlockingIOError):
            while self._out:
                del self._out[: self.connection.send(self._out)]

    def take(self) -> tuple[bytes, bytes] | None:
        """The next message that has come as a whole; raises ConnectionError when the other one has gone."""
        with suppress(BlockingIOError):
            while not self._complete():
                more = self.connection.recv(1 << 18)
                if not more:
                    raise ConnectionError("the other router has gone")
                self._in += more
        if not self._complete():
            return None
        kind, length = _HEAD.unpack_from(self._in)
        data = bytes(self._in[_HEAD.size : _HEAD.size + length])
        del self._in[: _HEAD.size + length]
        return kind, data

    def wait(self, limit_s: float) -> tuple[bytes, bytes]:
        """The next message; raises TimeoutError or ConnectionError."""
        end = time.monotonic() + limit_s
        with selectors.DefaultSelector() as selector:
            selector.register(self.connection, selectors.EVENT_READ)
            while (found := self.take()) is None:
                left = end - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise TimeoutError("the other router says nothing")
        return found

    def _complete(self) -> bool:
        return len(self._in) >= _HEAD.size and len(self._in) >= _HEAD.size + _HEAD.unpack_from(self._in)[1]


def _hurry() -> None:
    """A real router has its processors for itself."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)


def hand_over(address: str, passwords: str) -> str:
    """In the old router: give everything to the one at that control address. Raises OSError when it serves on.

    Its gate must be there, open. Returns `held_ms`: from before it closed until the new router had confirmed.
    """
    _hurry()
    gate, peer = Gate(), _Peer(_connected(address))
    end = time.monotonic() + _ALL_S
    for left in reversed(range(_TRIES)):
        with connect(EVENTS) as events, connect() as dump:
            events.setblocking(False)
            dump.setblocking(False)
            events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)  # as far as the machine allows
            with suppress(OSError):  # only a real root may have it all
                events.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _RECEIVE_BUFFER)
            try:
                _copy(peer, events, dump, end)
                return json.dumps({"held_ms": round(_give(gate, peer, events, passwords), 3)})
            except OSError as error:
                if error.errno != errno.ENOBUFS or left == 0:  # the kernel told more than could be read
                    raise
    raise AssertionError


def _give(gate: Gate, peer: _Peer, events: socket.socket, passwords: str) -> float:
    """The old router's last act; returns the milliseconds. Whatever fails opens its gate again and raises OSError."""
    begun = time.monotonic()
    given = False
    try:
        gate.set(is_open=False)
        _pass_on(events, peer)
        unread = sorted(os.listdir(passwords))  # noqa: PTH208
        given = True
        peer.put(_YOURS, json.dumps(unread).encode())
        if peer.wait(CONFIRM_S)[0] != _DONE:
            raise ConnectionError("the new router does not confirm")
        length_ms = (time.monotonic() - begun) * 1000
        peer.put(_KEPT)
    except OSError:
        if given:
            with suppress(OSError):
                peer.put(_BACK)
        gate.set(is_open=True)
        raise
    return length_ms


def _copy(peer: _Peer, events: socket.socket, dump: socket.socket, end: float) -> None:
    """All flows and their changes, until the new router has them all but for what comes in this moment."""
    request_dump(dump)
    dumped, marked = False, 0.0
    with selectors.DefaultSelector() as selector:
        for channel in (events, dump):
            selector.register(channel, selectors.EVENT_READ)
        selector.register(peer.connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while time.monotonic() < end:
            selector.select(0.05)
            _pass_on(events, peer)
            if not dumped and (data := _read(dump)) is not None:  # one piece: events come meanwhile
                peer.put(_FLOWS, data)
                dumped = is_last(data)
                if dumped:
                    selector.unregister(dump)
                    peer.put(_MARK)
                    marked = time.monotonic()
            peer.push()
            want = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.pending else 0)
            selector.modify(peer.connection, want)
            if (found := peer.take()) is not None and found[0] == _READY:
                round_trip_s, marked = time.monotonic() - marked, time.monotonic()
                if round_trip_s <= _CAUGHT_UP_S:
                    return
                peer.put(_MARK)
    raise TimeoutError("the new router does not keep up")


def _pass_on(events: socket.socket, peer: _Peer) -> None:
    """Send on what the kernel has told."""
    while (data := _read(events)) is not None:
        peer.put(_FLOWS, data)


def _read(channel: socket.socket) -> bytes | None:
    try:
        return channel.recv(65536)
    except BlockingIOError:
        return None


def _connected(address: str) -> socket.socket:
    """The new router listens any moment. Raises OSError."""
    end = time.monotonic() + 5.0
    while True:
        try:
            return socket.create_connection((address, PORT), timeout=5.0)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


def take_over(address: str, devices: dict[str, tuple[list[str], str | None]], own: list[str], passwords: str) -> str:
    """In the new router: take everything from the one that connects to this control address.

    `devices`: what to announce (see `calls_arp.announce`); `own`: addresses whose connections end in the router. Its
    gate must be closed; raises OSError with the gate closed. Returns the counts of `Census`, and `refused`.
    """
    _hurry()
    gate, copy, announce = Gate(), Copy(own, address), _prepared(devices)
    with socket.create_server((address, PORT)) as listener:
        listener.settimeout(5.0)
        connection, _ = listener.accept()
    peer = _Peer(connection)
    while True:
        kind, data = peer.wait(_ALL_S)
        match kind:
            case b"F":
                copy.apply(data)
            case b"M":
                peer.put(_READY)
            case b"Y":
                break
            case _:
                raise ConnectionError("the old router has changed its mind")
    begun = time.monotonic_ns()
    try:
        gate.set(is_open=True)
        announce()
        peer.put(_DONE)
        opened_ms = (time.monotonic_ns() - begun) / 1e6
        _forget_read_passwords(passwords, json.loads(data))
        with suppress(TimeoutError, ConnectionError):  # it is gone: whoever is left serves
            if peer.wait(CONFIRM_S)[0] == _BACK:
                raise InterruptedError("the old router has taken everything back")
    except OSError:
        gate.set(is_open=False)
        raise
    result: dict[str, Any] = {**copy.census.counts(), "refused": copy.refused, "opened_ms": round(opened_ms, 3)}
    return json.dumps(result)


def _forget_read_passwords(directory: str, unread: list[str]) -> None:
    """A tenant may have read its own while the rest was copied."""
    for file in list(Path(directory).iterdir()):
        if file.name not in unread:
            file.unlink()


def _prepared(devices: dict[str, tuple[list[str], str | None]]) -> Callable[[], None]:
    """Everything for the announcement, so that it takes no time when it is due."""
    frames: list[tuple[socket.socket, list[bytes]]] = []
    for device, (addresses, gateway) in devices.items():
        sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        sender.bind((device, 0))
        mac = sender.getsockname()[4]
        frames.append((sender, [packet(mac, address, gateway) for address in addresses]))

    def announce() -> None:
        for sender, packets in frames:
            for one in packets:
                sender.send(one)

    return announce


def spool(directory: str) -> str:
    """The small files of a directory: `{name: text}`."""
    return json.dumps({file.name: file.read_text() for file in Path(directory).iterdir()})
