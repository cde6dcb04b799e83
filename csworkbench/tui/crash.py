# SPDX-License-Identifier: Apache-2.0
"""What a screen that has crashed prints: the traceback without locals, which may hold what must not be shown."""

import traceback

from rich.text import Text
from textual.worker import WorkerFailed

FRAMES = 12


def crash_report(error: BaseException | None, head: str) -> Text:
    """`head`, then the innermost frames of the error; of a worker's failure those of the worker itself."""
    if isinstance(error, WorkerFailed):
        error = error.error
    lines = traceback.format_exception(error, limit=-FRAMES) if error is not None else ["unknown error\n"]
    return Text(f"{head}\n" + "".join(lines))
