# SPDX-License-Identifier: Apache-2.0
"""A command of ours, run to its end in a process of its own."""

import asyncio
import sys
from collections.abc import Sequence


def own_command(*words: str) -> list[str]:
    """`csworkbench WORDS` with this interpreter."""
    return [sys.executable, "-m", "csworkbench", *words]


async def complaint(words: Sequence[str]) -> str:
    """Run `csworkbench WORDS`: "" when it worked, else the last line of what it said. Raises OSError."""
    process = await asyncio.create_subprocess_exec(
        *own_command(*words), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if not process.returncode:
        return ""
    lines = said.decode("utf-8", "replace").strip().splitlines() or ["no reason given"]
    return lines[-1][:300]
