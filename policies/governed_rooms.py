"""The power levels that we write into the rooms we govern: version 12, created by us, people at most at 90."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from policies.room_versions import HIGHEST_LEVEL, is_user_id

__all__ = ["GOVERNED_EVENT_TYPES", "GOVERNED_LEVEL", "HELD_LEVEL", "HIGHEST_HUMAN_LEVEL", "governed_power_levels"]

GOVERNED_LEVEL: Final = 150
"""What is governed by the policy needs this level: no person reaches it, only creators do."""
HIGHEST_HUMAN_LEVEL: Final = 90
"""No person in a managed room stands higher: 100 is what Synapse gives in a break-glass, and must be seen as drift."""

HELD_LEVEL: Final = -1
"""The level of a newcomer whose first messages are read before everybody sees them: below all others, and no power."""
_OF_THEIR_OWN: Final = frozenset({"m.room.redaction"})  # what may be done from that level on, with one's own words

GOVERNED_EVENT_TYPES: Final[frozenset[str]] = frozenset(
    {
        "m.room.power_levels",
        "m.room.join_rules",
        "m.room.history_visibility",
        "m.room.guest_access",
        "m.room.server_acl",
        "m.room.encryption",
        "m.room.tombstone",
        "m.room.canonical_alias",
        "m.room.retention",
        "m.room.policy",
        "m.space.parent",
        # Live location, by its stable and its older name: it is state, and tells where somebody is.
        "m.beacon_info",
        "org.matrix.msc3672.beacon_info",
        "m.call.invite",
        "im.vector.modular.widgets",
    }
)
"""Event types that only creators may send in a managed room, named besides `state_default` so that it is visible."""


def governed_power_levels(
    users: Mapping[str, int],
    *,
    creators: Collection[str] = (),
    events_default: int = 0,
    invite: int = 50,
    kick: int = 50,
    ban: int = 50,
    redact: int = 50,
    notify_room: int = 50,
    events: Mapping[str, int] | None = None,
) -> dict[str, object]:
    """Return the power levels of a managed room (version 12), where people cannot touch what the policy governs.

    users: people with a role, by `@user:server`; at most 90 (`HIGHEST_HUMAN_LEVEL`). Nobody else has more than 0.
    creators: the room's creators, who may not be listed.
    events_default: the level needed to write; 50 makes a room for announcements.
    events: levels for further event types, or other ones for name, topic, avatar and pins.

    Raises ValueError for a level that is no integer or out of reach, for a person above 90, a creator or something
    else than a user id among `users`, kick, ban or redact open to everybody, and a governed type below 150.
    """
    for user, level in users.items():
        if not is_user_id(user):
            raise ValueError(f"{user!r} is not a user id such as @name:server")
        if user in creators:
            raise ValueError(f"{user} is a creator of the room, and a creator may not be given a level")
        _require(level, f"the level of {user}", lowest=-HIGHEST_LEVEL, highest=HIGHEST_HUMAN_LEVEL)
    for name, level in {"kick": kick, "ban": ban, "redact": redact}.items():
        _require(level, name, lowest=1, highest=GOVERNED_LEVEL)
    for name, level in {"events_default": events_default, "invite": invite, "notify_room": notify_room}.items():
        _require(level, name, lowest=0, highest=GOVERNED_LEVEL)

    levels = dict.fromkeys(sorted(GOVERNED_EVENT_TYPES), GOVERNED_LEVEL)
    # To react, and to take back one's own message, is everybody's right, also where only a few may write.
    levels |= {"m.room.name": 50, "m.room.topic": 50, "m.room.avatar": 50, "m.room.pinned_events": 50}
    levels |= {"m.reaction": 0, "m.room.redaction": 0}
    for event_type, level in (events or {}).items():
        lowest = GOVERNED_LEVEL if event_type in GOVERNED_EVENT_TYPES else 0
        lowest = HELD_LEVEL if event_type in _OF_THEIR_OWN else lowest
        _require(level, f"the level of {event_type}", lowest=lowest, highest=GOVERNED_LEVEL)
        levels[event_type] = level
    return {
        "users": dict(users),
        "users_default": 0,
        "events_default": events_default,
        "state_default": GOVERNED_LEVEL,
        "invite": invite,
        "kick": kick,
        "ban": ban,
        "redact": redact,
        "notifications": {"room": notify_room},
        "events": levels,
    }


def _require(level: object, what: str, *, lowest: int, highest: int) -> None:
    if type(level) is not int:
        raise ValueError(f"{what} is {level!r}, and must be an integer")
    if not lowest <= level <= highest:
        raise ValueError(f"{what} is {level}, and must be from {lowest} to {highest}")
