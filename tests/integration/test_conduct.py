"""Rules about conduct on a real homeserver: what acts, what only counts, and a policy that lets it act from then on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import pytest_asyncio

from appservice.operations.homeserver import EmbeddedHomeserver
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.lounge import LEAD, MEMBER, MODERATOR, READER, Room
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

SCAM = "Your account is suspended, verify your identity at https://secure-login.example/id"
RAT = "shut it you ugly rat"
THREAT = "i know where you live"


@pytest_asyncio.fixture(loop_scope="session")
async def homeserver(make_homeserver: MakeHomeserver) -> EmbeddedHomeserver:
    made = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await made.make_steward_admin()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def room(homeserver: EmbeddedHomeserver, tmp_path: Path) -> AsyncIterator[Room]:
    charity = await Charity.make(tmp_path / "charity", homeserver)
    try:
        await charity.service.start()
        await charity.apply()
        rooms = await charity.rooms()
        for person in (LEAD, MODERATOR, MEMBER, READER):
            await charity.sign_up(person)
            assert await charity.join(person, rooms["carers-lounge"]) == 200
        for person in (LEAD, MODERATOR):
            assert await charity.join(person, rooms["moderators"]) == 200
        assert await charity.join(LEAD, rooms["safeguarding"]) == 200
        yield Room(charity, rooms)
    finally:
        await charity.stop()


async def stands(room: Room, event_id: str) -> bool:
    path = f"/_matrix/client/v3/rooms/{quote(room.rooms['carers-lounge'], safe='')}/event/{quote(event_id, safe='')}"
    status, event = await room.charity.call("GET", path, person=READER)
    return status == 200 and bool(event["content"])


async def test_a_scam_goes_unkind_words_are_counted_until_a_policy_lets_the_rule_act(room: Room) -> None:
    # What ships acting: gone for another member, its author told, a card to the moderators.
    await room.gone(await room.says(MEMBER, SCAM))
    told = await room.told(MEMBER, "looked like a scam", "appeal")
    assert "secure-login" not in told
    card = await room.carded("H-0001", "removed: a scam", MEMBER)
    assert "secure-login" not in card

    # In shadow: it stands, nobody is told, and the moderator learns of it on request, privately.
    counted = await room.says(MEMBER, RAT)
    await room.says(MODERATOR, "shadow", "moderators")
    answer = await room.told(MODERATOR, "These rules only count", "bullying")
    assert "1 message." in answer
    assert MEMBER not in answer
    assert "ugly" not in answer
    assert await stands(room, counted)
    assert not [body for body in await room.private(MEMBER) if "unkind" in body]
    status = await room.charity.service.status()
    assert status is not None
    assert status["shadow_7_days"] == {"bullying": 1}
    _, printed = await room.charity.command("status")
    assert "bullying 1" in printed

    # The rule acts from the moment that the policy is applied; no room is changed but for the policy's mark.
    policy = room.charity.policy
    policy.write_text(policy.read_text(encoding="utf-8") + "\nrules:\n  bullying: enforce\n", encoding="utf-8")
    plan = await room.charity.plan()
    room.charity.proxy.changes.clear()
    await room.charity.apply(plan.digest)
    assert not [call for call in room.charity.proxy.changes if "org.inglenook.managed" not in call]
    await room.gone(await room.says(MEMBER, RAT))
    await room.told(MEMBER, "looked like unkind words")
    assert await stands(room, counted)


async def test_care_02_danger_calls_the_lead_and_nobody_else_learns_of_it(room: Room) -> None:
    threat = await room.says(MEMBER, THREAT)

    async def called() -> str | None:
        path = f"/_matrix/client/v3/rooms/{quote(room.rooms['safeguarding'], safe='')}/messages"
        _, page = await room.charity.call("GET", path, person=LEAD, query={"dir": "b", "limit": "50"})
        bodies = [event["content"].get("body", "") for event in page["chunk"]]
        return next((body for body in bodies if "S-0001" in body and "still there: a threat" in body), None)

    card = await eventually(called, "a card in the safeguarding room")
    assert "I removed nothing, and I told nobody else." in card
    assert await stands(room, threat)
    assert not [body for body in await room.private(MEMBER) if "looked like" in body]
