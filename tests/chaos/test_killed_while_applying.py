"""SIGKILL of the service while it applies a policy, at every homeserver call in turn: the end is the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from appservice.operations.control import plan_undo, undo_plan
from appservice.operations.errors import OperationFailed
from tests.support.charity import ALIASES, SERVER_NAME, Charity

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = [pytest.mark.homeserver, pytest.mark.chaos]


async def test_killed_at_every_call_in_turn_the_community_ends_the_same(
    make_homeserver: MakeHomeserver, tmp_path: Path
) -> None:
    """One homeserver, one community after another, each with a store of its own."""
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    planned, call, earlier = 1, 0, frozenset[str]()
    while call < planned:
        call += 1
        charity = await Charity.make(tmp_path / str(call), homeserver, community=f"leeds-{call}")
        charity.elsewhere = earlier
        try:
            await charity.service.start()
            planned = (await charity.plan()).calls

            async def die(number: int, charity: Charity = charity, call: int = call) -> None:
                if number == call:
                    await charity.service.kill()

            charity.proxy.executed = die
            with pytest.raises(OperationFailed):
                await charity.apply()
            await charity.service.died()
            assert len(charity.proxy.changes) >= call
            charity.proxy.executed = None
            await charity.service.start()  # what was put in force is taken up without being asked
            assert (await charity.plan()).lines == []
            again = await charity.apply()
            assert (again.calls, again.settled) == (0, True)
            rooms = await charity.rooms()
            earlier |= set(rooms.values())
            await charity.assert_as_said(rooms)
            # Not even what was executed and never answered is done twice.
            assert len(charity.proxy.changes) == planned
        finally:
            await charity.stop()
    assert planned > 30


async def test_an_undo_that_is_killed_at_every_third_call_brings_back_the_same_rooms(
    make_homeserver: MakeHomeserver, tmp_path: Path
) -> None:
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    charity = await Charity.make(tmp_path / "charity", homeserver, looked_at_risks=timedelta())  # each undo exposes
    try:
        await charity.service.start()
        await charity.apply()
        before, now = charity.policy.read_text(encoding="utf-8"), 1
        changed = before.replace("kind: hybrid", "kind: closed")
        planned, call = 2, 1
        while call < planned:
            charity.policy.write_text(changed, encoding="utf-8")
            assert (await charity.apply()).id == f"P-{now + 1}"
            charity.policy.write_text(before, encoding="utf-8")
            planned = (await plan_undo(charity.service.config, now + 1)).calls
            made = len(charity.proxy.changes)

            async def die(number: int, at: int = made + call) -> None:
                if number == at:
                    await charity.service.kill()

            charity.proxy.executed = die
            with pytest.raises(OperationFailed):
                await undo_plan(charity.service.config, now + 1)
            await charity.service.died()
            charity.proxy.executed = None
            await charity.service.start()
            assert (await charity.plan()).lines == []
            await charity.assert_as_said()
            assert len(charity.proxy.changes) == made + planned
            with pytest.raises(OperationFailed, match="undone already"):
                await undo_plan(charity.service.config, now + 1)
            now, call = now + 2, call + 3
        assert planned > 2
    finally:
        await charity.stop()
