"""A person writes to the guardian in their direct room: `help` and `appeal` reach people, anything else is told how."""

from __future__ import annotations

from collections.abc import Iterable

from appservice.cases.words import is_for_a_case
from appservice.flow import Card, DirectMessage, Effect, EventInput, Facts, Place

#: The words that call a person, and whose room they reach: a request for help goes to the safeguarding lead, a
#: complaint about what we did to the moderators.
_WORDS = {"help": Place.SAFEGUARDING, "appeal": Place.MODERATORS}
#: Characters looked at: the word stands first, or alone.
_LOOKED_AT = 200


class Requests:
    """Never quotes what was written: the card says who asks, the person tells the rest to a person."""

    name = "requests"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type != "m.room.message" or facts.room.place is not Place.DIRECT or event.redacted:
            return
        if facts.direct_rooms.get(event.sender) != event.room_id or event.content.get("msgtype") == "m.notice":
            return
        if is_for_a_case(event.content, event.room_id, facts.cases):
            return
        word = _word(event.content.get("body"))
        person = {"person": event.sender, "event": event.event_id}
        source, lane = item.id, item.lane
        if word is None:
            if not item.late:
                yield DirectMessage(
                    source=source, rule=self.name, lane=lane, user_id=event.sender, text="direct.how", items=(person,)
                )
            return
        card = Card(
            source=source,
            rule=self.name,
            lane=lane,
            community=facts.room.community,
            place=_WORDS[word],
            about=event.sender,
            text=f"card.asks_{word}",
            items=(person,),
        )
        yield card
        yield DirectMessage(
            source=source,
            rule=self.name,
            lane=lane,
            user_id=event.sender,
            text=f"direct.{word}_heard",
            items=(person,),
            after=card.key,
        )


def _word(body: object) -> str | None:
    if not isinstance(body, str):
        return None
    words = body[:_LOOKED_AT].lower().replace("!", " ").replace(".", " ").replace(",", " ").split()
    return words[0] if words and words[0] in _WORDS else None
