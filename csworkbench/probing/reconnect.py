# SPDX-License-Identifier: Apache-2.0
"""A new channel after a loss, as soon as there can be one (S10)."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from .shell import LoginRefused, Shell, ShellError

NEXT_LOGIN_S = 1.0
LOGINS_AT_ONCE = 3
RECONNECT_LIMIT_S = 3600.0

Connect = Callable[[float], Coroutine[Any, Any, tuple[Shell, int]]]  # limit in s -> (shell, attempts made)


@dataclass(frozen=True, slots=True)
class Retry:
    """How long to pause before the next try."""

    pause_s: float
    most_s: float

    def longer(self) -> "Retry":
        """After one more in vain."""
        return replace(self, pause_s=min(2 * self.pause_s, self.most_s))


RETRY = Retry(0.4, 5.0)
REFUSED = Retry(1.0, 10.0)  # sshd counts refused logins against our address


async def reconnect(connect: Connect, warn: Callable[[str], None]) -> tuple[Shell, int]:
    """Log in again: (shell, attempts made). Goes on for ever; `warn` hears each new reason for a refusal.

    A login may hang on a path that broke again under it, so another one is begun beside it after a while.
    """
    logins: set[asyncio.Task[tuple[Shell, int]]] = set()
    begun, refused, told = 0, REFUSED, ""
    try:
        while True:
            if len(logins) < LOGINS_AT_ONCE:
                logins.add(asyncio.create_task(connect(RECONNECT_LIMIT_S)))
                begun += 1
            done, logins = await asyncio.wait(logins, timeout=NEXT_LOGIN_S, return_when=asyncio.FIRST_COMPLETED)
            good = [task.result() for task in done if task.exception() is None]
            for shell, _ in good[1:]:
                shell.abort()
            if good:
                return good[0][0], good[0][1] + begun - 1
            pause_s = RETRY.pause_s if done else 0.0  # refused at once: do not spin
            for error in (task.exception() for task in done):
                if isinstance(error, LoginRefused):
                    pause_s, refused = refused.pause_s, refused.longer()
                    if str(error) != told:
                        told = str(error)
                        warn(told)
                elif error is not None and not isinstance(error, ShellError | OSError):
                    raise error
            await asyncio.sleep(pause_s)
    finally:
        for task in logins:  # nothing is awaited here: a cancellation in between would lose the winner
            task.add_done_callback(_abort_late)
            task.cancel()


def _abort_late(task: asyncio.Task[tuple[Shell, int]]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result()[0].abort()
