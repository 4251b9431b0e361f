"""What follows when somebody arrives in a room of ours."""

from __future__ import annotations

from collections.abc import Iterable

from appservice.flow import DirectMessage, Effect, EnsureDirectRoom, EventInput, Facts, Origin, Place


class Arrivals:
    """Opens the direct room with each person at their first join, so that help is visible before it is needed
    (CARE, rule 5); who left it is asked into it once more at each arrival."""

    name = "arrivals"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type != "m.room.member" or event.content.get("membership") != "join" or not event.state_key:
            return
        person = event.state_key
        if facts.room.place is Place.DIRECT or person in facts.ghosts or person in facts.direct_rooms:
            return
        if facts.before == "join" and item.origin is Origin.PUSH and person in facts.known_people:
            return  # another name or picture is no arrival: who left their direct room is not asked for that
        rules = facts.rules
        if rules is not None and not rules.admits(facts.room.community, facts.room.group, person):
            return  # whoever may not be here is told so, by the doors
        room = EnsureDirectRoom(source=item.id, rule=self.name, lane=item.lane, user_id=person)
        yield room
        if person not in facts.known_people:
            # What a program does here, who reads, what is kept, how to complain (CARE, rule 17).
            yield DirectMessage(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                once=room.key,
                user_id=person,
                text="direct.welcome",
                items=({"person": person},),
            )
