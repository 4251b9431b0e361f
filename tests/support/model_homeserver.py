"""A homeserver in this process that keeps rooms, members and addresses, and pushes what happens, as far as provisioning
looks. It can be told to misbehave: to die, to lose answers, to refuse, and to let somebody act in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from appservice.matrix import Rejected, Unreachable, parse_event
from tests.support.house import GHOSTS, SERVER, House
from tests.support.stub_homeserver import Call


class Killed(Exception):
    """The power is cut: nothing is answered any more, and nobody is left to handle it."""


@dataclass
class ModelHomeserver:
    """`first` of a `ScriptedHomeserver`'s script. `house` gets what happens pushed, unless `deaf`."""

    house: House | None = None
    rooms: dict[str, dict[tuple[str, str], dict[str, Any]]] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    #: the rooms that the public list shows
    listed: set[str] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    events: int = 0
    made: int = 0
    admin: bool = True
    deaf: bool = False
    #: die with this write (1 is the first), before or after it took effect
    die_at: int | None = None
    after_effect: bool = False
    #: lose the answer of every write once
    lossy: bool = False
    #: refuse writes whose words contain one of these, by status
    refuse: dict[str, Rejected | Unreachable] = field(default_factory=dict)
    #: called before a write takes effect, with its number
    meanwhile: Callable[[int], Awaitable[None]] | None = None
    _lost: set[str] = field(default_factory=set)
    _dead: bool = False

    async def __call__(self, call: Call) -> Any:
        if self._dead:
            raise Killed
        if call.method == "GET":
            self.reads.append(call.path)
            return self._read(call)
        words = f"{call.method} {call.path} {dict(call.body or {}).get('user_id', '')}".strip()
        for part, error in self.refuse.items():
            if part in words:
                raise error
        if len(self.writes) + 1 == self.die_at and not self.after_effect:
            self._dead = True
            raise Killed
        self.writes.append(words)
        number = len(self.writes)
        if self.meanwhile is not None:
            await self.meanwhile(number)
        answer = await self._write(call)
        if number == self.die_at:
            self._dead = True
            raise Killed
        if self.lossy and words not in self._lost:
            self._lost.add(words)
            raise Unreachable("the answer got lost")
        return answer

    def revive(self) -> None:
        """The power is back."""
        self._dead, self.die_at = False, None

    # -- what is asked ---------------------------------------------------------------------------------------------

    def _read(self, call: Call) -> Any:
        parts = call.path.split("/")
        if "/_synapse/admin/" in call.path:
            if call.path.endswith("/server_version"):
                return {"server_version": "model"}  # told to everybody
            if not self.admin:
                raise Rejected(403, "M_FORBIDDEN")
            return {"enabled": True}
        if call.path.endswith("/joined_rooms"):
            return {"joined_rooms": [room for room in self.rooms if self.membership(room, call.actor) == "join"]}
        if "/directory/list/room/" in call.path:
            return {"visibility": "public" if parts[-1] in self.listed else "private"}
        if "/directory/room/" in call.path:
            address = parts[-1].replace("%23", "#")
            if address not in self.addresses:
                raise Rejected(404, "M_NOT_FOUND")
            return {"room_id": self.addresses[address]}
        if call.path.endswith("/state"):
            if self.membership(parts[-2], call.actor) != "join":
                raise Rejected(403, "M_FORBIDDEN")
            return list(self.rooms[parts[-2]].values())
        if "/state/" in call.path:
            at = parts.index("state")
            event = self.rooms.get(parts[at - 1], {}).get((parts[at + 1], "/".join(parts[at + 2 :])))
            if event is None:
                raise Rejected(404, "M_NOT_FOUND")
            return event["content"]
        return None

    async def _write(self, call: Call) -> Any:
        body, parts, who = dict(call.body or {}), call.path.split("/"), str(call.actor)
        if call.path.endswith("/createRoom"):
            return await self._create(body, who)
        if "/directory/list/room/" in call.path:
            (self.listed.add if body["visibility"] == "public" else self.listed.discard)(parts[-1])
            return {}
        if "/directory/room/" in call.path:
            address = parts[-1].replace("%23", "#")
            if call.method == "DELETE":
                self.addresses.pop(address)
                return {}
            if address in self.addresses:
                raise Rejected(409, "M_UNKNOWN")
            self.addresses[address] = body["room_id"]
            return {}
        if "/_matrix/client/v3/join/" in call.path:
            if self.membership(parts[-1], who) not in {"invite", "join"}:
                raise Rejected(403, "M_FORBIDDEN")
            await self.put(parts[-1], "m.room.member", who, {"membership": "join"}, who)
            return {}
        if call.path.endswith("/invite"):
            if self.membership(parts[-2], body["user_id"]) in {"join", "ban"}:
                raise Rejected(403, "M_FORBIDDEN")
            await self.put(parts[-2], "m.room.member", body["user_id"], {"membership": "invite"}, who)
            return {}
        if call.path.endswith("/kick"):
            if self.membership(parts[-2], who) != "join":
                raise Rejected(403, "M_FORBIDDEN")
            if self.membership(parts[-2], body["user_id"]) not in {"join", "invite", "knock"}:
                raise Rejected(403, "M_FORBIDDEN")
            await self.put(parts[-2], "m.room.member", body["user_id"], {"membership": "leave"}, who)
            return {}
        at = parts.index("state")
        if self.membership(parts[at - 1], who) != "join":
            raise Rejected(403, "M_FORBIDDEN")
        await self.put(parts[at - 1], parts[at + 1], "/".join(parts[at + 2 :]), body, who)
        return {"event_id": f"$event-{self.events}"}

    async def _create(self, body: dict[str, Any], who: str) -> dict[str, str]:
        alias = body.get("room_alias_name")
        address = f"#{alias}:{SERVER}"
        if alias is not None and address in self.addresses:
            raise Rejected(400, "M_ROOM_IN_USE")
        self.made += 1
        room = f"!room{self.made}"
        created = {**body["creation_content"], "room_version": body["room_version"]}
        await self.put(room, "m.room.create", "", created, who)
        await self.put(room, "m.room.member", who, {"membership": "join"}, who)
        for event in body["initial_state"]:
            await self.put(room, event["type"], event["state_key"], event["content"], who)
        await self.put(room, "m.room.name", "", {"name": body["name"]}, who)
        await self.put(room, "m.room.topic", "", {"topic": body["topic"]}, who)
        if alias is not None:
            self.addresses[address] = room
            await self.put(room, "m.room.canonical_alias", "", {"alias": address}, who)
        for invited in body["invite"]:
            await self.put(room, "m.room.member", invited, {"membership": "invite"}, who)
        return {"room_id": room}

    # -- what happens ----------------------------------------------------------------------------------------------

    async def put(self, room: str, kind: str, key: str, content: Any, sender: str, *, unseen: bool = False) -> None:
        """A state event comes to hold; it is pushed unless it is `unseen`, or nobody of ours is there."""
        self.events += 1
        event = {
            "type": kind,
            "state_key": key,
            "content": content,
            "sender": sender,
            "event_id": f"$event-{self.events}",
            "origin_server_ts": 1,
        }
        self.rooms.setdefault(room, {})[kind, key] = event
        ours = sender in GHOSTS or any(self.membership(room, ghost) for ghost in (GHOSTS.steward, GHOSTS.guardian))
        if self.house is not None and ours and not unseen and not self.deaf and not self._dead:
            await self.house.lanes.accept([self.house.input(parse_event({**event, "room_id": room}, room))])

    def delete(self, room: str) -> None:
        """What an administrator does with the delete-room API, its last events lost."""
        del self.rooms[room]
        self.addresses = {address: at for address, at in self.addresses.items() if at != room}

    def membership(self, room: str, user_id: str | None) -> str | None:
        event = self.rooms.get(room, {}).get(("m.room.member", user_id or ""))
        return event["content"]["membership"] if event else None

    def state(self, room: str) -> dict[tuple[str, str], Any]:
        """Content by type and key, without members."""
        return {key: event["content"] for key, event in self.rooms[room].items() if key[0] != "m.room.member"}
