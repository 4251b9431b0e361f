"""What a policy says of newcomers, by group: how many messages are read first, and of whom none are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from policies.desired import DesiredCommunity


def firsts_of(community: DesiredCommunity) -> Mapping[str, int]:
    """Return how many messages of somebody new are read first, by group."""
    return {room.key: room.first_messages for room in community.rooms if room.first_messages}


def powerful_of(community: DesiredCommunity) -> Mapping[str, Collection[str]]:
    """Return who has power by a role, by group: they are never new."""
    return {
        room.key: {user for user, level in users_of(room.state["m.room.power_levels", ""]).items() if level > 0}
        for room in community.rooms
        if room.first_messages
    }


def users_of(levels: Mapping[str, Any]) -> Mapping[str, int]:
    """Return who has which level in a room's powers, which anybody may have written."""
    users = levels.get("users")
    found = users.items() if isinstance(users, Mapping) else ()
    return {user: level for user, level in found if type(level) is int}
