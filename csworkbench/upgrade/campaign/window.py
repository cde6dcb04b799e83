# SPDX-License-Identifier: Apache-2.0
"""A maintenance window: hours of the day in a time zone, on some days of the week, across midnight if need be."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AHEAD_DAYS = 9  # a week, and a day on either side


@dataclass(frozen=True, slots=True)
class Window:
    """From `start` until `end`, local times in `zone`; an end that is not later is that of the next day.

    `days`: on which it begins; none: on each. Nothing is started in the last `reserve` seconds.
    """

    start: time
    end: time
    zone: str = "UTC"
    days: tuple[str, ...] = ()
    reserve: float = 0.0

    def is_open(self, now: datetime) -> bool:
        """Whether something may be started now."""
        return any(start <= now < end for start, end in self._around(now))

    def opens(self, now: datetime) -> datetime:
        """When something may be started next; `now` while it is open."""
        return min(max(start, now) for start, end in self._around(now) if end > now)

    def closes(self, now: datetime) -> datetime | None:
        """Until when something may be started; None while it is closed."""
        return max((end for start, end in self._around(now) if start <= now < end), default=None)

    def _around(self, now: datetime) -> Iterator[tuple[datetime, datetime]]:
        zone = time_zone(self.zone)
        today = now.astimezone(zone).date()
        for ahead in range(-1, _AHEAD_DAYS):
            day = today + timedelta(days=ahead)
            if self.days and DAYS[day.weekday()] not in self.days:
                continue
            # Compared as moments: where the clock is changed in the night, the window is an hour longer or shorter.
            start = _moment(day, self.start, zone)
            end = _moment(day if self.end > self.start else day + timedelta(days=1), self.end, zone)
            end -= timedelta(seconds=self.reserve)
            if start < end:
                yield start, end


def time_zone(name: str) -> tzinfo:
    """Raises ZoneInfoNotFoundError, or ValueError for what is no name at all."""
    return UTC if name == "UTC" else ZoneInfo(name)


def _moment(day: date, at: time, zone: tzinfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
