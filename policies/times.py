"""Days and lengths of time as a person writes them in a policy: `2026-09-01`, `180 days`. What day it is, is asked elsewhere."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from policies.findings import shown

MS_A_DAY: Final = 24 * 3600 * 1000
SHORTEST_KEPT: Final = 7  # days: a case must have time to be looked at
LONGEST_KEPT: Final = 3650  # days
SHORTEST_PAUSE: Final = 5  # seconds: below, nobody is slowed who types
LONGEST_PAUSE: Final = 6 * 3600  # seconds

FOREVER: Final = "forever"

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_PAUSE: Final = re.compile(r"([1-9][0-9]{0,5}) ?(s|m|h|seconds?|minutes?|hours?)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_DAYS: Final = re.compile(r"([1-9][0-9]{0,4}) days?")
_MINUTES: Final = re.compile(r"([1-9][0-9]{0,3}) ?(?:(m|min|minutes?)|h|hours?)")

__all__ = [
    "FOREVER",
    "LONGEST_KEPT",
    "MS_A_DAY",
    "SHORTEST_KEPT",
    "Lifetime",
    "Pause",
    "TimeError",
    "a_year_after",
    "parse_date",
    "parse_lifetime",
    "parse_minutes",
    "parse_pause",
]


class TimeError(ValueError):
    """A day or a length of time that cannot be meant, with advice."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Lifetime:
    """How long a message is kept, in whole days; for ever if `days` is None."""

    days: int | None

    @property
    def ms(self) -> int | None:
        """The same in ms, as `m.room.retention` has it; None for ever."""
        return self.days * MS_A_DAY if self.days is not None else None

    def longer_than(self, other: Lifetime) -> bool:
        """Whether a message is kept longer than by the other one."""
        return other.days is not None and (self.days is None or self.days > other.days)

    def __str__(self) -> str:
        return f"{self.days} days" if self.days is not None else FOREVER


@dataclass(frozen=True, slots=True)
class Pause:
    """How long each person waits between two messages, in whole seconds."""

    seconds: int

    @property
    def ms(self) -> int:
        return self.seconds * 1000

    def __str__(self) -> str:
        """Return it in the largest unit that it fills, so that the same pause always reads alike."""
        unit = next(name for name in "hms" if self.seconds % _SECONDS[name] == 0)
        return f"{self.seconds // _SECONDS[unit]}{unit}"


def parse_date(text: str) -> date:
    """Return the day that `YYYY-MM-DD` names. Raises `TimeError`."""
    advice = 'Write year, month and day: "2026-09-01" is the first of September 2026.'
    if not _DATE.fullmatch(text):
        raise TimeError(f'"{shown(text)}" is not a date', advice)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise TimeError(f'there is no day "{shown(text)}"', advice) from None


def a_year_after(day: date) -> date:
    """Return the same day of the next year; of a 29 February the 1 March."""
    try:
        return day.replace(year=min(day.year + 1, date.max.year))
    except ValueError:
        return date(day.year + 1, 3, 1)


def day_at(ms: int, zone: str) -> date:
    """Return the day that it is in a time zone, at a time in ms since 1970."""
    return datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).date()


def parse_lifetime(text: str) -> Lifetime:
    """Return the length of time that `N days` or `forever` names. Raises `TimeError`."""
    if text == FOREVER:
        return Lifetime(None)
    found = _DAYS.fullmatch(text)
    if found is None:
        advice = f'Write it in days: "180 days", or "{FOREVER}" with a reason and a name.'
        raise TimeError(f'"{shown(text)}" is not a length of time in days', advice)
    days = int(found[1])
    if not SHORTEST_KEPT <= days <= LONGEST_KEPT:
        advice = f'Write {SHORTEST_KEPT} to {LONGEST_KEPT} days, or "forever" with a reason and a name.'
        raise TimeError(f"{shown(text)} is out of range", advice)
    return Lifetime(days)


def parse_minutes(text: str) -> int:
    """Return how many minutes `N m` or `N h` names (also written out, as in `30 minutes`). Raises `TimeError`."""
    found = _MINUTES.fullmatch(text)
    if found is None:
        raise TimeError(f'"{shown(text)}" is not a length of time', 'Write minutes or hours: "30m", or "2h".')
    return int(found[1]) * (1 if found[2] else 60)


def parse_pause(text: str) -> Pause:
    """Return the pause that `30s`, `5 minutes` or `2h` names. Raises `TimeError`."""
    found = _PAUSE.fullmatch(text)
    if found is None:
        raise TimeError(f'"{shown(text)}" is not a pause', 'Write a number and its unit: "30s", "5m" or "2h".')
    seconds = int(found[1]) * _SECONDS[found[2][0]]
    if not SHORTEST_PAUSE <= seconds <= LONGEST_PAUSE:
        advice = f"Write {SHORTEST_PAUSE}s to {LONGEST_PAUSE // 3600}h; leave the key out to let people write at once."
        raise TimeError(f"a pause of {shown(text)} is out of range", advice)
    return Pause(seconds)
