"""What was answered, as a value, and what follows from it by counting alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Final, Literal

from policies.hours import DAYS, Span, StaffedHours

Works = Literal["yes", "partly", "no", "none"]
ForWhom = Literal["adults", "young", "both"]
Need = Literal["talk", "news", "crisis", "one-to-one", "secret"]
Door = Literal["open", "closed", "both"]
Risk = Literal["low", "medium", "high"]
Accepts = Literal["lead", "deputy", "nobody"]

NOT_FOR: Final = "Not a crisis service: in danger call 999."

__all__ = [
    "NOT_FOR",
    "Accepts",
    "Answers",
    "Door",
    "ForWhom",
    "Need",
    "Risk",
    "Works",
    "compact",
    "cover",
    "joined_hours",
]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers, by the keys of the questions; what was not asked has its default.

    User ids are `@user:server`. Texts have one line and nothing unseen in them (`questions` sees to it).
    """

    now: str = ""
    works: Works = "none"
    for_whom: ForWhom = "adults"
    must: tuple[Need, ...] = ("talk",)
    asked: int = 0
    learnt: str = ""
    access: str = ""
    name: str = ""
    purposes: tuple[str, ...] = ()
    not_for: str = NOT_FOR
    door: Door = "closed"
    door_why: str = ""
    group: str = ""
    harm: str = ""
    risk: Risk = "low"
    accept: Accepts = "nobody"
    accept_why: str = ""
    server: str = ""
    lead: str | None = None
    deputy: str | None = None
    moderators: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    lead_hours: StaffedHours | None = None
    deputy_hours: StaffedHours | None = None
    moderator_hours: StaffedHours | None = None
    contacts: tuple[str, ...] = ()


def cover(answers: Answers) -> StaffedHours | None:
    """Return when anybody is there, of whatever role; None if never."""
    return joined_hours(answers.lead_hours, answers.deputy_hours, answers.moderator_hours)


def joined_hours(*several: StaffedHours | None) -> StaffedHours | None:
    """Return the hours of all together, in the time zone of the first; None if there are none."""
    said = [one for one in several if one is not None]
    if not said:
        return None
    spans: list[Span] = []
    for span in sorted(span for one in said for span in one.spans):
        last = spans[-1] if spans else None
        if last and last.day == span.day and span.opens <= last.closes:
            spans[-1] = Span(last.day, last.opens, max(last.closes, span.closes))
        else:
            spans.append(span)
    return StaffedHours(tuple(spans), said[0].zone)


def compact(hours: StaffedHours) -> str:
    """Return the hours as a person writes them: "Mon-Fri 09:00-17:00 Europe/London"; they read back as the same."""
    by_day = {day: tuple(spans) for day, spans in itertools.groupby(hours.spans, key=lambda span: span.day)}
    times = {day: tuple((span.opens, span.closes) for span in spans) for day, spans in by_day.items()}
    runs: list[tuple[int, int]] = []
    for day in sorted(times):
        if runs and runs[-1][1] == day - 1 and times[runs[-1][0]] == times[day]:
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    parts = [
        f"{DAYS[first] if first == last else f'{DAYS[first]}-{DAYS[last]}'} {_clock(opens)}-{_clock(closes)}"
        for first, last in runs
        for opens, closes in times[first]
    ]
    return f"{', '.join(parts)} {hours.zone}"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
