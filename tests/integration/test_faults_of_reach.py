"""The guardian ignored, blocked, thrown out, its room deleted: on a real homeserver nobody in need is lost silently."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.support import community as support
from tests.support.community import GUARDIAN, SERVER_NAME, STEWARD, VIOLATION, Community, Refused
from tests.support.waiting import eventually

pytestmark = pytest.mark.homeserver

PLEA = "I can't go on"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def community(
    prepared_community: Community, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Community]:
    made = await asyncio.to_thread(support.copy, prepared_community, tmp_path_factory.mktemp("faults"))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def newcomer(community: Community, name: str) -> str:
    """Somebody in the open room, with a direct room that they were greeted in; return its id."""
    await community.sign_up(name)
    await community.join(name, "welcome")

    async def greeted() -> str | None:
        rooms = await community.direct_rooms(name)
        return rooms[0] if rooms and await community.direct_messages(name) else None

    return await eventually(greeted, "a direct room")


async def account_data(community: Community, name: str, kind: str, content: dict[str, Any]) -> None:
    path = f"/_matrix/client/v3/user/{quote(community.user_id(name), safe='')}/account_data/{kind}"
    await community.call(name, "PUT", path, content)


async def card_about(community: Community, name: str, *parts: str, place: str = "safeguarding") -> str:
    async def shown() -> str | None:
        texts = [card.text or "" for card in await community.cards(place, "amina")]
        return next((t for t in texts if community.user_id(name) in t and all(part in t for part in parts)), None)

    return await eventually(shown, f"a card about {name} with {parts}")


async def told(community: Community, name: str, words: str, where: str | None = None) -> str:
    """Wait until the helper said something to a person; return the room in which they read it."""

    async def read() -> str | None:
        for room_id in [where] if where is not None else await community.direct_rooms(name):
            for one in await community.messages(name, room_id):
                if one.sender == GUARDIAN and words in (one.text or ""):
                    return room_id
        return None

    return await eventually(read, f"{name} is told {words}")


async def delete_room(community: Community, room_id: str) -> None:
    """Delete a room as an administrator does who cleans up."""
    path = f"/_synapse/admin/v2/rooms/{quote(room_id, safe='')}"
    answer = await community.as_ghost(STEWARD, "DELETE", path, {"purge": True})

    async def gone() -> bool:
        status = f"/_synapse/admin/v2/rooms/delete_status/{answer['delete_id']}"
        return bool((await community.as_ghost(STEWARD, "GET", status))["status"] == "complete")

    await eventually(gone, "the room is deleted")


async def test_a_person_cannot_take_the_helper_out_of_their_private_room(community: Community) -> None:
    room_id = await newcomer(community, "kestrel")
    for what in ("kick", "ban"):
        path = f"/_matrix/client/v3/rooms/{quote(room_id)}/{what}"
        with pytest.raises(Refused) as caught:
            await community.call("kestrel", "POST", path, {"user_id": GUARDIAN})
        assert caught.value.status == 403


async def test_who_begins_to_ignore_the_helper_is_not_said_to_have_been_told(community: Community) -> None:
    """Known for a while as reached: what they wrote in distress calls more people, who are told that we reach nobody."""
    await newcomer(community, "dunlin")
    await account_data(community, "dunlin", "m.ignored_user_list", {"ignored_users": {GUARDIAN: {}}})
    await community.say("dunlin", "welcome", PLEA)
    card = await card_about(community, "dunlin", "not reached", "passed on")
    assert "kind message" not in card

    async def both_called() -> bool:
        events = await community.timeline("amina", "safeguarding")
        cards = [one.content for one in events if community.user_id("dunlin") in str(one.content.get("body"))]
        called = {user for content in cards for user in content.get("m.mentions", {}).get("user_ids", ())}
        return {community.user_id("amina"), community.user_id("dewi")} <= called

    await eventually(both_called, "one rung more")


async def test_who_blocks_invites_is_not_dragged_in_and_their_case_says_that_they_are_not_reached(
    community: Community,
) -> None:
    await community.sign_up("plover")
    await account_data(community, "plover", "m.invite_permission_config", {"default_action": "block"})
    await community.join("plover", "welcome")
    await community.say("plover", "welcome", PLEA)
    assert "kind message" not in await card_about(community, "plover", "not reached")
    assert await community.direct_rooms("plover") == []


async def test_a_guardian_that_was_made_to_leave_a_private_room_talks_in_another_one(community: Community) -> None:
    room_id = await newcomer(community, "siskin")
    await community.as_ghost(GUARDIAN, "POST", f"/_matrix/client/v3/rooms/{quote(room_id)}/leave", {})
    await community.redacted([await community.say("siskin", "welcome", VIOLATION)])
    assert await told(community, "siskin", "I removed a message of yours") != room_id
    await card_about(community, "siskin", "They were told privately", place="moderators")


async def test_a_private_room_that_an_administrator_deleted_is_made_anew_and_its_person_asked_in(
    community: Community,
) -> None:
    room_id = await newcomer(community, "bunting")
    await delete_room(community, room_id)
    await community.say("bunting", "welcome", PLEA)

    async def readable() -> str | None:
        if rooms := [one for one in await community.direct_rooms("bunting") if one != room_id]:
            return rooms[0]
        answer = await community.call("bunting", "GET", "/_matrix/client/v3/sync", query={"timeout": "0"})
        asked = [one for one in answer.get("rooms", {}).get("invite", {}) if one != room_id]
        return await community.join("bunting", asked[0]) if asked else None

    other = await eventually(readable, "another room, or an invite to it")
    await told(community, "bunting", "carry this alone", other)
    await card_about(community, "bunting")


async def test_a_room_deleted_while_we_were_away_does_not_swallow_what_is_said_next(community: Community) -> None:
    room_id = await newcomer(community, "linnet")
    await community.service.stop()
    await delete_room(community, room_id)
    await community.service.start()
    await community.redacted([await community.say("linnet", "welcome", VIOLATION)])
    card = await card_about(community, "linnet", "removed", place="moderators")

    async def honest() -> bool:
        rooms = [one for one in await community.direct_rooms("linnet") if one != room_id]
        messages = [one.text or "" for where in rooms for one in await community.messages("linnet", where)]
        was_told = any("I removed a message of yours" in text for text in messages)
        card = await card_about(community, "linnet", "removed", place="moderators")
        return ("told privately" in card) is was_told and (was_told or "not reached" in card)

    await eventually(honest, "the card says what is true")
    assert f"@linnet:{SERVER_NAME}" in card


async def test_a_lead_who_left_her_private_room_does_not_hide_a_case_from_the_deputy(community: Community) -> None:
    """About somebody who is in the safeguarding room by right: told to people alone (CARE, rule 4)."""
    (hers,) = await community.direct_rooms("amina")
    await community.leave("amina", hers)
    await community.apply(roles={"kit": ("admin", "deputy")})
    await community.join("kit", "safeguarding")
    await community.say("dewi", "safeguarding", "hello")
    await community.join("kit", "welcome")
    await community.say("kit", "welcome", PLEA)
    await told(community, "dewi", f"@kit:{SERVER_NAME}")
