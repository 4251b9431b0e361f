"""Audit: what the hourly look at every room costs, beside the bare reads of who is in each room and who has power."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import monotonic
from urllib.parse import quote

import aiohttp

from appservice.flow import Place
from appservice.operations.errors import OperationFailed
from appservice.service.config import load_registration
from appservice.service.core import Core
from benchmarks.figures import Bar, Figure
from benchmarks.samples import summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import LARGE, LARGE_QUICK, SERVER, world

FACTOR = 1.2
#: Audits a repetition, in turn with the bare reads.
AUDITS = 6
#: As many side by side as an audit has.
_AT_ONCE = 4


async def run(settings: Settings) -> Figure:
    large = await world(LARGE_QUICK if settings.quick else LARGE, settings, settings.say)
    figure = Figure("audit")
    bare: list[list[float]] = []
    ours: list[list[float]] = []
    cost: dict[str, list[float]] = {"bare": [], "ours": []}
    async with Stage(large, settings) as stage:
        service = stage.prepare_service()
        core = Core(service.config, load_registration(service.config.registration))
        await core.database.open()
        async with core.client:
            try:
                await core.projection.load(core.questions)
                await core.governance.load()
                rooms = [
                    room.room_id for room in core.projection.rooms() if room.managed and room.place != Place.DIRECT
                ]
                await core.governance.audit()  # a warm-up, for both
                for n in range(settings.repetitions):
                    bare.append([])
                    ours.append([])
                    for _ in range(AUDITS):
                        works: tuple[tuple[str, list[list[float]], Callable[[], Awaitable[None]]], ...] = (
                            ("bare", bare, partial(_bare, stage, rooms)),
                            ("ours", ours, core.governance.audit),
                        )
                        for name, times, work in works:
                            busy, began = stage.homeserver.cpu_seconds(), monotonic()
                            await work()
                            times[-1].append(monotonic() - began)
                            cost[name].append(stage.homeserver.cpu_seconds() - busy)
                    settings.say(f"repetition {n + 1}: bare {min(bare[-1]):.2f} s, ours {min(ours[-1]):.2f} s")
                if not core.governance.settled or core.governance.remaining:
                    raise OperationFailed("the audit found something to do")
            finally:
                await core.lanes.close()
                await core.audit.flush()
                await core.database.close()
    figure.measures["bare reads of all rooms"] = summarise("s", bare)
    figure.measures["audit of all rooms"] = summarise("s", ours)
    ratio = figure.measures["audit of all rooms"].median / figure.measures["bare reads of all rooms"].median
    figure.facts["rooms"] = len(rooms)
    figure.facts["homeserver's CPU: audit / bare reads"] = sum(cost["ours"]) / max(sum(cost["bare"]), 0.01)
    figure.notes.append(f"{large.plan.rooms} groups of {large.plan.members} members, four reads side by side")
    figure.notes.append("in each audit one room of 24 is read whole, so that every one is once a day")
    figure.bars.append(Bar("median / the bare reads'", ratio, at_most=FACTOR))
    return figure


async def _bare(stage: Stage, rooms: Sequence[str]) -> None:
    """Read who is in each room, and who has power, as a program that does nothing else."""
    headers, viewer = {"Authorization": f"Bearer {stage.as_token}"}, f"@inglenook-guardian:{SERVER}"
    slots = asyncio.Semaphore(_AT_ONCE)
    connector = aiohttp.TCPConnector(limit=_AT_ONCE)
    async with aiohttp.ClientSession(stage.homeserver.url, headers=headers, connector=connector) as session:

        async def one(room_id: str) -> None:
            async with slots:
                for path in ("joined_members", "state/m.room.power_levels/"):
                    place = f"/_matrix/client/v3/rooms/{quote(room_id)}/{path}"
                    async with session.get(place, params={"user_id": viewer}) as answer:
                        if answer.status != 200:
                            raise OperationFailed(f"{path}: {answer.status} {await answer.text()}")
                        await answer.json()

        await asyncio.gather(*(one(room_id) for room_id in rooms))
