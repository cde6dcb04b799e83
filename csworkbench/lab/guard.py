# SPDX-License-Identifier: Apache-2.0
"""A forked child that stands between the outer process and `unshare`, so that nothing of the namespaces outlives it.

When the outer process is killed, its orphans would go to the machine's init, and a slow one leaves them as zombies that
pin their namespaces. The guard is their reaper instead: it sees the end of its life line, gives the supervisor a moment
to see the same, kills what is left, reaps it and goes. When the guard itself is killed, `unshare` dies by its
parent-death signal and takes the supervisor along (`--kill-child`).
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from contextlib import suppress

from csworkbench.lab import kernel

_GRACE_MS = 300
"""How long the supervisor may take to end by itself once the outer process is gone."""


def start(words: Sequence[str], kept: int, life_line: int, errors: int, environment: dict[str, str]) -> int:
    """Fork the guard and let it run the command; returns the guard's pid.

    `kept` is the descriptor that the command inherits under its own number, `life_line` the end of a pipe whose other
    end only the outer process holds, `errors` the command's stderr.
    """
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        _close_all_but({kept, life_line, errors})
        _guard(words, kept, life_line, errors, environment)
    finally:
        os._exit(1)


def _guard(words: Sequence[str], kept: int, life_line: int, errors: int, environment: dict[str, str]) -> None:
    kernel.adopt_orphans()
    pid = os.fork()
    if pid == 0:
        _execute(words, kept, errors, environment)
    os.close(kept)
    os.close(errors)
    watched = os.pidfd_open(pid)
    _wait_for([life_line, watched], None)
    if not _wait_for([watched], _GRACE_MS):
        signal.pidfd_send_signal(watched, signal.SIGKILL)
    with suppress(ChildProcessError):
        while True:
            os.wait()


def _execute(words: Sequence[str], kept: int, errors: int, environment: dict[str, str]) -> None:
    try:
        kernel.die_with_parent()
        null = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, null), (1, null), (2, errors)):
            os.dup2(source, target)
        os.set_inheritable(kept, True)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        os.execvpe(words[0], list(words), environment)  # noqa: S606
    except OSError as error:
        os.write(errors, f"{words[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _close_all_but(kept: set[int]) -> None:
    """Above all the lock of the state directory and the agents' channels, which must end with the outer process."""
    start_at = 0
    for number in sorted(kept):
        os.closerange(start_at, number)
        start_at = number + 1
    os.closerange(start_at, 4096)


def _wait_for(descriptors: list[int], limit_ms: int | None) -> bool:
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(limit_ms))
