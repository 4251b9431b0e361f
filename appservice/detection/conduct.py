"""The handler for what people do: it collects what all rules say of a message, and decides once (DESIGN, section 7).

One message is removed once, with one note and one private message, however many rules it breaks. What a rule in shadow
sees is only counted. Danger to somebody is told to people whatever the mode (CARE, rule 2), and nobody else is told
(CARE, rule 7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from appservice.detection.conduct_rules import Hit
from appservice.detection.personal_data import NOBODYS, OTHERS, OWN, Details
from appservice.flow import (
    Card,
    DirectMessage,
    Effect,
    EventInput,
    Facts,
    NoteShadow,
    Notice,
    OpenCase,
    Origin,
    Place,
    Redact,
    SweepEdits,
    Track,
    UrgentCard,
)

#: Where members talk. System and direct rooms are for saying what must not be said elsewhere.
_WATCHED: Final = {Place.GROUP}
#: From this severity on shadow ends, and the tier of a group does not matter (CARE, rule 2).
DANGER: Final = 3
PERSONAL_DATA: Final = "personal_data"
_DETAILS: Final = "contact_details"


@dataclass(frozen=True, slots=True)
class Seen:
    """What rules say of a message: whose personal data it carries, and the worst hit of each rule about words."""

    details: Details = field(default_factory=lambda: Details(NOBODYS))
    hits: Mapping[str, Hit] = field(default_factory=dict)


#: `look(content)` says what a message carries.
Look = Callable[[Mapping[str, Any]], Seen]
#: `modes(group)` says which rules look in a group, and whether each acts (`enforce`) or only counts (`shadow`).
Modes = Callable[[str], Mapping[str, str]]


class Conduct:
    """`look` reads a message's content; see `service.detectors`."""

    name = "conduct"

    def __init__(self, look: Look, modes: Modes) -> None:
        self._look = look
        self._modes = modes

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type != "m.room.message" or facts.room.place not in _WATCHED or event.redacted or not event.sender:
            return
        if event.replaces in facts.removed:
            return  # whatever it says: an edit of what was removed goes anyway
        seen = self._look(event.content)
        hits = [*([Hit(PERSONAL_DATA, 2)] if seen.details.whose == OTHERS else []), *seen.hits.values()]
        modes = self._modes(facts.room.group)
        acting = [hit for hit in hits if modes.get(hit.rule) == "enforce"]
        danger = [hit for hit in hits if hit.severity >= DANGER]
        if acting or danger:
            yield from self._told(item, facts, seen.details, acting, danger)
        if seen.details.whose == OWN and not acting and modes.get(PERSONAL_DATA) == "enforce":
            kind = _kind(seen.details, ())
            yield DirectMessage(
                **_common(item, PERSONAL_DATA),
                user_id=event.sender,
                text="your.own_number",
                items=(_entry(item, kind),),
            )
        if not acting:
            counted = [hit for hit in hits if hit not in danger and modes.get(hit.rule) == "shadow"]
            for hit in counted:
                yield NoteShadow(
                    **_common(item, hit.rule),
                    community=facts.room.community,
                    room_id=event.room_id,
                    event_id=event.event_id,
                    about=event.sender,
                    at_ms=item.received_ms,
                )

    def _told(
        self, item: EventInput, facts: Facts, details: Details, acting: Sequence[Hit], danger: Sequence[Hit]
    ) -> Iterable[Effect]:
        event, community = item.event, facts.room.community
        worst = max([*acting, *danger], key=lambda hit: hit.severity)
        common = _common(item, (acting or danger)[0].rule)
        # That people are called is no correction of anybody: it is not held back for who is in distress.
        calling = common | ({"conduct_on": None} if danger else {})
        yield OpenCase(
            **calling,
            community=community,
            track=Track.CONDUCT,
            kind=_DETAILS if worst.rule == PERSONAL_DATA else worst.rule,
            severity=worst.severity,
            about=event.sender,
            room_id=event.room_id,
            event_id=event.event_id,
            late=item.late,
            stands=not acting,
        )
        text = _DETAILS if all(hit.rule == PERSONAL_DATA for hit in acting) else "conduct"
        card: dict[str, Any] = {"community": community, "about": event.sender, "case": Track.CONDUCT}
        if acting:
            entry = _entry(item, _kind(details, acting))
            reason = f"{acting[0].rule}.{entry['kind']}" if text == _DETAILS else acting[0].rule
            redact = Redact(**common, room_id=event.room_id, event_id=event.event_id, reason=reason)
            yield redact
            yield from self._edits(item, redact)
            after = common | {"after": redact.key, "items": (entry,)}
            yield Notice(**after, room_id=event.room_id, text=f"removed.{text}")
            told = DirectMessage(**after, user_id=event.sender, text=f"your.{text}_removed")
            yield told
            if not danger:
                yield Card(**after, **card, once=told.key, place=Place.MODERATORS, text=f"card.{text}_removed")
        if danger:
            yield UrgentCard(**calling, **card, place=Place.SAFEGUARDING, text="card.conduct")

    def _edits(self, item: EventInput, redact: Redact) -> Iterable[Effect]:
        """What we find late may have been edited before: those edits passed while nobody knew of the original."""
        event = item.event
        if item.origin is Origin.GAP and event.replaces is None:
            yield SweepEdits(
                **_common(item, redact.rule),
                after=redact.key,
                room_id=event.room_id,
                event_id=event.event_id,
                about=event.sender,
            )


def _common(item: EventInput, rule: str) -> dict[str, Any]:
    return {"source": item.id, "rule": rule, "lane": item.lane, "conduct_on": item.event.sender}


def _entry(item: EventInput, kind: str) -> dict[str, str]:
    event = item.event
    return {"room": event.room_id, "event": event.event_id, "person": event.sender, "kind": kind}


def _kind(details: Details, acting: Sequence[Hit]) -> str:
    """What texts say was found: the one kind of details, the one rule, or several."""
    if any(hit.rule != PERSONAL_DATA for hit in acting):
        return acting[0].rule if len(acting) == 1 else "several"
    return details.kinds[0] if len(details.kinds) == 1 else "several"
