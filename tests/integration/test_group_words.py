"""The ways of a group on a real homeserver: its pace, its form, who is in it by their role, and who lets people in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.lounge import LEAD, MEMBER, MODERATOR, NUMBER, READER, Room

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

NEWCOMER, DEPUTY = "new-moon", "quiet-fern"
PICTURE = {"msgtype": "m.image", "body": "us.jpg", "url": f"mxc://{SERVER_NAME}/abcdef"}
WAYS = """    tier: medium
    hours: Tue 18:00-21:00 Europe/London
    posting: {slow: 1h}
    media: none
    membership: {roles: [admin]}
    join: {approved_by: [lead]}
"""


@pytest_asyncio.fixture(loop_scope="session")
async def room(make_homeserver: MakeHomeserver, tmp_path: Path) -> AsyncIterator[Room]:
    """The lounge is slow, of words only, staffed on Tuesdays, and the lead alone lets people in."""
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    charity = await Charity.make(tmp_path / "charity", homeserver)
    text = charity.policy.read_text(encoding="utf-8")
    head, lounge, rest = text.partition("  carers-lounge:\n")
    charity.policy.write_text(head + lounge + rest.replace("    tier: medium\n", WAYS, 1), encoding="utf-8")
    try:
        await charity.service.start()
        await charity.apply()
        rooms = await charity.rooms()
        for person in (LEAD, MODERATOR, MEMBER, READER, DEPUTY):
            await charity.sign_up(person)
            assert await charity.join(person, rooms["carers-lounge"]) == 200
        for person in (LEAD, MODERATOR, DEPUTY):
            assert await charity.join(person, rooms["moderators"]) == 200
        yield Room(charity, rooms)
    finally:
        await charity.stop()


async def stands(room: Room, event_id: str) -> bool:
    path = f"/_matrix/client/v3/rooms/{quote(room.rooms['carers-lounge'], safe='')}/event/{quote(event_id, safe='')}"
    status, event = await room.charity.call("GET", path, person=READER)
    return status == 200 and bool(event["content"])


async def test_ways_of_a_group_are_kept_kindly_and_never_in_the_way_of_help(room: Room) -> None:
    # Asked to wait first, then taken away and given back, and nobody else is told.
    first = [await room.says(person, words) for person in (MEMBER, READER) for words in ("Hello all.", "How are you?")]
    for person in (MEMBER, READER):
        await room.told(person, "waits 1 hour from one message to the next", "I left your message there")
    await room.gone(await room.says(MEMBER, "And the cake is on Tuesday."))
    back = await room.told(MEMBER, "Here are your words", "And the cake is on Tuesday.", "You can write there again at")
    assert "You are not in trouble" in back
    assert all([await stands(room, one) for one in first])

    # Those who moderate need not wait, and may share pictures; others write words.
    free = [await room.says(MODERATOR, f"Notice {n}") for n in range(3)] + [await room.sends(MODERATOR, PICTURE)]
    await room.gone(await room.sends(READER, PICTURE))
    await room.told(READER, "We share words there and nothing else")
    assert await sticker(room, READER) == 403
    assert await sticker(room, MODERATOR) == 200

    # A plea stays however soon it comes, and after it nobody in that room has to wait.
    helping = [await room.says(MEMBER, "I can't go on anymore")]
    await room.told(MEMBER, "116 123")
    helping += [await room.says(READER, "We are here."), await room.says(READER, "Talk to us.")]
    await room.gone(await room.says(DEPUTY, f"Ring Jo on {NUMBER}"))  # by then all before it is decided
    assert all([await stands(room, one) for one in (*free, *helping)])
    assert not [body for body in await room.private(READER) if "came too soon" in body]


async def sticker(room: Room, person: str) -> int:
    where = quote(room.rooms["carers-lounge"], safe="")
    path = f"/_matrix/client/v3/rooms/{where}/send/m.sticker/wave-{person}"
    content = {"body": "wave", "url": PICTURE["url"], "info": {}}
    return (await room.charity.call("PUT", path, content, person=person))[0]


async def test_roles_are_in_by_themselves_and_the_named_role_alone_lets_people_in(room: Room) -> None:
    charity, lounge = room.charity, room.rooms["carers-lounge"]
    state = await charity.state(lounge)
    admin = f"@north-gate:{SERVER_NAME}"
    assert state["m.room.member", admin]["membership"] == "invite"
    assert state["m.room.power_levels", ""]["users"][admin] == 90

    await charity.sign_up(NEWCOMER)
    path = f"/_matrix/client/v3/knock/{quote(lounge, safe='')}"
    assert (await charity.call("POST", path, {}, person=NEWCOMER, query={"via": SERVER_NAME}))[0] == 200
    heard = await room.told(NEWCOMER, "A person will look at it", "Tuesday 6pm to 9pm")
    assert "Sunday" not in heard, "the community's hours are not those of this group"

    card = await room.carded("asks to join", "add R-")
    wanted = next(word for word in card.split() if word.startswith("R-"))
    await room.says(DEPUTY, f"add {wanted}", "moderators")
    await room.carded("Only those whose role may let people in")
    assert (await charity.state(lounge))["m.room.member", f"@{NEWCOMER}:{SERVER_NAME}"]["membership"] == "knock"
    await room.says(LEAD, f"add {wanted}", "moderators")
    await room.carded("I asked them in")
    assert await charity.join(NEWCOMER, lounge) == 200
