"""The first messages of newcomers are read before everybody sees them: what came before the homeserver held them back goes.

Power levels prevent nearly all of it. What is written in the moment before they hold, or by somebody for whom they have
no room, is taken away kindly, and given back. Never from somebody in distress or who asked us to be quiet, and
never what asks for help.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from appservice.detection.slow_mode import is_talk
from appservice.detection.ways import moderates, of_way
from appservice.flow import (
    FIRST_MESSAGES,
    SAY,
    DirectMessage,
    DropWords,
    Effect,
    EventInput,
    Facts,
    GiveBack,
    NewcomerCard,
    Origin,
    Redact,
    UrgentMessage,
)

__all__ = ["FirstMessages", "unheld"]

#: ms until their author is told, so that several are told at once.
_GATHER_MS: Final = 2 * 1000


class FirstMessages:
    """Takes away what a newcomer wrote into a group by themselves, while their messages are to be read first."""

    name = FIRST_MESSAGES

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room, newcomers = item.event, facts.room, facts.newcomers
        if newcomers is None or not is_talk(item, facts) or not newcomers.left(room.group, event.sender):
            return
        if item.origin is not Origin.PUSH or item.late:
            return  # what was found late stands already: people have read it
        if facts.in_distress(event.sender) or moderates(room, facts, event.sender):
            return
        if event.sender in facts.quiet:
            return  # their words could not be given back
        redact = Redact(**of_way(item, self.name), room_id=event.room_id, event_id=event.event_id, reason=self.name)
        yield redact
        if event.replaces is not None:
            return  # clients show the edit of a message that is gone as a message
        yield GiveBack(
            **of_way(item, self.name),
            after=redact.key,
            user_id=event.sender,
            text="your.first_message",
            items=({"person": event.sender, "room": event.room_id, "event": event.event_id},),
            not_before_ms=item.received_ms + _GATHER_MS,
        )


def unheld(item: EventInput, effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects of words that sound like distress without their being kept for reading: people are called, and
    who wrote them is told that they stand in no group."""
    taken_back = any(isinstance(one, DropWords) for one in effects)  # an edit: what it said before goes all the same
    stays = (DropWords, NewcomerCard) if taken_back else ()
    kept = [effect for effect in effects if effect.rule != SAY or isinstance(effect, stays)]
    answered = any(isinstance(one, UrgentMessage) and one.rule == "concern" for one in kept)
    if len(kept) == len(effects) or answered:
        return kept
    told = DirectMessage(
        source=item.id,
        rule=SAY,
        lane=item.lane,
        user_id=item.event.sender,
        text="first.people",
        items=({"person": item.event.sender},),
    )
    return [*kept, told]
