# SPDX-License-Identifier: Apache-2.0
"""What runs in a system VM: the agent that keeps a connection to its management server, and the web servers.

Forked from the host's agent like the other small servers; these few may take the imports of the standard library's.
"""

from __future__ import annotations

import ctypes
import http.server
import json
import os
import select
import socket
import socketserver
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path

from csworkbench.lab.calls_http import LISTENING

AGENT_STARTED = "agent started"
"""What an agent without a web server writes to stderr."""
STARTUP, PING = "StartupCommand", "PingCommand"
PING_S = 1.0
_RECONNECT_S = 0.5
_CONNECT_LIMIT_S = 5.0
_CLIENT_S = 10.0
_PR_SET_NAME = 15
_PUBLIC_PORTS = (80, 8080)
_TLS_PORT, _COMMAND_PORT = 443, 8001


def storage_agent(server: str, port: int, properties: str, log: str) -> str:
    """The agent of a secondary storage VM; never returns. Raises OSError or KeyError when its software is not there."""
    _name("cloud")
    version = _version(properties)
    os.write(2, f"{AGENT_STARTED}\n".encode())
    return _stay_connected(server, port, version, log)


def console_proxy(server: str, port: int, properties: str, log: str, certificate: str, key: str) -> str:
    """The agent of a console proxy VM, which is the console proxy itself too; otherwise as `storage_agent`."""
    _name("cloud")
    version = _version(properties)
    context = _tls(certificate, key)
    listeners = [_Server(number, _Console, None) for number in _PUBLIC_PORTS]
    listeners += [_Server(_TLS_PORT, _Console, context), _Server(_COMMAND_PORT, _Status, None)]
    _serve(listeners)
    return _stay_connected(server, port, version, log)


def file_server(directory: str, certificate: str, key: str) -> str:
    """The web server of a secondary storage VM: the files below `directory`, no listings; never returns."""
    _name("apache2")
    handler = partial(_Files, directory=directory)
    threads = _serve([_Server(80, handler, None), _Server(_TLS_PORT, handler, _tls(certificate, key))])
    for thread in threads:
        thread.join()
    return "{}"


def _version(properties: str) -> str:
    """Of the process from now on: what is installed later counts after a restart. Raises OSError or KeyError."""
    lines = Path(properties).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)["version"]


def _stay_connected(server: str, port: int, version: str, log: str) -> str:
    """Say which release this is, then ping, and begin again when the connection ends."""

    def note(text: str) -> None:
        with Path(log).open("a") as lines:
            lines.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    note(f"agent {version} started, pid {os.getpid()}")
    while True:
        try:
            with socket.create_connection((server, port), timeout=_CONNECT_LIMIT_S) as connection:
                connection.sendall(f"{STARTUP} {version}\n".encode())
                note(f"connected to {server}:{port}")
                while not select.select([connection], [], [], PING_S)[
                    0
                ]:  # the server never speaks: readable is its end
                    connection.sendall(f"{PING}\n".encode())
            note("lost connection to the server")
        except OSError as error:
            note(f"cannot connect to {server}:{port}: {error}")
        time.sleep(_RECONNECT_S)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, port: int, handler: Callable[..., http.server.BaseHTTPRequestHandler], context: ssl.SSLContext | None
    ) -> None:
        super().__init__(("", port), handler)
        if context is not None:  # the handshake is left to the connection's own thread
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away or speaks no TLS: nothing to tell."""


class _Console(http.server.BaseHTTPRequestHandler):
    """The console proxy's public side: its scripts, and no console without a token."""

    timeout = _CLIENT_S
    server_version = "ConsoleProxy"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/resource/js/ajaxkeys.js":
            _answer(self, HTTPStatus.OK, "application/javascript", "var keyboardTables = [];\n")
        else:
            _answer(self, HTTPStatus.NOT_FOUND, "text/html", "Not Found\n")

    do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


class _Status(_Console):
    """The console proxy's own port for its agent and its zone."""

    def do_GET(self) -> None:
        if self.path.partition("?")[0] == "/getstatus":
            _answer(self, HTTPStatus.OK, "application/json", json.dumps({"connections": [], "removedSessions": []}))
        else:
            _answer(self, HTTPStatus.NOT_FOUND, "text/html", "Not Found\n")

    do_HEAD = do_GET  # noqa: N815


class _Files(http.server.SimpleHTTPRequestHandler):
    timeout = _CLIENT_S
    server_version = "Apache"
    sys_version = ""

    def list_directory(self, path: object) -> None:
        """As `Options -Indexes`: no listings."""
        self.send_error(HTTPStatus.FORBIDDEN)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is logged."""


def _answer(handler: http.server.BaseHTTPRequestHandler, status: HTTPStatus, kind: str, text: str) -> None:
    body = text.encode()
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def _serve(servers: list[_Server]) -> list[threading.Thread]:
    """One thread per listening socket; tells on stderr when all listen."""
    threads = [threading.Thread(target=server.serve_forever, daemon=True) for server in servers]
    for thread in threads:
        thread.start()
    ports = ", ".join(str(server.server_address[1]) for server in servers)
    os.write(2, f"{LISTENING} {ports}\n".encode())
    return threads


def _tls(certificate: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _name(name: str) -> None:
    """What `ps` shows."""
    ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
