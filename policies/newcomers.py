"""Newcomers to a group whose first messages are read before everybody sees them: prevented by power, below everybody. Pure.

Whoever waits has a level below that of all others, so the homeserver refuses their messages, reactions and edits. What
they wrote themselves they can take back.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from policies.governed_rooms import HELD_LEVEL
from policies.room_versions import is_user_id

Content = Mapping[str, object]

MOST_HELD: Final = 500
"""People of one room that wait by power: an event holds 64 KiB. Messages of any beyond are taken away as they come."""
MOST_BYTES: Final = 24_000
"""Bytes of their user ids together; an id may have 255."""
TAKE_BACK: Final[Mapping[str, int]] = {"m.room.redaction": HELD_LEVEL}
"""Levels of events in a group with newcomers who wait: their own words can be taken back. Reactions may hold any words."""

__all__ = ["MOST_BYTES", "MOST_HELD", "TAKE_BACK", "differ_in_newcomers", "held", "with_newcomers"]


def held(waiting: Collection[str], powerful: Collection[str]) -> tuple[str, ...]:
    """Return those of `waiting` who get the level: all who have no power by a role, as far as the event has room."""
    found: list[str] = []
    room = MOST_BYTES
    # One that is no user id would have the homeserver refuse the level of all.
    for user_id in sorted(filter(is_user_id, set(waiting).difference(powerful))):
        room -= len(user_id.encode("utf-8", "surrogatepass"))
        if room < 0 or len(found) == MOST_HELD:
            break
        found.append(user_id)
    return tuple(found)


def with_newcomers(levels: Content, waiting: Collection[str]) -> Content:
    """Return power levels in which just those who wait have the level of those who wait; all else stays as it is."""
    users = _users(levels)
    others = {user_id: level for user_id, level in users.items() if level != HELD_LEVEL}
    wanted = {**others, **dict.fromkeys(held(waiting, others), HELD_LEVEL)}
    return levels if wanted == users else {**levels, "users": wanted}


def differ_in_newcomers(before: Content | None, after: Content) -> bool:
    """Return whether two power levels say the same but of who waits: nobody's doing, since people come and go."""
    if before is None or not isinstance(before.get("users"), Mapping):
        return False  # emptied, or no powers at all: that somebody did
    return with_newcomers(before, ()) == with_newcomers(after, ())


def _users(levels: Content) -> Mapping[str, object]:
    users = levels.get("users")
    return users if isinstance(users, Mapping) else {}
