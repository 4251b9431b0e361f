"""Idle: memory and CPU of our process with 200 rooms and nothing to do, and what its gap check costs the homeserver."""

from __future__ import annotations

import asyncio
import re

from appservice.operations.service_process import ServiceProcess
from benchmarks.figures import Bar, Figure
from benchmarks.samples import summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import LARGE, LARGE_QUICK, settled, world

MEMORY_MIB = 120.0
CPU_PERCENT = 0.5
#: `Processed request: processing/sending (user, system) …` as Synapse writes it.
_SYNC = re.compile(
    r"\{@inglenook-guardian[^}]*\} Processed request: [^(]*\(([\d.]+)sec, ([\d.]+)sec\)[^\n]*/v3/sync\?[^\n]*since="
)
SECONDS, SECONDS_QUICK = 60, 20


async def run(settings: Settings) -> Figure:
    plan = LARGE_QUICK if settings.quick else LARGE
    large = await world(plan, settings, settings.say)
    figure = Figure("idle")
    seconds = SECONDS_QUICK if settings.quick else SECONDS
    async with Stage(large, settings, log_level="INFO") as stage:
        alone = [await _alone(stage, seconds)]
        service = await stage.ours()
        await settled(service)
        await asyncio.sleep(5)
        syncs = sync_cpu_ms(stage)
        checks = await _checks(service)
        resident: list[float] = []
        own, cpu = service.cpu_seconds(), stage.homeserver.cpu_seconds()
        for _ in range(seconds):
            await asyncio.sleep(1)
            resident.append(service.resident_bytes() / 2**20)
        ours = (service.cpu_seconds() - own) * 100 / seconds
        beside = (stage.homeserver.cpu_seconds() - cpu) * 100 / seconds
        checks = await _checks(service) - checks
        per_sync = sync_cpu_ms(stage)[len(syncs) :]
        await service.stop()
        alone.append(await _alone(stage, seconds))
    figure.measures["resident memory"] = summarise("MiB", [resident])
    figure.facts["rooms"] = plan.rooms
    figure.facts["our CPU, % of a core"] = ours
    figure.facts["homeserver's CPU without us, before and after, % of a core"] = alone
    figure.facts["homeserver's CPU with us, % of a core"] = beside
    figure.facts["gap checks"] = checks
    if per_sync:
        figure.measures["homeserver's CPU per gap check"] = summarise("ms", [per_sync])
    figure.notes.append(
        f"{seconds} s each, /proc (resolution 10 ms); one process of ours; status asked once at each end"
    )
    figure.bars += [
        Bar("resident memory, most [MiB]", max(resident), at_most=MEMORY_MIB),
        Bar("idle CPU, % of a core", ours, at_most=CPU_PERCENT),
    ]
    return figure


async def _alone(stage: Stage, seconds: int) -> float:
    """Return the homeserver's idle CPU (% of a core) while a sink swallows its pushes."""
    sink = await stage.floor(redacts=False)
    await asyncio.sleep(5)
    before = stage.homeserver.cpu_seconds()
    await asyncio.sleep(seconds)
    spent = stage.homeserver.cpu_seconds() - before
    await sink.stop()
    return spent * 100 / seconds


def sync_cpu_ms(stage: Stage) -> list[float]:
    """Return the CPU (ms, user and system) of each of the guardian's /sync requests so far, by Synapse's own log."""
    lines = stage.homeserver.config.log_file.read_text(encoding="utf-8", errors="replace")
    return [(float(found[1]) + float(found[2])) * 1000 for found in _SYNC.finditer(lines)]


async def _checks(service: ServiceProcess) -> int:
    status = await service.status() or {}
    return int(status["gap_check"]["checks"])
