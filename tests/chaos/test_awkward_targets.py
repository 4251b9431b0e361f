"""Effects whose target is not what it was: gone, removed already, closed; and two voices for one event."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import pytest

from appservice.flow import Effect, EventInput, Facts, Identity, Notice
from appservice.service.config import load_registration
from appservice.service.core import Core
from tests.support import seen
from tests.support.community import GUARDIAN, STEWARD, VIOLATION, Community, Sent
from tests.support.waiting import eventually

pytestmark = [pytest.mark.homeserver, pytest.mark.chaos]


class TwoVoices:
    """Says the same thing in one room for one event, as each of our identities."""

    name = "two_voices"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        if item.event.content.get("body") != "Who is there?":
            return
        for identity in (Identity.GUARDIAN, Identity.STEWARD):
            yield Notice(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                identity=identity,
                room_id=item.event.room_id,
                text="removed.contact_details",
                items=({"room": item.event.room_id, "event": item.event.event_id},),
            )


async def test_two_identities_that_say_the_same_for_one_event_are_both_heard(community: Community) -> None:
    await community.service.stop()
    core = await core_of(community)
    try:
        await core.start()
        asked = await community.say("rosa", "welcome", "Who is there?")

        async def both() -> bool:
            shown = await community.messages("rosa", "welcome")
            assert [message.sender for message in shown[-2:]] in ([GUARDIAN, STEWARD], [STEWARD, GUARDIAN])
            return True

        await eventually(both, "both texts")
    finally:
        await core.stop()
    # And nothing is said again by the next life.
    await community.service.start()
    await community.settled()
    said = [m for m in await community.messages("rosa", "welcome") if m.sender in {GUARDIAN, STEWARD}]
    assert sorted(message.sender for message in said) == [GUARDIAN, STEWARD]
    assert len({message.event_id for message in said} | {asked.event_id}) == 3


async def test_an_author_who_left_everything_before_the_message_was_due_stops_nothing(community: Community) -> None:
    await community.service.stop()
    sent = await community.say("sam", "welcome", VIOLATION)
    for room in ("welcome", *await community.direct_rooms("sam")):
        await community.leave("sam", room)
    await community.service.start()
    await removed_and_told_to_the_others(community, sent)


async def test_an_author_whose_account_was_closed_before_the_message_was_due_stops_nothing(
    community: Community,
) -> None:
    await community.service.stop()
    sent = await community.say("sam", "welcome", VIOLATION)
    await close_account(community, "sam")
    await community.service.start()
    await removed_and_told_to_the_others(community, sent)


async def test_a_newcomer_who_is_gone_before_there_is_a_direct_room_stops_nothing(community: Community) -> None:
    await community.service.stop()
    await community.sign_up("nia")
    await community.join("nia", "welcome")
    sent = await community.say("nia", "welcome", VIOLATION)
    await close_account(community, "nia")
    await community.service.start()
    await removed_and_told_to_the_others(community, sent)


async def test_what_a_moderator_removed_before_we_looked_is_left_alone(community: Community) -> None:
    await community.service.stop()
    sent = await community.say("sam", "welcome", VIOLATION)
    await community.redact("amina", "welcome", sent.event_id)
    await community.service.start()
    # A second one, so that we know when the first has been looked at.
    other = await community.say("rosa", "welcome", VIOLATION)
    await community.all_told_once([other])
    told = await community.told([sent])
    assert (told.redactions.get(sent.event_id), told.cards[sent.event_id], told.privately["sam"]) == (None, 0, 0)


async def test_what_a_moderator_removed_between_our_decision_and_our_deed_is_told_once(community: Community) -> None:
    await community.service.stop()
    sent = await community.say("sam", "welcome", VIOLATION)
    community.service.spawn({"INGLENOOK_DIE_AT": "outbox-before-send"})
    await community.service.died()
    by_moderator = await community.redact("amina", "welcome", sent.event_id)
    await community.service.start()
    await community.settled()
    await community.nothing_left_open()
    event = await found(community, sent)
    assert event.redacted_by == by_moderator
    assert "body" not in event.content
    assert len((await community.told([sent])).redactions.get(sent.event_id, ())) <= 1


async def test_a_message_in_a_room_that_was_closed_meanwhile_is_still_removed(community: Community) -> None:
    await community.service.stop()
    sent = await community.say("sam", "welcome", VIOLATION)
    await close_room(community, "welcome")
    await community.service.start()
    await community.redacted([sent])
    await community.settled()
    await community.nothing_left_open()
    other = await community.say("rosa", "bereaved", VIOLATION)
    await community.all_told_once([other])


async def core_of(community: Community) -> Core:
    """The service in this process, with one handler more."""
    config = community.service.config
    return Core(config, load_registration(config.registration), handlers=[TwoVoices()])


async def removed_and_told_to_the_others(community: Community, sent: Sent) -> None:
    """The room is told, the moderators have their card, nothing is retried for ever, and all is well."""
    await community.redacted([sent])
    status = await community.settled()
    assert status["problems"] == []
    await community.nothing_left_open()
    timeline = await community.timeline("rosa", sent.room_id)
    assert len(seen.redactions(timeline, GUARDIAN)[sent.event_id]) == 1
    assert seen.removals_told_in_notices(seen.messages(timeline), GUARDIAN) == 1
    assert seen.removals_on_cards(await community.cards(), GUARDIAN)[sent.event_id] == 1
    # The next violation is dealt with as ever.
    other = await community.say("rosa", "bereaved", VIOLATION)
    await community.all_told_once([other])


async def close_account(community: Community, person: str) -> None:
    path = f"/_synapse/admin/v1/deactivate/{quote(community.user_id(person), safe='')}"
    await community.as_ghost(STEWARD, "POST", path, {"erase": False})


async def close_room(community: Community, room: str) -> None:
    path = f"/_matrix/client/v3/rooms/{quote(community.rooms[room], safe='')}/state/m.room.tombstone/"
    content: Mapping[str, Any] = {"body": "We have moved.", "replacement_room": community.rooms["bereaved"]}
    await community.as_ghost(STEWARD, "PUT", path, content)


async def found(community: Community, sent: Sent) -> seen.SeenEvent:
    (event,) = [one for one in await community.timeline("rosa", sent.room_id) if one.event_id == sent.event_id]
    return event
