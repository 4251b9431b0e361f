"""Newcomers get and lose their level by one call each time, and nothing else of a room is touched on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from appservice.flow import Place, RoomFacts
from appservice.provisioning import Applied, Made
from appservice.service import newcomer_levels
from appservice.service.newcomer_levels import NewcomerLevels
from policies.changes import SetState
from policies.desired import DesiredCommunity
from policies.plan import Plan
from tests.support.house import GROUP, ROSA, SAM
from tests.unit.membership.test_newcomers import LOUNGE, community

KIT = "@kit:hearth.example"


class World:
    """One room, and a homeserver that takes what it is told, or refuses it so many times."""

    def __init__(self, users: dict[str, int] | None = None, refuses: int = 0) -> None:
        self.community = community(2)
        powers: dict[str, Any] = {"users": {ROSA: 50} if users is None else users, "ban": 7}
        self.room = RoomFacts(GROUP, Place.GROUP, "hearth", LOUNGE, state={("m.room.power_levels", ""): powers})
        self.waiting: set[str] = set()
        self.made: list[SetState] = []
        self.refuses = refuses
        self.unguarded = False
        governance: Any = SimpleNamespace(said=SimpleNamespace(community=self.community), repair=self._repair)
        self.levels = NewcomerLevels(governance, lambda _room_id: self.room, self._beside, lambda: [GROUP])

    def _beside(self, wanted: DesiredCommunity) -> DesiredCommunity:
        return replace(wanted, waiting={LOUNGE: frozenset(self.waiting)})

    async def _repair(self, look: Callable[[], Plan]) -> Applied | None:
        await asyncio.sleep(0)
        if self.unguarded:
            return None
        applied = Applied()
        for change in look().changes:
            assert isinstance(change, SetState)
            self.refuses -= 1
            applied.made.append(Made(change, "failed" if self.refuses >= 0 else "done"))
            if self.refuses < 0:
                self.made.append(change)
                self.room = replace(self.room, state={("m.room.power_levels", ""): dict(change.after)})
        return applied

    async def settle(self) -> None:
        while self.levels._work:
            await asyncio.sleep(0.001)

    @property
    def users(self) -> Any:
        return self.room.power_levels["users"]


async def test_who_waits_gets_the_level_and_loses_it_and_what_else_differs_there_stays() -> None:
    world = World()
    world.levels.begin()
    world.waiting |= {SAM, ROSA}
    world.levels.wake(GROUP)
    await world.settle()
    assert (world.users, world.room.power_levels["ban"]) == ({ROSA: 50, SAM: -1}, 7)
    world.waiting.clear()
    world.levels.wake(GROUP)
    await world.settle()
    assert (world.users, len(world.made)) == ({ROSA: 50}, 2)


async def test_many_who_come_at_once_cost_few_calls() -> None:
    world = World()
    world.levels.begin()
    for n in range(50):
        world.waiting.add(f"@{n}:hearth.example")
        world.levels.wake(GROUP)
    await world.settle()
    assert (len(world.users), len(world.made)) == (51, 1)


async def test_what_an_earlier_life_left_open_is_done_at_the_beginning_and_nothing_before() -> None:
    world = World({ROSA: 50, KIT: -1})
    world.waiting.add(SAM)
    world.levels.wake(GROUP)
    world.levels.follow()
    assert not world.levels._work
    world.levels.begin()
    await world.settle()
    assert world.users == {ROSA: 50, SAM: -1}


async def test_what_the_homeserver_refuses_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newcomer_levels, "_AGAIN_S", 0.0)
    world = World(refuses=2)
    world.waiting.add(SAM)
    world.levels.begin()
    await world.settle()
    assert world.users[SAM] == -1


async def test_where_nobody_has_power_by_a_role_newcomers_are_held_back_too() -> None:
    world = World({})
    world.waiting.add(SAM)
    world.levels.begin()
    await world.settle()
    assert world.users == {SAM: -1}


@pytest.mark.parametrize("powers", [{}, {"users": []}, None])
async def test_powers_that_were_emptied_or_that_nobody_may_touch_yet_are_left_to_others(powers: Any) -> None:
    world = World()
    if powers is None:
        world.unguarded = True
    else:
        world.room = replace(world.room, state={("m.room.power_levels", ""): powers})
    world.waiting.add(SAM)
    world.levels.begin()
    await world.settle()
    assert world.made == []
    await world.levels.close()
