"""A charity whose people are in their rooms, and what they see: the larger example on a real homeserver."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from appservice.operations.homeserver import EmbeddedHomeserver
from tests.support.charity import SERVER_NAME, Charity
from tests.support.waiting import eventually

LEAD, MODERATOR, MEMBER, READER, STRANGER = "copper-lark", "river-stone", "late-robin", "high-meadow", "new-moon"
HELPER = f"@inglenook-guardian:{SERVER_NAME}"
NUMBER = "07700 900123"


class Room:
    """A charity with people in its rooms."""

    def __init__(self, charity: Charity, rooms: dict[str, str]) -> None:
        self.charity = charity
        self.rooms = rooms

    async def sends(self, who: str, content: dict[str, Any], room: str = "carers-lounge") -> str:
        path = f"/_matrix/client/v3/rooms/{quote(self.rooms[room], safe='')}/send/m.room.message/{secrets.token_hex(6)}"
        status, answer = await self.charity.call("PUT", path, content, person=who)
        assert status == 200, answer
        return str(answer["event_id"])

    async def says(self, who: str, body: str, room: str = "carers-lounge") -> str:
        return await self.sends(who, {"msgtype": "m.text", "body": body}, room)

    async def gone(self, event_id: str, room: str = "carers-lounge") -> None:
        async def look() -> bool:
            path = f"/_matrix/client/v3/rooms/{quote(self.rooms[room], safe='')}/event/{quote(event_id, safe='')}"
            status, event = await self.charity.call("GET", path, person=READER)
            return status == 200 and not event["content"]

        await eventually(look, "the message is gone")

    async def private(self, who: str) -> list[str]:
        """Bodies of what the helper told somebody alone, newest first."""
        _, joined = await self.charity.call("GET", "/_matrix/client/v3/joined_rooms", person=who)
        bodies: list[str] = []
        for room_id in set(joined["joined_rooms"]) - set(self.rooms.values()):
            path = f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}/messages"
            _, page = await self.charity.call("GET", path, person=who, query={"dir": "b", "limit": "50"})
            bodies += [
                event["content"]["body"]
                for event in page["chunk"]
                if event["sender"] == HELPER and event["content"].get("body")
            ]
        return bodies

    async def told(self, who: str, *parts: str) -> str:
        async def look() -> str | None:
            return next((body for body in await self.private(who) if all(part in body for part in parts)), None)

        return await eventually(look, f"{who} is told {parts[0]}")

    async def carded(self, *parts: str, room: str = "moderators", reader: str = MODERATOR) -> str:
        async def look() -> str | None:
            path = f"/_matrix/client/v3/rooms/{quote(self.rooms[room], safe='')}/messages"
            _, page = await self.charity.call("GET", path, person=reader, query={"dir": "b", "limit": "50"})
            for event in page["chunk"]:
                content = event["content"].get("m.new_content", event["content"])
                shown = content.get("body", "") + content.get("formatted_body", "")
                if event["sender"] == HELPER and all(part in shown for part in parts):
                    return str(content["body"])
            return None

        return await eventually(look, f"a card with {parts[0]}")


@asynccontextmanager
async def peopled(folder: Path, homeserver: EmbeddedHomeserver) -> AsyncIterator[Room]:
    """A charity whose people are in their rooms."""
    charity = await Charity.make(folder, homeserver)
    try:
        await charity.service.start()
        await charity.apply()
        rooms = await charity.rooms()
        for person in (LEAD, MODERATOR, MEMBER, READER, STRANGER):
            await charity.sign_up(person)
        for person in (LEAD, MODERATOR, MEMBER, READER):
            assert await charity.join(person, rooms["carers-lounge"]) == 200
        for person in (LEAD, MODERATOR):
            assert await charity.join(person, rooms["moderators"]) == 200
        assert await charity.join(LEAD, rooms["safeguarding"]) == 200
        yield Room(charity, rooms)
    finally:
        await charity.stop()


def edit(target: str, body: str, new: str) -> dict[str, Any]:
    return {
        "msgtype": "m.text",
        "body": body,
        "m.new_content": {"msgtype": "m.text", "body": new},
        "m.relates_to": {"rel_type": "m.replace", "event_id": target},
    }
