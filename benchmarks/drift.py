"""Drift: from a setting that was changed by hand until a member sees it put back, beside a bare change of that setting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from appservice.operations.errors import OperationFailed
from benchmarks.figures import Bar, Figure
from benchmarks.samples import summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import OBSERVER, SMALL, settled, world

FACTOR = 1.5
#: One setting of each room and repetition, so that nothing counts as a fight; the first is a warm-up.
ROOMS = SMALL.rooms
#: Seconds between two: what is told of one must not disturb the next.
_PAUSE_S = 1.0
_SEEN_S = 30.0
_TYPE = "m.room.guest_access"
_OPEN, _RIGHT = {"guest_access": "can_join"}, {"guest_access": "forbidden"}
_FILTER = orjson.dumps(
    {
        "presence": {"types": []},
        "room": {"timeline": {"limit": 100, "types": [_TYPE]}, "state": {"types": []}, "ephemeral": {"types": []}},
    }
).decode()


async def run(settings: Settings) -> Figure:
    small = await world(SMALL, settings, settings.say)
    figure = Figure("drift")
    bare: list[list[float]] = []
    ours: list[list[float]] = []
    for n in range(settings.repetitions):
        async with Stage(small, settings) as stage, _watching(stage) as eye:
            await stage.floor(redacts=False)  # somebody takes the pushes
            bare.append([await eye.bare(room) for room in small.rooms[:ROOMS]][1:])
        async with Stage(small, settings) as stage, _watching(stage) as eye:
            await settled(await stage.ours())
            ours.append([await eye.put_back(room) for room in small.rooms[:ROOMS]][1:])
        settings.say(f"repetition {n + 1}: bare {_ms(bare[-1])}, ours {_ms(ours[-1])}")
    figure.measures["bare state event"] = summarise("ms", bare)
    figure.measures["drift put back"] = summarise("ms", ours)
    ratio = figure.measures["drift put back"].median / figure.measures["bare state event"].median
    figure.notes.append("guests are let into a room with our own token; a member's client sees the setting put back")
    figure.notes.append(
        "bare: a change from its request until the same client sees it; ours: from the answer to the change"
    )
    figure.bars.append(Bar("median / the bare state event's round trip", ratio, at_most=FACTOR))
    return figure


@dataclass
class _Eye:
    """What one member sees of a setting in their rooms, and the steward's hand."""

    stage: Stage
    session: aiohttp.ClientSession
    seen: dict[str, tuple[Any, float]] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def bare(self, room: str) -> float:
        """Change the setting; return ms from the request until the member sees it."""
        await asyncio.sleep(_PAUSE_S)
        began = monotonic()
        await self._put(room)
        return await self._until(room, _OPEN, began)

    async def put_back(self, room: str) -> float:
        """Change the setting; return ms from the answer until the member sees it put back."""
        await asyncio.sleep(_PAUSE_S)
        await self._put(room)
        return await self._until(room, _RIGHT, monotonic())

    async def _put(self, room: str) -> None:
        self.seen.pop(room, None)  # what was so before counts for nothing
        headers = {"Authorization": f"Bearer {self.stage.as_token}"}
        url = f"{self.stage.homeserver.url}/_matrix/client/v3/rooms/{quote(room)}/state/{_TYPE}/"
        async with self.session.put(url, json=_OPEN, headers=headers) as answer:
            if answer.status != 200:
                raise OperationFailed(f"{url}: {answer.status} {await answer.text()}")

    async def _until(self, room: str, content: Any, began: float) -> float:
        try:
            async with asyncio.timeout(_SEEN_S), self._news:
                await self._news.wait_for(lambda: self.seen.get(room, (None, 0.0))[0] == content)
        except TimeoutError:
            raise OperationFailed("the setting was never seen as it should be") from None
        return (self.seen[room][1] - began) * 1000

    async def watch(self, listening: asyncio.Event) -> None:
        """Follow along as the member, for ever."""
        headers = {"Authorization": f"Bearer {self.stage.world.token(OBSERVER)}"}
        query = {"timeout": "0", "filter": _FILTER}
        while True:
            async with self.session.get(
                f"{self.stage.homeserver.url}/_matrix/client/v3/sync", params=query, headers=headers
            ) as answer:
                said = orjson.loads(await answer.read())
            at = monotonic()
            query |= {"timeout": "30000", "since": said["next_batch"]}
            async with self._news:
                for room_id, room in said.get("rooms", {}).get("join", {}).items():
                    for event in room.get("timeline", {}).get("events", ()):
                        self.seen[room_id] = (event["content"], at)
                self._news.notify_all()
            listening.set()


@asynccontextmanager
async def _watching(stage: Stage) -> AsyncIterator[_Eye]:
    async with aiohttp.ClientSession() as session:
        eye, listening = _Eye(stage, session), asyncio.Event()
        watching = asyncio.create_task(eye.watch(listening))
        try:
            async with asyncio.timeout(_SEEN_S):
                await listening.wait()
            yield eye
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def _ms(values: list[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.0f} ms"
