# SPDX-License-Identifier: Apache-2.0
"""Spool records out of nothing, and a server that tails them to many channels as vantages would.

`python -m tests.bench.tail_source SOCKET LANES INTERVAL_NS`: each connection says its number, then gets the frames of
a spool that grows by the plan; blocks come each 50 ms.
"""

from __future__ import annotations

import asyncio
import os
import struct
import sys
import time
from collections.abc import Iterable
from pathlib import Path

HEADER = struct.Struct("<8sHHIQQ16s16s")
RECORD = struct.Struct("<IHBBBBHIQQQQQ")
RUN = bytes(range(16))
MS, S = 1_000_000, 1_000_000_000
STEP_S = 0.05
LOST_EACH = 500
BACKLOG = 1024  # connections that wait to be accepted; a local socket refuses more


def header(start_ns: int) -> bytes:
    return HEADER.pack(b"CSWSPOOL", 1, RECORD.size, 1, start_ns, start_ns, RUN, bytes(16))


def records(first_lane: int, lanes: int, seqs: Iterable[int], start_ns: int, interval_ns: int = 100 * MS) -> bytes:
    """A sample of each lane for each number; the record numbers follow from it."""
    out = bytearray()
    for seq in seqs:
        due_ns = start_ns + seq * interval_ns
        for lane in range(lanes):
            at_ns = due_ns + lane * MS
            lost = seq % LOST_EACH == lane
            row = (1, 1, 0, 0) if lost else (0, 0, 3, 0)
            received_ns, value = (0, 0) if lost else (at_ns + 300_000 + seq * 7919 % 50_000, 0xCB007109)
            out += RECORD.pack(
                seq * lanes + lane, first_lane + lane, 1, *row, seq, at_ns, at_ns + 20_000, received_ns, value, 0
            )
    return bytes(out)


def end_record(count: int) -> bytes:
    return RECORD.pack(count, 0xFFFF, 3, 0, 0, 0, 0, 0, 0, 1, 0, 0, count)


def frame(offset: int, data: bytes) -> bytes:
    return struct.pack("<BIQ", 0x44, 8 + len(data), offset) + data


class SocketPipe:
    """A channel over a local socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @staticmethod
    async def open(path: Path, number: int) -> SocketPipe:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"%d\n" % number)
        return SocketPipe(reader, writer)

    async def read(self) -> bytes:
        return await self._reader.read(65_536)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)

    def abort(self) -> None:
        self._writer.close()


async def serve(path: str, lanes: int, interval_ns: int) -> None:
    async def tail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = await reader.readline()
        if not who.endswith(b"\n"):
            return  # gone before it said who it is
        first = int(who) * lanes
        start_ns = time.monotonic_ns()
        writer.write(frame(0, header(start_ns)))
        answering = asyncio.create_task(answer(reader, writer))
        offset, seq = HEADER.size, 0
        try:
            while not writer.is_closing():
                now = (time.monotonic_ns() - start_ns) // interval_ns
                data = records(first, lanes, range(seq, now), start_ns, interval_ns)
                if data:
                    writer.write(frame(offset, data))
                    offset, seq = offset + len(data), now
                await writer.drain()
                await asyncio.sleep(STEP_S)
        except OSError:
            answering.cancel()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (line := await reader.readline()).endswith(b"\n"):  # a part of one is the last there is
            writer.write(struct.pack("<BIQQQ", 0x45, 24, int(line.split()[1]), time.monotonic_ns(), time.time_ns()))

    async with await asyncio.start_unix_server(tail, path, backlog=BACKLOG):
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.read)  # until whoever started it is gone
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
