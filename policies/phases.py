"""When a change of a room's state is made, and how much care it asks for: found from which way it moves things."""

from __future__ import annotations

from typing import Final, Literal, get_args

from policies.desired import LEFT_TO_PEOPLE, MANAGED_TYPE, PREDECESSOR_TYPE, Content
from policies.movements import movement, power_movement

Phase = Literal["create", "lock", "add", "demote", "remove", "publish", "withdraw", "close"]
ChangeClass = Literal["safe", "disruptive", "exposing", "one_way"]

PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
"""In this order, and each for all rooms before the next: demote and remove before exposing, add before advertising, and
stop showing what is over, then close it, when people are where they go on."""
CLASSES: Final[tuple[ChangeClass, ...]] = get_args(ChangeClass)

_ONE_WAY: Final = frozenset({"m.room.encryption", "m.room.tombstone"})

__all__ = ["CLASSES", "PHASES", "ChangeClass", "Phase", "class_of_state", "phase_of_state"]


def phase_of_state(event_type: str, before: Content | None, after: Content) -> Phase:
    """Return the phase in which a state event of this type is written, by which way it moves things."""
    if (event_type, "") in LEFT_TO_PEOPLE:
        return "create"  # to finish a room: before the guardian comes, by whose absence it is known as half made
    if event_type == "m.room.power_levels":
        return _phase_of_powers(before, after)
    if event_type == "m.room.canonical_alias":
        return "publish" if after.get("alias") else "lock"
    if event_type in ("m.space.child", "m.space.parent"):
        return "publish" if after.get("via") else "lock"
    if event_type == PREDECESSOR_TYPE:
        return "create"  # from now on all the rest follows
    if event_type == MANAGED_TYPE:
        # The mark itself at once; that another policy holds, when it does.
        marked = before is not None and all(before.get(name) == after.get(name) for name in ("community", "group"))
        return "publish" if marked else "lock"
    return "publish" if movement(event_type, before, after).widens else "lock"


def _phase_of_powers(before: Content | None, after: Content) -> Phase:
    moved = power_movement(before, after)
    if moved.first:
        return "lock"
    if moved.lowered or (moved.tightened and moved.widened):
        return "demote"
    if moved.widened:
        return "publish"
    return "add" if moved.raised and not moved.tightened else "lock"


def class_of_state(event_type: str, before: Content | None, after: Content) -> ChangeClass:
    """Return how much care it asks for that a state event of this type is written."""
    if event_type in _ONE_WAY:
        return "one_way"
    if event_type == "m.room.power_levels":
        powers = power_movement(before, after)
        silenced = "events_default" in powers.tightened and not powers.first
        if "events_default" in powers.widened and not powers.first:
            # Nobody reads more. But whom only moderators could write to can be hurt, lured and named by everybody now.
            return "exposing"
        return "disruptive" if powers.lowered or silenced else "safe"
    moved = movement(event_type, before, after)
    if event_type == "m.room.retention" and moved.tightens:
        return "one_way"  # what is older is deleted
    return "exposing" if moved.widens else "safe"
