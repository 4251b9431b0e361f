"""One room taking the place of another: which follows which, until when, what is carried over, and how the old one closes.

What the homeserver holds says how far it has come, so that it goes on after any interruption: the new room names the old
one, and the old one's tombstone, written last, names the new one. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from policies.desired import PREDECESSOR_TYPE, Content, StateKey
from policies.governed_rooms import GOVERNED_LEVEL
from policies.observed import Identities, Membership, ObservedRoom
from policies.power_levels import PowerLevels, read_power_levels
from policies.room_versions import room_version

TOMBSTONE: Final[StateKey] = ("m.room.tombstone", "")
POWER_LEVELS: Final[StateKey] = ("m.room.power_levels", "")
JOIN_RULES: Final[StateKey] = ("m.room.join_rules", "")
CARRIED: Final[tuple[StateKey, ...]] = (("m.room.avatar", ""), ("m.room.pinned_events", ""))
"""State that no policy governs and people have set, besides name and topic: it comes along. Pins lead into the old room."""
_REDACTION: Final = "m.room.redaction"

__all__ = [
    "CARRIED",
    "JOIN_RULES",
    "POWER_LEVELS",
    "TOMBSTONE",
    "closed_for_good",
    "closed_levels",
    "closer",
    "earlier",
    "finished",
    "followed",
    "is_ours",
    "levels_of",
    "predecessor_of",
    "said_by_people",
    "unfinished",
    "went_before",
]


def predecessor_of(room: ObservedRoom) -> str | None:
    """Return the id of the room whose place this one takes, None if there is none."""
    return next(iter(_predecessors(room)), None)


def _predecessors(room: ObservedRoom) -> tuple[str, ...]:
    """Return the ids of all rooms whose place this one takes: of the one that it took over last, and of the one before
    that it was made to follow."""
    later = room.state.get((PREDECESSOR_TYPE, ""), {}).get("predecessor_room_id")
    first = room.create_content.get("predecessor")
    made_for = first.get("room_id") if isinstance(first, Mapping) else None
    return tuple(found for found in (later, made_for) if isinstance(found, str))


def followed(rooms: Iterable[ObservedRoom], identities: Identities) -> frozenset[str]:
    """Return the ids of the rooms whose place one of these takes or took, as far as it is ours and was not deleted."""
    return frozenset(
        before
        for room in rooms
        if room.standing(identities) not in ("foreign", "gone")
        for before in _predecessors(room)
    )


def is_ours(old: ObservedRoom, identities: Identities) -> bool:
    """Whether a room was made by us."""
    return identities.steward in old.creators


def closer(old: ObservedRoom, identities: Identities) -> str | None:
    """Return which of us can close a room: the steward, else the guardian in a room that we made; None if nobody is in it."""
    if old.members.get(identities.steward) == "join":
        return identities.steward
    there = old.members.get(identities.guardian) == "join" and identities.guardian in old.creators
    return identities.guardian if there else None


def finished(old: ObservedRoom, new_id: str, identities: Identities) -> bool:
    """Whether a room is closed and leads to the new one; where others made it, we have left it, too."""
    leads_on = old.state.get(TOMBSTONE, {}).get("replacement_room") == new_id
    return leads_on and (is_ours(old, identities) or old.members.get(identities.steward) != "join")


def unfinished(room: ObservedRoom, old: ObservedRoom | None, identities: Identities) -> bool:
    """Whether something is left to be carried over to a room of ours from the one that it names as its predecessor."""
    return (
        old is not None
        and room.standing(identities) == "governed"
        and closer(old, identities) is not None
        and not finished(old, room.room_id, identities)
    )


def earlier(room: ObservedRoom, room_of: Callable[[str], ObservedRoom | None]) -> tuple[ObservedRoom, ...]:
    """Return the rooms before this one, the last one first. A room that was taken over since hides none of them.

    room_of: what is known of a room, None for one that is not known to be ours.
    """
    chain, seen = [room], {room.room_id}
    for later in chain:  # which grows
        for before in _predecessors(later):
            old = room_of(before) if before not in seen else None
            seen.add(before)
            if old is not None:
                chain.append(old)
    return tuple(chain[1:])


def closed_for_good(rooms: Iterable[ObservedRoom], identities: Identities) -> tuple[ObservedRoom, ...]:
    """Return which of these are closed, and the steward still in them, who can take people out."""
    return tuple(
        room
        for room in rooms
        if room.closed and is_ours(room, identities) and room.members.get(identities.steward) == "join"
    )


def went_before(rooms: Sequence[ObservedRoom]) -> frozenset[str]:
    """Return who left one of the rooms before another (the last one first) by themselves, and did not come back: they
    are not asked again."""
    members: dict[str, Membership] = {}
    for old in reversed(rooms):
        members |= old.members
    return frozenset(user_id for user_id, membership in members.items() if membership == "left")


def said_by_people(old: ObservedRoom, event_type: str, name: str) -> str | None:
    """Return the name or topic that a room has now, None if it has none."""
    value = old.state.get((event_type, ""), {}).get(name)
    return value if isinstance(value, str) and value else None


def levels_of(room: ObservedRoom, user_id: str) -> PowerLevels:
    """Return the powers in a room, in which this person's are told rightly (other creators may not be known as such)."""
    creator = user_id if user_id in room.creators else next(iter(sorted(room.creators)), None)
    created = room.create_content
    return read_power_levels(room_version(room.room_version), creator, created, room.state.get(POWER_LEVELS))


def closed_levels(old: ObservedRoom, by: str) -> Content:
    """Return the powers of a room that is over: nobody writes, reacts, invites or changes it who stands below `by`.

    Everybody can still take back what they wrote, and moderators what others wrote. In a room that others made, those
    who stand as high as we do keep their power.
    """
    levels = levels_of(old, by)
    own = levels.level_of(by)
    top = min(own, GOVERNED_LEVEL) if isinstance(own, int) else GOVERNED_LEVEL
    events = {kind: max(level, top) for kind, level in levels.events.items()}
    events[_REDACTION] = levels.required_for(_REDACTION, is_state=False)
    closed: dict[str, object] = {**levels.named, "users": dict(levels.users), "events": events}
    if levels.notifications:
        closed["notifications"] = dict(levels.notifications)
    for name, now in (
        ("events_default", levels.required_for("", is_state=False)),
        ("state_default", levels.required_for("", is_state=True)),
        ("invite", levels.required_for_action("invite")),
    ):
        closed[name] = max(now, top)
    return closed
