"""Makes the rooms of a community exist with the state compiled from its policy. Level-triggered: read, compare, write
what differs; called again after any interruption it finishes, and with nothing to do it writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from appservice.flow import Ghosts
from appservice.intake import Lanes, Projection
from appservice.matrix import Actor, HomeserverClient, Rejected, parse_event
from policies.desired import LEFT_TO_PEOPLE, MANAGED_TYPE, DesiredCommunity, DesiredRoom, StateKey
from policies.people import People

log = structlog.get_logger()

#: Written by createRoom itself, from other parts of its body.
_NOT_INITIAL = {("m.room.name", ""), ("m.room.topic", ""), ("m.room.power_levels", ""), ("m.room.canonical_alias", "")}


@dataclass(slots=True)
class Applied:
    """What an apply came to: room ids by key, and how much had to be written."""

    rooms: dict[str, str] = field(default_factory=dict)
    created: int = 0
    changed: int = 0
    invited: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Present:
    """A room as read: its state by type and key, who is in it."""

    state: Mapping[StateKey, Mapping[str, Any]]
    creator: str

    def content(self, key: StateKey) -> Mapping[str, Any] | None:
        return self.state.get(key)

    def membership(self, user_id: str) -> str | None:
        content = self.content(("m.room.member", user_id))
        value = content.get("membership") if content is not None else None
        return value if isinstance(value, str) else None


class Provisioner:
    """Applies desired communities. The steward creates and writes state; the guardian joins what it must read."""

    def __init__(
        self, client: HomeserverClient, ghosts: Ghosts, guardian: Actor, projection: Projection, lanes: Lanes
    ) -> None:
        self._client = client
        self._ghosts = ghosts
        self._guardian = guardian
        self._projection = projection
        self._lanes = lanes

    async def apply(self, wanted: DesiredCommunity, people: People) -> Applied:
        """Make `wanted` true. Raises `HomeserverError` where the homeserver is away; call it again."""
        done = Applied(rooms=await self._find(wanted))
        for room in wanted.rooms:
            if room.key not in done.rooms:
                done.rooms[room.key] = await self._create(wanted, room, done)
        for room in wanted.rooms:
            await self._complete(wanted, room, people, done)
        await self._lanes.learn_rooms(list(done.rooms.values()))
        return done

    async def _find(self, wanted: DesiredCommunity) -> dict[str, str]:
        keys = {room.key for room in wanted.rooms}
        found = {key: room_id for key in keys if (room_id := self._projection.place(wanted.id, key)) is not None}
        if len(found) == len(keys):
            return found
        for room_id in await self._client.joined_rooms(self._ghosts.steward):
            if room_id in found.values():
                continue
            present = await self._read(room_id)
            key = self._key_of(present, wanted.id)
            if key in keys:
                found.setdefault(key, room_id)
        return found

    def _key_of(self, present: _Present, community: str) -> str:
        """The key a room of ours was made for, by its create event; "" for anybody else's room."""
        created = present.content(("m.room.create", ""))
        closed = present.content(("m.room.tombstone", ""))
        if created is None or present.creator not in self._ghosts or closed:
            return ""
        mark = created.get(MANAGED_TYPE)
        if not isinstance(mark, dict) or mark.get("community") != community:
            return ""
        key = mark.get("group")
        return key if isinstance(key, str) else ""

    async def _read(self, room_id: str) -> _Present:
        known = self._projection.room(room_id)
        if known is not None and known.creator:
            members = {user: {"membership": membership} for user, membership in known.members.items()}
            return _Present(
                {**known.state, **{("m.room.member", user): content for user, content in members.items()}},
                known.creator,
            )
        events = [parse_event(raw, room_id) for raw in await self._client.state(room_id, self._ghosts.steward)]
        created = next((event.sender for event in events if event.type == "m.room.create"), "")
        return _Present(
            {(event.type, event.state_key): event.content for event in events if event.state_key is not None}, created
        )

    async def _create(self, wanted: DesiredCommunity, room: DesiredRoom, done: Applied) -> str:
        body = creation_body(room, self._ghosts)
        try:
            room_id = await self._client.create_room(body, self._ghosts.steward)
        except Rejected as error:
            if error.errcode not in {"M_ROOM_IN_USE", "M_EXCLUSIVE"}:
                raise
            why = "taken by another room" if error.errcode == "M_ROOM_IN_USE" else "outside our registration's aliases"
            done.problems.append(f"the address #{room.alias_localpart}:{wanted.server} is {why}")
            room_id = await self._client.create_room(
                {name: value for name, value in body.items() if name != "room_alias_name"}, self._ghosts.steward
            )
        done.created += 1
        log.info("room_created", community=wanted.id, group=room.key)
        return room_id

    async def _complete(self, wanted: DesiredCommunity, room: DesiredRoom, people: People, done: Applied) -> None:
        room_id = done.rooms[room.key]
        present = await self._read(room_id)
        if present.membership(self._ghosts.guardian) != "join":
            if present.membership(self._ghosts.guardian) != "invite":
                await self._client.invite(room_id, self._ghosts.guardian, self._ghosts.steward)
            await self._client.join(room_id, self._guardian)
        taken = any("address" in problem and room.alias_localpart in problem for problem in done.problems)
        for key, content in wanted.complete_state(room.key, done.rooms).items():
            if key in LEFT_TO_PEOPLE or present.content(key) == content:
                continue
            if key == ("m.room.canonical_alias", "") and (taken or present.content(key) is None):
                continue
            await self._client.set_state(room_id, key[0], key[1], content, self._ghosts.steward)
            done.changed += 1
        if room.membership.anyone:
            return
        for user_id, person in people.by_id.items():
            if room.membership.admits(person) and present.membership(user_id) not in {"join", "invite", "ban"}:
                await self._client.invite(room_id, user_id, self._ghosts.steward)
                done.invited += 1


def creation_body(room: DesiredRoom, ghosts: Ghosts) -> dict[str, Any]:
    """Return the createRoom body of a room (version 12): complete in one call but for what needs other rooms' ids."""
    power = room.state["m.room.power_levels", ""]
    return {
        "preset": "private_chat",
        "room_version": room.room_version,
        "name": room.name,
        "topic": room.topic,
        "room_alias_name": room.alias_localpart,
        "invite": [ghosts.guardian],
        "creation_content": {**room.creation_content, "additional_creators": [ghosts.guardian, ghosts.custodian]},
        "power_level_content_override": dict(power),
        "initial_state": [
            {"type": key[0], "state_key": key[1], "content": dict(content)}
            for key, content in room.state.items()
            if key not in _NOT_INITIAL
        ],
    }
