# SPDX-License-Identifier: Apache-2.0
"""Telling a vantage that was rebooted from one whose prober died."""

from .shell import Shell, ShellError, one_line

LIMIT_S = 3.0
REBOOTED = "the machine was rebooted, and the prober was gone"
# A container shares its host's boot id: there the start of its first process tells.
MARK = "cat /proc/sys/kernel/random/boot_id 2>/dev/null; sed 's/.*) //' /proc/1/stat 2>/dev/null | cut -d' ' -f20"


def mark_of(out: str) -> str:
    """What `MARK` printed, as one bounded line; empty when the machine does not tell."""
    return one_line(out, 100)


async def was_rebooted(shell: Shell, before: str) -> bool:
    """Whether this is another boot than that of the mark; False when nobody can tell."""
    if not before:
        return False
    try:
        done = await shell.run(MARK, timeout_s=LIMIT_S)
    except ShellError:
        return False
    now = mark_of(done.out)
    return bool(now) and now != before
