"""The cases of one homeserver: in memory for handlers, in the store with the commit of what moved them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, replace
from typing import Final

from appservice.cases.buttons import BUTTON_MS, BUTTONS, plain_key
from appservice.cases.ladder import (
    InRoom,
    Pace,
    first_audience,
    others_alone,
    people_alone,
    shown_to,
    without_its_person,
)
from appservice.cases.records import case_from, record_of
from appservice.flow import (
    Audience,
    Button,
    Card,
    CardOf,
    Case,
    CaseEvent,
    CaseState,
    Clock,
    Effect,
    OpenCase,
    Rules,
    TouchCase,
    Track,
)
from appservice.store import Commit, Questions

#: Messages of a case that its card links to.
_EVENTS_KEPT: Final = 10
#: ms that closed cases are kept in mind, so that a late tap on their cards is answered.
_CLOSED_KEPT_MS: Final = 30 * 24 * 3600 * 1000
#: Cards of severity up to 2 that a community gets in a week; further ones stand in one list (CARE, rule 16).
CARDS_A_WEEK: Final = 5
_WEEK_MS: Final = 7 * 24 * 3600 * 1000
#: ms in which a person who asks again is not called for again.
ASKED_AGAIN_MS: Final = 5 * 60 * 1000
#: Kinds of cases that somebody's own request opened, and that no message belongs to.
REQUESTS: Final = frozenset({"asks_help", "appeal"})


class CaseBook:
    """`flow.Cases`, and how they move. `reached(user_id)` tells whether a person can read what we say to them."""

    def __init__(self, homeserver: str, clock: Clock, reached: Callable[[str], bool], in_room: InRoom) -> None:
        self._homeserver = homeserver
        self._clock = clock
        self._reached = reached
        self._in_room = in_room
        self._cases: dict[str, Case] = {}
        self._current: dict[tuple[str, str, str], str] = {}
        self._cards: dict[tuple[str, str], str] = {}
        self._buttons: dict[tuple[str, str, str], Button] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self.rules: Rules | None = None
        self.pace = Pace()

    async def load(self, questions: Questions) -> None:
        """Take up what an earlier life of ours knew. Raises `StoreRefused`."""
        now = self._clock.now_ms()
        for record in await questions.last_case_numbers():
            case = case_from(record)
            key = (case.community, case.audience)
            self._numbers[key] = max(self._numbers.get(key, 0), case.number or 0)
        for record in await questions.cases(now - _CLOSED_KEPT_MS):
            self._put(case_from(record))
        for row in await questions.buttons(now):
            button = Button(*row)
            self._buttons[button.room_id, button.event_id, button.key] = button

    # -- flow.Cases ------------------------------------------------------------------------------------------------

    def by_id(self, case_id: str) -> Case | None:
        return self._cases.get(case_id)

    def by_reference(self, community: str, reference: str) -> Case | None:
        wanted = reference.upper()
        return next(
            (one for one in self._cases.values() if (one.community, one.reference) == (community, wanted)), None
        )

    def by_card(self, room_id: str, event_id: str) -> Case | None:
        return self._cases.get(self._cards.get((room_id, event_id), ""))

    def open_in(self, room_id: str) -> Collection[Case]:
        return [one for one in self._cases.values() if one.open and any(card.room_id == room_id for card in one.cards)]

    def button(self, room_id: str, event_id: str, key: str) -> Button | None:
        return self._buttons.get((room_id, event_id, plain_key(key)))

    def may(self, case: Case, user_id: str) -> bool:
        rules = self.rules
        if rules is None or user_id in {case.about, case.not_by}:
            return False
        audience = self.audience(case)
        if audience is Audience.PRIVATE:
            return user_id in people_alone(case, rules)
        duties = ("moderate", "safeguard") if audience is Audience.MODERATORS else ("safeguard",)
        return any(rules.can(case.community, user_id, duty) for duty in duties)

    # -- who sees --------------------------------------------------------------------------------------------------

    def audience(self, case: Case) -> Audience:
        """Return who sees a case now."""
        return shown_to(case, self._in_room)

    def alone(self, case: Case) -> tuple[str, ...]:
        """Return who is told of a case alone, each in their direct room."""
        return people_alone(case, self.rules) if self.rules is not None else ()

    def instead(self, audience: Audience, community: str, about: str) -> Audience:
        """Return who is told something of a person that belongs to no case."""
        return without_its_person(audience, community, about, self._in_room)

    def others(self, community: str, about: str) -> tuple[str, ...]:
        """Return who is told something of a person where no room is left in which they do not sit."""
        return others_alone(community, about, 0, self.rules) if self.rules is not None else ()

    def called(self, case: Case) -> tuple[str, ...]:
        """Return whom a card of a case calls by name."""
        return self.pace.called(case, self.audience(case), self.rules, self._clock.now_ms())

    def ends(self, case: Case) -> bool:
        """Whether nobody is left to ask once a case is passed on. By the ladder in force now, not when it was opened."""
        return self.pace.ladder(case).ended(case.rung + 1)

    def current(self, community: str, track: str, about: str) -> Case | None:
        """Return the newest case of a track about a person, open or not."""
        return self._cases.get(self._current.get((community, track, about), ""))

    # -- moving ----------------------------------------------------------------------------------------------------

    def open(self, effect: Effect) -> Commit:
        """Let a message join the open case about its person, or open one; return the rows."""
        assert isinstance(effect, OpenCase)
        known = self.current(effect.community, effect.track, effect.about)
        if known is not None and known.open:
            return self._keep(self._asked(known, effect) if effect.asked else self._joined(known, effect))
        track, now = Track(effect.track), self._clock.now_ms()
        audience = first_audience(track, effect.severity)
        not_reached = track is Track.CONCERN and effect.severity >= 3 and not self._reached(effect.about)
        case = Case(
            id=effect.key,
            community=effect.community,
            track=track,
            kind=effect.kind,
            severity=effect.severity,
            about=effect.about,
            audience=without_its_person(audience, effect.community, effect.about, self._in_room),
            opened_ms=now,
            rung=1 if not_reached else 0,  # who cannot be told anything is looked for by more people (CARE, rule 5)
            count=0 if _wordless(effect) else 1,
            events=() if _wordless(effect) else (_event_of(effect),),
            contact=effect.contact,
            late=effect.late,
            asked_ms=now if effect.asked else None,
            untold=effect.unwritten,
        )
        if case.audience is Audience.PRIVATE and not any(map(self._reached, self.alone(case))):
            case = replace(case, rung=max(case.rung, 1))  # none of them ever came in: the next are told too
        if track is Track.CONCERN:  # the clock of conduct starts with its card: before, nobody could have answered
            case = replace(case, deadline_ms=self.pace.due(case, now))
        if effect.asked and known is not None:  # whoever decided it does not look again (CARE, rule 17)
            case = replace(case, earlier=known.reference, not_by=known.owner)
        return self._keep(case)

    def _asked(self, case: Case, effect: OpenCase) -> Case:
        """Their person asks for somebody: said on its card, and called for anew after a while."""
        now = self._clock.now_ms()
        if not _wordless(effect):
            case = self._joined(case, effect)
        if case.asked_ms is not None and now - case.asked_ms <= ASKED_AGAIN_MS:
            return case
        case = replace(case, asked_ms=now)
        # They are told the community's hours: where those are sooner than the group's, it is passed on sooner.
        return replace(case, deadline_ms=min(case.deadline_ms, self.pace.due(case, now))) if case.deadline_ms else case

    def _joined(self, case: Case, effect: OpenCase) -> Case:
        event = _event_of(effect)
        if any(one.event_id == event.event_id for one in case.events):
            return case
        worse = effect.severity > case.severity
        case = replace(
            case,
            severity=max(case.severity, effect.severity),
            kind=effect.kind if not effect.asked and (worse or case.kind in REQUESTS) else case.kind,
            events=(*case.events, event)[-_EVENTS_KEPT:],
            count=case.count + 1,
            contact=case.contact or effect.contact,
            late=case.late or effect.late,
            untold=effect.unwritten if case.track is Track.CONCERN and effect.severity >= 3 else case.untold,
        )
        if not worse:
            return case
        # It became more serious: whoever has it may be away, so its clock starts again, and not later than before.
        due: int | None = self.pace.due(case, self._clock.now_ms())
        if case.state is CaseState.OPEN and case.deadline_ms is not None and due is not None:
            due = min(due, case.deadline_ms)
        if case.number is None and case.track is Track.CONDUCT:
            due = None  # its clock starts with its card
        moved = case.moved or (case.audience is Audience.MODERATORS and case.severity >= 3)
        return replace(case, state=CaseState.OPEN, deadline_ms=due, moved=moved)

    def touch(self, effect: Effect) -> Commit:
        """Move a case as somebody decided; return the rows."""
        assert isinstance(effect, TouchCase)
        rows, case = Commit(), self._cases.get(effect.case)
        if effect.button is not None and (button := self._buttons.get(effect.button)) is not None:
            rows.add(self._press(replace(button, used_by=effect.by)))
        if case is None or not case.open:
            return rows
        now = effect.at_ms
        if effect.action == "ack":
            case = replace(case, state=CaseState.TAKEN, owner=effect.by, deadline_ms=None)
        elif effect.action == "close":
            state = CaseState.CLOSED
            case = replace(case, state=state, owner=effect.by, outcome=effect.outcome, closed_ms=now, deadline_ms=None)
        elif effect.action in {"escalate", "overdue"}:
            case = self.pace.passed_on(case, now)
        rows.add(self._keep(case))
        return rows

    def numbered(self, case: Case) -> tuple[Case, Commit]:
        """Give a case its number, as its first card leaves; return it and the rows to commit before the card."""
        if case.number is not None:
            return case, Commit()
        key, now = (case.community, case.audience), self._clock.now_ms()
        recent = sum(
            1
            for one in self._cases.values()
            if (one.community, one.audience) == key
            and one.severity <= 2
            and not one.quiet
            and one.numbered_ms is not None
            and one.numbered_ms > now - _WEEK_MS
        )
        small = case.track is Track.CONDUCT and case.severity <= 2 and case.asked_ms is None
        quiet = small and recent >= CARDS_A_WEEK
        self._numbers[key] = self._numbers.get(key, 0) + 1
        due = case.deadline_ms or self.pace.due(case, now)
        due_ms = None if quiet else due  # what stands in a list calls nobody (CARE, rules 15 and 16)
        case = replace(case, number=self._numbers[key], numbered_ms=now, quiet=quiet, deadline_ms=due_ms)
        return case, self._keep(case)

    def loud(self, case: Case) -> tuple[Case, Commit]:
        """Let a quiet case have a card of its own: it became serious, somebody passed it on, or its person asks."""
        due = case.deadline_ms
        if due is None and case.state is CaseState.OPEN:
            due = self.pace.due(case, self._clock.now_ms())
        case = replace(case, quiet=False, deadline_ms=due)
        return case, self._keep(case)

    def note_told(self, case: Case, *, untold: bool) -> tuple[Case, Commit]:
        """Note whether what was to be said to the person of a case was said."""
        if case.untold is untold:
            return case, Commit()
        case = replace(case, untold=untold)
        return case, self._keep(case)

    def carded(self, case_id: str, card: CardOf) -> Commit:
        """Note that a card stands in a room, and what a tap on it means; return the rows."""
        case = self._cases[case_id]
        rows = self._keep(replace(case, cards=(*case.cards, card)))
        duty = "moderate" if self.audience(case) is Audience.MODERATORS else "safeguard"
        for key, action in BUTTONS:
            until = card.at_ms + BUTTON_MS
            rows.add(self._press(Button(card.room_id, card.event_id, key, case_id, action, duty, until)))
        return rows

    def forget_card(self, case_id: str, card: CardOf) -> Commit:
        """A card is gone: the homeserver was put back, or somebody removed it."""
        case = self._cases[case_id]
        self._cards.pop((card.room_id, card.event_id), None)
        return self._keep(replace(case, cards=tuple(one for one in case.cards if one != card)))

    def forget_events(self, lost: Collection[str]) -> Commit:
        """Take messages off open cases: the homeserver lost them, or they were not removed; return the rows."""
        rows = Commit()
        for case in list(self._cases.values()):
            kept = tuple(one for one in case.events if one.event_id not in lost)
            if not case.open or len(kept) == len(case.events):
                continue
            smaller = replace(case, events=kept, count=max(case.count - len(case.events) + len(kept), len(kept)))
            if case.number is None and not kept:  # nobody ever heard of it, and nothing is left to hear
                state, now = CaseState.CLOSED, self._clock.now_ms()
                smaller = replace(smaller, state=state, outcome="void", closed_ms=now, deadline_ms=None)
            rows.add(self._keep(smaller))
        return rows

    def moot(self, effect: Effect) -> Commit:
        """What a card would have told of did not happen: its message leaves the case; return the rows."""
        return self.forget_events({effect.source}) if isinstance(effect, Card) and effect.case else Commit()

    def due(self, now_ms: int) -> list[Case]:
        """Return the open cases whose time is over, the oldest first."""
        late = [one for one in self._cases.values() if one.deadline_ms is not None and one.deadline_ms <= now_ms]
        return sorted(late, key=lambda one: one.deadline_ms or 0)

    def quiet_ones(self, community: str, audience: Audience) -> list[Case]:
        """Return the cases of a week that have no card of their own, oldest first.

        Without those that this audience may not see any more: their person came to sit among it (CARE, rule 4).
        """
        since = self._clock.now_ms() - _WEEK_MS
        return [
            one
            for one in self._cases.values()
            if one.quiet
            and (one.community, one.audience) == (community, audience)
            and (one.numbered_ms or 0) > since
            and self.audience(one) is audience
        ]

    def all_ids(self) -> list[str]:
        """Return the ids of the cases that are kept in mind."""
        return list(self._cases)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many cases stand where, for `status`; those that are told to people alone are told nowhere else."""
        open_ones = [one for one in self._cases.values() if one.open and self.audience(one) is not Audience.PRIVATE]
        return {"open": len(open_ones), "waiting": sum(1 for one in open_ones if one.state is CaseState.OPEN)}

    # -- keeping ---------------------------------------------------------------------------------------------------

    def _press(self, button: Button) -> Commit:
        place = (button.room_id, button.event_id, button.key)
        before, self._buttons[place] = self._buttons.get(place), button

        def undo() -> None:
            if self._buttons.get(place) is button:
                self._buttons.pop(place)
                if before is not None:
                    self._buttons[place] = before

        row = {"homeserver": self._homeserver} | asdict(button)
        row["case_id"] = row.pop("case")
        return Commit(buttons=[row], undo=[undo])

    def _keep(self, case: Case) -> Commit:
        before = self._cases.get(case.id)
        key = (case.community, case.track, case.about)
        earlier = self._current.get(key)
        self._put(case)

        def undo() -> None:
            if self._cases.get(case.id) is not case:
                return  # it moved on since
            if before is not None:
                self._cases[case.id] = before
                return
            del self._cases[case.id]
            self._current.pop(key, None)
            if earlier is not None:
                self._current[key] = earlier

        row = {
            "homeserver": self._homeserver,
            "id": case.id,
            "record": record_of(case),
            "opened_ms": case.opened_ms,
            "closed_ms": case.closed_ms,
        }
        return Commit(cases=[row], undo=[undo])

    def _put(self, case: Case) -> None:
        self._cases[case.id] = case
        key = (case.community, case.track, case.about)
        newest = self._cases.get(self._current.get(key, ""))
        older = newest is not None and not case.open and (newest.open or newest.opened_ms > case.opened_ms)
        if newest is None or not older:  # one that was closed long ago may still lose a card
            self._current[key] = case.id
        for card in case.cards:
            self._cards[card.room_id, card.event_id] = case.id


def _event_of(effect: OpenCase) -> CaseEvent:
    return CaseEvent(effect.room_id, effect.event_id, effect.kind, effect.stands)


def _wordless(effect: OpenCase) -> bool:
    """Whether no message joins the case: a second look is at what was removed, and not at how it was asked for."""
    return effect.asked and effect.track == Track.CONDUCT
