"""The first messages of newcomers on a real homeserver: refused by it, sent in private, read, and posted by a person."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import yaml

from appservice.operations.drifts import list_drifts
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.talking import heard, own_room, said, say, tap
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

LEAD, MODERATOR, MEMBER, NEW, NEWER = "copper-lark", "amber-kite", "late-robin", "high-meadow", "long-evening"
POWERS = ("m.room.power_levels", "")
LOUNGE = "carers-lounge"


def posting(charity: Charity, said: Any) -> None:
    """Write into the policy what is said of posting in the lounge; None for nothing."""
    content = yaml.safe_load(charity.policy.read_text(encoding="utf-8"))
    content["groups"][LOUNGE].pop("posting", None)
    if said is not None:
        content["groups"][LOUNGE]["posting"] = said
    charity.policy.write_text(yaml.safe_dump(content), encoding="utf-8")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def charity(
    make_homeserver_for_module: MakeHomeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Charity]:
    """A community with a member in its lounge, when newcomers there begin to be read first."""
    homeserver = await make_homeserver_for_module(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    made = await Charity.make(tmp_path_factory.mktemp("newcomers") / "charity", homeserver)
    try:
        await made.service.start()
        rooms = (await made.apply()).rooms
        for person, keys in (
            (LEAD, (LOUNGE, "moderators", "safeguarding")),
            (MODERATOR, (LOUNGE, "moderators")),
            (MEMBER, (LOUNGE,)),
            (NEW, ()),
            (NEWER, ()),
        ):
            await made.sign_up(person)
            for key in keys:
                assert await made.join(person, rooms[key]) == 200
        posting(made, {"first_messages": 2})
        assert (await made.apply()).settled
        yield made
    finally:
        await made.stop()


async def level(charity: Charity, person: str) -> int | None:
    room = (await charity.rooms())[LOUNGE]
    found: dict[str, int] = (await charity.state(room))[POWERS]["users"]
    return found.get(f"@{person}:{SERVER_NAME}")


async def write(charity: Charity, person: str, kind: str = "m.room.message", content: Any = None) -> int:
    """Write in the lounge; return the HTTP status."""
    room = (await charity.rooms())[LOUNGE]
    path = f"/_matrix/client/v3/rooms/{room}/send/{kind}/{secrets.token_hex(8)}"
    body = content or {"msgtype": "m.text", "body": "Good morning."}
    return (await charity.call("PUT", path, body, person=person))[0]


async def is_held(charity: Charity, person: str) -> None:
    async def held() -> bool:
        return await level(charity, person) == -1

    await eventually(held, f"{person} is held back")


async def is_free(charity: Charity, person: str) -> None:
    async def free() -> bool:
        return await level(charity, person) is None

    await eventually(free, f"{person} writes freely")


async def card(charity: Charity, person: str, *words: str) -> tuple[str, str]:
    """Wait for the card about a newcomer; return its id and how what it is about is called."""
    room = (await charity.rooms())["moderators"]
    event_id, body = await said(charity, person, room, "would like to say something", *words)
    return event_id, body.partition("`")[0].partition("show ")[2].partition(":")[0]


async def test_a_newcomer_is_refused_and_what_they_send_is_read_and_posted_until_they_write_freely(
    charity: Charity,
) -> None:
    rooms = await charity.rooms()
    lounge, moderators = rooms[LOUNGE], rooms["moderators"]
    assert await write(charity, MEMBER) == 200, "who was there before is known"
    assert await charity.join(NEW, lounge) == 200
    await is_held(charity, NEW)
    assert await write(charity, NEW) == 403
    own = await own_room(charity, NEW)
    await said(charity, NEW, own, "somebody reads your first messages", "2 in all")
    planned = await charity.plan(audit=True)
    assert (planned.calls, await list_drifts(charity.service.config)) == (0, [])

    await say(charity, NEW, own, "say I look after my dad, <b>since</b> May.")
    await said(charity, NEW, own, "Somebody who looks after that group reads it first")
    event_id, name = await card(charity, MODERATOR, f"@{NEW}:{SERVER_NAME}", "1 message waits")
    assert "my dad" not in str(await heard(charity, MODERATOR, moderators))

    private = await own_room(charity, MODERATOR)
    await tap(charity, MODERATOR, moderators, event_id, "👀")
    await said(charity, MODERATOR, private, "I look after my dad, <b>since</b> May.", f"post {name}")
    await charity.service.stop()
    assert b"my dad" not in b"".join(one.read_bytes() for one in charity.service.path.parent.glob("*.db*"))
    await charity.service.start()
    assert await level(charity, NEW) == -1
    await say(charity, MODERATOR, private, f"post {name}")
    await said(charity, MEMBER, lounge, "A person read it first", "I look after my dad", f"@{NEW}:{SERVER_NAME}")
    await said(charity, NEW, own, "Somebody reads 1 more of yours first")
    await said(charity, MODERATOR, moderators, "Nothing of this waits any more")
    assert await write(charity, NEW) == 403

    await say(charity, NEW, own, "say Thank you all.")
    event_id, _ = await card(charity, LEAD, "1 message waits")
    await tap(charity, LEAD, moderators, event_id)  # nobody has shown it to them: they read it first
    await said(charity, LEAD, await own_room(charity, LEAD), "Thank you all.")
    assert await level(charity, NEW) == -1
    await say(charity, LEAD, moderators, "post")
    await said(charity, NEW, own, "From now on you can write there yourself")
    await is_free(charity, NEW)
    assert await write(charity, NEW) == 200
    posted = [body for _, body in await heard(charity, MEMBER, lounge) if "asked me to share" in body]
    assert len(posted) == 2
    assert await list_drifts(charity.service.config) == []


async def test_what_is_given_back_stands_in_no_group_and_without_the_setting_everybody_writes(charity: Charity) -> None:
    rooms = await charity.rooms()
    lounge, moderators = rooms[LOUNGE], rooms["moderators"]
    assert await charity.join(NEWER, lounge) == 200
    await is_held(charity, NEWER)
    own = await own_room(charity, NEWER)
    await say(charity, NEWER, own, "say Is this thing on?")
    event_id, _ = await card(charity, MODERATOR, f"@{NEWER}:{SERVER_NAME}")
    await tap(charity, MODERATOR, moderators, event_id, "👀")
    await said(charity, MODERATOR, await own_room(charity, MODERATOR), "Is this thing on?")
    await tap(charity, MODERATOR, moderators, event_id, "❌")
    await said(charity, NEWER, own, "Somebody read it. It was not put into", "Is this thing on?")
    assert all("this thing" not in body for _, body in await heard(charity, MEMBER, lounge))

    await say(charity, NEWER, own, "say One more.")
    await card(charity, MODERATOR, f"@{NEWER}:{SERVER_NAME}", "1 message waits")
    posting(charity, None)
    assert (await charity.apply()).settled
    await is_free(charity, NEWER)
    await said(charity, MEMBER, lounge, "all can see at once what new people write here")
    await said(charity, NEWER, own, "yourself now, so I did not do it for you", "One more.")
    assert await write(charity, NEWER) == 200
