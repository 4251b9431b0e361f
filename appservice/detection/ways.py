"""The ways of a group step back wherever something else about a message matters: what is said comes first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appservice.flow import FIRST_MESSAGES, MEDIA, WAYS, Effect, EventInput, Facts, OpenCase, Redact, RoomFacts
from policies.defaults import MODERATION_LEVEL
from policies.power_levels import read_power_levels
from policies.room_versions import MANAGED_ROOM_VERSION

__all__ = ["moderates", "of_way", "step_back"]


def step_back(effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects without those of the ways of a group, where another rule removes the message or people look at
    it: a plea, a call for help and danger are never taken away for their time or form (CARE, rule 1).
    """
    others = [effect for effect in effects if effect.rule not in WAYS]
    if any(isinstance(effect, Redact | OpenCase) for effect in others):
        return others
    # One reason is enough, and the first of these lasts longest.
    removing = {effect.rule for effect in effects if isinstance(effect, Redact)}
    reason = next((way for way in (FIRST_MESSAGES, MEDIA) if way in removing), None)
    return list(effects) if reason is None else [*others, *(one for one in effects if one.rule == reason)]


def of_way(item: EventInput, rule: str) -> dict[str, Any]:
    """Return the fields that all effects of a way have: they correct its author, and wait while that is in distress."""
    return {"source": item.id, "rule": rule, "lane": item.lane, "conduct_on": item.event.sender}


def moderates(room: RoomFacts, facts: Facts, user_id: str) -> bool:
    """Return whether somebody has the power to moderate a room, and so decides alone how it is used."""
    levels = read_power_levels(MANAGED_ROOM_VERSION, room.creator, room.create, room.power_levels)
    return user_id in facts.ghosts or levels.level_of(user_id) >= MODERATION_LEVEL
