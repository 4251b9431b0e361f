"""Who can be told something, and who asks us in, on a real homeserver: seen by people through their own clients."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.support import community as support
from tests.support.community import GUARDIAN, STEWARD, VIOLATION, Community
from tests.support.seen import SeenMessage
from tests.support.waiting import eventually

pytestmark = pytest.mark.homeserver

_LIMITS = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def community(
    prepared_community: Community, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Community]:
    made = await asyncio.to_thread(support.copy, prepared_community, tmp_path_factory.mktemp("reach"))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def newcomer(community: Community, name: str) -> str:
    """Somebody in the open room, with a direct room; return its id."""
    await community.sign_up(name)
    await community.join(name, "welcome")

    async def has_one() -> list[str]:
        return await community.direct_rooms(name)

    return (await eventually(has_one, "a direct room"))[0]


async def card_about(community: Community, name: str, *parts: str) -> str:
    async def shown() -> str | None:
        texts = [card.text or "" for card in await community.cards()]
        return next((t for t in texts if community.user_id(name) in t and all(part in t for part in parts)), None)

    return await eventually(shown, f"a card about {name} with {parts}")


async def invited_to(community: Community, name: str) -> list[str]:
    """Rooms that wait for a person's yes."""
    # Another filter each time: an answer without a token is kept for two minutes.
    query = {"timeout": "0", "filter": json.dumps({"room": {"timeline": {"limit": next(_LIMITS)}}})}
    answer = await community.call(name, "GET", "/_matrix/client/v3/sync", query=query)
    return list(answer.get("rooms", {}).get("invite", {}))


async def private(community: Community, name: str, room_id: str) -> list[SeenMessage]:
    return [one for one in await community.messages(name, room_id) if one.sender == GUARDIAN]


async def test_who_left_the_direct_room_is_not_dragged_back_is_asked_once_more_and_then_told_again(
    community: Community,
) -> None:
    room_id = await newcomer(community, "wren")
    await community.leave("wren", room_id)
    sent = await community.say("wren", "welcome", VIOLATION)
    await community.redacted([sent])
    text = await card_about(community, "wren", "not reached")
    assert "told privately" not in text
    assert await community.direct_rooms("wren") == []
    assert await invited_to(community, "wren") == []
    await community.leave("wren", "welcome")
    await community.join("wren", "welcome")

    async def asked_again() -> bool:
        return room_id in await invited_to(community, "wren")

    await eventually(asked_again, "an arrival is a reason to ask again")
    await community.join("wren", room_id)
    sent = await community.say("wren", "welcome", VIOLATION)
    await community.redacted([sent])

    async def told() -> bool:
        return bool(await private(community, "wren", room_id))

    await eventually(told, "whoever came back is told again")


async def test_what_is_said_while_an_invite_waits_can_be_read_when_it_is_accepted(community: Community) -> None:
    room_id = await newcomer(community, "crane")
    await community.leave("crane", room_id)
    await community.leave("crane", "welcome")
    await community.join("crane", "welcome")

    async def asked_again() -> bool:
        return room_id in await invited_to(community, "crane")

    await eventually(asked_again, "asked again")
    sent = await community.say("crane", "welcome", VIOLATION)
    await community.redacted([sent])
    await card_about(community, "crane", "not reached")
    await community.join("crane", room_id)

    async def readable() -> bool:
        return any("I removed" in (one.text or "") for one in await private(community, "crane", room_id))

    await eventually(readable, "what was said meanwhile")


async def test_who_ignores_the_helper_counts_as_not_reached(community: Community) -> None:
    await community.sign_up("finch")
    path = f"/_matrix/client/v3/user/{quote(community.user_id('finch'), safe='')}/account_data/m.ignored_user_list"
    await community.call("finch", "PUT", path, {"ignored_users": {GUARDIAN: {}}})
    await community.join("finch", "welcome")
    sent = await community.say("finch", "welcome", VIOLATION)
    await community.redacted([sent])
    await card_about(community, "finch", "not reached")
    assert await community.direct_rooms("finch") == []


async def test_a_member_who_opens_a_room_with_the_helper_is_shown_the_way_to_ours(community: Community) -> None:
    room_id = await newcomer(community, "heron")
    body = {"preset": "trusted_private_chat", "is_direct": True, "invite": [GUARDIAN]}
    theirs = (await community.call("heron", "POST", "/_matrix/client/v3/createRoom", body))["room_id"]

    async def shown_and_left() -> bool:
        words = await private(community, "heron", theirs)
        members = await community.call("heron", "GET", f"/_matrix/client/v3/rooms/{quote(theirs)}/joined_members")
        return (
            len(words) == 1
            and quote(room_id) in words[0].html
            and set(members["joined"]) == {community.user_id("heron")}
        )

    await eventually(shown_and_left, "one text with the way, and nobody of ours left behind")


@pytest.mark.parametrize("who", ["a stranger", "a member, among others"])
async def test_any_other_invite_is_declined_without_a_word(community: Community, who: str) -> None:
    name = "stork" if who == "a stranger" else "egret"
    if name == "egret":
        await newcomer(community, name)
    else:
        await community.sign_up(name)
    alone = who == "a stranger"
    body = {"preset": "private_chat", "invite": [GUARDIAN, *([STEWARD] if alone else [])], "is_direct": alone}
    theirs = (await community.call(name, "POST", "/_matrix/client/v3/createRoom", body))["room_id"]

    async def declined() -> bool:
        state = await community.call(name, "GET", f"/_matrix/client/v3/rooms/{quote(theirs)}/state")
        left = {event["state_key"] for event in state if event["content"].get("membership") == "leave"}
        return left == ({GUARDIAN, STEWARD} if alone else {GUARDIAN})

    await eventually(declined, "whoever was asked declines")
    assert await private(community, name, theirs) == []
