# SPDX-License-Identifier: Apache-2.0
"""Copying a run to another store while it goes on. The run file stays the journal: this only ever reads it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from .folder_store import FolderStore
from .library import RunFolder
from .store import Store, StoreError, StoreLost, carry, send

EVERY_S = 0.5
LONGEST_S = 30.0  # between two attempts to reach a store that does not answer
PATIENCE_S = 60.0  # for a store that does not answer when the run is over


@dataclass(frozen=True, slots=True)
class Published:
    """How far a run came: `behind` entries are only in the run file."""

    position: int
    behind: int
    why: str = ""


def publish(
    folder: RunFolder,
    store: Store,
    *,
    ended: Callable[[], bool],
    say: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Published:
    """Until `ended` says that nothing is written any more, and all of it is there or the patience is over.

    A store that cannot be reached is tried again and again; what it missed is sent when it answers.
    """
    source = FolderStore(folder.path.parent)
    wait_s, over_at, why, position, said, there = EVERY_S, 0.0, "", 0, "", ""
    while True:
        over = ended()  # before the look: what was written until then is seen by it
        if over and not over_at:
            over_at = clock()
        try:
            if folder.file.is_file() and source.position(folder.name):
                if not there:
                    there, _, position = carry(source, folder.name, store)
                position = send(source, folder.name, store, there, position)
                if said != "there":
                    say(f"{store.shown}: {'publishing' if not said else 'answers again: publishing'} {there}")
                    said = "there"
            wait_s, why = EVERY_S, ""
            if over:
                return Published(position, 0)
        except StoreLost as error:
            why, there = str(error), ""  # it may have come back without the last that it had taken
            if said != "lost":
                say(f"{error}; {folder.name} is recorded here and will be sent when it answers")
                said = "lost"
            if over and clock() - over_at > PATIENCE_S:
                return Published(position, source.position(folder.name) - position, why)
            wait_s = min(wait_s * 2, LONGEST_S if not over else EVERY_S * 4)
        except StoreError as error:
            return Published(position, _behind(source, folder.name, position), str(error))
        pause(wait_s)


def _behind(source: FolderStore, name: str, position: int) -> int:
    try:
        return max(source.position(name) - position, 0)
    except StoreError:
        return 0
