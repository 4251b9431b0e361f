"""Doors: from an intruder's arrival until a member sees them gone, beside a bare kick by a program that does only that."""

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
from benchmarks.worlds import MODERATOR, SERVER, SMALL, newcomer, settled, world

FACTOR = 1.5
#: Intruders per repetition and side; the first is a warm-up.
INTRUDERS = 10
#: Seconds between two: what follows a removal (a message, a card) must not disturb the next one.
_PAUSE_S = 2.0
_SEEN_S = 30.0
_FILTER = orjson.dumps(
    {
        "presence": {"types": []},
        "room": {"timeline": {"limit": 100}, "state": {"types": []}, "ephemeral": {"types": []}},
    }
).decode()


async def run(settings: Settings) -> Figure:
    small = await world(SMALL, settings, settings.say)
    figure = Figure("doors")
    bare: list[list[float]] = []
    ours: list[list[float]] = []
    for n in range(settings.repetitions):
        async with Stage(small, settings) as stage, _watching(stage) as door:
            await stage.floor(redacts=False)  # somebody takes the pushes
            bare.append([await door.bare_kick(newcomer(k)) for k in range(INTRUDERS)][1:])
        async with Stage(small, settings) as stage, _watching(stage) as door:
            service = await stage.ours()
            await settled(service)
            ours.append([await door.intruder(newcomer(k)) for k in range(INTRUDERS)][1:])
        settings.say(f"repetition {n + 1}: bare {_ms(bare[-1])}, ours {_ms(ours[-1])}")
    figure.measures["bare kick"] = summarise("ms", bare)
    figure.measures["intruder removed"] = summarise("ms", ours)
    ratio = figure.measures["intruder removed"].median / figure.measures["bare kick"].median
    figure.notes.append(
        "an intruder is put into the moderators' room by an administrator; a member's client sees them gone"
    )
    figure.notes.append(
        "bare kick: from its request, with no service listening; ours: from the answer to the forced join"
    )
    figure.bars.append(Bar("median / the bare kick's", ratio, at_most=FACTOR))
    return figure


@dataclass
class _Door:
    """The moderators' room, what one member sees of it, and the steward's hand."""

    stage: Stage
    session: aiohttp.ClientSession
    gone: dict[str, float] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def bare_kick(self, who: str) -> float:
        """Put somebody in and take them out ourselves; return ms from the kick's request until the member sees it."""
        await self._force(who)
        began = monotonic()
        path = f"/_matrix/client/v3/rooms/{quote(self.stage.world.moderators)}/kick"
        await self._call("POST", path, {"user_id": _user(who), "reason": "bench"})
        return await self._until_gone(who, began)

    async def intruder(self, who: str) -> float:
        """Put somebody in; return ms from its answer until the member sees them gone."""
        await self._force(who)
        return await self._until_gone(who, monotonic())

    async def _force(self, who: str) -> None:
        await asyncio.sleep(_PAUSE_S)
        path = f"/_synapse/admin/v1/join/{quote(self.stage.world.moderators)}"
        await self._call("POST", path, {"user_id": _user(who)})

    async def _until_gone(self, who: str, began: float) -> float:
        try:
            async with asyncio.timeout(_SEEN_S), self._news:
                await self._news.wait_for(lambda: self.gone.get(_user(who)) is not None)
        except TimeoutError:
            raise OperationFailed("an intruder was not taken out") from None
        return (self.gone.pop(_user(who)) - began) * 1000

    async def _call(self, method: str, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.stage.as_token}"}
        async with self.session.request(method, self.stage.homeserver.url + path, json=body, headers=headers) as answer:
            if answer.status != 200:
                raise OperationFailed(f"{path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def watch(self) -> None:
        """Follow along as the member, for ever."""
        headers = {"Authorization": f"Bearer {self.stage.world.token(MODERATOR)}"}
        query = {"timeout": "0", "filter": _FILTER}
        while True:
            async with self.session.get(
                f"{self.stage.homeserver.url}/_matrix/client/v3/sync", params=query, headers=headers
            ) as answer:
                said = orjson.loads(await answer.read())
            at = monotonic()
            query |= {"timeout": "30000", "since": said["next_batch"]}
            room = said.get("rooms", {}).get("join", {}).get(self.stage.world.moderators, {})
            async with self._news:
                for event in room.get("timeline", {}).get("events", ()):
                    if event["type"] == "m.room.member" and event["content"]["membership"] == "leave":
                        self.gone[event["state_key"]] = at
                self._news.notify_all()


@asynccontextmanager
async def _watching(stage: Stage) -> AsyncIterator[_Door]:
    async with aiohttp.ClientSession() as session:
        door = _Door(stage, session)
        watching = asyncio.create_task(door.watch())
        try:
            yield door
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def _user(localpart: str) -> str:
    return f"@{localpart}:{SERVER}"


def _ms(values: list[float]) -> str:
    return f"{sorted(values)[len(values) // 2]:.0f} ms"
