"""The handler for other people's personal data in messages (DESIGN, section 7, items 1-3; CARE, rule 1).

Somebody else's number, or one of unclear owner, is removed, with a text that asks and does not accuse. A person's own
number stays: they are told that everybody can see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from appservice.flow import (
    Card,
    DirectMessage,
    Effect,
    EventInput,
    Facts,
    Notice,
    OpenCase,
    Origin,
    Place,
    Redact,
    SweepEdits,
    Track,
)

#: Where members talk. System and direct rooms are for saying what must not be said elsewhere.
_WATCHED = {Place.GROUP}

NOBODYS, OWN, OTHERS = "nobody's", "own", "others"


@dataclass(frozen=True, slots=True)
class Details:
    """Whose personal data a message carries, and of which kinds (`identifiers.KINDS`)."""

    whose: str
    kinds: tuple[str, ...] = ()


#: `look(content)` says what a message carries.
Look = Callable[[Mapping[str, Any]], Details]


class PersonalData:
    """`look` reads a message's content; see `service.detectors`."""

    name = "personal_data"

    def __init__(self, look: Look) -> None:
        self._look = look

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type != "m.room.message" or facts.room.place not in _WATCHED or event.redacted or not event.sender:
            return ()
        details = self._look(event.content)
        if details.whose == NOBODYS or event.replaces in facts.removed:
            return ()  # whatever it says: an edit of what was removed goes anyway
        kind = details.kinds[0] if len(details.kinds) == 1 else "several"
        entry = {"room": event.room_id, "event": event.event_id, "person": event.sender, "kind": kind}
        common = {"source": item.id, "rule": self.name, "lane": item.lane, "conduct_on": event.sender}
        if details.whose == OWN:
            offer = DirectMessage(**common, user_id=event.sender, text="your.own_number", items=(entry,))  # type: ignore[arg-type]
            return (offer,)
        case = OpenCase(
            **common,  # type: ignore[arg-type]
            community=facts.room.community,
            track=Track.CONDUCT,
            kind="contact_details",
            severity=2,
            about=event.sender,
            room_id=event.room_id,
            event_id=event.event_id,
            late=item.late,
        )
        redact = Redact(**common, room_id=event.room_id, event_id=event.event_id, reason=f"{self.name}.{kind}")  # type: ignore[arg-type]
        after = common | {"after": redact.key, "items": (entry,)}
        told = DirectMessage(**after, user_id=event.sender, text="your.contact_details_removed")  # type: ignore[arg-type]
        return (
            case,
            redact,
            *self._edits(item, redact.key),
            Notice(**after, room_id=event.room_id, text="removed.contact_details"),  # type: ignore[arg-type]
            told,
            Card(
                **after,  # type: ignore[arg-type]
                once=told.key,
                community=facts.room.community,
                place=Place.MODERATORS,
                about=event.sender,
                text="card.contact_details_removed",
                case=Track.CONDUCT,
            ),
        )

    def _edits(self, item: EventInput, redacted: str) -> Iterable[Effect]:
        """What we find late may have been edited before: those edits passed while nobody knew of the original."""
        event = item.event
        if item.origin is Origin.GAP and event.replaces is None:
            yield SweepEdits(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                after=redacted,
                conduct_on=event.sender,
                room_id=event.room_id,
                event_id=event.event_id,
                about=event.sender,
            )
