"""The handler for other people's contact details in messages (DESIGN, section 7, items 1-3; CARE, rule 1).

Somebody else's number, or one of unclear owner, is removed, with a text that asks and does not accuse. A person's own
number stays: they are told that everybody can see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from appservice.flow import Card, DirectMessage, Effect, EventInput, Facts, Notice, Place, Redact

#: Where members talk. System and direct rooms are for saying what must not be said elsewhere.
_WATCHED = {Place.GROUP}

#: `look(content)` says whose contact details a message carries.
Look = Callable[[Mapping[str, Any]], str]
NOBODYS, OWN, OTHERS = "nobody's", "own", "others"


class PersonalData:
    """`look` is `contact_details` below, or a stand-in."""

    name = "personal_data.phone"

    def __init__(self, look: Look) -> None:
        self._look = look

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type != "m.room.message" or facts.room.place not in _WATCHED or event.redacted or not event.sender:
            return ()
        whose = self._look(event.content)
        if whose == NOBODYS:
            return ()
        entry = {"room": event.room_id, "event": event.event_id, "person": event.sender}
        common = {"source": item.id, "rule": self.name, "lane": item.lane, "conduct_on": event.sender}
        if whose == OWN:
            offer = DirectMessage(**common, user_id=event.sender, text="your.own_number", items=(entry,))  # type: ignore[arg-type]
            return (offer,)
        redact = Redact(**common, room_id=event.room_id, event_id=event.event_id, reason=self.name)  # type: ignore[arg-type]
        after = common | {"after": redact.key, "items": (entry,)}
        told = DirectMessage(**after, user_id=event.sender, text="your.contact_details_removed")  # type: ignore[arg-type]
        return (
            redact,
            Notice(**after, room_id=event.room_id, text="removed.contact_details"),  # type: ignore[arg-type]
            told,
            Card(
                **after,  # type: ignore[arg-type]
                once=told.key,
                community=facts.room.community,
                place=Place.MODERATORS,
                about=event.sender,
                text="card.contact_details_removed",
            ),
        )
