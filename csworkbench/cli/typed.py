# SPDX-License-Identifier: Apache-2.0
"""What a person types at the terminal, read without a thread."""

import asyncio
import os
import sys

MOST_BYTES = 1024


async def typed_line() -> str:
    """A line of stdin; not in a thread, which would hold up the end after Ctrl-C until Enter is pressed."""
    loop = asyncio.get_running_loop()
    typed = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), typed.set)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return os.read(sys.stdin.fileno(), MOST_BYTES).decode("utf-8", "replace").strip()
