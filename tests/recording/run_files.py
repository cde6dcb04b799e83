# SPDX-License-Identifier: Apache-2.0
"""Run files from synthetic events."""

from collections.abc import Iterable
from pathlib import Path

from csworkbench.model.event import Event
from csworkbench.recording.writer import RunFileWriter


def write_events(path: Path, events: Iterable[Event], *, close: bool = True) -> RunFileWriter:
    """A run file with these events and their stamps."""
    stamps: list[Event] = []
    writer = RunFileWriter(path, {}, clock_ns=lambda: stamps[-1].at_ns, wall_ns=lambda: stamps[-1].wall_ns)
    for event in events:
        stamps.append(event)
        writer.write(event.body)
    if close:
        writer.close()
    return writer
