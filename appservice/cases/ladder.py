"""Who is asked first, who next, and how long each has: the ladder of a case (CARE, rules 4, 5 and 15)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from appservice.flow import Audience, Case, Rules, Track
from policies.hours import StaffedHours

#: Minutes until a case that nobody took is passed on: of staffed hours, but for danger by the clock.
MINUTES: Final = {1: 480, 2: 480, 3: 60, 4: 15}
#: The rung from which nobody is left to ask.
LAST_RUNG: Final = 2
#: Days looked ahead for staffed hours; a community without any gets the minutes by the clock.
_DAYS_AHEAD: Final = 15
#: Duties whose holders are asked, in this order, where nobody who answers for safeguarding is left.
_OTHERS: Final = ("safeguard", "operate", "moderate")

#: `in_room(community, place, user_id)`: whether somebody sits in a room, or may.
InRoom = Callable[[str, str, str], bool]


def first_audience(track: Track, severity: int) -> Audience:
    """Return whose a case is by what it is: conduct up to severity 2 is the moderators'."""
    return Audience.MODERATORS if track is Track.CONDUCT and severity <= 2 else Audience.SAFEGUARDING


def without_its_person(audience: Audience, community: str, about: str, in_room: InRoom) -> Audience:
    """Return who may see a case: one up while its person sits there (CARE, rule 4)."""
    if audience is Audience.MODERATORS and in_room(community, audience, about):
        audience = Audience.SAFEGUARDING
    if audience is Audience.SAFEGUARDING and in_room(community, audience, about):
        audience = Audience.PRIVATE
    return audience


def shown_to(case: Case, in_room: InRoom) -> Audience:
    """Return who sees a case now: what was passed on is the safeguarding room's."""
    audience = case.audience
    if audience is Audience.MODERATORS and case.rung > 0:
        audience = Audience.SAFEGUARDING
    return without_its_person(audience, case.community, case.about, in_room)


def people_alone(case: Case, rules: Rules) -> tuple[str, ...]:
    """Return who is told of a case alone: those who answer for safeguarding but its person, else the next there are."""
    found = others_alone(case.community, case.about, case.rung, rules)
    return tuple(one for one in found if one != case.not_by) or found


def others_alone(community: str, about: str, rung: int, rules: Rules) -> tuple[str, ...]:
    """Return who is told alone of something about a person, as often as it was passed on."""
    found = tuple(one for one in rules.owners(community) if one != about)
    for duty in _OTHERS:
        if found and rung == 0:
            break
        more = tuple(one for one in rules.holders(community, duty) if one != about and one not in found)
        if found and more:
            return found + more  # passed on: one kind more
        found = found or more
    return found


def called(case: Case, audience: Audience, rules: Rules | None) -> tuple[str, ...]:
    """Return the user ids that a card calls by name, so that their devices ring."""
    if rules is None or audience is Audience.MODERATORS or (case.severity < 3 and case.rung == 0):
        return ()
    if audience is Audience.PRIVATE:
        return people_alone(case, rules)
    leads = tuple(one for one in rules.leads(case.community) if one != case.about)
    passed_on = case.rung if case.audience is not Audience.MODERATORS else case.rung - 1
    if leads and case.severity < 4 and passed_on <= 0:
        return leads
    return tuple(one for one in rules.owners(case.community) if one != case.about) or leads


def deadline(severity: int, now_ms: int, hours: StaffedHours | None) -> int:
    """Return when (ms) a case of this severity that begins to wait now is passed on."""
    minutes = MINUTES[severity]
    if severity == 4 or hours is None or not hours.spans:
        return now_ms + minutes * 60_000
    return _staffed_after(now_ms, minutes, hours)


def _staffed_after(now_ms: int, minutes: int, hours: StaffedHours) -> int:
    zone, left = ZoneInfo(hours.zone), timedelta(minutes=minutes)
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for ahead in range(_DAYS_AHEAD):
        day = midnight + timedelta(days=ahead)
        for span in hours.spans:
            if span.day != day.weekday():
                continue
            opens = max(now, day + timedelta(minutes=span.opens))
            here = day + timedelta(minutes=span.closes) - opens
            if here <= timedelta(0):
                continue
            if here >= left:
                return int((opens + left).timestamp() * 1000)
            left -= here
    return now_ms + minutes * 60_000
