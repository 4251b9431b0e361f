"""Idle: memory and CPU of our process with 200 rooms and nothing to do, and what its gap check costs the homeserver."""

from __future__ import annotations

import asyncio

from appservice.operations.service_process import ServiceProcess
from benchmarks.figures import Bar, Figure
from benchmarks.samples import summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import LARGE, LARGE_QUICK, settled, world

MEMORY_MIB = 120.0
CPU_PERCENT = 0.5
SECONDS, SECONDS_QUICK = 60, 20


async def run(settings: Settings) -> Figure:
    plan = LARGE_QUICK if settings.quick else LARGE
    large = await world(plan, settings, settings.say)
    figure = Figure("idle")
    seconds = SECONDS_QUICK if settings.quick else SECONDS
    async with Stage(large, settings) as stage:
        sink = await stage.floor(redacts=False)
        await asyncio.sleep(5)
        alone = await _percent(stage, seconds)
        await sink.stop()
        service = await stage.ours()
        await settled(service)
        await asyncio.sleep(5)
        checks = await _checks(service)
        resident: list[float] = []
        own, cpu = service.cpu_seconds(), stage.homeserver.cpu_seconds()
        for _ in range(seconds):
            await asyncio.sleep(1)
            resident.append(service.resident_bytes() / 2**20)
        ours = (service.cpu_seconds() - own) * 100 / seconds
        beside = (stage.homeserver.cpu_seconds() - cpu) * 100 / seconds
        checks = await _checks(service) - checks
    figure.measures["resident memory"] = summarise("MiB", [resident])
    figure.facts["rooms"] = plan.rooms
    figure.facts["our CPU, % of a core"] = ours
    figure.facts["homeserver's CPU without us, % of a core"] = alone
    figure.facts["homeserver's CPU with us, % of a core"] = beside
    figure.facts["gap checks"] = checks
    figure.facts["homeserver's CPU ms per gap check"] = (beside - alone) / 100 * seconds * 1000 / max(1, checks)
    figure.notes.append(
        f"{seconds} s each, /proc (resolution 10 ms); one process of ours; status asked once at each end"
    )
    figure.bars += [
        Bar("resident memory, most [MiB]", max(resident), at_most=MEMORY_MIB),
        Bar("idle CPU, % of a core", ours, at_most=CPU_PERCENT),
    ]
    return figure


async def _percent(stage: Stage, seconds: int) -> float:
    before = stage.homeserver.cpu_seconds()
    await asyncio.sleep(seconds)
    return (stage.homeserver.cpu_seconds() - before) * 100 / seconds


async def _checks(service: ServiceProcess) -> int:
    status = await service.status() or {}
    return int(status["gap_check"]["checks"])
