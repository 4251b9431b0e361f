"""Show: from a lead's `show H-0001 REASON` until what was removed stands in her client, against a bare message."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from time import monotonic
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from appservice.operations.errors import OperationFailed
from benchmarks.figures import Bar, Figure
from benchmarks.samples import percentile, summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.texts import violating
from benchmarks.worlds import SERVER, SMALL, author, settled, world

SHOW_S = 2.0
SHOWN = 20
LEAD = "amina"
_SEEN_S = 30.0


async def run(settings: Settings) -> Figure:
    small = await world(SMALL, settings, settings.say)
    figure = Figure("show")
    shown: list[list[float]] = []
    bare: list[list[float]] = []
    for _ in range(min(settings.repetitions, 3)):
        async with Stage(small, settings) as stage:
            service = await stage.ours()
            async with _lead(stage) as lead:
                room, who = small.rooms[0], author(0)
                await lead.call("POST", f"/_matrix/client/v3/join/{quote(room)}", {})
                sent = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.message"
                await lead.call(
                    "PUT", f"{sent}/v", {"msgtype": "m.text", "body": violating(Random(1))}, token=small.token(who)
                )
                await settled(service)
                bare.append([await lead.bare(sent, n, small.token(who)) for n in range(SHOWN)])
                shown.append([await lead.show(n) for n in range(SHOWN)])
    figure.measures["from `show` to the lead's client"] = summarise("ms", shown)
    figure.measures["floor: a bare message to the same client"] = summarise("ms", bare)
    pooled = [one / 1000 for turn in shown for one in turn]
    figure.bars.append(Bar("p95 of show [s]", percentile(pooled, 0.95), at_most=SHOW_S))
    return figure


@dataclass
class _Lead:
    """The lead's account: what it sends, and when something arrives in its client."""

    stage: Stage
    session: aiohttp.ClientSession
    token: str
    safeguarding: str = ""
    seen: dict[str, float] = field(default_factory=dict)
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with self.session.request(method, self.stage.homeserver.url + path, json=body, headers=headers) as answer:
            if answer.status != 200:
                raise OperationFailed(f"{path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def show(self, n: int) -> float:
        """Ask; return ms from the answer to the request until it is shown."""
        self.seen.clear()
        path = f"/_matrix/client/v3/rooms/{quote(self.safeguarding)}/send/m.room.message/show{n}"
        await self.call("PUT", path, {"msgtype": "m.text", "body": "show H-0001 to see how long it takes"})
        return await self._until("What you asked to see", monotonic())

    async def bare(self, path: str, n: int, token: str) -> float:
        """Let somebody write; return ms from the answer until it arrives."""
        self.seen.clear()
        await self.call("PUT", f"{path}/bare{n}", {"msgtype": "m.text", "body": f"Good morning {n}."}, token=token)
        return await self._until(f"Good morning {n}.", monotonic())

    async def _until(self, part: str, began: float) -> float:
        def arrived() -> float | None:
            return next((at for body, at in self.seen.items() if part in body), None)

        try:
            async with asyncio.timeout(_SEEN_S), self._news:
                await self._news.wait_for(lambda: arrived() is not None)
        except TimeoutError:
            raise OperationFailed(f"not seen: {part}") from None
        return max(0.0, ((arrived() or began) - began) * 1000)

    async def watch(self) -> None:
        query = {"timeout": "0"}
        while True:
            async with self.session.get(
                f"{self.stage.homeserver.url}/_matrix/client/v3/sync",
                params=query,
                headers={"Authorization": f"Bearer {self.token}"},
            ) as answer:
                said = orjson.loads(await answer.read())
            at = monotonic()
            query |= {"timeout": "30000", "since": said["next_batch"]}
            async with self._news:
                for room in said.get("rooms", {}).get("join", {}).values():
                    for event in room["timeline"]["events"]:
                        self.seen.setdefault(str(event["content"].get("body", "")), at)
                self._news.notify_all()


@asynccontextmanager
async def _lead(stage: Stage) -> AsyncIterator[_Lead]:
    await stage.homeserver.register(LEAD, f"pass-{LEAD}")
    token = await stage.homeserver.login(LEAD, f"pass-{LEAD}")
    async with aiohttp.ClientSession() as session:
        lead = _Lead(stage, session, token)
        found = await lead.call("GET", f"/_matrix/client/v3/directory/room/%23bench-safeguarding%3A{SERVER}")
        lead.safeguarding = found["room_id"]
        await lead.call("POST", f"/_matrix/client/v3/join/{quote(lead.safeguarding)}", {})
        watching = asyncio.create_task(lead.watch())
        try:
            yield lead
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
