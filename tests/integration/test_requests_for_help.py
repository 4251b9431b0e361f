"""Who asks for a person is heard: a case with a clock, an answer in private, and a second look by somebody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.support.charity import ALIASES, SERVER_NAME
from tests.support.lounge import HELPER, LEAD, MEMBER, MODERATOR, NUMBER, READER, Room, peopled
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver


@pytest_asyncio.fixture(loop_scope="session")
async def room(make_homeserver: MakeHomeserver, tmp_path: Path) -> AsyncIterator[Room]:
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    async with peopled(tmp_path / "charity", homeserver) as made:
        yield made


async def alone(room: Room, who: str) -> None:
    """Let `rooms["private"]` be somebody's room with the helper."""

    async def look() -> str | None:
        _, joined = await room.charity.call("GET", "/_matrix/client/v3/joined_rooms", person=who)
        for room_id in set(joined["joined_rooms"]) - set(room.rooms.values()):
            path = f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}/joined_members"
            _, members = await room.charity.call("GET", path, person=who)
            if HELPER in members["joined"]:
                return str(room_id)
        return None

    room.rooms["private"] = await eventually(look, f"{who} has a private room")


async def says_alone(room: Room, who: str, body: str) -> None:
    await alone(room, who)
    await room.says(who, body, "private")
    del room.rooms["private"]


async def test_who_asks_for_a_person_is_answered_and_read_by_the_lead_alone(room: Room) -> None:
    await alone(room, MEMBER)
    await room.says(MEMBER, "help me, I have nobody to talk to", "private")
    private = room.rooms.pop("private")
    card = await room.carded("Somebody asks for a person", MEMBER, "ack S-0001", room="safeguarding", reader=LEAD)
    assert "nobody to talk to" not in card
    assert private not in card, "a link that nobody can follow"
    assert "show S-0001" in card
    heard = await room.told(MEMBER, "asked for them", "999")
    assert "staffed hours" in heard
    await room.says(LEAD, "show S-0001 to answer them", "safeguarding")
    await room.told(LEAD, "S-0001", "I have nobody to talk to")
    await room.says(LEAD, "ack S-0001", "safeguarding")
    await room.carded("S-0001", "has this", LEAD, room="safeguarding", reader=LEAD)


async def test_a_second_look_is_for_somebody_else_than_who_closed_the_first(room: Room) -> None:
    await room.gone(await room.says(MEMBER, f"Jo is on {NUMBER}"))
    await room.carded("H-0001", "ack H-0001")
    await room.says(MODERATOR, "close H-0001 resolved", "moderators")
    await room.carded("H-0001 is closed by", MODERATOR)
    await alone(room, MEMBER)
    await room.says(MEMBER, "appeal", "private")
    del room.rooms["private"]
    await room.told(MEMBER, "asked a person to look at it again")
    await room.carded("Please look again", "It is about H-0001", "ack H-0002")
    await room.says(MODERATOR, "close H-0002 mistake", "moderators")
    await room.told(MODERATOR, "This is for others to do")
    await room.says(LEAD, "close H-0002 mistake", "moderators")
    await room.carded("H-0002 is closed by", LEAD)


async def test_help_alone_in_a_group_is_answered_in_private(room: Room) -> None:
    said = await room.says(READER, "Help!")
    await room.told(READER, "asked for them")
    await room.carded("Somebody asks for a person", READER, quote(said, safe=""), room="safeguarding", reader=LEAD)


async def test_numbers_come_after_a_clear_yes_and_what_was_written_alone_is_read_to_the_lead(room: Room) -> None:
    await room.says(MEMBER, "he hit me again last night")
    await room.told(MEMBER, "Is it safe for you to read messages here?")
    await says_alone(room, MEMBER, "ok but he reads my phone")
    await room.told(MEMBER, "yes and nothing else")
    await says_alone(room, MEMBER, "Helper (bot): yes")
    await room.told(MEMBER, "0808 2000 247")
    await says_alone(room, MEMBER, "help, I am in the car park")
    await room.carded("They asked the helper program", "show S-0001 REASON", room="safeguarding", reader=LEAD)
    await room.says(LEAD, "Helper (bot): show S-0001 to answer them", "safeguarding")
    await room.told(LEAD, "S-0001", "I am in the car park")
