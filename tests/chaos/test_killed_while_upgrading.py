"""SIGKILL of the service while a new room takes the place of an old one: the end is the same, and nothing is done twice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appservice.operations.control import follow, plan_following
from appservice.operations.errors import OperationFailed
from tests.integration.test_room_upgrade import CHANGES, memberships, settled, user
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = [pytest.mark.homeserver, pytest.mark.chaos]

LOUNGE, ROBIN, EVENING = "carers-lounge", "late-robin", "long-evening"


async def test_killed_at_every_third_call_the_old_room_ends_closed_and_its_people_in_the_new_one(
    make_homeserver: MakeHomeserver, tmp_path: Path
) -> None:
    """One room after another in the same community, each taking the place of the one before."""
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    charity = await Charity.make(tmp_path / "charity", homeserver)
    charity.proxy.counts = CHANGES
    try:
        await charity.service.start()
        applied = await charity.apply()
        old = (await charity.rooms())[LOUNGE]
        for person in (ROBIN, EVENING):
            await charity.sign_up(person)
            assert await charity.join(person, old) == 200
        await settled(charity)

        async def have_private_rooms() -> bool:
            # Each is made, the guardian and its person are joined, and the steward leaves it.
            return len(charity.proxy.changes) == applied.calls + 2 * 4

        await eventually(have_private_rooms, "both have their private rooms, which are not what is counted here")
        planned, call = 2, 1
        while call < planned:
            planned = (await plan_following(charity.service.config, LOUNGE, anyway=True)).calls
            made = len(charity.proxy.changes)

            async def die(number: int, at: int = made + call) -> None:
                if number == at:
                    await charity.service.kill()

            charity.proxy.executed = die
            with pytest.raises(OperationFailed):
                await follow(charity.service.config, LOUNGE, anyway=True)
            await charity.service.died()
            charity.proxy.executed = None
            await charity.service.start()  # goes on without being asked
            assert (await charity.plan()).lines == []
            repeated = charity.proxy.changes[made:]
            assert len(repeated) == planned, "\n".join(repeated)
            charity.elsewhere |= {old}
            new = (await charity.rooms())[LOUNGE]
            assert (await charity.state(new))["m.room.create", ""]["predecessor"] == {"room_id": old}
            assert (await charity.state(old))["m.room.tombstone", ""]["replacement_room"] == new
            members = await memberships(charity, new)
            assert {members[user(ROBIN)], members[user(EVENING)]} == {"join"}
            old = new
            call += 3
        assert planned > 10
    finally:
        await charity.stop()
