"""What a real homeserver puts in the way of an apply: an address that is taken, no right to administer, a room that goes
while we work. One homeserver, one community after another, each with a store of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from appservice.operations.control import PlanMoved
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from appservice.operations.homeserver import EmbeddedHomeserver
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver


async def test_what_stands_in_the_way_of_an_apply_is_said_and_the_rest_is_done(
    make_homeserver: MakeHomeserver, tmp_path: Path
) -> None:
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    async with _charity(tmp_path, homeserver, "leeds-plain") as charity:
        await without_the_right_to_administer(charity)
    await homeserver.make_steward_admin()
    async with _charity(tmp_path, homeserver, "leeds-taken") as charity:
        await an_address_that_is_taken(charity)
    async with _charity(tmp_path, homeserver, "leeds-gone") as charity:
        await a_room_that_is_deleted_during_the_apply(charity)


@asynccontextmanager
async def _charity(folder: Path, homeserver: EmbeddedHomeserver, name: str) -> AsyncIterator[Charity]:
    charity = await Charity.make(folder / name, homeserver, community=name)
    try:
        await charity.service.start()
        yield charity
    finally:
        await charity.stop()


async def without_the_right_to_administer(charity: Charity) -> None:
    """Everything stands as the policy says; people come in by invite, and plan and apply say what follows from it."""
    exit_status, said = await charity.command("plan", str(charity.policy))
    assert exit_status == 0, said
    assert "does not let us act as its administrator" in " ".join(said.split())
    done = await charity.apply()
    assert done.settled, done.undone
    assert len([note for note in done.notes if "does not let us act as its administrator" in note]) == 1
    await charity.assert_as_said()
    again = await charity.apply()
    assert (again.calls, again.settled) == (0, True)


async def an_address_that_is_taken(charity: Charity) -> None:
    """The room is made without its address, and has it as soon as it is free. A plan from before is refused."""
    alias = f"#leeds-taken-bereaved:{SERVER_NAME}"
    status, other = await charity.call(
        "POST", "/_matrix/client/v3/createRoom", {"room_alias_name": alias[1:].partition(":")[0]}
    )
    assert status == 200, other
    planned = await charity.plan()
    assert any(alias in note and "belongs to another room" in note for note in planned.notes)
    done = await charity.apply(planned.digest)
    assert done.settled
    rooms = await charity.rooms()
    assert other["room_id"] not in rooms.values()
    assert ("m.room.canonical_alias", "") not in await charity.state(rooms["bereaved"])
    with pytest.raises(PlanMoved):
        await charity.apply(planned.digest)
    assert (await charity.call("DELETE", f"/_matrix/client/v3/directory/room/{quote(alias, safe='')}"))[0] == 200
    done = await charity.apply()
    assert done.settled
    assert (await charity.state(rooms["bereaved"]))["m.room.canonical_alias", ""] == {"alias": alias}
    await charity.assert_as_said()


async def a_room_that_is_deleted_during_the_apply(charity: Charity) -> None:
    """It is made again, and nothing else is done twice."""
    planned = await charity.plan()
    deleted: list[str] = []

    async def clean_up(number: int) -> None:
        if number == planned.calls - 1 and not deleted:
            deleted.append((await charity.rooms())["bereaved"])
            path = f"/_synapse/admin/v1/rooms/{deleted[0]}"
            assert (await charity.call("DELETE", path, {"purge": True}))[0] == 200

    charity.proxy.executed = clean_up
    await charity.apply()
    assert deleted

    async def settled() -> bool:
        found = await charity.service.status()
        rooms = await charity.rooms()
        return found is not None and found["policy"]["settled"] and rooms.get("bereaved", deleted[0]) != deleted[0]

    await eventually(settled, "the room is made again")
    await charity.assert_as_said()
    made = [one for one in charity.proxy.changes if one.endswith("/createRoom")]
    assert len(made) == len(await charity.rooms()) + 1
    assert (await charity.apply()).calls == 0
