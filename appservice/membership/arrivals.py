"""What follows when somebody arrives in a room of ours."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from appservice.flow import (
    DirectMessage,
    Effect,
    EnsureDirectRoom,
    EventInput,
    Facts,
    Greeting,
    Item,
    NoteGreeting,
    Origin,
    Place,
    UrgentMessage,
)
from appservice.membership.greeting import is_told, leaves_at, said_of


class Arrivals:
    """Opens the direct room with each person at their first join, so that help is visible before it is needed
    (CARE, rule 5); who left it is asked into it once more at each arrival.

    `welcomes` are the sentences that newcomers to a group are told, by group; `own_hours` are the groups that are looked
    after in hours of their own; `kept` says, by group, for how many days messages are kept, "none" without an end.
    """

    name = "arrivals"

    def __init__(
        self,
        welcomes: Mapping[str, str] | None = None,
        own_hours: Collection[str] = (),
        kept: Mapping[str, str] | None = None,
    ) -> None:
        self._kept = kept or {}
        self._welcomes = welcomes or {}
        self._own_hours = frozenset(own_hours)

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type != "m.room.member" or event.content.get("membership") != "join" or not event.state_key:
            return
        person = event.state_key
        if facts.room.place is Place.DIRECT or person in facts.ghosts:
            return
        if person in facts.direct_rooms:
            yield from self._greeting(item, facts, person)
            return
        if facts.before == "join" and item.origin is Origin.PUSH and person in facts.known_people:
            return  # another name or picture is no arrival: who left their direct room is not asked for that
        if not _admitted(facts, person):
            return  # whoever may not be here is told so, by the doors
        room = EnsureDirectRoom(source=item.id, rule=self.name, lane=item.lane, user_id=person)
        yield room
        if person in facts.known_people:
            if _read_first(facts, person):  # it waits for them in the room that they have not come into, or left
                yield from self._greeting(item, facts, person, room.key)
            return
        about = self._about(facts, person)
        yield self._noted(item, facts, about, facts.now_ms)
        # What a program does here, who reads, what is kept, how to complain (CARE, rule 17).
        yield DirectMessage(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            once=room.key,
            user_id=person,
            text="direct.welcome",
            items=(about,),
        )

    def _greeting(self, item: EventInput, facts: Facts, person: str, room: str | None = None) -> Iterable[Effect]:
        """What the group tells newcomers, to somebody whom we met elsewhere; nothing to those in need of other words.

        Once for what it says: nobody is told it at each return. room: what makes the direct room in which it is said.
        """
        arrives, read_first = facts.before != "join" and not _came_along(facts, person), _read_first(facts, person)
        # Whose coming was found by reading the room was in it already: who was told nothing yet cannot write, nor ask how.
        arrives = arrives or (read_first > 0 and facts.room.group not in facts.greeted.get(person, {}))
        tells = facts.room.group in self._welcomes or read_first or self._is_kept_otherwise(facts, person)
        if not arrives or not tells or not _admitted(facts, person):
            return
        if facts.in_distress(person) or person in facts.quiet:
            return
        about = self._about(facts, person)
        if is_told(facts, facts.room.group, person, said_of(about)):
            return
        if read_first:  # who does not know how cannot write at all
            yield self._noted(item, facts, about, facts.now_ms)
            yield UrgentMessage(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                once=room,
                user_id=person,
                text="direct.group_welcome",
                items=(about,),
            )
            return
        leaves_ms = leaves_at(facts, person)
        yield self._noted(item, facts, about, leaves_ms)
        yield Greeting(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            user_id=person,
            text="direct.group_welcome",
            items=(about,),
            not_before_ms=leaves_ms,
        )

    def _is_kept_otherwise(self, facts: Facts, person: str) -> bool:
        """Whether messages of this group are kept for another time than those of the groups that somebody is in already:
        who only knows those would expect the same here (CARE, rule 17)."""
        here = self._kept.get(facts.room.group)
        if here is None:
            return False
        elsewhere = {
            self._kept[group]
            for room_id, group in facts.groups.items()
            if group in self._kept and room_id != facts.room.room_id
            if (room := facts.room_of(room_id)) is not None and room.members.get(person) == "join"
        }
        return elsewhere != {here}

    def _noted(self, item: EventInput, facts: Facts, about: Item, at_ms: int) -> NoteGreeting:
        return NoteGreeting(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            group=facts.room.group,
            user_id=about["person"],
            said=said_of(about),
            at_ms=at_ms,
        )

    def _about(self, facts: Facts, person: str) -> Item:
        welcome, of_group = self._welcomes.get(facts.room.group), {"room": facts.room.room_id}
        own_hours = of_group | {"own_hours": "yes"} if facts.room.group in self._own_hours else {}
        kept = of_group | {"kept": self._kept[facts.room.group]} if facts.room.group in self._kept else {}
        kept |= of_group | {"first": str(first)} if (first := _read_first(facts, person)) else {}
        return {"person": person} | own_hours | kept | (of_group | {"welcome": welcome} if welcome else {})


def _admitted(facts: Facts, person: str) -> bool:
    rules = facts.rules
    return rules is None or rules.admits(facts.room.community, facts.room.group, person)


def _read_first(facts: Facts, person: str) -> int:
    """How many messages of somebody new to this group are read before everybody sees them."""
    return facts.newcomers.left(facts.room.group, person) if facts.newcomers is not None else 0


def _came_along(facts: Facts, person: str) -> bool:
    """Whether somebody was in the room of ours whose place this one takes: they are no newcomer."""
    before = facts.room.create.get("predecessor")
    room_id = before.get("room_id") if isinstance(before, Mapping) else None
    old = facts.room_of(room_id) if isinstance(room_id, str) else None
    return old is not None and old.group == facts.room.group and old.members.get(person) == "join"
