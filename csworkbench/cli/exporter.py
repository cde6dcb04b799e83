# SPDX-License-Identifier: Apache-2.0
"""`exporter`: the process behind `--metrics`. It reads the run file as viewers do and never speaks to the engine."""

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import click
from prometheus_client import CollectorRegistry, MetricsHandler

from csworkbench.recording.library import RunFolder
from csworkbench.recording.reader import RunFileError, RunFileReader
from csworkbench.results.exporter import RunCollector

EVERY_S = 0.25
LONGEST_LINGER_S = 60.0
REQUEST_LIMIT_S = 10.0


class Scrapes:
    """When scrapes were answered; `interval_s` is that between the last two, None before."""

    def __init__(self) -> None:
        self.count, self._last = 0, 0.0
        self.interval_s: float | None = None

    def heard(self) -> None:
        """One more."""
        now = time.monotonic()
        if self.count:
            self.interval_s = now - self._last
        self.count, self._last = self.count + 1, now


@click.command(hidden=True)
@click.argument("number", type=int)
def exporter(number: int) -> None:
    """Serve at the listening socket NUMBER; stdin names the folder of each run, its end ends this."""
    for signal_number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signal_number, signal.SIG_IGN)  # they are for the run, which closes our stdin
    with contextlib.suppress(OSError):
        os.nice(5)
    scrapes = Scrapes()
    collector = RunCollector(scrapes.heard)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    server = _server(socket.socket(fileno=number), registry)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    _follow(collector)
    seen, end = scrapes.count, time.monotonic() + min(2 * (scrapes.interval_s or 0.0), LONGEST_LINGER_S)
    while scrapes.count == seen and time.monotonic() < end:  # once more, so that the verdict is known
        time.sleep(0.1)
    time.sleep(0.2 if scrapes.count > seen else 0)  # until that answer is written


def _server(listening: socket.socket, registry: CollectorRegistry) -> ThreadingHTTPServer:
    handler = MetricsHandler.factory(registry)
    handler.timeout = REQUEST_LIMIT_S  # type: ignore[attr-defined] # of a client that says nothing
    server = ThreadingHTTPServer(listening.getsockname()[:2], handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.daemon_threads = True
    return server


def _follow(collector: RunCollector) -> None:
    """Feed the newest run that stdin named until stdin ends and that run has been read to its end."""
    waiting, reader, after = b"", None, 0
    folder: RunFolder | None = None
    gone = False
    while True:
        over = gone
        if not gone and select.select([sys.stdin], [], [], EVERY_S)[0]:
            data = os.read(sys.stdin.fileno(), 65536)
            gone = not data
            *names, waiting = (waiting + data).split(b"\n")
            if names:
                _close(reader)
                folder, reader, after = RunFolder(Path(os.fsdecode(names[-1]))), None, 0
                collector.begin()
        try:
            if reader is None and folder is not None and folder.file.is_file():
                reader = RunFileReader(folder.file)
            while reader is not None and (events := reader.read(after)):
                after = events[-1].seq
                collector.feed(events)
        except RunFileError:
            _close(reader)  # being made, or gone: the next look may find it
            reader = None
        if over:
            return


def _close(reader: RunFileReader | None) -> None:
    if reader is not None:
        reader.close()
