# SPDX-License-Identifier: Apache-2.0
"""The viewers' socket: everybody sees the same history, whenever they come, and nobody disturbs the run."""

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest

from csworkbench.engine import server as server_module
from csworkbench.engine.address import short_path
from csworkbench.engine.client import NoEngine, Viewer
from csworkbench.engine.server import ViewerServer, _next_lines
from csworkbench.model.event import Event, Level, Notice, SamplesArrived
from csworkbench.model.sample import Outcome, Reason, Sample
from csworkbench.recording.reader import RunFileReader
from csworkbench.recording.writer import RunFileWriter


class Run:
    """A run file with its server, in a folder whose path is longer than a socket address may be."""

    def __init__(self, tmp_path: Path) -> None:
        folder = tmp_path / ("deep" * 20) / ("deeper" * 15)
        folder.mkdir(parents=True)
        self.file, self.socket = folder / "run.db", folder / "engine.sock"
        self.writer = RunFileWriter(self.file, {})
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.server = ViewerServer(self.file, self.socket, lambda name, args: self.asked.append((name, args)))
        self.writer.subscribe(self.server.tell)

    def say(self, count: int) -> None:
        for n in range(count):
            self.writer.write(Notice(Level.INFO, f"line {n}"))
            sample = Sample(n, n, n + 1, n + 2, Outcome.OK, Reason.NONE, 0, 1 << 47)
            self.writer.write(SamplesArrived(1, (sample, sample)))


async def read(viewer: Viewer, count: int) -> list[Event]:
    events: list[Event] = []
    async with asyncio.timeout(20):
        async for batch in viewer.events():
            events += batch
            if len(events) >= count:
                break
    return events


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


async def test_early_late_and_resumed_viewers_see_the_same(run: Run) -> None:
    async with run.server:
        early = await Viewer.attach(run.socket)
        run.say(300)
        late = await Viewer.attach(run.socket)
        resumed = await Viewer.attach(run.socket, after_seq=100)
        run.say(300)
        seen = [await read(early, 1200), await read(late, 1200)]
        rest = await read(resumed, 1100)
        stored = list(RunFileReader(run.file))
        assert seen[0] == seen[1] == stored
        assert rest == stored[100:]
        for viewer in (early, late, resumed):
            await viewer.close()


async def test_a_viewer_that_does_not_read_holds_up_nobody(run: Run) -> None:
    async with run.server:
        with short_path(run.socket) as path, socket.socket(socket.AF_UNIX) as stalled:
            stalled.connect(path)
            stalled.sendall(b'{"attach": 0}\n')
            other = await Viewer.attach(run.socket)
            run.say(3000)
            assert len(await read(other, 6000)) == 6000
            await other.close()


async def test_the_last_events_reach_the_viewers_before_the_end(run: Run) -> None:
    async with run.server:
        viewer = await Viewer.attach(run.socket)
        await read_one(viewer, run)
        run.say(200)
    events = await read(viewer, 10_000)
    assert [e.seq for e in events] == list(range(3, 403))


async def test_what_is_written_while_a_viewer_is_served_reaches_it_too(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that comes between the reading and its result must not be taken for sent."""
    loop = asyncio.get_running_loop()
    late: list[int] = []

    def read_then_more(file: RunFileReader, after: int) -> tuple[bytes, int]:
        if late:
            time.sleep(0.2)  # so that whoever takes the rest for sent has left by then
        found = _next_lines(file, after)
        if after >= 2 and not late:
            late.append(1)
            written = threading.Event()
            for step in (lambda: run.say(50), written.set, leaving.set):
                loop.call_soon_threadsafe(step)
            assert written.wait(10)
        return found

    leaving = asyncio.Event()
    monkeypatch.setattr(server_module, "_next_lines", read_then_more)
    run.say(1)
    async with run.server:
        viewer = await Viewer.attach(run.socket)
        await leaving.wait()
    assert len(await read(viewer, 10_000)) == 102


async def test_who_connects_and_says_nothing_holds_up_nobody(run: Run) -> None:
    async with run.server:
        with short_path(run.socket) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        await asyncio.sleep(0.05)
        leaving = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - leaving < 2
    assert await reader.read() == b""
    writer.close()


async def test_a_number_that_no_run_file_has_lets_the_viewer_go(run: Run) -> None:
    async with run.server:
        viewer = await Viewer.attach(run.socket, after_seq=1 << 70)
        assert await read(viewer, 1) == []
        await viewer.close()


async def read_one(viewer: Viewer, run: Run) -> None:
    run.say(1)
    assert len(await read(viewer, 2)) == 2


async def test_commands_arrive_and_garbage_is_ignored(run: Run) -> None:
    async with run.server:
        viewer = await Viewer.attach(run.socket)
        viewer._writer.write(b"garbage\n[1]\n\xff\xfe\n")
        await viewer.send("note", text="hello")
        async with asyncio.timeout(10):
            while not run.asked:  # noqa: ASYNC110 - the callback is all there is
                await asyncio.sleep(0.01)
        assert run.asked == [("note", {"text": "hello"})]
        await viewer.close()


@pytest.mark.parametrize("hello", [b"", b"{}\n", b"no json\n", b'{"attach": "x"}\n', b"x" * 20_000])
async def test_who_does_not_say_hello_is_let_go(run: Run, hello: bytes) -> None:
    async with run.server:
        with short_path(run.socket) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(hello)
        if hello:
            await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(10):
            assert await reader.read() == b""
        assert run.server.viewers == 0


async def test_the_socket_is_private_and_goes_with_the_engine(run: Run) -> None:
    async with run.server:
        assert run.socket.stat().st_mode & 0o077 == 0
    assert not run.socket.exists()
    with pytest.raises(NoEngine, match="no engine answers"):
        await Viewer.attach(run.socket)
