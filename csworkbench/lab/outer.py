# SPDX-License-Identifier: Apache-2.0
"""The outer process of a cloud: API, sockets and orchestration on the host; the namespaces behind it die with it."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csworkbench.lab import capability, topologies
from csworkbench.lab.hosts import LabError, first_error
from csworkbench.lab.launch import Namespaces
from csworkbench.lab.state import StateDirectory

if TYPE_CHECKING:
    from aiohttp import web

_log = logging.getLogger(__name__)

Report = Callable[[dict[str, Any]], None]
"""Takes `{"progress": text}` while it comes up, then `{"ready": info}`."""


async def run(options: Any, state: StateDirectory, report: Report, *, started_at: float, until_eof: bool) -> None:
    """Bring a cloud up, serve it until it is told to stop or its namespaces end, take it down.

    Raises LabError, after a crash too: then with the first real error, whose traceback is logged.
    """
    try:
        await _run(options, state, report, started_at=started_at, until_eof=until_eof)
    except Exception as error:
        first = first_error(error)
        if isinstance(first, LabError):
            raise first from error
        _log.error("the test cloud crashed", exc_info=error)
        raise LabError(f"it crashed: {type(first).__name__}: {' '.join(str(first).split())}") from error


async def _run(options: Any, state: StateDirectory, report: Report, *, started_at: float, until_eof: bool) -> None:
    capability.require(redundant=options.topology in topologies.REDUNDANT)
    state.prepare()
    state.lock()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    report({"progress": "namespaces"})
    starting = asyncio.create_task(Namespaces.start(root=os.geteuid() == 0))
    await asyncio.sleep(0)  # it has forked when this returns
    importlib.import_module("csworkbench.lab.api.server")  # aiohttp takes 0.2 s: the supervisor starts beside it
    namespaces = await starting
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a host needs some five; what it runs has its own limit
    serving = asyncio.create_task(_serve(options, state, namespaces, report, started_at, stop))
    try:
        serving.add_done_callback(lambda _: stop.set())
        namespaces.ended.add_done_callback(lambda _: stop.set())
        if until_eof:
            _stop_at_eof(stop)
        await stop.wait()
        if namespaces.ended.done():
            _log.error("the namespaces ended by themselves")
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving
    finally:
        await namespaces.stop()
        state.clear()


async def _serve(
    options: Any, state: StateDirectory, namespaces: Namespaces, report: Report, started_at: float, stop: asyncio.Event
) -> None:
    import socket  # noqa: PLC0415

    from aiohttp import web  # noqa: PLC0415

    from csworkbench.lab.api.server import application  # noqa: PLC0415
    from csworkbench.lab.cloud import Cloud, describe  # noqa: PLC0415
    from csworkbench.lab.integration import IntegrationPort  # noqa: PLC0415
    from csworkbench.lab.sockets import Listener, connector, controller  # noqa: PLC0415

    cloud = await Cloud.bring_up(options, state, namespaces, lambda text: report({"progress": text}))
    listeners: list[Listener] = []
    runner = web.AppRunner(application(cloud.management), access_log=None, shutdown_timeout=0.5)
    integration = IntegrationPort(cloud.management)
    cloud.management.restarted = integration.follow
    try:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        served = {"endpoint": f"http://127.0.0.1:{port}/client/api"}
        if options.tls:
            served = {**await _serve_tls(runner, state), "http_endpoint": served["endpoint"]}
        info = describe(
            cloud,
            options,
            state,
            pid=os.getpid(),
            start_time=process_start(os.getpid()),
            **served,
            started_s=round(time.monotonic() - started_at, 3),
        )
        listeners.append(Listener(state.connect_socket, socket.SOCK_STREAM, connector(cloud)))
        listeners.append(
            Listener(
                state.control_socket,
                socket.SOCK_SEQPACKET,
                controller(cloud, info, stop.set),
            )
        )
        state.write_info(info)
        report({"ready": info})
        await asyncio.Event().wait()
    finally:
        for listener in listeners:
            await listener.close()
        await cloud.close()
        await integration.close()
        await runner.cleanup()


async def _serve_tls(runner: web.AppRunner, state: StateDirectory) -> dict[str, str]:
    """A second door to the same API; what the info object tells of it."""
    from aiohttp import web  # noqa: PLC0415

    from csworkbench.lab import tls  # noqa: PLC0415

    authority = await asyncio.to_thread(tls.Authority.of, state.path)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server_context()).start()
    port = runner.addresses[-1][1]
    return {"endpoint": f"https://127.0.0.1:{port}/client/api", "ca": str(authority.ca_file)}


def process_start(pid: int) -> int:
    """Start time of a process in clock ticks since boot: with the pid it names a process for good."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def _stop_at_eof(stop: asyncio.Event) -> None:
    """A thread, because standard input may be anything, also what the event loop cannot watch."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(OSError):
            while os.read(0, 4096):
                pass
        with suppress(RuntimeError):  # the loop may have ended first
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=read, daemon=True).start()


def main() -> None:
    """The detached form, started by `lab up`: reports as JSON lines on descriptor `--report`."""
    from csworkbench.lab.options import Options  # noqa: PLC0415

    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--report", type=int, required=True)
    parser.add_argument("--started-at", type=float, required=True)
    parser.add_argument("--options", required=True)
    words = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    stream = os.fdopen(words.report, "w", buffering=1)

    def report(message: dict[str, Any]) -> None:
        try:
            print(json.dumps(message), file=stream)
        except OSError as error:
            raise LabError("the command that asked for this cloud is gone") from error
        if "ready" in message:
            stream.close()

    options = Options.from_json(words.options)
    try:
        asyncio.run(run(options, StateDirectory(words.state), report, started_at=words.started_at, until_eof=False))
    except LabError as error:
        _log.error("%s", error)
        if not stream.closed:
            with suppress(LabError):
                report({"error": str(error)})
        sys.exit(1)


if __name__ == "__main__":
    main()
