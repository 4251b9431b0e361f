"""Ready: a violation sent the moment our process starts, with 200 rooms; from a store that knows them, and without."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections import Counter
from statistics import median
from time import monotonic

import aiohttp

from appservice.operations.service_process import ServiceProcess
from benchmarks.figures import Bar, Figure
from benchmarks.load import Load, Sent
from benchmarks.samples import summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import LARGE, LARGE_QUICK, SERVER, author, settled, world

WARM_S = 1.2
COLD = 1.3
#: What reads a room; a warm start must not.
_READS = re.compile(r"/rooms/[^/]+/(state|members|joined_members|messages|context)")
_REQUEST = re.compile(r'\{@inglenook-[^}]*\} Processed request: .*?"(?P<method>[A-Z]+) (?P<path>[^ ?"]+)')
_ID = re.compile(r"(?<=/)(?:[!@$#]|%21|%40|%24|%23|ink-|raw|floor-)[^/]+")


async def run(settings: Settings) -> Figure:
    plan = LARGE_QUICK if settings.quick else LARGE
    large = await world(plan, settings, settings.say)
    figure = Figure("ready")
    warm: list[float] = []
    cold: list[float] = []
    cold_ready: list[float] = []
    bare: list[float] = []
    async with Stage(large, settings, log_level="INFO") as stage, aiohttp.ClientSession() as session:
        load = Load(stage.load_settings([]), session)
        observing = asyncio.create_task(load.observe(await load.observe_from_now()))
        floor = await _floor(stage, load)
        service = stage.prepare_service()
        before = requests(stage)
        for n in range(settings.repetitions):
            warm.append((await _start(stage, load, service, n))[0])
            if n == 0:
                first = requests(stage) - before
            await settled(service)
            await service.stop()
        for n in range(min(3, settings.repetitions)):
            bare.append(await _read_all(stage))
            shutil.rmtree(service.config.data)
            before = requests(stage)
            gone, ready = await _start(stage, load, service, n)
            cold.append(gone)
            cold_ready.append(ready)
            cold_requests = requests(stage) - before
            settings.say(f"cold: {gone:.2f} s, ready after {ready:.2f} s, bare read {bare[-1]:.2f} s")
            await settled(service)
            await service.stop()
        observing.cancel()
    figure.measures |= {
        "floor reaction": summarise("s", [floor]),
        "warm: start to redaction": summarise("s", [[value] for value in warm]),
        "one bare read per room": summarise("s", [[value] for value in bare]),
        "cold: start to redaction": summarise("s", [[value] for value in cold]),
        "cold: start to ready": summarise("s", [[value] for value in cold_ready]),
    }
    figure.facts["rooms"] = plan.rooms
    # No bar: what waits for it is the check for gaps and the policy; violations are acted on long before.
    figure.facts["cold: start to ready / one bare read per room"] = round(median(cold_ready) / median(bare), 3)
    figure.facts["homeserver requests of a warm start"] = dict(first.most_common())
    figure.facts["homeserver requests of a cold start"] = dict(cold_requests.most_common(12))
    figure.notes.append(
        f"{plan.rooms} rooms of {plan.members} members, one direct room for each of {plan.people} people"
    )
    figure.notes.append("a bare read is a program of its own, from its start to its end, as the service's start is")
    reads = sum(count for kind, count in first.items() if _READS.search(kind))
    figure.bars += [
        Bar("warm: start to redaction [s]", median(warm), at_most=WARM_S + median(floor)),
        Bar("warm: rooms read from the homeserver", reads, at_most=0),
        Bar("cold: rooms made although they exist", cold_requests["POST /_matrix/client/v3/createRoom"], at_most=0),
        Bar("cold: start to redaction / one bare read per room", median(cold) / median(bare), at_most=COLD),
    ]
    return figure


async def _floor(stage: Stage, load: Load) -> list[float]:
    """Return the floor's reaction (s) on this very homeserver."""
    bot = await stage.floor()
    delays = []
    for n in range(12):
        sent = await _violation(stage, load, n)
        delays.append(await load.gone(sent) - sent.answered)
        await asyncio.sleep(0.2)
    await bot.stop()
    return delays[2:]


async def _violation(stage: Stage, load: Load, n: int) -> Sent:
    """Send a violating message to one of the first ten rooms, by one of its members."""
    room = n % 10
    who = author(stage.world.plan.members_of(room)[n % 7])
    return await load.violation(stage.world.rooms[room], who, n)


async def _start(stage: Stage, load: Load, service: ServiceProcess, n: int) -> tuple[float, float]:
    """Start the service and send a violation at once; return seconds until it was gone, and until we called it ready."""
    started = monotonic()
    service.spawn()
    sent = await _violation(stage, load, n)
    starting = asyncio.create_task(service.start(deadline=300))
    gone = await load.gone(sent, within_s=300)
    await starting
    return gone - started, monotonic() - started


async def _read_all(stage: Stage) -> float:
    started = monotonic()
    reader = stage.child(
        "bare_reader",
        {
            "BARE_HOMESERVER": stage.homeserver.url,
            "BARE_TOKEN": stage.as_token,
            "BARE_READER": f"@inglenook-guardian:{SERVER}",
        },
    )
    await reader.finished(300)
    return monotonic() - started


def requests(stage: Stage) -> Counter[str]:
    """Count the requests that our identities made so far, from Synapse's own log; ids are left out."""
    counts: Counter[str] = Counter()
    for file in stage.homeserver.config.log_file.parent.glob("homeserver.log*"):
        for found in _REQUEST.finditer(file.read_text(encoding="utf-8", errors="replace")):
            counts[f"{found['method']} {_ID.sub('*', found['path'])}"] += 1
    return counts
