"""Handlers and a slow homeserver for tests of the lanes: one remembers, one cannot bear a word, one waits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from appservice.flow import Effect, EventInput, Facts, Origin
from appservice.matrix import parse_event
from tests.support.house import (
    House,
)
from tests.support.stub_homeserver import Call
from tests.support.waiting import eventually


def inputs(house: House, *raw: Any, origin: Origin = Origin.PUSH) -> list[EventInput]:
    return [house.input(parse_event(one), origin) for one in raw]


async def idle(house: House) -> None:
    async def empty() -> bool:
        return house.lanes.waiting == 0 and not house.lanes._workers

    await eventually(empty, "the lanes are empty", within=10, every=0.005)


class Remembered:
    """A handler that remembers the order in which it saw events."""

    name = "test.remembers"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.members: list[set[str]] = []

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        self.seen.append(item.id)
        self.members.append({who for who, how in facts.room.members.items() if how == "join"})
        return ()


class Poisoned:
    """A handler that cannot bear one word, in the way it is told to."""

    name = "test.poisoned"

    def __init__(self, failure: BaseException | None = None) -> None:
        self.tries = 0
        self.failure = failure or ValueError("Quillfeather: a secret word of a member")

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        if "poison" in str(item.event.content):
            self.tries += 1
            raise self.failure
        yield from ()


class Holds:
    """Answers no question about one room until it is released."""

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.release = asyncio.Event()
        self.asked = 0

    async def __call__(self, call: Call) -> Any:
        if call.path.endswith("/state") and self.room_id in call.path:
            self.asked += 1
            await self.release.wait()
        return None
