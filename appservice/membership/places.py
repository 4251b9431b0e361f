"""How many places of a group are taken: nobody is let in beyond its capacity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from appservice.flow import Facts, RoomFacts

Capacities = Mapping[str, int]
"""How many people can be in a group, by its id; a group that is not named takes any number."""

NO_PLACE: Final = "no_place"
"""The code of an invite that was taken back because all places were taken, whoever was asked."""

__all__ = ["NO_PLACE", "Capacities", "is_full"]


def is_full(capacities: Capacities, room: RoomFacts | None, facts: Facts, person: str) -> bool:
    """Return whether there is no place for `person` in a group: all are taken by others.

    Places are taken by who is in it, who was asked in, and who was let in and not asked in yet: an answer to the next
    request may come before the homeserver has told us of the last.
    """
    rules = facts.rules
    if room is None or rules is None or room.group not in capacities:
        return False
    taken = sum(
        1
        for user_id, membership in room.members.items()
        if user_id != person
        and user_id not in facts.ghosts
        and (
            membership in ("join", "invite")
            or (membership == "knock" and rules.admits(room.community, room.group, user_id))
        )
    )
    return taken >= capacities[room.group]
