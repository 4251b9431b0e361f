"""People of a charity who talk with the helper program: what they send, and what it says to them."""

from __future__ import annotations

import secrets
from typing import Any

from appservice.service.config import ghosts_of, load_registration
from tests.support.charity import SERVER_NAME, Charity
from tests.support.waiting import eventually


def guardian(charity: Charity) -> str:
    config = charity.service.config
    return ghosts_of(load_registration(config.registration), config.homeserver.name).guardian


async def send(charity: Charity, person: str, room: str, kind: str, content: Any) -> str:
    path = f"/_matrix/client/v3/rooms/{room}/send/{kind}/{secrets.token_hex(8)}"
    status, answer = await charity.call("PUT", path, content, person=person)
    assert status == 200, answer
    return str(answer["event_id"])


async def say(charity: Charity, person: str, room: str, words: str) -> None:
    await send(charity, person, room, "m.room.message", {"msgtype": "m.text", "body": words})


async def tap(charity: Charity, person: str, room: str, event_id: str, key: str = "✅") -> None:
    relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
    await send(charity, person, room, "m.reaction", {"m.relates_to": relation})


async def own_room(charity: Charity, person: str) -> str:
    """The room that a person shares with the guardian alone."""
    ours = guardian(charity)

    async def found() -> str | None:
        known = set((await charity.rooms()).values())
        _, joined = await charity.call("GET", "/_matrix/client/v3/joined_rooms", person=person)
        for room in set(joined["joined_rooms"]) - known:
            _, members = await charity.call("GET", f"/_matrix/client/v3/rooms/{room}/joined_members", person=person)
            if set(members["joined"]) == {f"@{person}:{SERVER_NAME}", ours}:
                return str(room)
        return None

    return await eventually(found, f"the private room of {person}")


async def heard(charity: Charity, person: str, room: str) -> list[tuple[str, str]]:
    """What the guardian says in a room now, edits applied: (event id, words), the newest first."""
    _, page = await charity.call(
        "GET", f"/_matrix/client/v3/rooms/{room}/messages", person=person, query={"dir": "b", "limit": "100"}
    )
    newest: dict[str, str] = {}
    first: list[str] = []
    for event in page["chunk"]:
        content = event["content"]
        if event["type"] != "m.room.message" or event["sender"] != guardian(charity):
            continue
        relation = content.get("m.relates_to", {})
        if relation.get("rel_type") == "m.replace":
            newest.setdefault(relation["event_id"], content["m.new_content"]["body"])
        else:
            newest.setdefault(event["event_id"], content["body"])
            first.append(event["event_id"])
    return [(event_id, newest[event_id]) for event_id in first]


async def said(charity: Charity, person: str, room: str, *words: str) -> tuple[str, str]:
    """Wait until the guardian says all these words in one message; return its id and its words."""

    async def found() -> tuple[str, str] | None:
        for event_id, body in await heard(charity, person, room):
            if all(word in body for word in words):
                return event_id, body
        return None

    return await eventually(found, f"{words} in a room of {person}")
