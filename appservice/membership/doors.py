"""Who is in which room, enforced from the stream: doors that close behind whoever may not be there.

Fails closed: whom no policy, people file or approval admits is taken out. What a person decides is checked by their
role at that moment, and again when the effect leaves (`removal.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

from appservice.flow import (
    Approve,
    Card,
    DirectMessage,
    Effect,
    EnsureDirectRoom,
    EventInput,
    Facts,
    Invite,
    Place,
    Remove,
    RoomFacts,
    Rules,
)
from appservice.membership.places import NO_PLACE, Capacities, is_full
from appservice.membership.words import request_reference


class Doors:
    """Joins, invites and requests in every managed room but the direct ones."""

    name = "doors"

    def __init__(self, capacities: Capacities | None = None) -> None:
        self._capacities = capacities or {}

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room, rules = item.event, facts.room, facts.rules
        if event.type != "m.room.member" or not event.state_key or rules is None or room.place is Place.DIRECT:
            return ()
        person = event.state_key
        present = room.members.get(person)
        if person in facts.ghosts or present != event.content.get("membership"):
            return ()  # what is late is judged by the present
        if event.sender in facts.ghosts:
            return self._by_us(item, facts, person, rules)
        if rules.admits(room.community, room.group, person):
            # Whom a person took out is let in by a person, whose role may.
            taken_out = person in room.taken_out
            if present == "knock":
                waits = taken_out or is_full(self._capacities, room, facts, person)
                return self._asked(item, facts, person) if waits else self._welcome(item, facts, person)
            if present == "invite" and taken_out and not _lets_in(rules, room, event.sender):
                return self._withdrawn(item, facts, person)
            if present == "invite" and is_full(self._capacities, room, facts, person):
                return self._no_place(item, facts, person)
            return ()
        if present == "join":
            return self._intruder(item, facts, person)
        if present == "invite":
            return self._invited(item, facts, person, rules)
        if present == "knock":
            return self._asked(item, facts, person)
        return ()

    def _by_us(self, item: EventInput, facts: Facts, person: str, rules: Rules) -> Iterable[Effect]:
        """An invite in one of our names. We ask in nobody but whom the rules admit at that moment, and they change before
        anything is done by others: so one of somebody else was sent by hand, or has been overtaken. Of a room that the
        policy says nothing of, another service may have its own to say."""
        room = facts.room
        if not rules.kind(room.community, room.group):
            return ()
        if item.event.content.get("membership") != "invite" or rules.admits(room.community, room.group, person):
            return ()
        return self._withdrawn(item, facts, person)

    def _welcome(self, item: EventInput, facts: Facts, person: str) -> Iterable[Effect]:
        yield Invite(source=item.id, rule=self.name, lane=item.lane, room_id=facts.room.room_id, user_id=person)

    def _intruder(self, item: EventInput, facts: Facts, person: str) -> Iterable[Effect]:
        remove = self._remove(item, person, "not_admitted")
        yield remove
        entry = {"person": person, "room": item.event.room_id}
        told = DirectMessage(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            after=remove.key,
            user_id=person,
            text="your.not_in_group",
            items=(entry,),
        )
        yield told
        yield self._card(item, facts, person, "card.intruder", remove.key, once=told.key)

    def _invited(self, item: EventInput, facts: Facts, person: str, rules: Rules) -> Iterable[Effect]:
        by, room = item.event.sender, facts.room
        approving = rules.kind(room.community, room.group) == "hybrid" and facts.before == "knock"
        if approving and rules.approves(room.community, room.group, by):
            if is_full(self._capacities, room, facts, person):
                yield from self._no_place(item, facts, person)
                return
            yield Approve(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                community=room.community,
                group=room.group,
                user_id=person,
                by=by,
            )
            return
        yield from self._withdrawn(item, facts, person)

    def _withdrawn(self, item: EventInput, facts: Facts, person: str) -> Iterable[Effect]:
        remove = self._remove(item, person, "invite_withdrawn")
        yield remove
        yield from self._author_told(item, facts, person, remove, "your.invite_withdrawn")
        yield self._card(item, facts, person, "card.invite_withdrawn", remove.key)

    def _no_place(self, item: EventInput, facts: Facts, person: str) -> Iterable[Effect]:
        """An invite by hand beyond the capacity. It has ended a request that it answered, so whoever asked is told."""
        remove = self._remove(item, person, NO_PLACE)
        yield remove
        yield from self._author_told(item, facts, person, remove, "your.group_is_full")
        if facts.before == "knock":
            yield self._told(item, person, remove, "your.request_found_full")
        yield self._card(item, facts, person, "card.no_place", remove.key)

    def _author_told(
        self, item: EventInput, facts: Facts, person: str, remove: Remove, text: str
    ) -> Iterable[DirectMessage]:
        by = item.event.sender
        if by not in facts.ghosts and by != person:
            yield self._told(item, by, remove, text)

    def _told(self, item: EventInput, user_id: str, remove: Remove, text: str) -> DirectMessage:
        return DirectMessage(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            after=remove.key,
            user_id=user_id,
            text=text,
            items=({"person": user_id, "room": item.event.room_id},),
        )

    def _asked(self, item: EventInput, facts: Facts, person: str) -> Iterable[Effect]:
        if facts.rules is None or facts.rules.kind(facts.room.community, facts.room.group) != "hybrid":
            return
        room = EnsureDirectRoom(source=item.id, rule=self.name, lane=item.lane, user_id=person)
        yield room
        heard = DirectMessage(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            once=room.key,  # it may be that which makes them reached
            user_id=person,
            text="your.request_heard",
            items=({"person": person, "room": item.event.room_id},),
        )
        yield heard
        yield self._card(item, facts, person, "card.asks_to_join", None, once=heard.key)

    def _remove(self, item: EventInput, person: str, code: str) -> Remove:
        return Remove(
            source=item.id, rule=self.name, lane=item.lane, room_id=item.event.room_id, user_id=person, code=code
        )

    def _card(
        self, item: EventInput, facts: Facts, person: str, text: str, after: str | None, once: str | None = None
    ) -> Card:
        reference = request_reference(item.event.room_id, person)
        return Card(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            after=after,
            once=once,
            community=facts.room.community,
            place=Place.MODERATORS,
            about=person,
            text=text,
            items=({"person": person, "room": item.event.room_id, "reference": reference},),
        )


def _lets_in(rules: Rules, room: RoomFacts, user_id: str) -> bool:
    """Whether somebody may ask in whom a person took out: who answers requests, where there are any."""
    if rules.kind(room.community, room.group) == "hybrid":
        return rules.approves(room.community, room.group, user_id)
    return rules.can(room.community, user_id, "approve_join")
