"""What was fixed when a room was made, and is not as the policy wants it: only a new room changes that."""

from __future__ import annotations

from collections.abc import Iterator

from policies.desired import Content, DesiredRoom
from policies.notes import Note, encrypted_room, unalterable
from policies.observed import Identities, ObservedRoom
from policies.plain_words import named

__all__ = ["fixed", "leaves"]


def leaves(create_content: Content) -> bool:
    """Return whether a room with this create event can reach other servers (specification: unless it says no)."""
    return create_content.get("m.federate", True) is not False


def fixed(room: DesiredRoom, present: ObservedRoom, identities: Identities) -> Iterator[Note]:
    """Yield notes on what cannot be changed in a room that exists."""
    created, wanted = present.create_content, room.creation_content
    if present.room_version != room.room_version:
        yield unalterable(room, f"It has room version {present.room_version} instead of {room.room_version}.")
    if leaves(created) is not leaves(wanted):
        reach = "reach" if leaves(created) else "not reach"
        yield unalterable(room, f"It was made so that it can {reach} other servers, unlike the policy says.")
    if created.get("type") != wanted.get("type"):
        yield unalterable(room, "It is a space and should be a room, or the other way round.")
    for user_id in sorted(present.creators.difference(identities)):
        yield unalterable(room, f"{named(user_id)} is a creator of it, and can be neither removed nor limited.")
    for user_id in sorted(frozenset(identities).difference(present.creators)):
        yield unalterable(room, f"{named(user_id)} is no creator of it.")
    if ("m.room.encryption", "") in present.state and ("m.room.encryption", "") not in room.state:
        yield encrypted_room(room)
