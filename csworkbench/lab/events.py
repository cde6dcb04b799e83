# SPDX-License-Identifier: Apache-2.0
"""The event log and the alerts, as the management server writes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from csworkbench.lab import records

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
        self.log.events.append(
            Event(
                self.new_id(),
                kind,
                level,
                description,
                state,
                self.account,
                self.user,
                self.first.id,
                resource or self.first.resource,
            )
        )
