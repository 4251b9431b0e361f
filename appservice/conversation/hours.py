"""Staffed hours in words that a tired person understands."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from policies.hours import StaffedHours

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def plain_hours(hours: StaffedHours) -> str:
    """Return e.g. “Monday to Friday 9am to 5pm, Saturday 10am to 12.30pm”: neighbouring days alike are joined."""
    days: dict[int, tuple[tuple[int, int], ...]] = {}
    for span in sorted(hours.spans):
        days[span.day] = (*days.get(span.day, ()), (span.opens, span.closes))
    runs: list[tuple[int, int, tuple[tuple[int, int], ...]]] = []
    for day, times in sorted(days.items()):
        if runs and runs[-1][1] == day - 1 and runs[-1][2] == times:
            runs[-1] = (runs[-1][0], day, times)
        else:
            runs.append((day, day, times))
    return ", ".join(
        f"{_DAYS[first] if first == last else f'{_DAYS[first]} to {_DAYS[last]}'} "
        + " and ".join(f"{_time(opens)} to {_time(closes)}" for opens, closes in times)
        for first, last, times in runs
    )


def opens_again(hours: StaffedHours, now_ms: int) -> str:
    """Return e.g. “tomorrow at 9am” or “on Monday at 9am”; "" while somebody is there."""
    now = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(hours.zone))
    minute = now.hour * 60 + now.minute
    for ahead in range(8):
        day = (now + timedelta(days=ahead)).weekday()
        for span in sorted(hours.spans):
            if span.day != day or (ahead == 0 and span.closes <= minute):
                continue
            if ahead == 0 and span.opens <= minute:
                return ""
            when = {0: "today", 1: "tomorrow"}.get(ahead, f"on {_DAYS[day]}")
            return f"{when} at {_time(span.opens)}"
    return ""


def time_at(hours: StaffedHours, ms: int) -> str:
    """Return e.g. “2.35pm”: the time of day where these hours are kept, to the next full minute."""
    at = datetime.fromtimestamp(-(-ms // 60_000) * 60, ZoneInfo(hours.zone))
    return _time(at.hour * 60 + at.minute)


def _time(minutes: int) -> str:
    if minutes in {0, 1440}:
        return "midnight"
    hour, minute = divmod(minutes, 60)
    half = "am" if hour < 12 else "pm"
    return f"{(hour - 1) % 12 + 1}{f'.{minute:02}' if minute else ''}{half}"
