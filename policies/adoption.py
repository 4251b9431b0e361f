"""Whether a room that others made can be taken over by a group, and if not, why, and what to do about it. Pure.

We never govern such a room as it is: who made it keeps power over it, and could open its doors again. So a room of ours
takes its place, and it is closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from policies.changes import Change, Retire
from policies.desired import MANAGED_TYPE, DesiredRoom
from policies.observed import Identities, ObservedRoom
from policies.plain_words import named
from policies.succession import JOIN_RULES, POWER_LEVELS, TOMBSTONE, is_ours, levels_of

_WRITTEN: Final = (JOIN_RULES, POWER_LEVELS, TOMBSTONE)

__all__ = ["closes", "is_there", "not_there", "why_never", "why_not"]


def is_there(old: ObservedRoom, identities: Identities) -> bool:
    """Whether the steward is in a room. Who left can still read it as it was then, so reading it does not tell."""
    return old.members.get(identities.steward) == "join"


def not_there(steward: str) -> str:
    """Say that the steward is not in a room, and what to do."""
    return (
        f"{named(steward)} is not in that room. Somebody there who may invites it, and gives it the power level that "
        "closes the room (100, in rooms of version 12: 150). Then ask again"
    )


def closes(changes: Iterable[Change], old: ObservedRoom) -> bool:
    """Whether `old` is closed by these changes."""
    return any(
        isinstance(change, Retire) and (change.room_id, change.type) == (old.room_id, TOMBSTONE[0])
        for change in changes
    )


def why_not(old: ObservedRoom, room: DesiredRoom, identities: Identities, *, direct: bool) -> str | None:
    """Return why `old` cannot be taken over now as the room of a group, and what to do; None if it can.

    direct: whether it is a conversation of two people. Everything in `old` may be hostile.
    """
    never = why_never(old, room, identities, direct=direct)
    if never is not None:
        return never
    if not is_there(old, identities):
        return not_there(identities.steward)
    return _why_powerless(old, identities)


def why_never(old: ObservedRoom, room: DesiredRoom, identities: Identities, *, direct: bool) -> str | None:
    """Return why `old` cannot be taken over whatever the steward is given there, and what to do; arguments as above."""
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
    return None


def _why_powerless(old: ObservedRoom, identities: Identities) -> str | None:
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
