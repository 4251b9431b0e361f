"""The main job on a real homeserver: doors, one message in and one redaction out, and privacy of what is not ours."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from appservice.flow import Attempt, Lane, Redact
from appservice.operations.audits import verify_audit
from appservice.service.config import load_registration
from appservice.service.core import Core
from tests.support.community import GUARDIAN, STEWARD, VIOLATION, Community, Refused
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeCommunity

pytestmark = pytest.mark.homeserver

#: A word that stands in messages here and may stand in no file of ours.
SECRET = "Quillfeather"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def community(
    prepared_community: Community, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Community]:
    """One running community for this file; tests use words and messages of their own."""
    from tests.support import community as support

    made = await asyncio.to_thread(support.copy, prepared_community, tmp_path_factory.mktemp("spine"))
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


# -- doors -------------------------------------------------------------------------------------------------------------


async def test_a_stranger_is_refused_at_the_closed_room_and_cannot_look_in(community: Community) -> None:
    with pytest.raises(Refused) as caught:
        await community.join("sam", "bereaved")
    assert caught.value.status == 403
    for path in ("messages?dir=b", "state", "joined_members"):
        with pytest.raises(Refused):
            await community.call("sam", "GET", f"/_matrix/client/v3/rooms/{community.rooms['bereaved']}/{path}")


@pytest.mark.parametrize("room", ["moderators", "safeguarding", "ops"])
async def test_a_member_is_refused_at_the_rooms_of_those_who_look_after_them(community: Community, room: str) -> None:
    with pytest.raises(Refused):
        await community.join("rosa", room)


async def test_a_member_may_neither_change_a_room_nor_remove_people_or_messages(community: Community) -> None:
    room = community.rooms["welcome"]
    said = await community.say("rosa", "welcome", "Good morning everybody")
    for method, path, body in (
        ("PUT", f"/_matrix/client/v3/rooms/{room}/state/m.room.name/", {"name": "Mine"}),
        ("PUT", f"/_matrix/client/v3/rooms/{room}/state/m.room.power_levels/", {"users": {}}),
        ("PUT", f"/_matrix/client/v3/rooms/{room}/state/org.inglenook.managed/", {}),
        ("POST", f"/_matrix/client/v3/rooms/{room}/kick", {"user_id": community.user_id("rosa")}),
        ("POST", f"/_matrix/client/v3/rooms/{room}/ban", {"user_id": GUARDIAN}),
    ):
        with pytest.raises(Refused):
            await community.call("sam", method, path, body)
    with pytest.raises(Refused):
        await community.redact("sam", "welcome", said.event_id)


async def test_not_even_the_highest_role_can_take_the_room_from_us(community: Community) -> None:
    room = community.rooms["moderators"]
    for method, path, body in (
        ("POST", f"/_matrix/client/v3/rooms/{room}/kick", {"user_id": GUARDIAN}),
        ("POST", f"/_matrix/client/v3/rooms/{room}/ban", {"user_id": STEWARD}),
        ("PUT", f"/_matrix/client/v3/rooms/{room}/state/m.room.tombstone/", {"body": "x"}),
        ("PUT", f"/_matrix/client/v3/rooms/{room}/state/org.inglenook.managed/", {}),
    ):
        with pytest.raises(Refused):
            await community.call("amina", method, path, body)


# -- the main job ------------------------------------------------------------------------------------------------------


async def test_a_phone_number_is_removed_once_with_a_notice_a_message_and_a_card(community: Community) -> None:
    sent = await community.say("rosa", "bereaved", f"{VIOLATION} {SECRET}")
    told = await community.all_told_once([sent])
    assert [len(ids) for ids in told.redactions.values()] == [1]
    (removed,) = [event for event in await community.timeline("rosa", "bereaved") if event.event_id == sent.event_id]
    assert removed.content == {}
    for shown in (
        await community.notices("bereaved"),
        await community.cards(),
        await community.direct_messages("rosa"),
    ):
        assert shown
        for message in shown:
            assert "07700" not in (message.text or "")
            assert SECRET not in (message.text or "")
    for notice in await community.notices("bereaved"):
        assert "rosa" not in (notice.text or "").lower()


async def test_what_members_say_otherwise_is_left_alone(community: Community) -> None:
    harmless = ["Good morning", "I paid £12.50 on 01/02/2026", "Call 116 123 if you need to talk", "See you at 10"]
    sent = [await community.say("rosa", "welcome", text) for text in harmless]
    marker = await community.say("rosa", "welcome", VIOLATION)
    await community.redacted([marker])
    await community.settled()
    by_id = {message.event_id: message.text for message in await community.messages("rosa", "welcome")}
    assert [by_id[one.event_id] for one in sent] == harmless


async def test_somebodys_own_number_stays_and_they_are_told_that_everybody_sees_it(community: Community) -> None:
    before = len(await community.direct_messages("morgan"))
    sent = await community.say("morgan", "welcome", "My number is 07700 900456 if anybody needs me")

    async def offered() -> bool:
        return len(await community.direct_messages("morgan")) == before + 1

    await eventually(offered, "the offer")
    await community.settled()
    by_id = {message.event_id: message.text for message in await community.messages("rosa", "welcome")}
    assert "07700 900456" in (by_id[sent.event_id] or "")
    assert "own phone number" in ((await community.direct_messages("morgan"))[-1].text or "")


async def test_a_number_in_an_edit_is_found_too(community: Community) -> None:
    first = await community.say("rosa", "welcome", "Ring Jo")
    edit = await community.send(
        "rosa",
        "welcome",
        "m.room.message",
        {
            "msgtype": "m.text",
            "body": f"* {VIOLATION}",
            "m.new_content": {"msgtype": "m.text", "body": VIOLATION},
            "m.relates_to": {"rel_type": "m.replace", "event_id": first.event_id},
        },
    )
    await community.redacted([edit])
    await community.settled()


async def test_the_rooms_of_those_who_look_after_people_are_not_watched(community: Community) -> None:
    sent = await community.say("morgan", "moderators", VIOLATION)
    marker = await community.say("rosa", "welcome", VIOLATION)
    await community.redacted([marker])
    await community.settled()
    by_id = {message.event_id: message.text for message in await community.messages("amina", "moderators")}
    assert by_id[sent.event_id] == VIOLATION


def nested(depth: int) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [100, 240, 300])
async def test_a_member_cannot_stop_us_by_a_strange_message(community: Community, depth: int) -> None:
    """In a room that we must read first the message waits on disk; it must get there whatever it is made of."""
    room = await community.call("sam", "POST", "/_matrix/client/v3/createRoom", {"preset": "private_chat"})
    try:
        for where in ("welcome", room["room_id"]):
            await community.send(
                "sam", where, "m.room.message", {"msgtype": "m.text", "body": "hello", "x.strange": nested(depth)}
            )
    except Refused:
        pytest.skip("the homeserver itself refuses such a message")
    sent = await community.say("sam", "welcome", VIOLATION)
    await community.redacted([sent], within=20)


# -- privacy -----------------------------------------------------------------------------------------------------------


async def test_rooms_of_other_people_never_reach_us(community: Community) -> None:
    body = {"preset": "private_chat", "invite": [community.user_id("morgan")], "is_direct": True}
    room = (await community.call("rosa", "POST", "/_matrix/client/v3/createRoom", body))["room_id"]
    await community.call("morgan", "POST", f"/_matrix/client/v3/join/{room}", {})
    private = await community.say("rosa", room, VIOLATION)
    marker = await community.say("rosa", "welcome", VIOLATION)
    await community.redacted([marker])
    await community.settled()
    core = await core_of(community)
    await core.database.open_to_read()
    try:
        assert await core.questions.known([marker.event_id]) == {marker.event_id}
        assert await core.questions.known([private.event_id]) == set()
        assert room not in await core.questions.rooms_with_events()
    finally:
        await core.database.close()
    shown = {message.event_id: message.text for message in await community.messages("morgan", room)}
    assert shown[private.event_id] == VIOLATION


async def test_no_word_of_a_member_stands_in_a_file_of_ours(community: Community) -> None:
    words = [f"{SECRET}{n}" for n in range(3)]
    sent = [
        await community.say("sam", "welcome", f"{VIOLATION} {words[0]}"),
        await community.say("rosa", "bereaved", f"Only talking about {words[1]}"),
        await community.say("rosa", "welcome", f"My number is 07700 900456 {words[2]}"),
    ]
    await community.redacted(sent[:1])
    await community.settled()
    folder = community.service.path.parent
    found = [
        (str(path.relative_to(folder)), word)
        for path in folder.rglob("*")
        if path.is_file()
        for word in [SECRET, *words]
        if word.encode() in path.read_bytes()
    ]
    assert found == []


async def test_the_status_names_no_person_and_no_room(community: Community) -> None:
    status = json.dumps(await community.service.status())
    for person in community.tokens:
        assert f"@{person}" not in status
    for room in community.rooms.values():
        assert room not in status


# -- lives -------------------------------------------------------------------------------------------------------------


async def core_of(community: Community) -> Core:
    """The core that the community's configuration describes, not started."""
    config = community.service.config
    return Core(config, load_registration(config.registration))


async def test_a_restart_changes_nothing_and_takes_up_where_it_was(make_community: MakeCommunity) -> None:
    community = await make_community()
    first = await community.say("sam", "welcome", VIOLATION)
    await community.all_told_once([first])
    before = {room: len(await community.timeline("amina", room)) for room in ("welcome", "moderators", "bereaved")}
    assert await community.service.stop() == 0
    await community.service.start()
    await community.settled()
    after = {room: len(await community.timeline("amina", room)) for room in ("welcome", "moderators", "bereaved")}
    assert after == before
    second = await community.say("rosa", "bereaved", VIOLATION)
    await community.all_told_once([first, second])
    await community.service.stop()
    assert (await verify_audit(community.service.config)).problems == ()


async def test_a_direct_room_that_was_not_written_down_is_found_and_its_person_still_counts_as_reached(
    make_community: MakeCommunity,
) -> None:
    """Death between the steward's leaving and our commit: the administrator's join cannot be made a second time."""
    community = await make_community()
    (room,) = await community.direct_rooms("rosa")
    await community.service.stop()
    core = await core_of(community)
    await core.start()
    try:

        async def ready() -> bool:
            return bool(core.status()["ready"])

        await eventually(ready, "the core is ready")
        rosa = community.user_id("rosa")
        core.projection.forget_direct_room(rosa)
        assert await core.direct_rooms.ensure(rosa, "key") == (room, "reached")
    finally:
        await core.stop()


async def test_a_redaction_in_doubt_is_not_sent_a_second_time(make_community: MakeCommunity) -> None:
    community = await make_community()
    sent = await community.say("sam", "welcome", VIOLATION)
    await community.all_told_once([sent])
    await community.service.stop()
    core = await core_of(community)
    await core.start()
    try:
        effect = Redact(
            source=sent.event_id,
            rule="personal_data",
            lane=Lane(core.config.homeserver.name, sent.room_id),
            room_id=sent.room_id,
            event_id=sent.event_id,
            reason="personal_data.phone",
        )
        executor = core.outbox._executors["redact"]
        for attempt in (Attempt(2), Attempt(3, look_first=True)):
            await executor.execute(effect, attempt)
    finally:
        await core.stop()
    told = await community.told([sent])
    assert [len(ids) for ids in told.redactions.values()] == [1]


async def test_the_service_leaves_no_process_and_readable_files_for_its_owner_only(
    make_community: MakeCommunity,
) -> None:
    community = await make_community()
    data = community.service.config.data
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in data.iterdir() if path.is_file()}
    assert set(modes.values()) == {"0o600"}, modes
    assert data.stat().st_mode & 0o077 == 0
    pid = community.service.pid
    assert await community.service.stop() == 0
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
