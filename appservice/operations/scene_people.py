"""The people of the scene: real accounts, each with an access token of its own, and what they get to see.

Everything goes through the homeserver's Client-Server API with that person's token; nothing here asks our service.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp

from appservice.operations.errors import OperationFailed

T = TypeVar("T")

#: Seconds that anybody waits to see something: far above every promise, which benchmarks judge, not the scene.
PATIENCE_S = 30.0
_LOOK_S = 0.1


class NotSeen(OperationFailed):
    """Somebody did not see what should have been there, or saw what should not."""


@dataclass(frozen=True)
class Answer:
    """What the homeserver said: HTTP status and decoded JSON."""

    status: int
    content: Any

    @property
    def good(self) -> bool:
        return self.status == 200

    @property
    def errcode(self) -> str:
        """Matrix's code of an error, or nothing."""
        return str(self.content.get("errcode", "")) if isinstance(self.content, dict) else ""


@dataclass
class Account:
    """One signed-in person. `user_id` is `@name:server`."""

    user_id: str
    url: str
    token: str = field(repr=False)
    session: aiohttp.ClientSession = field(repr=False)
    _since: str = ""
    _invited: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return self.user_id[1:].partition(":")[0]

    async def call(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Answer:
        """Make one call. `path` begins after `/_matrix/client`, or with `/_synapse`. Raises: `OperationFailed`."""
        whole = path if path.startswith("/_synapse") else f"/_matrix/client{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            async with self.session.request(
                method, self.url + whole, json=body, params=query, headers=headers
            ) as answer:
                return Answer(answer.status, await answer.json(content_type=None))
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise OperationFailed(f"{self.name} got no answer from the homeserver.") from error

    # -- what they do ----------------------------------------------------------------------------------------------

    async def join(self, room: str) -> Answer:
        """Try to join a room by id or address."""
        return await self.call("POST", f"/v3/join/{quoted(room)}", {})

    async def knock(self, room: str) -> Answer:
        """Ask to be let in."""
        return await self.call("POST", f"/v3/knock/{quoted(room)}", {})

    async def invite(self, room_id: str, who: Account) -> Answer:
        """Invite by hand."""
        return await self.call("POST", f"/v3/rooms/{quoted(room_id)}/invite", {"user_id": who.user_id})

    async def write(self, room_id: str, text: str) -> Answer:
        """Send a message."""
        content = {"msgtype": "m.text", "body": text, "m.mentions": {}}
        path = f"/v3/rooms/{quoted(room_id)}/send/m.room.message/{secrets.token_hex(8)}"
        return await self.call("PUT", path, content)

    async def put_state(self, room_id: str, event_type: str, content: Any, state_key: str = "") -> Answer:
        """Try to write a state event."""
        return await self.call(
            "PUT", f"/v3/rooms/{quoted(room_id)}/state/{quoted(event_type)}/{quoted(state_key)}", content
        )

    async def invitations(self) -> list[str]:
        """Ids of rooms that this person was asked into since their first look."""
        query = {"timeout": "0", "filter": '{"room":{"timeline":{"limit":1}}}', "set_presence": "offline"}
        answer = await self.call("GET", "/v3/sync", query=query | ({"since": self._since} if self._since else {}))
        if answer.good:
            self._since = str(answer.content["next_batch"])
            self._invited |= answer.content.get("rooms", {}).get("invite", {}).keys()
        return sorted(self._invited)

    # -- what they see ---------------------------------------------------------------------------------------------

    async def resolve(self, address: str) -> str | None:
        """The id of the room behind an address."""
        answer = await self.call("GET", f"/v3/directory/room/{quoted(address)}")
        return str(answer.content["room_id"]) if answer.good else None

    async def state(self, room_id: str) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Whole events by type and state key. Raises: `NotSeen`."""
        answer = await self.call("GET", f"/v3/rooms/{quoted(room_id)}/state")
        if not answer.good:
            raise NotSeen(f"{self.name} may not read the state of a room ({answer.status}).")
        return {(event["type"], event["state_key"]): event for event in answer.content}

    async def newest(self, room_id: str) -> list[Mapping[str, Any]]:
        """The newest hundred events, newest first; none where this person may not read."""
        answer = await self.call("GET", f"/v3/rooms/{quoted(room_id)}/messages", query={"dir": "b", "limit": "100"})
        return list(answer.content["chunk"]) if answer.good else []

    async def event(self, room_id: str, event_id: str) -> Mapping[str, Any] | None:
        """One event, fetched by its id; None where the homeserver says that there is none for this person.

        Raises: `NotSeen` for any other answer, which says nothing of who may read.
        """
        answer = await self.call("GET", f"/v3/rooms/{quoted(room_id)}/event/{quoted(event_id)}")
        if answer.good:
            return dict(answer.content)
        if answer.status not in {403, 404}:
            raise NotSeen(f"{self.name} was not told whether there is an event ({answer.status} {answer.errcode}).")
        return None

    async def members(self, room_id: str) -> set[str]:
        """User ids of those who are in a room."""
        answer = await self.call("GET", f"/v3/rooms/{quoted(room_id)}/joined_members")
        return set(answer.content["joined"]) if answer.good else set()

    async def rooms_with(self, other: str) -> list[str]:
        """Rooms that this person shares with `other` (a user id) alone."""
        answer = await self.call("GET", "/v3/joined_rooms")
        joined = answer.content["joined_rooms"] if answer.good else []
        return [room_id for room_id in joined if await self.members(room_id) == {self.user_id, other}]

    async def membership(self, room_id: str, who: Account, wanted: str) -> Mapping[str, Any]:
        """Wait until the membership of `who` is `wanted`; return the event. Raises: `NotSeen`."""

        async def look() -> Mapping[str, Any] | None:
            event = (await self.state(room_id)).get(("m.room.member", who.user_id))
            return event if event is not None and event["content"].get("membership") == wanted else None

        return await until(look, f"{self.name} did not see {who.name} as “{wanted}”")

    async def message(self, room_id: str, by: str, *parts: str) -> Mapping[str, Any]:
        """Wait for a message by the user id `by` that holds all `parts`; return the event. Raises: `NotSeen`."""

        async def look() -> Mapping[str, Any] | None:
            for event in await self.newest(room_id):
                if event["type"] == "m.room.message" and event["sender"] == by:
                    content = event["content"]
                    body = str((content.get("m.new_content") or content).get("body", ""))
                    if all(part in body for part in parts):
                        return event
            return None

        return await until(look, f"{self.name} did not see a message with “{parts[0]}”")

    async def told(self, helper: str, *parts: str) -> tuple[str, Mapping[str, Any]]:
        """Wait for a private message by the helper; return its room and the event. Raises: `NotSeen`."""

        async def room() -> str | None:
            return next(iter(await self.rooms_with(helper)), None)

        room_id = await until(room, f"{self.name} has no private room with the helper")
        return room_id, await self.message(room_id, helper, *parts)


async def until(look: Callable[[], Awaitable[T | None]], otherwise: str) -> T:
    """Return what `look` finds at last. Raises: `NotSeen`, saying `otherwise`, after `PATIENCE_S`."""
    end = time.monotonic() + PATIENCE_S
    while True:
        found = await look()
        if found is not None:
            return found
        if time.monotonic() > end:
            raise NotSeen(f"{otherwise} within {PATIENCE_S:.0f} seconds.")
        await asyncio.sleep(_LOOK_S)


def quoted(part: str) -> str:
    """Return an id or address as part of a path."""
    return quote(part, safe="")
