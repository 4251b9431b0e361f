"""Rooms that others made and a room of ours is to take the place of: read from the homeserver, since we keep nothing of them.

Everything in them may be hostile: what is not as it should be counts as not there.
"""

from __future__ import annotations

from dataclasses import replace

from appservice.flow import Event, Ghosts
from appservice.matrix import HomeserverClient, Rejected, parse_event
from policies.observed import Membership, ObservedRoom
from policies.room_versions import room_version_of

_KEPT: dict[str, Membership] = {"join": "join", "invite": "invite", "knock": "knock", "ban": "ban"}
#: Members and other state events of one room that are looked at: a larger one is none of a charity's groups.
AT_MOST = 20_000


class TooLarge(Exception):
    """A room has more members and settings than are looked at."""


class Elsewhere:
    """Reads such rooms as steward. `rooms` are those read last, by id; `direct` those that people made to talk in private."""

    def __init__(self, client: HomeserverClient, ghosts: Ghosts) -> None:
        self._client = client
        self._ghosts = ghosts
        self.rooms: dict[str, ObservedRoom] = {}
        self.direct: set[str] = set()

    async def read(self, room_id: str) -> ObservedRoom | None:
        """Return a room as it is, None if the steward may not see it. Raises `HomeserverError`, `TooLarge`."""
        try:
            raw = await self._client.state(room_id, self._ghosts.steward)
        except Rejected as error:
            if error.temporary:
                raise
            self.rooms.pop(room_id, None)
            return None
        if len(raw) > AT_MOST:
            raise TooLarge
        events = [parse_event(one, room_id) for one in raw]
        listed = await self._client.is_listed(room_id, self._ghosts.steward)
        room = replace(observed_from(room_id, events), listed=listed)
        if room.creators & set(self._ghosts.all):
            return room  # ours, named by mistake: it is followed like all of ours
        self.rooms[room_id] = room
        if any(event.type == "m.room.member" and event.content.get("is_direct") is True for event in events):
            self.direct.add(room_id)
        return room


def observed_from(room_id: str, events: list[Event]) -> ObservedRoom:
    """Return a room that others made, as its state says it is. Who left it may be asked into ours like anybody else."""
    state, members = {}, {}
    maker = ""
    for event in events:
        if event.state_key is None:
            continue
        if event.type == "m.room.member":
            membership = event.content.get("membership")
            if isinstance(membership, str) and membership in _KEPT:
                members[event.state_key] = _KEPT[membership]
            continue
        state[event.type, event.state_key] = event.content
        if event.type == "m.room.create" and event.state_key == "":
            maker = event.sender
    created = state.get(("m.room.create", ""), {})
    version = room_version_of(created)
    return ObservedRoom(
        room_id=room_id,
        key="",
        room_version=version.identifier,
        creators=frozenset({maker}),  # a room is ours if we made it, not if somebody names us beside themselves
        create_content=created,
        state=state,
        members=members,
        closed=bool(state.get(("m.room.tombstone", ""))),
    )
