"""Cards reach the people who look after a community, and say what is so now for as long as their case is open."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final
from weakref import WeakValueDictionary

from appservice.cases import BUTTONS, CaseBook
from appservice.effects import Speaker
from appservice.flow import (
    Attempt,
    Audience,
    Card,
    CardOf,
    Case,
    CaseEvent,
    Clock,
    Done,
    Effect,
    Identity,
    Item,
    Postponed,
    Result,
    Track,
    UrgentCard,
    transaction_id,
)
from appservice.matrix import Actor, HomeserverClient, Rejected
from appservice.people import READABLE, DirectRooms
from appservice.store import Commit

#: ms until we look again for a system room that does not exist (yet).
_NO_ROOM_MS: Final = 2_000
#: ms until we look again for somebody who may see a case.
_NOBODY_MS: Final = 60_000
#: ms in which further words of the same severity edit the card that called, and do not call again.
_CALLED_MS: Final = 5 * 60 * 1000
#: ms after which the list of small cases begins anew.
_LIST_MS: Final = 7 * 24 * 3600 * 1000
#: What most cases are about, and all that those from before rules had names.
_DETAILS: Final = "contact_details"


@dataclass(frozen=True)
class Desk:
    """What cards need of the house. `place(community, name)` gives a system room's id or None; `insist` commits;
    `remember(name, value)` keeps a word over restarts, and `recall(name)` gives it back; `sits_in(room_id, user_id)`
    tells whether somebody reads along in a room; `is_private(room_id)` whether it is one person's room with us; `reads(room_id, user_id)` whether somebody came in."""

    book: CaseBook
    client: HomeserverClient
    speaker: Speaker
    place: Callable[[str, str], str | None]
    rooms: DirectRooms
    clock: Clock
    insist: Callable[[Commit], Awaitable[None]]
    recall: Callable[[str], Awaitable[str | None]]
    remember: Callable[[str, str], Awaitable[None]]
    sits_in: Callable[[str, str], bool]
    is_private: Callable[[str], bool]
    reads: Callable[[str, str], bool]


class CardExecutor:
    """Says a card in the system room of its community, or brings the cards of a case up to date.

    While there is no such room the card waits: it is never dropped and never shown elsewhere. The wording gets as `told`
    of the first item whether the person it is about can read what we say to them.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._unsure: set[str] = set()
        self._lists_in_doubt = False
        self._listing = asyncio.Lock()
        self._busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def doubt(self, case_ids: Collection[str]) -> None:
        """The homeserver was put back to an older copy: the cards of these cases may be gone."""
        self._unsure.update(case_ids)
        self._lists_in_doubt = True

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, Card)
        if effect.case:
            book = self._desk.book
            case = book.by_id(effect.case) or book.current(effect.community, effect.case, effect.about)
            if case is None:
                return Done(already=True)
            async with self._busy.setdefault(case.id, asyncio.Lock()):
                return await self._bring(effect, book.by_id(case.id) or case, attempt)
        return await self._say(effect, attempt)

    async def _say(self, effect: Card, attempt: Attempt) -> Result:
        """Say what belongs to no case: one up while its person sits in the room (CARE, rule 4)."""
        book, place = self._desk.book, effect.place
        if effect.about and place in {Audience.MODERATORS, Audience.SAFEGUARDING}:
            place = book.instead(Audience(place), effect.community, effect.about)
        if place == Audience.PRIVATE:
            rooms = await self._private(book.others(effect.community, effect.about), effect)
        else:
            rooms = [one for one in [self._desk.place(effect.community, place)] if one is not None]
        if not rooms:
            return Postponed("no_room", _NO_ROOM_MS)
        first, *others = effect.items or ({},)
        items = ({**first, "told": "no" if attempt.untold else self._told(effect.about)}, *others)
        done = Done(already=True)
        for room_id in rooms:
            part = f"card/{room_id}" if place == Audience.PRIVATE else ""
            done = await self._desk.speaker.say(room_id, effect, effect.text, items, attempt, part=part)
        return done

    def _told(self, user_id: str) -> str:
        return "yes" if self._desk.rooms.is_reached(user_id) else "no"

    # -- cases -----------------------------------------------------------------------------------------------------

    async def _bring(self, effect: Card, case: Case, attempt: Attempt) -> Result:
        book = self._desk.book
        if not case.open and not case.cards:
            return Done(already=True)
        if effect.once is not None:
            case, rows = book.note_told(case, untold=attempt.untold)
            await self._desk.insist(rows)
        rooms = await self._rooms_of(effect, case)
        if isinstance(rooms, Postponed):
            return rooms
        case, rows = book.numbered(case)
        await self._desk.insist(rows)
        moved = book.audience(case) is not case.audience  # the list stands where it cannot be shown any more
        if case.quiet and (moved or case.rung or case.severity > 2 or case.asked_ms is not None):
            case, rows = book.loud(case)
            await self._desk.insist(rows)
        if case.quiet:
            return await self._summary(effect, case, rooms[0], attempt)
        done = Done(already=True)
        if case.id in self._unsure:
            case = await self._still_there(case)
        for room_id in rooms:
            case = book.by_id(case.id) or case
            if case.open and self._wants_new(effect, case, room_id):
                done = await self._new(effect, case, room_id, attempt)
        await self._bring_up_to_date(effect, book.by_id(case.id) or case, attempt, but=done.event_id)
        return done

    async def _rooms_of(self, effect: Card, case: Case) -> list[str] | Postponed:
        """The rooms in which a case is shown now; none is a reason to wait, never to drop it."""
        audience = self._desk.book.audience(case)
        if audience is Audience.PRIVATE:
            return await self._private(self._desk.book.alone(case), effect) or Postponed("nobody", _NOBODY_MS)
        room_id = self._desk.place(case.community, audience)
        return [room_id] if room_id is not None else Postponed("no_room", _NO_ROOM_MS)

    async def _private(self, people: Collection[str], effect: Card) -> list[str]:
        """The private rooms of those of `people` who read what is said there: the others would hide it from everybody."""
        found = [await self._desk.rooms.reachable(one, effect.key) for one in people]
        return [room_id for room_id, how in found if how in READABLE]

    async def _bring_up_to_date(self, effect: Card, case: Case, attempt: Attempt, *, but: str | None) -> None:
        for card in case.cards:
            if self._desk.sits_in(card.room_id, case.about):
                continue  # they came in after the card: nothing more of it is said there (CARE, rule 4)
            if card.event_id != but:
                await self._edit(effect, case, card, attempt)
            if attempt.perhaps_sent:  # killed between the card and what can be tapped on it
                await self._offer(effect, card)

    def _wants_new(self, effect: Card, case: Case, room_id: str) -> bool:
        """Whether a card must be sent: there is none, or this one calls people and an edit would call nobody."""
        here = [card for card in case.cards if card.room_id == room_id]
        if not here:
            return True
        if not isinstance(effect, UrgentCard):
            return False
        newest = here[-1]
        if effect.case == case.id:  # passed on by a person or by the clock: the next people are called
            return True
        if case.asked_ms is not None and newest.at_ms <= case.asked_ms:
            return True
        return case.severity > newest.severity or self._desk.clock.now_ms() - newest.at_ms > _CALLED_MS

    async def _new(self, effect: Card, case: Case, room_id: str, attempt: Attempt) -> Done:
        part = f"card/{room_id}"
        say = self._desk.speaker.say
        done = await say(
            room_id, effect, _text(case), self._items(case, self._calls(case, room_id)), attempt, part=part
        )
        assert done.event_id is not None
        card = CardOf(room_id, done.event_id, self._desk.clock.now_ms(), case.severity)
        await self._desk.insist(self._desk.book.carded(case.id, card))
        await self._offer(effect, card)
        return done

    async def _offer(self, effect: Card, card: CardOf) -> None:
        for key, action in BUTTONS:
            content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": card.event_id, "key": key}}
            await self._react(effect, card.room_id, content, action)

    async def _react(self, effect: Card, room_id: str, content: dict[str, Any], action: str) -> None:
        actor: Actor = self._desk.speaker.actor(Identity.GUARDIAN)
        transaction = transaction_id(effect.key, f"{action}/{room_id}")
        try:
            await self._desk.client.send(room_id, "m.reaction", content, transaction, actor)
        except Rejected as error:
            if error.temporary:
                raise
            # It stands there already, or may not: the words on the card do the same.

    async def _edit(self, effect: Card, case: Case, card: CardOf, attempt: Attempt) -> None:
        part = f"edit/{card.event_id}"
        items = self._items(case)
        try:
            await self._desk.speaker.say(
                card.room_id, effect, _text(case), items, attempt, replaces=card.event_id, part=part
            )
        except Rejected as error:
            if error.temporary:
                raise  # else that room is closed, or gone: the other cards still say it

    async def _still_there(self, case: Case) -> Case:
        book = self._desk.book
        for card in case.cards:
            actor = self._desk.speaker.actor(Identity.GUARDIAN)
            try:
                await self._desk.client.event(card.room_id, card.event_id, actor)
            except Rejected as error:
                if error.temporary:
                    raise
                await self._desk.insist(book.forget_card(case.id, card))
        self._unsure.discard(case.id)
        return book.by_id(case.id) or case

    def _calls(self, case: Case, room_id: str) -> tuple[str, ...]:
        """Whom a new card calls by name. Where none of them ever came into the room, those are called who come next."""
        book = self._desk.book
        called = book.called(case)
        if not called or any(self._desk.reads(room_id, one) for one in called):
            return called
        return book.called(replace(case, rung=case.rung + 1))

    def _items(self, case: Case, calls: Collection[str] = ()) -> tuple[Item, ...]:
        common = {"person": case.about, "kind": case.kind, "severity": str(case.severity)}
        events = [common | self._place_of(one) for one in case.events]
        if case.track is Track.CONCERN:
            events = [one | {"sign": event.kind} for one, event in zip(events, case.events, strict=True)]
        if case.track is Track.CONDUCT:
            what = zip(events, case.events, strict=True)
            events = [one | {"kind": event.kind, "stands": "yes" if event.stands else "no"} for one, event in what]
        events = events or [common]
        first = events[-1] if case.track is Track.CONCERN else events[0]
        others = [one for one in events if one is not first]
        told = {
            "told": "no" if case.untold else self._told(case.about),
            "calls": " ".join(calls),
            "reference": case.reference,
            "state": case.state,
            "owner": case.owner,
            "outcome": case.outcome,
            "passed_on": "yes" if case.rung or case.moved else "no",
            "count": str(case.count),
            "contact": "yes" if case.contact else "no",
            "late": "yes" if case.late else "no",
            "asked": "yes" if case.asked_ms is not None else "no",
            "earlier": case.earlier,
        }
        return (first | told, *others)

    def _place_of(self, event: CaseEvent) -> dict[str, str]:
        private = {"private": "yes"} if self._desk.is_private(event.room_id) else {}
        return {"room": event.room_id, "event": event.event_id, **private}

    # -- the quiet ones --------------------------------------------------------------------------------------------

    async def _summary(self, effect: Card, case: Case, room_id: str, attempt: Attempt) -> Result:
        """One list for the cases of a week that got no card of their own (CARE, rule 16)."""
        async with self._listing:
            quiet = self._desk.book.quiet_ones(case.community, case.audience)
            items = tuple(
                {"person": one.about, "reference": one.reference, "state": one.state, "count": str(one.count)}
                for one in quiet
            )
            name = f"case_list/{case.community}/{case.audience}"
            standing = await self._standing(name)
            say = self._desk.speaker.say
            if standing is not None:
                return await say(room_id, effect, "card.summary", items, attempt, replaces=standing)
            done = await say(room_id, effect, "card.summary", items, attempt)
            if done.event_id is not None:
                await self._desk.remember(name, f"{done.event_id} {self._desk.clock.now_ms()}")
            return done

    async def _standing(self, name: str) -> str | None:
        """The id of the list that stands in the room, None where a new one begins: after a week."""
        event_id, _, since = (await self._desk.recall(name) or "").partition(" ")
        if self._lists_in_doubt:
            self._lists_in_doubt = False
            return None
        fresh = since.isdecimal() and int(since) > self._desk.clock.now_ms() - _LIST_MS
        return event_id if event_id and fresh else None


def _text(case: Case) -> str:
    if case.track is Track.CONCERN:
        return "card.concern"
    if case.kind == "appeal":
        return "card.appeal"
    kinds = {one.kind or _DETAILS for one in case.events} - {"edit"}
    return "card.contact_details_removed" if kinds == {_DETAILS} else "card.conduct"
