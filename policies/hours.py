"""Staffed hours: "Mon-Fri 09:00-17:00, Sat 10:00-12:00 Europe/London" as a value. Says when a person reads what is written."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Final

from policies.files import is_time_zone, time_zones
from policies.findings import did_you_mean, shown

DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
EXAMPLE: Final = "Mon-Fri 09:00-17:00 Europe/London"

_MAX_LENGTH: Final = 200  # characters: seven days with two spans each
_ALWAYS: Final = re.compile(r"24 ?(/|x) ?7( [A-Za-z/_]+)?|always|all day|any ?time", re.IGNORECASE)
_PART: Final = re.compile(r"([A-Za-z]+)(?:-([A-Za-z]+))? +(\d{1,2}):(\d{2})-(\d{1,2}):(\d{2})", re.ASCII)
_DASH: Final = re.compile("[\u2010-\u2015\u2212]")  # what word processors and phones make of a hyphen

__all__ = ["DAYS", "EXAMPLE", "HoursError", "Span", "StaffedHours", "parse_hours"]


class HoursError(ValueError):
    """What is wrong with written hours, and what to do about it."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of one day: weekday (0 is Monday), minutes of the day from `opens` (included) to `closes` (at most 1440)."""

    day: int
    opens: int
    closes: int


@dataclass(frozen=True, slots=True)
class StaffedHours:
    """When somebody is there, in local time of `zone` (IANA name); spans in order of the week, none overlapping."""

    spans: tuple[Span, ...]
    zone: str

    def __str__(self) -> str:
        """Return the hours one span a day, so that the same hours always read alike (the digest relies on it)."""
        return ", ".join(f"{DAYS[s.day]} {_clock(s.opens)}-{_clock(s.closes)}" for s in self.spans) + f" {self.zone}"


def parse_hours(text: str) -> StaffedHours:
    """Return the hours that `text` states: days, times and, last, the time zone. Raises HoursError."""
    if len(text) > _MAX_LENGTH:
        raise HoursError(f"the hours are longer than {_MAX_LENGTH} characters", f'Write them like "{EXAMPLE}".')
    if always := _ALWAYS.fullmatch(text.strip()):
        advice = (
            'For all day and every day, write "Mon-Sun 00:00-24:00 Europe/London", if somebody is there at night too.'
        )
        raise HoursError(f'"{shown(always[0])}" names no days and times', advice)
    written, _, zone = text.strip().rpartition(" ")
    if not written or not zone[:1].isalpha():
        raise HoursError("the hours name no time zone", f'Put it last: "{EXAMPLE}".')
    if not is_time_zone(zone):
        raise HoursError(f'"{shown(zone)}" is not a time zone', did_you_mean_zone(zone))
    spans = sorted(span for part in written.split(",") for span in _spans(part.strip()))
    for before, after in itertools.pairwise(spans):
        if before.day == after.day and after.opens < before.closes:
            message = f"two spans on {DAYS[after.day]} overlap"
            raise HoursError(message, "Name each day's hours once, or let one span end before the next begins.")
    return StaffedHours(tuple(spans), zone)


def did_you_mean_zone(zone: str) -> str:
    """Return advice for an unknown time zone."""
    advice = did_you_mean(zone, time_zones())
    return advice if advice.startswith("Did") else 'Use a name such as "Europe/London" (area, slash, city) or "UTC".'


def _spans(part: str) -> list[Span]:
    match = _PART.fullmatch(part)
    if match is None:
        advice = f'Write days, then times: "{EXAMPLE}".'
        if dash := _DASH.search(part):  # to the eye it is written as it should be
            advice = f'Write plain hyphens, and no "{dash[0]}": "{EXAMPLE}".'
        raise HoursError(f'"{shown(part)}" is not a day with its hours', advice)
    first, last = (_day(name) for name in (match[1], match[2] or match[1]))
    opens, closes = _minutes(match[3], match[4]), _minutes(match[5], match[6])
    if opens >= closes:
        advice = 'Split hours that pass midnight: "Fri 20:00-24:00, Sat 00:00-02:00 Europe/London".'
        raise HoursError(f'"{shown(part)}" ends before it begins', advice)
    # "Fri-Mon" runs over the end of the week, as people write it.
    days = range(first, (last if last >= first else last + 7) + 1)
    return [Span(day % 7, opens, closes) for day in days]


def _day(name: str) -> int:
    if name.title() not in DAYS:
        raise HoursError(f'"{shown(name)}" is not a day', f"Use {', '.join(DAYS)}.")
    return DAYS.index(name.title())


def _minutes(hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > 1440:
        raise HoursError(f'"{hours}:{minutes}" is not a time of day', "Use 00:00 to 24:00.")
    return total


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
