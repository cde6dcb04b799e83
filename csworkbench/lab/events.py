# SPDX-License-Identifier: Apache-2.0
"""The event log and the alerts, as the management server writes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from csworkbench.lab import records
from csworkbench.lab.faults import Faults

_KEPT = 20_000
ROUTER_ALERT = (9, "ALERT.SERVICE.DOMAINROUTER")


@dataclass(frozen=True, slots=True)
class Event:
    """One row. `state`: Created, Scheduled, Started or Completed; `start_id` is the first event of its family."""

    id: str
    type: str
    level: str
    description: str
    state: str
    account: str
    user: str
    start_id: str | None
    resource: tuple[str, str, str] | None
    """(id, type, name) of what it is about."""
    created: datetime = field(default_factory=records.now)


@dataclass(frozen=True, slots=True)
class Alert:
    """One row of listAlerts."""

    id: str
    type: int
    name: str
    description: str
    sent: datetime = field(default_factory=records.now)


@dataclass(slots=True)
class EventLog:
    """Newest last; bounded."""

    events: deque[Event] = field(default_factory=lambda: deque(maxlen=_KEPT))
    alerts: deque[Alert] = field(default_factory=lambda: deque(maxlen=_KEPT))
    starts: int = 0
    """How often the management server has started again: a thread of an earlier start writes no more events."""
    faults: Faults = field(default_factory=Faults)

    def find(self, identity: str) -> Event | None:
        """The event with that id."""
        return next((event for event in self.events if event.id == identity), None)


@dataclass(frozen=True, slots=True)
class EventFamily:
    """Writes the events of one operation: the first one is the parent of all later ones."""

    log: EventLog
    new_id: Callable[[], str]
    account: str
    user: str
    first: Event
    parent: str | None
    """`parentid` of the later events: the first one's id, unless nothing was written for it."""
    start: int

    def add(
        self,
        kind: str,
        state: str,
        description: str,
        *,
        level: str = "INFO",
        resource: tuple[str, str, str] | None = None,
    ) -> None:
        """One more event of the family, about the family's resource unless another is named."""
        if self.start != self.log.starts or (state == "Completed" and self.log.faults.is_set("events-missing")):
            return
        self.log.events.append(
            Event(
                self.new_id(),
                kind,
                level,
                description,
                state,
                self.account,
                self.user,
                self.parent,
                resource or self.first.resource,
            )
        )
