# SPDX-License-Identifier: Apache-2.0
"""The engine's journal: a run that cannot be recorded must end, whoever was the first to find that out."""

from collections.abc import Callable

from csworkbench.model.event import Body
from csworkbench.recording.writer import RunFileWriter


class Recorder:
    """Writes to the run file. `failed` hears of the error before the caller does."""

    def __init__(self, writer: RunFileWriter, failed: Callable[[Exception], None]) -> None:
        self._writer, self._failed = writer, failed

    def write(self, *bodies: Body) -> None:
        """Append events. Raises what the writer raises."""
        try:
            self._writer.write(*bodies)
        except Exception as error:
            self._failed(error)
            raise
