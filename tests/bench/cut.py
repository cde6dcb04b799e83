# SPDX-License-Identifier: Apache-2.0
"""Cuts addresses off and lets them through again, on time: `cut.py DEVICE`, in the namespace of that device.

Standard input: one JSON line `[[at_ns, address, down], ...]` in order of CLOCK_MONOTONIC. Prints `ready` and then, for
each, `[before_ns, after_ns]`: stamps around the one call that changes it. IPv4 packets to an address that is cut off
are dropped as they come in on the device; ARP passes. By libnftables: a
process `nft` would take 5 ms per change.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
import time


class Nft:
    """libnftables in this process's network namespace."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libnftables.so.1")
        self._library.nft_ctx_new.restype = ctypes.c_void_p
        self._library.nft_run_cmd_from_buffer.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        self._context = self._library.nft_ctx_new(0)

    def run(self, text: bytes) -> tuple[int, int]:
        """Carry it out; CLOCK_MONOTONIC before and after. Raises OSError."""
        before_ns = time.monotonic_ns()
        failed = self._library.nft_run_cmd_from_buffer(self._context, text)
        after_ns = time.monotonic_ns()
        if failed:
            raise OSError(f"nft: {text.decode()}")
        return before_ns, after_ns


def main(device: str) -> None:
    """Until the last change has been made."""
    nft = Nft()
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(2))  # so that nothing falls between its stamps
    nft.run(
        f"table netdev cut {{ set down {{ type ipv4_addr; }};"
        f" chain c {{ type filter hook ingress device {device} priority 0; ip daddr @down drop; }}; }}".encode()
    )
    print("ready", flush=True)
    for at_ns, address, down in json.loads(sys.stdin.readline()):
        text = f"{'add' if down else 'delete'} element netdev cut down {{ {address} }}".encode()
        time.sleep(max(0, at_ns - time.monotonic_ns()) / 1e9)
        print(json.dumps(nft.run(text)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
