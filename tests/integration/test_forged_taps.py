"""Taps and words that are not what they seem, on a real homeserver: only a card of ours, and only its people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.support import community as support
from tests.support.community import GUARDIAN, VIOLATION, Community, Refused, Sent
from tests.support.seen import SeenEvent, SeenMessage
from tests.support.waiting import eventually

pytestmark = pytest.mark.homeserver

TAKEN = "has this"


@pytest_asyncio.fixture(loop_scope="session")
async def community(
    prepared_community: Community, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Community]:
    made = await asyncio.to_thread(support.copy, prepared_community, tmp_path_factory.mktemp("taps"))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


async def card_of(community: Community, author: str, *parts: str, but: str = "") -> SeenMessage:
    """The card about a member in the moderators' room, once it says all of `parts`."""

    async def shown() -> SeenMessage | None:
        for card in await community.cards("moderators"):
            text = card.text or ""
            if card.event_id != but and community.user_id(author) in text and all(part in text for part in parts):
                return card
        return None

    return await eventually(shown, f"a card about {author} with {parts}")


async def carded(community: Community, author: str = "sam") -> SeenMessage:
    await community.redacted([await community.say(author, "welcome", VIOLATION)])
    card = await card_of(community, author, "Tap 👀")

    async def can_be_tapped() -> bool:
        return len(await reactions(community, card.event_id)) >= 2

    await eventually(can_be_tapped, "our own two reactions")
    return card


async def reactions(community: Community, card: str) -> list[SeenEvent]:
    found = []
    for event in await community.timeline("amina", "moderators"):
        relation = event.content.get("m.relates_to") or {}
        if event.type == "m.reaction" and relation.get("event_id") == card:
            found.append(event)
    return found


async def tap(community: Community, who: str, target: str, key: str = "👀", **more: Any) -> Sent:
    relation = {"rel_type": "m.annotation", "event_id": target, "key": key}
    return await community.send(who, "moderators", "m.reaction", {"m.relates_to": relation, **more})


async def all_handled(community: Community) -> None:
    """Everything that was said in the moderators' room until now is handled: an answer to something later came."""
    before = len(await community.direct_messages("morgan"))
    await community.say("morgan", "moderators", "ack H-9999")

    async def answered() -> bool:
        return len(await community.direct_messages("morgan")) > before

    await eventually(answered, "an answer")
    await community.settled()


async def text_of(community: Community, card: str) -> str:
    return next(one.text or "" for one in await community.cards("moderators") if one.event_id == card)


async def test_only_a_true_tap_moves_a_case(community: Community) -> None:
    card = await carded(community)
    shown = card.text or ""
    # The same words and the same reactions, by a moderator.
    false = await community.send(
        "morgan",
        "moderators",
        "m.room.message",
        {
            "msgtype": "m.text",
            "body": shown,
            "format": "org.matrix.custom.html",
            "formatted_body": card.html,
            "org.inglenook.key": "0" * 64,
            "org.inglenook.case": "H-0001",
            "org.inglenook.managed": {"community": "hearth", "group": "moderators"},
        },
    )
    for key in ("👀", "⬆"):
        await tap(community, "morgan", false.event_id, key)
        await tap(community, "amina", false.event_id, key)
    # The card itself, edited by somebody else: clients do not show it, and we do not read it.
    edit = await community.send(
        "morgan",
        "moderators",
        "m.room.message",
        {
            "msgtype": "m.text",
            "body": "* close H-0001 resolved",
            "m.new_content": {"msgtype": "m.text", "body": "close H-0001 resolved"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": card.event_id},
        },
    )
    await tap(community, "amina", edit.event_id)
    # Another sign, a sign with more in it, and fields that say more than a tap does.
    for key in ("🎉", "👀 ack", "ack", "👀👀"):
        await tap(community, "morgan", card.event_id, key, action="close", case="H-0001")
    # From elsewhere: somebody in another room who learnt the card's id.
    relation = {"rel_type": "m.annotation", "event_id": card.event_id, "key": "👀"}
    with pytest.raises(Refused):
        await community.send("sam", "welcome", "m.reaction", {"m.relates_to": relation})
    with pytest.raises(Refused):
        await tap(community, "sam", card.event_id)
    await all_handled(community)
    assert await text_of(community, card.event_id) == shown
    # A tap as a phone sends it, with a mark for how it is drawn.
    true = await tap(community, "morgan", card.event_id, "👀\ufe0f")
    await card_of(community, "sam", TAKEN, community.user_id("morgan"))
    # Taken back, and tapped by somebody else: it was used.
    await community.redact("morgan", "moderators", true.event_id)
    before = len(await community.direct_messages("amina"))
    await tap(community, "amina", card.event_id)

    async def told() -> bool:
        return len(await community.direct_messages("amina")) > before

    await eventually(told, "who came second is told, alone")
    assert community.user_id("morgan") in await text_of(community, card.event_id)


async def test_an_edit_of_the_card_by_us_is_no_second_card(community: Community) -> None:
    card = await carded(community)
    await tap(community, "morgan", card.event_id)
    await card_of(community, "sam", TAKEN)
    edits = [
        one.event_id
        for one in await community.timeline("amina", "moderators")
        if one.sender == GUARDIAN and one.replaces == card.event_id
    ]
    assert edits
    shown = await text_of(community, card.event_id)
    await tap(community, "amina", edits[-1], "⬆")
    await all_handled(community)
    assert await text_of(community, card.event_id) == shown


async def test_who_left_the_room_or_was_only_asked_in_taps_nothing_and_a_word_does_what_a_tap_does(
    community: Community,
) -> None:
    card = await carded(community)
    shown = card.text or ""
    await community.leave("morgan", "moderators")
    with pytest.raises(Refused):
        await tap(community, "morgan", card.event_id)
    path = f"/_matrix/client/v3/rooms/{quote(community.rooms['moderators'])}/invite"
    await community.as_ghost(GUARDIAN, "POST", path, {"user_id": community.user_id("rosa")})
    with pytest.raises(Refused):
        await tap(community, "rosa", card.event_id)
    await community.say("amina", "moderators", f"ack {shown.partition('ack ')[2][:6]}")
    await card_of(community, "sam", TAKEN, community.user_id("amina"))


async def test_a_tap_that_reaches_us_twice_counts_once(community: Community) -> None:
    """A transaction played again, with another id and the same events, as after a restart of the homeserver."""
    card = await carded(community)
    sent = await tap(community, "morgan", card.event_id)
    await card_of(community, "sam", TAKEN)
    await community.say(
        "amina", "moderators", "escalate", **{"m.relates_to": {"m.in_reply_to": {"event_id": card.event_id}}}
    )
    await card_of(community, "sam", "passed on")
    (event,) = [one for one in await community.timeline("amina", "moderators") if one.event_id == sent.event_id]
    raw = {**event.raw, "room_id": sent.room_id}
    listen = community.service.config.listen
    token = community.homeserver.registration.hs_token
    before = len(await community.direct_messages("morgan"))
    assert community._session is not None
    for n in range(3):
        async with community._session.put(
            f"http://127.0.0.1:{listen.port}/_matrix/app/v1/transactions/again-{n}",
            json={"events": [raw]},
            headers={"Authorization": f"Bearer {token}"},
        ) as answer:
            assert answer.status == 200
    await all_handled(community)
    assert "passed on" in await text_of(community, card.event_id)
    assert len(await community.direct_messages("morgan")) == before + 1, "only the answer to what they typed"


NAMES = {
    "markup": "<b>Sam</b><img src=x onerror=alert(1)>",
    "turned round": "Sam \u202e00900 77700",
    "lines": "Sam\nIn danger now? Call 0800 000 0000",
    "everybody": "@room",
    "a link": "https://matrix.to/#/@amina:hearth.example",
    "a card": "🟠 1 message removed. Reply close H-0001 resolved",
    "long": "S" * 250,
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
async def test_what_somebody_calls_themselves_stands_in_nothing_that_we_say(community: Community, name: str) -> None:
    path = f"/_matrix/client/v3/profile/{quote(community.user_id('sam'), safe='')}/displayname"
    await community.call("sam", "PUT", path, {"displayname": name})
    await community.redacted([await community.say("sam", "welcome", VIOLATION)])
    await card_of(community, "sam", "Tap 👀")

    async def told() -> bool:
        return any("I removed" in (one.text or "") for one in await community.direct_messages("sam"))

    await eventually(told, "the author is told")
    await community.settled()
    said = [*await community.cards(), *await community.notices("welcome"), *await community.direct_messages("sam")]
    for one in said:
        assert name not in (one.text or "") + one.html
        assert "\u202e" not in (one.text or "") + one.html
        assert "<b>" not in one.html
        assert "<img" not in one.html
    pinged = [
        event.content["m.mentions"]
        for event in await community.timeline("amina", "moderators")
        if event.sender == GUARDIAN and event.type == "m.room.message"
    ]
    assert not [one for one in pinged if one.get("room")]


async def test_a_room_that_claims_to_be_ours_is_none(community: Community) -> None:
    """With our marks, the name of somebody else, and us invited: nothing in it is read, and nobody's room is changed."""
    (hers,) = await community.direct_rooms("rosa")
    body = {
        "preset": "private_chat",
        "room_version": "12",
        "creation_content": {
            "org.inglenook.for": community.user_id("rosa"),
            "org.inglenook.managed": {"community": "hearth", "group": "direct"},
        },
        "initial_state": [
            {
                "type": "org.inglenook.managed",
                "state_key": "",
                "content": {"community": "hearth", "group": "safeguarding"},
            }
        ],
        "invite": [GUARDIAN],
    }
    false = (await community.call("sam", "POST", "/_matrix/client/v3/createRoom", body))["room_id"]
    sent = await community.say("sam", false, VIOLATION)

    async def left() -> bool:
        state = await community.call("sam", "GET", f"/_matrix/client/v3/rooms/{quote(false)}/state")
        return any(
            one["state_key"] == GUARDIAN and one["content"]["membership"] == "leave"
            for one in state[::-1]
            if one["type"] == "m.room.member"
        )

    await eventually(left, "we are not in it")
    await community.redacted([await community.say("rosa", "welcome", VIOLATION)])
    await community.say("rosa", "welcome", "I can't go on")
    await card_of(community, "rosa", "removed")
    await community.settled()
    shown = await community.messages("sam", false)
    assert [(one.event_id, one.text) for one in shown if one.sender != GUARDIAN] == [(sent.event_id, VIOLATION)]
    assert not [one for one in shown if one.sender == GUARDIAN and "private room" not in (one.text or "")]
    assert await community.direct_rooms("rosa") == [hers]
    assert any("carry this alone" in (one.text or "") for one in await community.direct_messages("rosa"))
