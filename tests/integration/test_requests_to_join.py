"""Asking to come into a hybrid group, and how people answer, on a real homeserver."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

LEAD, MODERATOR, MEMBER = "copper-lark", "amber-kite", "late-robin"
LOUNGE = f"#leeds-carers-carers-lounge:{SERVER_NAME}"


@pytest_asyncio.fixture(loop_scope="session")
async def charity(make_homeserver: MakeHomeserver, tmp_path: Path) -> AsyncIterator[Charity]:
    """The community, with its lead, a moderator and a member in their rooms."""
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    made = await Charity.make(tmp_path / "charity", homeserver)
    try:
        await made.service.start()
        rooms = (await made.apply()).rooms
        for person, keys in (
            (LEAD, ("carers-lounge", "moderators")),
            (MODERATOR, ("carers-lounge", "moderators")),
            (MEMBER, ("carers-lounge",)),
        ):
            await made.sign_up(person)
            for key in keys:
                assert await made.join(person, rooms[key]) == 200
        yield made
    finally:
        await made.stop()


def user(name: str) -> str:
    return f"@{name}:{SERVER_NAME}"


async def knock(charity: Charity, person: str) -> None:
    await charity.sign_up(person)
    status, answer = await charity.call(
        "POST", f"/_matrix/client/v3/knock/{LOUNGE.replace('#', '%23')}", {}, person=person
    )
    assert status == 200, answer


async def say(charity: Charity, person: str, room: str, words: str) -> None:
    path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{abs(hash(words))}"
    assert (await charity.call("PUT", path, {"msgtype": "m.text", "body": words}, person=person))[0] == 200


async def texts(charity: Charity, person: str, room: str) -> list[str]:
    _, page = await charity.call(
        "GET", f"/_matrix/client/v3/rooms/{room}/messages", person=person, query={"dir": "b", "limit": "50"}
    )
    return [str(event["content"].get("body", "")) for event in page["chunk"] if "inglenook" in event["sender"]]


async def reference(charity: Charity, person: str) -> str:
    """The reference on the card about a request, as the moderators see it."""
    desk = (await charity.rooms())["moderators"]

    async def shown() -> str | None:
        found = [text for text in await texts(charity, MODERATOR, desk) if user(person) in text and "add R-" in text]
        return found[0].partition("add ")[2].split()[0] if found else None

    return await eventually(shown, f"a card about the request of {person}")


def becomes(charity: Charity, person: str, membership: str) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        state = await charity.state((await charity.rooms())["carers-lounge"])
        content: dict[str, Any] = state.get(("m.room.member", user(person)), {})
        return content.get("membership") == membership

    return look


async def test_a_request_is_answered_by_word_or_by_invite_of_those_who_may_and_by_nobody_else(charity: Charity) -> None:
    rooms = await charity.rooms()
    desk, lounge = rooms["moderators"], rooms["carers-lounge"]

    await knock(charity, "new-moon")
    named = await reference(charity, "new-moon")
    await say(charity, MODERATOR, desk, f"add {named}")

    async def refused() -> bool:
        return any("Only those whose role" in text for text in await texts(charity, MODERATOR, desk))

    await eventually(refused, "a moderator's role may not let people in, and is told so")
    assert await becomes(charity, "new-moon", "knock")()
    await say(charity, LEAD, desk, f"add {named}")
    await eventually(becomes(charity, "new-moon", "invite"), "the lead's word asks them in")
    assert await charity.join("new-moon", lounge) == 200

    await knock(charity, "grey-dawn")
    named = await reference(charity, "grey-dawn")
    await say(charity, LEAD, desk, f"decline {named}")
    await eventually(becomes(charity, "grey-dawn", "leave"), "the request is taken back")

    async def told_kindly() -> bool:
        _, joined = await charity.call("GET", "/_matrix/client/v3/joined_rooms", person="grey-dawn")
        said = [text for room in joined["joined_rooms"] for text in await texts(charity, "grey-dawn", room)]
        return any("not about you as a person" in text for text in said)

    await eventually(told_kindly, "they are told kindly")

    await knock(charity, "soft-rain")
    await reference(charity, "soft-rain")
    path = f"/_matrix/client/v3/rooms/{lounge}/invite"
    assert (await charity.call("POST", path, {"user_id": user("soft-rain")}, person=LEAD))[0] == 200
    assert await charity.join("soft-rain", lounge) == 200

    # An invite that answers no request is no approval, whoever sends it.
    await charity.sign_up("wild-thyme")
    assert (await charity.call("POST", path, {"user_id": user("wild-thyme")}, person=LEAD))[0] == 200
    await eventually(becomes(charity, "wild-thyme", "leave"), "an invite without a request is withdrawn")

    # Approvals outlive us, and a plan counts them: nobody is taken out by the next one.
    await charity.service.stop()
    await charity.service.start()
    assert (await charity.plan(audit=True)).lines == []
    for person in ("new-moon", "soft-rain"):
        assert await becomes(charity, person, "join")()


async def test_whom_a_moderator_took_out_comes_back_only_by_a_persons_yes(charity: Charity) -> None:
    lounge = (await charity.rooms())["carers-lounge"]
    path = f"/_matrix/client/v3/rooms/{lounge}/kick"
    assert (await charity.call("POST", path, {"user_id": user(MEMBER)}, person=MODERATOR))[0] == 200
    await eventually(becomes(charity, MEMBER, "leave"), "out")
    # Neither the next plan nor a request lets them in, though the people file has them.
    assert (await charity.plan(audit=True)).lines == []
    status, _ = await charity.call("POST", f"/_matrix/client/v3/knock/{lounge}", {}, person=MEMBER)
    assert status == 200
    named = await reference(charity, MEMBER)
    assert await becomes(charity, MEMBER, "knock")()
    await say(charity, LEAD, (await charity.rooms())["moderators"], f"add {named}")
    await eventually(becomes(charity, MEMBER, "invite"), "the lead says yes")
