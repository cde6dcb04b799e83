# SPDX-License-Identifier: Apache-2.0
"""Which entries of CloudStack's event log belong to one operation (cloudstack-api.md 5). Pure."""

import re
from collections.abc import Iterable
from datetime import datetime

from csworkbench.model.event import CloudEventSeen

from .envelope import Row, string

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def parse_created(text: object) -> tuple[int, int] | None:
    """(seconds since 1970, zone offset in seconds) of a stamp with any offset; None when it cannot be read."""
    try:
        moment = datetime.fromisoformat(string(text, 40))
    except ValueError:
        return None
    offset = moment.utcoffset()
    return None if offset is None else (int(moment.timestamp()), int(offset.total_seconds()))


def seen(row: Row) -> CloudEventSeen:
    """The row as an event of the run; `created_s` is 0 when its stamp cannot be read."""
    created = parse_created(row.get("created"))
    return CloudEventSeen(
        id=string(row.get("id"), 64),
        type=string(row.get("type"), 64),
        level=string(row.get("level"), 16),
        state=string(row.get("state"), 32),
        description=string(row.get("description"), 1_000),
        created_s=created[0] if created else 0,
        parent=string(row.get("parentid"), 64),
        resource_type=string(row.get("resourcetype"), 64),
        resource_id=string(row.get("resourceid"), 64),
    )


class Family:
    """The events of one operation on one object: its Scheduled event, all below it, and its routers' own.

    `ids` and `names` are the object's and its routers'. Rows before 4.17 have no resource fields: there the
    description decides, and a router event that names nobody is taken in rather than lost.
    """

    def __init__(self, root_type: str, ids: Iterable[str], names: Iterable[str]) -> None:
        self.root = ""
        self.root_type = root_type
        self._ids = {i for i in ids if i}
        self._names = {n for n in names if n}
        self._members: set[str] = set()

    def learn(self, ids: Iterable[str], names: Iterable[str]) -> None:
        """Take in routers that came up during the operation."""
        self._ids |= {i for i in ids if i}
        self._names |= {n for n in names if n}

    def select(self, events: list[CloudEventSeen]) -> list[CloudEventSeen]:
        """The members among `events`, in the same order. A child may stand before its parent."""
        for event in events:
            if not self.root and event.type == self.root_type and not event.parent and self._belongs(event):
                self.root = event.id
        before = -1
        while before != len(self._members):
            before = len(self._members)
            self._members |= {event.id for event in events if self._belongs(event)}
        return [event for event in events if event.id in self._members]

    def _belongs(self, event: CloudEventSeen) -> bool:
        if event.parent and event.parent in self._members:
            return True
        if event.resource_id in self._ids or self._named(event.description):
            return True
        if event.resource_id or (event.parent and self.root):
            return False
        if event.type.startswith("ROUTER."):
            return bool(event.parent) or not _UUID.search(event.description)
        # 4.9 wrote an internal number in place of the UUID.
        return event.type == self.root_type and not event.parent and not _UUID.search(event.description)

    def _named(self, description: str) -> bool:
        known = (*self._ids, *self._names)
        return any(re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", description) for word in known)
