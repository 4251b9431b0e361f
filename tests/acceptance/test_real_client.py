"""What people see in a real client library: nothing to accept, nothing that tells on a lock screen, cards that live."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.real_client import RealClient, install
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

LEAD, MODERATOR, AUTHOR, READER = "copper-lark", "river-stone", "late-robin", "high-meadow"
HELPER = f"@inglenook-guardian:{SERVER_NAME}"
NUMBER = "07700 900123"
ALLOWED = {"p", "br", "strong", "em", "u", "del", "code", "pre", "ul", "ol", "li", "blockquote", "a"}
#: Words that must not light up on a lock screen (CARE, rule 6).
TELLING = ("suicid", "harm", "abuse", "danger", "samaritans", "999", "kill", "die", "crisis", NUMBER)

Matches = Callable[[dict[str, Any]], bool]


class House:
    """A charity whose people use the real client."""

    def __init__(self, charity: Charity, rooms: dict[str, str], clients: dict[str, RealClient]) -> None:
        self.charity = charity
        self.rooms = rooms
        self.clients = clients

    async def shows(self, who: str, room: str, matches: Matches, what: str) -> dict[str, Any]:
        """Wait until somebody's client shows a message like this."""
        room_id = self.rooms.get(room, room)

        async def look() -> dict[str, Any] | None:
            return next((one for one in await self.clients[who].timeline(room_id) if matches(one)), None)

        return await eventually(look, f"{who} sees {what}")

    async def private(self, who: str, matches: Matches, what: str) -> dict[str, Any]:
        async def room() -> str | None:
            return await self.clients[who].alone_with(HELPER)

        return await self.shows(who, await eventually(room, "a private room"), matches, what)


@pytest_asyncio.fixture(loop_scope="session")
async def house(make_homeserver: MakeHomeserver, tmp_path: Path) -> AsyncIterator[House]:
    install()
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    charity = await Charity.make(tmp_path / "charity", homeserver)
    clients: dict[str, RealClient] = {}
    try:
        await charity.service.start()
        await charity.apply()
        rooms = await charity.rooms()
        for person in (LEAD, MODERATOR, AUTHOR, READER):
            await charity.sign_up(person)
            user_id = homeserver.user_id(person)
            clients[person] = await RealClient.start(homeserver.url, user_id, charity.tokens[person])
            await clients[person].does("join", room=rooms["carers-lounge"])
        for person in (LEAD, MODERATOR):
            await clients[person].does("join", room=rooms["moderators"])
        await clients[LEAD].does("join", room=rooms["safeguarding"])
        yield House(charity, rooms, clients)
    finally:
        for client in clients.values():
            await client.stop()
        await charity.stop()


def ours(*parts: str) -> Matches:
    return lambda one: one["sender"] == HELPER and all(part in (one["body"] or "") for part in parts)


def assert_plain(one: dict[str, Any]) -> None:
    assert set(re.findall(r"<(\w+)", one["html"])) <= ALLOWED
    first = one["body"][:80].lower()
    assert not [word for word in TELLING if word in first], first
    assert one["mentions"] is not None


async def test_a_number_goes_the_room_is_told_softly_and_the_author_loudly_and_alone(house: House) -> None:
    event_id = await house.clients[AUTHOR].does("send", room=house.rooms["carers-lounge"], text=f"Jo is on {NUMBER}")
    edit = await house.clients[AUTHOR].does(
        "edit", room=house.rooms["carers-lounge"], event=event_id, text=f"Jo is on {NUMBER}, edited"
    )
    gone = await house.shows(READER, "carers-lounge", lambda one: one["id"] == event_id and one["redacted"], "it gone")
    assert (gone["body"], gone["html"]) == (None, None)

    async def edit_is_gone() -> bool:
        events = await house.clients[READER].does("timeline", room=house.rooms["carers-lounge"])
        return all(one["redacted"] for one in events if one["id"] == edit)

    await eventually(edit_is_gone, "the edit goes too")
    notice = await house.shows(READER, "carers-lounge", ours("I removed"), "a notice")
    assert (notice["msgtype"], notice["notifies"], notice["highlights"]) == ("m.notice", False, False)
    assert AUTHOR not in notice["body"] + notice["html"]
    assert NUMBER not in notice["body"]
    told = await house.private(AUTHOR, ours("I removed", "appeal"), "a private message")
    assert (told["msgtype"], told["notifies"], told["highlights"]) == ("m.text", True, True)
    for one in (notice, told):
        assert_plain(one)


async def test_a_plea_stays_is_answered_without_anything_to_accept_and_calls_the_lead(house: House) -> None:
    plea = await house.clients[READER].does("send", room=house.rooms["carers-lounge"], text="I can't go on any more")
    told = await house.private(READER, ours("116 123", "carry this alone"), "a kind answer")
    assert (told["notifies"], told["highlights"]) == (True, True)
    assert_plain(told)
    card = await house.shows(LEAD, "safeguarding", ours("S-0001", READER), "the card")
    assert (card["notifies"], card["highlights"]) == (True, True)
    assert_plain(card)
    stands = await house.shows(LEAD, "carers-lounge", lambda one: one["id"] == plea, "the plea")
    assert (stands["redacted"], stands["body"]) == (False, "I can't go on any more")


async def test_a_card_is_tapped_shows_who_has_it_and_is_closed_by_a_reply(house: House) -> None:
    await house.clients[AUTHOR].does("send", room=house.rooms["carers-lounge"], text=f"Jo is on {NUMBER}")
    card = await house.shows(MODERATOR, "moderators", ours("H-0001"), "the card")
    assert_plain(card)

    def offered(one: dict[str, Any]) -> bool:
        return one["id"] == card["id"] and {"👀", "⬆"} <= {tap["key"] for tap in one["reactions"]}

    await house.shows(MODERATOR, "moderators", offered, "what can be tapped")
    await house.clients[MODERATOR].does("react", room=house.rooms["moderators"], event=card["id"], key="👀")
    taken = await house.shows(LEAD, "moderators", ours("H-0001", f"{MODERATOR}:{SERVER_NAME} has this"), "who has it")
    assert (taken["id"], bool(taken["edited"])) == (card["id"], True), "the same card, edited"
    await house.clients[LEAD].does("reply", room=house.rooms["moderators"], event=card["id"], text="close resolved")
    await house.shows(MODERATOR, "moderators", ours("H-0001 is closed by", LEAD), "that it is closed")
    await house.clients[LEAD].does("send", room=house.rooms["safeguarding"], text="show H-0001 a parent asked")
    shown = await house.private(LEAD, ours("H-0001", f"Jo is on {NUMBER}"), "what was removed")
    assert_plain(shown)
