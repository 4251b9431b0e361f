"""Somebody asks one of us into a room of theirs (DESIGN, section 7, item 4)."""

from __future__ import annotations

from collections.abc import Iterable

from appservice.flow import AnswerInvite, Effect, EventInput, Facts


class Invitations:
    """A person we know who wants to speak with the guardian alone is shown our own direct room; all else is declined.

    What is said in a room of theirs nobody would read: it may be encrypted, and is none of ours.

    An invite of the steward into a room of many waits. Only a person who has that room taken over (`inglenook adopt`) has
    it accepted; one that nobody uses is a row at the homeserver, by which nothing of that room is sent to us.
    """

    name = "invitations"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room = item.event, facts.room
        if event.type != "m.room.member" or event.state_key is None or room.managed or not event.sender:
            return ()
        if event.state_key not in facts.ghosts:
            return ()
        if event.content.get("membership") != "invite":
            return ()
        to_talk = event.content.get("is_direct") is True
        if event.state_key == facts.ghosts.steward and not to_talk:
            return ()
        alone = to_talk and event.state_key == facts.ghosts.guardian
        answer = AnswerInvite(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            room_id=event.room_id,
            user_id=event.state_key,
            by=event.sender,
            kindly=alone and event.sender in facts.known_people,
        )
        return (answer,)
