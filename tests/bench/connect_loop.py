# SPDX-License-Identifier: Apache-2.0
"""A loop that connects, as people write it, and what it connects to: `connect_loop.py listen`, `... loop JSON`.

The loop prints `[address, start_ns, end_ns, good]` of each attempt (CLOCK_MONOTONIC) when it is interrupted.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
import threading
import time
from contextlib import suppress

PORT = 7010


def _listen() -> None:
    server = socket.create_server(("0.0.0.0", PORT), backlog=1024)
    print("ready", flush=True)
    while True:
        server.accept()[0].close()


def _loop(addresses: list[str], interval_s: float, timeout_s: float | None) -> None:
    lines: list[str] = []

    def one(address: str) -> None:
        while True:
            start_ns, good = time.monotonic_ns(), True
            try:
                socket.create_connection((address, PORT), timeout_s).close()
            except OSError:
                good = False
            lines.append(json.dumps([address, start_ns, time.monotonic_ns(), good]))
            time.sleep(interval_s)

    for address in addresses:
        threading.Thread(target=one, args=(address,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
    with suppress(KeyboardInterrupt):
        time.sleep(1e6)
    print("\n".join(list(lines)), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "listen":
        _listen()
    else:
        _loop(**json.loads(sys.argv[2]))
