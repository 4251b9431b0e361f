"""Whether a room that others made can be taken over by a group, and if not, why, and what to do about it. Pure.

We never govern such a room as it is: who made it keeps power over it, and could open its doors again. So a room of ours
takes its place, and it is closed.
"""

from __future__ import annotations

from typing import Final

from policies.desired import MANAGED_TYPE, DesiredRoom
from policies.observed import Identities, ObservedRoom
from policies.plain_words import named
from policies.succession import JOIN_RULES, POWER_LEVELS, TOMBSTONE, is_ours, levels_of

_WRITTEN: Final = (JOIN_RULES, POWER_LEVELS, TOMBSTONE)

__all__ = ["why_not"]


def why_not(old: ObservedRoom, room: DesiredRoom, identities: Identities, *, direct: bool) -> str | None:
    """Return why `old` cannot be taken over as the room of a group, and what to do; None if it can.

    direct: whether it is a conversation of two people. Everything in `old` may be hostile.
    """
    if is_ours(old, identities):
        return f"this service made that room itself. `inglenook upgrade {room.key}` gives it a new one"
    if MANAGED_TYPE in old.create_content or (MANAGED_TYPE, "") in old.state:
        return (
            "that room carries the mark of a community that is looked after like this one. It has to be given up there"
        )
    if direct:
        return "that is a private conversation of people, and none of a community's business"
    if (old.create_content.get("type") == "m.space") != (room.room_type == "m.space"):
        kind, other = ("space", "room") if room.room_type != "m.space" else ("room", "space")
        return f"that is a {kind}, and “{room.key}” is a {other}"
    if old.state.get(TOMBSTONE):
        return "that room is closed already, and leads to another one: adopt that one, if it is meant to be"
    levels = levels_of(old, identities.steward)
    # Whoever stands higher than we do could not be kept from writing on, nor from opening it again.
    needed = max(*(levels.required_for(key[0], is_state=True) for key in _WRITTEN), *levels.users.values())
    if levels.level_of(identities.steward) < needed:
        return (
            f"{named(identities.steward)} has not enough power in that room. Somebody there who has it gives it power level "
            f"{needed} (in Element: the room's settings, roles and permissions; or /op {named(identities.steward)} "
            f"{needed}). If nobody can, and the people there agree, whoever runs the homeserver can do it by the admin "
            "API: make_room_admin"
        )
    return None
