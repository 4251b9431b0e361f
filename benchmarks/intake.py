"""Intake: transactions of 100 events into a running service, until the last one is handled and committed."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

import aiohttp

from appservice.operations.service_process import ServiceProcess
from benchmarks.figures import Bar, Figure
from benchmarks.pusher import PER_TRANSACTION
from benchmarks.samples import summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import SERVER, SMALL, settled, world

EVENTS, EVENTS_QUICK = 300_000, 30_000
DIGITS = 0.10
AT_LEAST_PER_S = 3000.0
MEMORY_GROWTH = 1.05


async def run(settings: Settings) -> Figure:
    small = await world(SMALL, settings, settings.say)
    figure = Figure("intake")
    count = EVENTS_QUICK if settings.quick else EVENTS
    cores = sorted(os.sched_getaffinity(0))
    async with Stage(small, settings, run=False) as stage:
        service = stage.prepare_service()
        rooms = json.dumps(_rooms_known(service.config.store))
        with _only(set(cores[1:]) or set(cores)):
            told = {"STUB_PORT": str(stage.homeserver.config.port), "STUB_ROOMS": rooms}
            stub = stage.child("stub_homeserver", told)
        await stub.listening(stage.homeserver.config.port)
        with _only({cores[0]}):
            service.spawn()
        await service.start()
        before = await _counts(stage)
        result = await _push(stage, service, count, cores)
        ended = monotonic()
        await settled(service)
        drained_s = monotonic() - ended
        status = await service.status() or {}
        after = await _counts(stage)
    asked = {kind: after.get(kind, 0) - before.get(kind, 0) for kind in after}
    _judge(figure, result, count)
    figure.facts["handled"] = status["lanes"]["handled"]
    figure.facts["redactions sent of"] = [asked.get("redact", 0), count // PER_TRANSACTION]
    figure.facts["texts sent (merged)"] = asked.get("send", 0)
    figure.facts["seconds until all effects were done"] = drained_s
    figure.bars.append(Bar("events not handled", count - status["lanes"]["handled"], at_most=0))
    figure.bars.append(Bar("hits not redacted", count // PER_TRANSACTION - asked.get("redact", 0), at_most=0))
    return figure


def _rooms_known(store: Path) -> list[str]:
    """The rooms that the service will find itself in: else it would think that they were deleted."""
    with closing(sqlite3.connect(store)) as connection:
        return [row[0] for row in connection.execute("SELECT room_id FROM rooms")]


def _judge(figure: Figure, result: dict[str, Any], count: int) -> None:
    per_second = count / result["wall_s"]
    resident = [value / 2**20 for value in result["resident"]]
    second, last = fifths(resident)[1], fifths(resident)[4]
    figure.measures["transaction of 100"] = summarise("ms", [result["took_ms"]])
    figure.facts["events"] = count
    figure.facts["events per second"] = per_second
    figure.facts["events per CPU second"] = count / result["cpu_s"]
    figure.facts["share of its core used"] = result["cpu_s"] / result["wall_s"]
    figure.facts["events per second, by fifth"] = [
        PER_TRANSACTION * 1000 * len(part) / sum(part) for part in fifths(result["took_ms"], list)
    ]
    figure.facts["resident MiB, by fifth"] = fifths(resident)
    figure.notes.append("one core for the service; transactions one after the other, as Synapse sends them")
    figure.notes.append("1 % hits, 10 % other digits; their effects go to a stand-in homeserver that agrees at once")
    figure.bars += [
        Bar("events per second", per_second, at_least=AT_LEAST_PER_S),
        Bar("memory, last fifth / second fifth", last / second, at_most=MEMORY_GROWTH),
    ]


def fifths(values: Sequence[float], what: Any = median) -> list[Any]:
    """Return `what` (the median) of each fifth of `values`, in their order."""
    size = max(1, len(values) // 5)
    return [what(values[n * size : (n + 1) * size if n < 4 else None]) for n in range(5)]


async def _push(stage: Stage, service: ServiceProcess, count: int, cores: list[int]) -> dict[str, Any]:
    script, result = stage.folder / "push.json", stage.folder / "push-result.json"
    world_ = stage.world
    content = {
        "url": f"http://127.0.0.1:{stage.appservice_port}",
        "hs_token": stage.homeserver.registration.hs_token,
        "pid": service.pid,
        "events": count,
        "rooms": world_.rooms,
        "senders": [f"@{name}:{SERVER}" for name in world_.authors],
        "hits": True,
        "digits": DIGITS,
        "run": "intake",
    }
    script.write_text(json.dumps(content), encoding="utf-8")
    with _only(set(cores[1:]) or set(cores)):
        child = stage.child("pusher", {"PUSH_SCRIPT": str(script), "PUSH_RESULT": str(result)})
    await child.finished(1800)
    return dict(json.loads(result.read_text(encoding="utf-8")))


async def _counts(stage: Stage) -> dict[str, int]:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{stage.homeserver.url}/counts") as answer:
            return dict(await answer.json())


@contextmanager
def _only(cores: set[int]) -> Iterator[None]:
    """Let children that are started inside run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
