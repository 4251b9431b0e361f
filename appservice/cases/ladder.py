"""Who is asked first, who next, and how long each has: the ladder of a case (CARE, rules 4, 5 and 15)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from appservice.flow import Audience, Case, CaseState, Rules, Track
from policies.escalation import OFFICES
from policies.hours import StaffedHours
from policies.ladders import BUILT_IN, Ladder, Ladders, Step, band_of

#: Days looked ahead for staffed hours: nothing waits longer. A community without any gets the minutes by the clock.
_DAYS_AHEAD: Final = 15
#: Duties whose holders are asked, in this order, where nobody who answers for safeguarding is left.
_OTHERS: Final = ("safeguard", "operate", "moderate")

#: ms that a case of a group with few hours waits at most.
_GROUP_WAITS_MS: Final = 7 * 24 * 3600 * 1000

#: `of_room(room_id)`: the hours of the group whose room it is, None where it has none of its own.
OfRoom = Callable[[str], StaffedHours | None]
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
    """Return who sees a case now: what left the moderators' room is the safeguarding room's."""
    audience = case.audience
    if audience is Audience.MODERATORS and case.moved:
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


def called(case: Case, audience: Audience, rules: Rules | None, ladder: Ladder, *, staffed: bool) -> tuple[str, ...]:
    """Return the user ids that a card calls by name, so that their devices ring: its step's, with those called before.

    Never its person, nor whoever could not see the card; where none of them is left, those of the next steps. Outside
    the staffed hours a role is called only if its holders agreed to it, and lead and deputy in its place (CARE, rule 15).
    """
    steps = ladder.called(case.rung)
    if rules is None or not any(step.called for step in steps):
        return ()
    if audience is Audience.PRIVATE:
        return people_alone(case, rules)
    for further in ladder.steps[len(steps) :]:
        if _of_steps(steps, case, audience, rules, staffed=True):
            break
        steps = (*steps, further)
    found = _of_steps(steps, case, audience, rules, staffed=staffed)
    if found:
        return found
    if audience is Audience.MODERATORS or (case.rung == 0 and case.severity <= 2):
        return ()  # it stands in the room, and waits there until somebody comes (CARE, rule 16)
    leads = tuple(one for one in rules.leads(case.community) if one != case.about)
    return leads or tuple(one for one in rules.owners(case.community) if one != case.about)


def _of_steps(steps: Iterable[Step], case: Case, audience: Audience, rules: Rules, *, staffed: bool) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for step in steps:
        for name in step.called:
            if name in OFFICES or staffed or step.agreed:
                found |= dict.fromkeys(rules.holding(case.community, name))
    return tuple(one for one in found if one != case.about and _sees(one, case, audience, rules))


def _sees(user_id: str, case: Case, audience: Audience, rules: Rules) -> bool:
    if audience is Audience.MODERATORS:
        return rules.can(case.community, user_id, "moderate")
    return user_id in rules.owners(case.community) or rules.can(case.community, user_id, "safeguard")


@dataclass(frozen=True, slots=True)
class Pace:
    """Who is called when, and when somebody is there: by the policy in force, else as it is built in."""

    ladders: Ladders = field(default_factory=lambda: BUILT_IN)
    hours: StaffedHours | None = None
    of_room: OfRoom = lambda _room_id: None

    def ladder(self, case: Case) -> Ladder:
        """Return the ladder that a case is on."""
        return self.ladders[band_of(case.track, case.severity)]

    def due(self, case: Case, now_ms: int) -> int:
        """Return when (ms) a case that begins to wait now is passed on: by the clock in danger, else in staffed hours.

        While the moderators of a group with hours of its own have it, it waits in those, for a week at most; whoever it
        is passed on to keeps the community's hours, and is called in no other (CARE, rule 15).
        """
        minutes, own = self.ladder(case).minutes(case.rung), self._of_group(case)
        if own is None or self.hours is None:
            return deadline(minutes, now_ms, None if case.severity >= 4 else self.hours)
        return deadline(0, min(deadline(minutes, now_ms, own), now_ms + _GROUP_WAITS_MS), self.hours)

    def _of_group(self, case: Case) -> StaffedHours | None:
        """The hours of the group in which a case began; None where it has none of its own, or others answer.

        Whose person asks is told the community's hours.
        """
        theirs = case.track is Track.CONDUCT and case.audience is Audience.MODERATORS and not case.moved
        if not theirs or not case.events or case.severity > 2 or case.asked_ms is not None:
            return None
        return self.of_room(case.events[0].room_id)

    def passed_on(self, case: Case, now_ms: int) -> Case:
        """Return a case one rung up, open again; without a deadline where nobody is left to ask.

        Rungs are counted without an end: decided again, the same rung would have the same key, and so be decided once.
        """
        ladder, rung = self.ladder(case), case.rung + 1
        moved = case.moved or ladder.room(rung) == "safeguarding"
        case = replace(case, state=CaseState.OPEN, owner="", rung=rung, moved=moved)
        return replace(case, deadline_ms=None if ladder.ended(rung) else self.due(case, now_ms))

    def called(self, case: Case, audience: Audience, rules: Rules | None, now_ms: int) -> tuple[str, ...]:
        """Return whom a card of a case calls by name now: see `called`."""
        return called(case, audience, rules, self.ladder(case), staffed=is_staffed(now_ms, self.hours))


def is_staffed(now_ms: int, hours: StaffedHours | None) -> bool:
    """Whether somebody is there now; always, where no hours are known."""
    if hours is None or not hours.spans:
        return True
    now = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(hours.zone))
    minute = now.hour * 60 + now.minute
    return any(span.day == now.weekday() and span.opens <= minute < span.closes for span in hours.spans)


def deadline(minutes: int, now_ms: int, hours: StaffedHours | None) -> int:
    """Return when (ms) a case that begins to wait now has waited for so many staffed minutes; by the clock without hours."""
    if hours is None or not hours.spans:
        return now_ms + minutes * 60_000
    return _staffed_after(now_ms, minutes, hours)


def _staffed_after(now_ms: int, minutes: int, hours: StaffedHours) -> int:
    zone, left = ZoneInfo(hours.zone), timedelta(minutes=minutes)
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    last = now
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
            last = day + timedelta(minutes=span.closes)
    return int(last.timestamp() * 1000)  # so few hours that it would wait for weeks
