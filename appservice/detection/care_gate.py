"""The care gate: one place that sees all effects of an input before any becomes true (CARE, rule 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from appservice.detection.first_messages import unheld
from appservice.detection.ways import step_back
from appservice.flow import (
    Card,
    Concerned,
    DirectMessage,
    Effect,
    EventInput,
    Facts,
    Lane,
    NoteShadow,
    OpenCase,
    Place,
    Redact,
    Rules,
    Track,
    UrgentMessage,
)

_RULE = "care_gate"
#: What a program says to any words, and to words that ask: nothing of it beside a kind answer to a sign of distress.
_OF_COURSE = {"direct.how", "direct.help_heard", "care.safe_first"}
#: The rule that finds contact details.
_DETAILS = "personal_data"


def care_gate(item: EventInput, facts: Facts, effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects without those that would correct somebody in distress; people are told what was left undone."""
    effects = step_back(effects)
    concerned = {effect.user_id for effect in effects if isinstance(effect, Concerned) and effect.is_sign}
    if concerned:
        effects = unheld(item, effects)
    # One answer, and that a kind one: no two messages of a program in a row (CARE, rule 9).
    if any(isinstance(one, UrgentMessage) and one.rule == "concern" for one in effects):
        effects = [one for one in effects if not (isinstance(one, DirectMessage) and one.text in _OF_COURSE)]

    def waits(effect: Effect) -> bool:
        person = effect.conduct_on
        return person is not None and (person in concerned or facts.in_distress(person))

    kept = [effect for effect in effects if not waits(effect)]
    if len(kept) == len(effects):
        return kept
    waiting = [effect for effect in effects if waits(effect)]
    if any(isinstance(effect, Redact) for effect in waiting):
        kept = [_still_there(effect) for effect in kept]
    if concerned:
        contact = any(effect.rule == _DETAILS for effect in waiting)
        return [_with_contact(effect) for effect in kept] if contact else kept
    if all(isinstance(effect, NoteShadow) for effect in waiting):
        return kept  # nothing would have been seen of it
    person = waiting[0].conduct_on or ""
    told = withheld(item.id, item.lane, facts.room.community, facts.rules, person, item.event.event_id)
    return [*kept, *told]


def _still_there(effect: Effect) -> Effect:
    """A case of danger does not say that its message was removed."""
    if isinstance(effect, OpenCase) and effect.track == Track.CONDUCT:
        return replace(effect, stands=True)
    return effect


def _with_contact(effect: Effect) -> Effect:
    """The case says too that contact details stand in the message."""
    if isinstance(effect, OpenCase) and effect.track == Track.CONCERN:
        return replace(effect, contact=True)
    return effect


def withheld(source: str, lane: Lane, community: str, rules: Rules | None, person: str, event_id: str) -> list[Effect]:
    """Return what tells people that a message of somebody in distress was left for them to decide."""
    entry = {"person": person, "room": lane.room_id, "event": event_id}
    if rules is None or not rules.admits(community, Place.SAFEGUARDING, person):
        card = Card(
            source=source,
            rule=_RULE,
            lane=lane,
            community=community,
            place=Place.SAFEGUARDING,
            about=person,
            text="card.withheld",
            items=(entry,),
        )
        return [card]
    return [
        DirectMessage(
            source=source,
            rule=_RULE,
            lane=lane,
            ordinal=n,
            user_id=owner,
            text="card.withheld",
            items=({**entry, "to": owner},),
        )
        for n, owner in enumerate(one for one in rules.owners(community) if one != person)
    ]
