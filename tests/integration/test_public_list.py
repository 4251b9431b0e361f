"""The public list of rooms on a real homeserver: who finds what there, and what a homeserver that does not allow it is told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import pytest_asyncio

from tests.support.charity import ALIASES, SERVER_NAME, Charity

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

FINN = "slow-heron"
LISTED = '    publish: {value: directory, because: "Board minute 4", approved_by: deputy}\n'
WELCOME, LOUNGE = "  welcome:\n", "  carers-lounge:\n"
#: One address is refused, as all are where nobody has allowed the service to list rooms.
RULES = [
    {"action": "deny", "alias": f"#leeds-carers-welcome:{SERVER_NAME}"},
    {"action": "allow", "user_id": f"@inglenook-steward:{SERVER_NAME}"},
    {"action": "deny"},
]


@pytest_asyncio.fixture(loop_scope="session")
async def charity(make_homeserver: MakeHomeserver, tmp_path: Path) -> AsyncIterator[Charity]:
    homeserver = await make_homeserver(
        server_name=SERVER_NAME, alias_regexes=ALIASES, overrides={"room_list_publication_rules": RULES}
    )
    await homeserver.make_steward_admin()
    made = await Charity.make(tmp_path / "charity", homeserver)
    try:
        await made.service.start()
        yield made
    finally:
        await made.stop()


def publish(charity: Charity, *groups: str) -> None:
    """Write into the policy that these groups, by their line, are in the list, and no others."""
    text = charity.policy.read_text(encoding="utf-8").replace(LISTED, "")
    today = datetime.now(ZoneInfo("Europe/London")).date()  # each listing needs a look at the risks
    text = re.sub(r"reviewed: [0-9-]+", f"reviewed: {today}", text)
    for group in groups:
        assert group in text
        text = text.replace(group, group + LISTED, 1)
    charity.policy.write_text(text, encoding="utf-8")


async def found(charity: Charity) -> set[str]:
    """The ids of the rooms that somebody finds who is in none of them."""
    status, answer = await charity.call("POST", "/_matrix/client/v3/publicRooms", {}, person=FINN)
    assert status == 200, answer
    return {one["room_id"] for one in answer["chunk"]}


async def by_hand(charity: Charity, room: str, visibility: str) -> None:
    path = f"/_matrix/client/v3/directory/list/room/{quote(room, safe='')}"
    assert (await charity.call("PUT", path, {"visibility": visibility}))[0] == 200


async def test_what_the_policy_lists_is_found_by_who_has_an_account_and_nothing_else(charity: Charity) -> None:
    await charity.sign_up(FINN)
    assert (await charity.apply()).settled
    rooms = await charity.rooms()
    assert await found(charity) == set()

    publish(charity, LOUNGE)
    planned = await charity.plan()
    assert planned.counts["exposing"] == 1
    done = await charity.apply(planned.digest)
    assert (done.settled, done.calls) == (True, planned.calls)
    assert await found(charity) == {rooms["carers-lounge"]}
    await charity.assert_as_said(rooms)
    async with aiohttp.ClientSession() as anybody:
        answer = await anybody.post(f"{charity.homeserver.url}/_matrix/client/v3/publicRooms", json={})
        assert answer.status == 401

    # What somebody with our token lists or unlists by hand is found when the rooms are read whole.
    await by_hand(charity, rooms["welcome"], "private")
    await by_hand(charity, rooms["carers-lounge"], "private")
    await by_hand(charity, rooms["digest"], "public")
    assert not (await charity.plan()).changes
    again = await charity.plan(audit=True)
    assert {change.room for change in again.changes} == {"carers-lounge", "digest"}
    assert (await charity.apply()).settled
    assert await found(charity) == {rooms["carers-lounge"]}
    path = f"/_matrix/client/v3/directory/list/room/{quote(rooms['digest'], safe='')}"
    assert (await charity.call("GET", path))[1] == {"visibility": "private"}

    # One that the homeserver does not let us list is told of, and costs nothing else.
    publish(charity, WELCOME)
    refused = await charity.apply()
    [undone] = refused.undone
    assert "room_list_publication_rules" in undone
    assert "inglenook homeserver-config" in undone
    assert not refused.settled
    assert await found(charity) == set(), "the lounge is out of it all the same"
    assert any("does not let us put rooms into its public list" in note for note in (await charity.plan()).notes)

    publish(charity)
    assert (await charity.apply()).settled
    assert await found(charity) == set()
    await charity.assert_as_said(rooms)
    assert not (await charity.plan(audit=True)).changes
