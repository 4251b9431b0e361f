"""The rooms as we know them: rebuilt from the store at start, moved on by state events in lane order.

Applying the same event twice changes nothing, so a commit that failed needs no undoing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import orjson

from appservice.flow import Event, Facts, Ghosts, Place, RoomFacts
from appservice.store import Commit, Questions

#: The state event by which a room of ours is recognised (never by its name or alias).
MARKER_TYPE = "org.inglenook.managed"
#: Values of the marker's `group` that are not groups of members.
_SPECIAL = {
    "space": Place.SPACE,
    "moderators": Place.MODERATORS,
    "safeguarding": Place.SAFEGUARDING,
    "ops": Place.OPS,
    "direct": Place.DIRECT,
}
_STATE_READ = {"m.room.create", "m.room.power_levels", "m.room.tombstone", MARKER_TYPE}
#: Memberships kept; who left or was never there is absent.
_PRESENT = {"join", "invite", "knock", "ban"}


@dataclass(slots=True)
class _Room:
    facts: RoomFacts
    members: dict[str, str] = field(default_factory=dict)


class Projection:
    """All rooms of one homeserver, in memory."""

    def __init__(self, homeserver: str, ghosts: Ghosts) -> None:
        self._homeserver = homeserver
        self._ghosts = ghosts
        self._rooms: dict[str, _Room] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._direct: dict[str, str] = {}
        self.direct_reach: dict[str, tuple[str, str]] = {}
        self.server_name = homeserver

    # -- reading ---------------------------------------------------------------------------------------------------

    def knows(self, room_id: str) -> bool:
        return room_id in self._rooms

    def room(self, room_id: str) -> RoomFacts | None:
        room = self._rooms.get(room_id)
        return room.facts if room else None

    def rooms(self) -> Iterable[RoomFacts]:
        return [room.facts for room in self._rooms.values()]

    def place(self, community: str, place: str) -> str | None:
        """Return the room id of a community's group or system room, None while there is none."""
        return self._places.get((community, place))

    def facts(self, room_id: str, now_ms: int) -> Facts:
        room = self._rooms.get(room_id)
        return Facts(
            now_ms=now_ms,
            room=room.facts if room else RoomFacts(room_id),
            ghosts=self._ghosts,
            server_name=self.server_name,
            direct_rooms=MappingProxyType(self._direct),
        )

    # -- loading ---------------------------------------------------------------------------------------------------

    async def load(self, questions: Questions) -> int:
        """Rebuild from the store; return how many rooms are known."""
        for room_id, record in (await questions.rooms()).items():
            self._put(room_id, _facts_from(room_id, record))
        for room_id, user_id, membership in await questions.members():
            if room_id in self._rooms:
                self._rooms[room_id].members[user_id] = membership
        for user_id, (room_id, how) in (await questions.direct_rooms()).items():
            self.set_direct_room(user_id, room_id, how)
        return len(self._rooms)

    def set_direct_room(self, user_id: str, room_id: str, reach: str) -> Commit:
        """Note where a person is told things; return the rows to commit."""
        self.direct_reach[user_id] = (room_id, reach)
        if reach == "reached":
            self._direct[user_id] = room_id
        else:
            self._direct.pop(user_id, None)
        row = {"homeserver": self._homeserver, "user_id": user_id, "room_id": room_id, "reach": reach}
        return Commit(direct_rooms=[row])

    def forget_direct_room(self, user_id: str) -> None:
        """The direct room of a person is gone; the next one overwrites its row."""
        self.direct_reach.pop(user_id, None)
        self._direct.pop(user_id, None)

    # -- moving on -------------------------------------------------------------------------------------------------

    def forget(self, room_id: str) -> None:
        """What we know of a room is doubtful: it is read anew before the next input of its lane."""
        self._rooms.pop(room_id, None)

    def forget_all(self) -> None:
        """The homeserver is not the one we knew: everything is read anew."""
        self._rooms.clear()
        self._places.clear()

    def unmanaged(self, room_id: str) -> None:
        """A room that is none of ours: its events are journalled and nothing else."""
        self._put(room_id, RoomFacts(room_id))

    def replace(self, room_id: str, state: Iterable[Event]) -> Commit:
        """Take a room's whole state as read from the homeserver; return the rows to commit."""
        facts = RoomFacts(room_id)
        members: dict[str, str] = {}
        for event in sorted(state, key=lambda one: one.type != "m.room.create"):
            facts = _moved(facts, event, self._ghosts)
            if event.type == "m.room.member" and event.state_key:
                membership = event.content.get("membership")
                if membership in _PRESENT:
                    members[event.state_key] = str(membership)
        self._put(room_id, facts, members)
        return Commit(
            rooms=[self._room_row(room_id)],
            members_replaced=[(self._homeserver, room_id)],
            members=[self._member_row(room_id, user, membership) for user, membership in members.items()],
        )

    def apply(self, event: Event) -> Commit | None:
        """Take one state event of a known room; return the rows to commit, None where nothing we keep changed."""
        room = self._rooms.get(event.room_id)
        if room is None or event.state_key is None:
            return None
        if event.type == "m.room.member":
            return self._apply_member(room, event.room_id, event.state_key, event.content)
        if event.type not in _STATE_READ:
            return None
        self._put(event.room_id, _moved(room.facts, event, self._ghosts), room.members)
        return Commit(rooms=[self._room_row(event.room_id)])

    def _apply_member(self, room: _Room, room_id: str, user_id: str, content: Mapping[str, Any]) -> Commit | None:
        membership = content.get("membership")
        known = room.members.get(user_id)
        if membership in _PRESENT:
            if known == membership:
                return None
            room.members[user_id] = str(membership)
        else:
            if known is None:
                return None
            del room.members[user_id]
            membership = "leave"
        return Commit(members=[self._member_row(room_id, user_id, str(membership))])

    def _put(self, room_id: str, facts: RoomFacts, members: dict[str, str] | None = None) -> None:
        members = {} if members is None else members
        facts = replace(facts, members=MappingProxyType(members))
        self._rooms[room_id] = _Room(facts, members)
        if facts.managed and facts.place is not Place.DIRECT and not facts.closed:
            self._places[(facts.community, facts.group)] = room_id

    def _room_row(self, room_id: str) -> dict[str, Any]:
        facts = self._rooms[room_id].facts
        record = {
            "place": facts.place,
            "community": facts.community,
            "group": facts.group,
            "power_levels": dict(facts.power_levels),
            "create": dict(facts.create),
            "creator": facts.creator,
            "room_version": facts.room_version,
            "closed": facts.closed,
        }
        return {"homeserver": self._homeserver, "room_id": room_id, "record": orjson.dumps(record)}

    def _member_row(self, room_id: str, user_id: str, membership: str) -> dict[str, Any]:
        return {"homeserver": self._homeserver, "room_id": room_id, "user_id": user_id, "membership": membership}


def _facts_from(room_id: str, record: Mapping[str, Any]) -> RoomFacts:
    return RoomFacts(room_id, **(dict(record) | {"place": Place(record["place"])}))


def _moved(facts: RoomFacts, event: Event, ghosts: Ghosts) -> RoomFacts:
    """Return `facts` after one state event. Only a marker set by us, in a room made by us, makes a room ours."""
    content = event.content
    if event.type == "m.room.create":
        version = content.get("room_version")
        return replace(
            facts, create=content, creator=event.sender, room_version=version if isinstance(version, str) else "1"
        )
    if event.type == "m.room.power_levels" and event.state_key == "":
        return replace(facts, power_levels=content)
    if event.type == "m.room.tombstone" and event.state_key == "":
        return replace(facts, closed=bool(content))
    if event.type == MARKER_TYPE and event.state_key == "":
        community, group = content.get("community"), content.get("group")
        ours = event.sender in ghosts and facts.creator in ghosts
        if ours and isinstance(community, str) and isinstance(group, str):
            return replace(facts, place=_SPECIAL.get(group, Place.GROUP), community=community, group=group)
        return facts if not ours else replace(facts, place=Place.UNMANAGED)
    return facts
