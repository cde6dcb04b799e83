# SPDX-License-Identifier: Apache-2.0
"""What a viewer does as a process: it keeps pauses short, and notices that the terminal has gone.

SIGHUP does not reach a process that nohup or setsid has set apart. And it is not enough: after a write error Textual's
writer thread is dead, its queue of 30 frames fills up, and then the event loop waits for ever while the input thread
reads the end of the file at full speed. So a thread looks, asks for an orderly end, and then makes one.
"""

import contextlib
import errno
import gc
import os
import sys
import termios
import threading
from collections.abc import Callable

LOOK_S = 1.0
GRACE_S = 2.0


def calm_collector() -> None:
    """Take what has been loaded out of the garbage collector's sight.

    A full collection would look at the modules of half a million objects each time, and a key would wait 30-200 ms.
    """
    gc.collect()
    gc.freeze()


def gone() -> bool:
    """True when standard input was a terminal that has been hung up; False for a living one, and for no terminal."""
    if sys.__stdin__ is None or sys.__stdin__.closed:
        return False
    try:
        termios.tcgetattr(sys.__stdin__.fileno())
    except termios.error as error:
        return bool(error.args) and error.args[0] == errno.EIO  # ENOTTY for what never was one
    except (OSError, ValueError):
        return False
    return False


def watch(on_gone: Callable[[], None]) -> None:
    """Look for the terminal for as long as the process lives. `on_gone` is called once, in the watching thread."""

    def look() -> None:
        pause = threading.Event()
        while not gone():
            pause.wait(LOOK_S)
        with contextlib.suppress(RuntimeError):  # the loop has been closed already
            on_gone()
        pause.wait(GRACE_S)
        os._exit(0)  # a viewer has nothing to save; the engine is a process of its own

    threading.Thread(target=look, name="terminal", daemon=True).start()
