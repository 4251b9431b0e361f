"""Who is in which room, enforced from the stream, on a real homeserver: seen by people through their own clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.support import community as support
from tests.support.community import GUARDIAN, STEWARD, Community
from tests.support.waiting import eventually

pytestmark = pytest.mark.homeserver

CLOSED = "bereaved"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def community(
    prepared_community: Community, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Community]:
    made = await asyncio.to_thread(support.copy, prepared_community, tmp_path_factory.mktemp("doors"))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def membership(community: Community, room: str, person: str, reader: str = "amina") -> dict[str, Any]:
    user_id = quote(community.user_id(person), safe="")
    path = f"/_matrix/client/v3/rooms/{quote(community.rooms[room], safe='')}/state/m.room.member/{user_id}"
    answer = await community.call(reader, "GET", path)
    assert isinstance(answer, dict)
    return answer


async def invite(community: Community, by: str, room: str, person: str) -> None:
    path = f"/_matrix/client/v3/rooms/{quote(community.rooms[room], safe='')}/invite"
    await community.call(by, "POST", path, {"user_id": community.user_id(person)})


async def force(community: Community, room: str, person: str) -> None:
    """What an administrator of the homeserver can do: put somebody into a room without asking anybody."""
    path = f"/_synapse/admin/v1/join/{quote(community.rooms[room], safe='')}"
    await community.as_ghost(STEWARD, "POST", path, {"user_id": community.user_id(person)})


async def test_an_outsider_who_is_invited_by_hand_is_not_let_in(community: Community) -> None:
    await community.sign_up("hana")
    await invite(community, "amina", CLOSED, "hana")

    async def withdrawn() -> bool:
        return (await membership(community, CLOSED, "hana")).get("membership") == "leave"

    await eventually(withdrawn, "the invite is taken back")
    assert (await membership(community, CLOSED, "hana"))["reason"] == "invite_withdrawn"
    with pytest.raises(support.Refused) as caught:
        await community.join("hana", CLOSED)
    assert caught.value.status == 403

    async def told() -> bool:
        words = [message.text or "" for message in await community.direct_messages("amina")]
        cards = [card.text or "" for card in await community.cards()]
        return any("I took the invite back" in body for body in words) and any("invite back" in card for card in cards)

    await eventually(told, "who invited is told privately, and the moderators have a line")


async def test_an_outsider_who_was_forced_in_is_taken_out_and_told_kindly(community: Community) -> None:
    await community.sign_up("ivo")
    await force(community, CLOSED, "ivo")

    async def out() -> bool:
        return (await membership(community, CLOSED, "ivo")).get("membership") == "leave"

    await eventually(out, "the intruder is taken out")

    async def told() -> bool:
        words = [message.text or "" for message in await community.direct_messages("ivo")]
        cards = [card.text or "" for card in await community.cards()]
        user_id = community.user_id("ivo")
        return any("You did nothing wrong" in body for body in words) and any(
            "took somebody out" in card and user_id in card for card in cards
        )

    await eventually(told, "the person is told, and the moderators have a line")


async def test_an_invite_that_an_administrator_of_the_homeserver_has_sent_in_our_name_is_withdrawn(
    community: Community,
) -> None:
    await community.sign_up("lena")
    path = f"/_synapse/admin/v1/rooms/{quote(community.rooms[CLOSED], safe='')}/make_room_admin"
    await community.as_ghost(STEWARD, "POST", path, {"user_id": community.user_id("lena")})

    async def withdrawn() -> bool:
        return (await membership(community, CLOSED, "lena")).get("membership") == "leave"

    await eventually(withdrawn, "the invite is taken back")
    assert (await membership(community, CLOSED, "lena"))["reason"] == "invite_withdrawn"
    with pytest.raises(support.Refused) as caught:
        await community.join("lena", CLOSED)
    assert caught.value.status == 403


async def test_whoever_is_approved_stays_however_they_came_in(community: Community) -> None:
    await community.leave("rosa", CLOSED)
    await force(community, CLOSED, "rosa")
    await community.sign_up("jo")
    await force(community, CLOSED, "jo")

    async def jo_is_out() -> bool:
        return (await membership(community, CLOSED, "jo")).get("membership") == "leave"

    await eventually(jo_is_out, "somebody who came later and may not be there is out: the lane went on")
    assert (await membership(community, CLOSED, "rosa"))["membership"] == "join"


async def test_our_own_identities_are_never_shown_the_door(community: Community) -> None:
    for user_id in (STEWARD, GUARDIAN):
        path = f"/_matrix/client/v3/rooms/{quote(community.rooms[CLOSED], safe='')}/state/m.room.member/{quote(user_id, safe='')}"
        assert (await community.call("amina", "GET", path))["membership"] == "join"


async def test_moderators_who_may_not_be_in_the_safeguarding_room_are_taken_out_of_it(community: Community) -> None:
    await force(community, "safeguarding", "morgan")

    async def out() -> bool:
        return (await membership(community, "safeguarding", "morgan")).get("membership") == "leave"

    await eventually(out, "a role that the room is not for")
