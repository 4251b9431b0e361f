"""Text that had to wait is on our disk for that long and no longer: also if we are killed while it waits."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import pytest_asyncio

from appservice.operations.files import last_lines
from appservice.operations.homeserver import EmbeddedHomeserver
from tests.support.charity import ALIASES, SERVER_NAME
from tests.support.lounge import MEMBER, NUMBER, READER, STRANGER, Room, edit, peopled
from tests.support.raw_files import found_in
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver


@pytest_asyncio.fixture(loop_scope="session")
async def room(make_homeserver: MakeHomeserver, tmp_path: Path) -> AsyncIterator[Room]:
    homeserver: EmbeddedHomeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    async with peopled(tmp_path / "charity", homeserver) as made:
        yield made


async def test_text_that_waited_through_a_kill_leaves_the_disk_once_it_is_handled(room: Room) -> None:
    service, proxy = room.charity.service, room.charity.proxy
    folder, lounge = service.path.parent, quote(room.rooms["carers-lounge"], safe="")
    names = ("body", "formatted", "newcontent", "fallback", "knock", "plea", "ordinary", "name")
    tokens = {name: f"{name}{secrets.token_hex(12)}" for name in names}
    await service.stop()
    # News of the room's people that was not pushed: the room must be read before what was said after it is handled.
    profile = f"/_matrix/client/v3/profile/{quote(room.charity.homeserver.user_id(READER), safe='')}/displayname"
    assert (await room.charity.call("PUT", profile, {"displayname": tokens["name"]}, person=READER))[0] == 200
    knock = f"/_matrix/client/v3/knock/{lounge}"
    assert (await room.charity.call("POST", knock, {"reason": tokens["knock"]}, person=STRANGER))[0] == 200
    await room.says(READER, f"nothing special {tokens['ordinary']}")
    first = await room.sends(
        MEMBER,
        {
            "msgtype": "m.text",
            "body": f"> <@somebody:x> {tokens['fallback']}\n\n{tokens['body']} Jo is on {NUMBER}",
            "format": "org.matrix.custom.html",
            "formatted_body": f"<p>{tokens['formatted']} Jo is on {NUMBER}</p>",
        },
    )
    await room.sends(MEMBER, edit(first, f"* {tokens['body']}", f"{tokens['newcontent']} {NUMBER}"))
    await room.says(READER, f"I can't go on any more {tokens['plea']}")
    proxy.holds = lambda request: request.path.endswith("/state")
    service.spawn()

    async def waiting() -> bool:
        found = str(found_in(folder, tokens))
        missing = [name for name in names if f" {name} " not in found]
        assert not missing, f"{missing}; process {service.pid}; its log: {last_lines(service.log_file)}"
        return True

    await eventually(waiting, "all of it waits on our disk, or this test means nothing", every=0.5)
    await service.kill()
    assert found_in(folder, tokens), "it waits through a death of ours: nothing that we took is lost"
    proxy.holds = lambda _request: False
    await service.start()
    await room.gone(first)
    await room.told(READER, "carry this alone")
    await room.carded("asks to join")

    async def off_the_disk() -> bool:
        found = found_in(folder, tokens)
        assert not found, found[:10]
        return True

    await eventually(off_the_disk, "it is off our disk", within=180, every=2)
    await service.kill()
    assert found_in(folder, tokens) == []
