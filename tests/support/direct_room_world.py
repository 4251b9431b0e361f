"""A homeserver for unit tests of direct rooms: it behaves as Synapse does where these are concerned."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appservice.flow import Done
from appservice.intake import Projection
from appservice.matrix import Actor, AdminCapability, Rejected, parse_event
from appservice.people import DirectRooms
from appservice.store import Commit, Database
from tests.support.house import GHOSTS, SAM, SERVER, fresh_store
from tests.support.stub_homeserver import Call, ScriptedHomeserver


class Silent:
    """An audit sink for tests that do not ask."""

    def note(self, lane: str, line: Any, person: str | None = None) -> None: ...


async def others_have_a_turn() -> None:
    """The homeserver takes a while, in which everything else that can go on does."""
    for _ in range(20):
        await asyncio.sleep(0)


@dataclass
class World:
    """A homeserver that behaves as Synapse does where direct rooms are concerned."""

    homeserver: ScriptedHomeserver
    database: Database
    projection: Projection
    rooms: DirectRooms
    created: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, set[str]] = field(default_factory=dict)
    account_data: dict[str, Any] = field(default_factory=dict)
    fail_on: str = ""
    failures: list[Exception] = field(default_factory=list)

    async def __call__(self, call: Call) -> Any:
        if self.fail_on and self.fail_on in call.path and self.failures:
            await others_have_a_turn()
            raise self.failures.pop(0)
        if call.path.endswith("/createRoom"):
            assert call.body is not None
            await others_have_a_turn()
            room_id = f"!dm{len(self.created)}"
            self.created.append(dict(call.body))
            self.members[room_id] = {GHOSTS.steward}
            self.homeserver.script.joined.append(room_id)
            self.homeserver.script.state[room_id] = _state(room_id, call.body)
            return {"room_id": room_id}
        if "/_synapse/admin/v1/join/" in call.path:
            room_id = call.path.rpartition("/")[2]
            # Synapse lets an administrator join others only to a room that the administrator is in.
            if GHOSTS.steward not in self.members[room_id]:
                raise Rejected(403, "M_FORBIDDEN")
            assert call.body is not None
            self.members[room_id].add(str(call.body["user_id"]))
            return {}
        if call.path.startswith("/_matrix/client/v3/join/"):
            self.members[call.path.rpartition("/")[2]].add(GHOSTS.guardian)
            return {}
        if call.path.endswith("/leave"):
            room_id = call.path.split("/")[-2]
            self.members[room_id].discard(GHOSTS.steward)
            if room_id in self.homeserver.script.joined:
                self.homeserver.script.joined.remove(room_id)
            return {}
        if call.path.endswith("/state"):
            room_id = call.path.split("/")[-2]
            if call.actor not in self.members[room_id]:
                raise Rejected(403, "M_FORBIDDEN")
            return self.state(room_id)
        if "/state/m.room.member/" in call.path:
            room_id, user_id = call.path.split("/")[-4], call.path.rpartition("/")[2]
            if user_id not in self.members[room_id]:
                raise Rejected(404, "M_NOT_FOUND")
            return {"membership": "join"}
        if call.path.endswith("/joined_rooms"):
            return {"joined_rooms": [room_id for room_id, members in self.members.items() if call.actor in members]}
        if call.path.endswith("/accountdata"):
            return {"account_data": {"global": self.account_data}}
        return None

    def state(self, room_id: str) -> list[dict[str, Any]]:
        joined = [
            {
                "type": "m.room.member",
                "state_key": who,
                "sender": who,
                "event_id": "$m",
                "content": {"membership": "join"},
            }
            for who in sorted(self.members[room_id])
        ]
        return self.homeserver.script.state[room_id] + joined

    def learn(self, room_id: str) -> None:
        """What the lanes do when the guardian's own join is pushed."""
        self.projection.replace(room_id, [parse_event(raw, room_id) for raw in self.state(room_id)])

    def reborn(self) -> DirectRooms:
        """The rooms as a new process knows them before it has read anything."""
        return rooms_of(self.homeserver, self.projection, self.database)


def _state(room_id: str, body: Any) -> list[dict[str, Any]]:
    create = {"type": "m.room.create", "content": {**body["creation_content"], "room_version": body["room_version"]}}
    return [
        {**event, "state_key": "", "sender": GHOSTS.steward, "event_id": f"${n}-{room_id}"}
        for n, event in enumerate([create, *body["initial_state"]])
    ]


def rooms_of(homeserver: ScriptedHomeserver, projection: Projection, database: Database) -> DirectRooms:
    admin = AdminCapability(homeserver, GHOSTS.steward, Silent())
    guardian = Actor(GHOSTS.guardian, "D")
    rooms = DirectRooms(homeserver, admin, projection, database, GHOSTS, guardian, "hearth")
    rooms.reaches = lambda _user_id: True
    rooms.all_are_known()
    return rooms


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[World]:
    homeserver = ScriptedHomeserver()
    database = Database(fresh_store(tmp_path), "normal")
    await database.open()
    projection = Projection(SERVER, GHOSTS)
    made = World(homeserver, database, projection, rooms_of(homeserver, projection, database))
    homeserver.script.first = made
    try:
        yield made
    finally:
        await database.close()


class Says:
    """A speaker that only counts."""

    def __init__(self) -> None:
        self.rooms: list[str] = []

    async def say(self, room_id: str, *_: Any, **__: Any) -> Done:
        self.rooms.append(room_id)
        return Done(room_id=room_id)


def goes(one: World, membership: str, by: str = SAM, room_id: str = "!dm0", who: str = SAM) -> Commit | None:
    event = {
        "type": "m.room.member",
        "state_key": who,
        "sender": by,
        "event_id": "$x",
        "content": {"membership": membership},
    }
    return one.projection.apply(parse_event({**event, "room_id": room_id}, room_id))
