"""Load: the highest rate that the floor bot holds, ours at nine tenths of it, what follows, and what it costs."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from appservice.operations.service_process import ServiceProcess
from benchmarks.figures import Bar, Figure
from benchmarks.reaction import visible
from benchmarks.samples import percentile, summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import SERVER, SMALL, World, settled, world

VIOLATING = 0.10
#: People who write once in the burst that they cannot go on.
PLEAS = 20
LIMIT_MS = 2000.0
SHARE = 0.9
#: Seconds after the burst by which everything must be said.
DELIVERED_S = 120.0
COST = 1.2
#: Share of violations where their cost is measured: more of them, so that it stands out from the messages' own.
COST_VIOLATING = 0.5
#: Messages a second of the first probe, the factor to the next, and the one between whole bursts.
_FIRST, _STEP, _CHANGE = 28.0, 1.3, 1.08
_MOST = 250.0


@dataclass(slots=True)
class Burst:
    """One burst: what the load saw, and the homeserver's CPU seconds and wall seconds until all was quiet."""

    seen: dict[str, Any]
    cpu_s: float
    wall_s: float

    @property
    def p95(self) -> float:
        """ms; infinite if a redaction did not come in time."""
        delays = visible(self.seen)
        return percentile(delays, 0.95) if delays and not self.seen["missed"] else float("inf")


@dataclass(frozen=True, slots=True)
class Follow:
    """One text that followed a violation: its type, and after how many ms it was there."""

    type: str
    delay_ms: float
    at_ms: int


async def run(settings: Settings) -> Figure:
    small = await world(SMALL, settings, settings.say)
    figure = Figure("load")
    seconds = 20.0 if settings.quick else 60.0
    rate, floor, tried = await _highest(small, settings, seconds)
    figure.facts["rates tried (messages/s: p95 ms)"] = tried
    if floor is None:
        figure.bars.append(Bar("the floor holds some rate", None, at_most=LIMIT_MS))
        return figure
    figure.facts["highest rate the floor holds [messages/s]"] = rate
    figure.facts["floor: sends per second reached"] = floor.seen["messages"] / floor.seen["sending_s"]
    figure.measures["floor, at its highest rate"] = summarise("ms", [visible(floor.seen)])
    own_rate = SHARE * rate
    async with Stage(small, settings) as stage:
        service = await stage.ours()
        await _warm_up(stage)
        await settled(service)
        ours = await _burst(stage, own_rate, seconds, settle_s=60, until_quiet=service, pleas=PLEAS)
        follows, written = await _said(stage, service, ours.seen)
        called = _calls(service, ours.seen["pleas"])
    settings.say(f"ours at {own_rate:.0f}/s: p95 {ours.p95:.0f} ms")
    figure.measures[f"ours, at {SHARE:g} of it"] = summarise("ms", [visible(ours.seen)])
    figure.facts["texts written (merged)"] = len(written)
    _judge(figure, ours, follows)
    figure.measures["urgent card after its plea, during the burst"] = summarise("ms", [called])
    figure.bars.append(Bar("pleas without an urgent card", PLEAS - len(called), at_most=0))
    figure.bars.append(Bar("p95 of the urgent card [ms]", percentile(called, 0.95), at_most=LIMIT_MS))
    await _cost(figure, small, settings, rate)
    figure.notes.append(
        f"bursts of {seconds:g} s, 10 % violating, 10 rooms, 20 authors; one burst a rate, no repetition"
    )
    return figure


async def _highest(
    small: World, settings: Settings, seconds: float
) -> tuple[float, Burst | None, list[tuple[float, float]]]:
    """Return the highest rate at which the floor's p95 stays below the limit in a whole burst, and that burst."""
    tried: list[tuple[float, float]] = []
    rate, good, bad = _FIRST, 0.0, 0.0
    async with Stage(small, settings) as stage:
        await stage.floor()
        await _warm_up(stage)
        while rate < _MOST and (not bad or bad / good > 1.16):
            probe = await _burst(stage, rate, seconds / 4, settle_s=20)
            tried.append((rate, probe.p95))
            settings.say(f"floor, probe of {seconds / 4:g} s at {rate:.0f}/s: p95 {probe.p95:.0f} ms")
            if probe.p95 < LIMIT_MS:
                good = rate
            else:
                bad = rate
                if not good:
                    good = rate / _STEP**2
            rate = (good + bad) / 2 if bad else rate * _STEP
    return *await _whole_bursts(small, settings, seconds, good, tried), tried


async def _whole_bursts(
    small: World, settings: Settings, seconds: float, rate: float, tried: list[tuple[float, float]]
) -> tuple[float, Burst | None]:
    """Go up from `rate` in whole bursts until the floor fails, or down until it holds; return the highest that held."""
    best: tuple[float, Burst | None] = (0.0, None)
    failed = False
    for _ in range(2 if settings.quick else 5):
        async with Stage(small, settings) as stage:
            await stage.floor()
            await _warm_up(stage)
            whole = await _burst(stage, rate, seconds, settle_s=30)
        tried.append((rate, whole.p95))
        settings.say(f"floor, {seconds:g} s at {rate:.0f}/s: p95 {whole.p95:.0f} ms")
        holds = whole.p95 <= LIMIT_MS
        if holds:
            best = (rate, whole)
        failed = failed or not holds
        if failed and best[1] is not None:
            break
        rate = rate / _CHANGE if failed else rate * _CHANGE
    return best


async def _warm_up(stage: Stage) -> None:
    await stage.load([{"name": "warm-up", "seconds": 6, "rate": 10.0, "violating": VIOLATING, "seed": 5}])


async def _burst(
    stage: Stage,
    rate: float,
    seconds: float,
    *,
    settle_s: float,
    until_quiet: ServiceProcess | None = None,
    last_for: float = 0.0,
    **more: Any,
) -> Burst:
    """Play one burst; measure until the service has nothing more to do, or for `last_for` seconds."""
    phase = {"name": "burst", "seconds": seconds, "rate": rate, "violating": VIOLATING, "settle_s": settle_s} | more
    cpu, started = stage.homeserver.cpu_seconds(), monotonic()
    seen = (await stage.load([phase]))["burst"]
    if until_quiet is not None:
        await settled(until_quiet, deadline=240)
    await asyncio.sleep(max(0.0, last_for - (monotonic() - started)))
    return Burst(seen, stage.homeserver.cpu_seconds() - cpu, monotonic() - started)


async def _said(
    stage: Stage, service: ServiceProcess, seen: dict[str, Any]
) -> tuple[list[Follow], list[tuple[str, str, dict[str, Any]]]]:
    """Return what followed each violation, by our store, and the events it became, by the homeserver.

    Raises RuntimeError if the homeserver lacks an event that our store says was sent.
    """
    sent_at = {one["event_id"]: one["at_ms"] for one in seen["violating"]}
    rows = _outbox(service, sent_at)
    follows = [
        Follow(kind, settled_ms - sent_at[source], settled_ms)
        for source, kind, settled_ms, _, _ in rows
        if settled_ms is not None
    ]
    follows += [Follow(kind, float("inf"), 0) for _, kind, settled_ms, _, _ in rows if settled_ms is None]
    events = {
        (room, event) for _, kind, _, room, event in rows if event and kind not in {"redact", "ensure_direct_room"}
    }
    written = []
    for room, event in sorted(events):
        told = await _event(stage, room, event)
        written.append((room, told["sender"], told["content"]))
    return follows, written


async def _event(stage: Stage, room: str, event: str) -> dict[str, Any]:
    """Return an event as the guardian sees it. Raises RuntimeError if the homeserver lacks it."""
    guardian = f"@inglenook-guardian:{SERVER}"
    path = f"/_matrix/client/v3/rooms/{quote(room)}/event/{quote(event)}?user_id={quote(guardian)}"
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {stage.as_token}"}) as session,
        session.get(stage.homeserver.url + path) as answer,
    ):
        if answer.status != 200:
            raise RuntimeError("the homeserver lacks an event that the store says was sent")
        return dict(await answer.json())


def _outbox(service: ServiceProcess, sources: Iterable[str]) -> list[tuple[str, str, int | None, str, str]]:
    """Return (source, type, settled ms or None, room, event) of the effects of `sources`."""
    wanted = set(sources)
    with sqlite3.connect(f"file:{service.config.store}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT source, type, state, settled_ms, event_room, event_id FROM outbox").fetchall()
    return [
        (source, kind, settled_ms if state in {"done", "merged"} else None, room or "", event or "")
        for source, kind, state, settled_ms, room, event in rows
        if source in wanted
    ]


def _calls(service: ServiceProcess, pleas: list[dict[str, Any]]) -> list[float]:
    """Return after how many ms each plea's urgent card stood in its room, by the homeserver's answer to it."""
    sent_at = {one["event_id"]: one["at_ms"] for one in pleas}
    with sqlite3.connect(f"file:{service.config.store}?mode=ro", uri=True) as connection:
        cases = [orjson.loads(row[0]) for row in connection.execute("SELECT record FROM cases")]
    return [
        float(case["cards"][0]["at_ms"] - sent_at[event["event_id"]])
        for case in cases
        for event in case["events"][:1]
        if event["event_id"] in sent_at and case["cards"]
    ]


def _judge(figure: Figure, ours: Burst, follows: list[Follow]) -> None:
    violations = len(ours.seen["violating"])
    ended_ms = ours.seen["started_at_ms"] + ours.seen["sending_s"] * 1000
    for kind in ("notice", "direct_message", "card"):
        delays = [one.delay_ms / 1000 for one in follows if one.type == kind]
        if delays:
            figure.measures[f"{kind} after its violation"] = summarise("s", [delays])
        figure.bars.append(Bar(f"violations without a {kind}", violations - len(delays), at_most=0))
    latest = max((one.at_ms for one in follows), default=0)
    unsettled = sum(1 for one in follows if one.at_ms == 0)
    figure.facts["sends per second reached"] = ours.seen["messages"] / ours.seen["sending_s"]
    figure.facts["send answered, p95 ms"] = percentile(ours.seen["send_ms"], 0.95)
    figure.bars = [
        Bar(f"p95 of the redaction at {SHARE:g} of the floor's highest rate [ms]", ours.p95, at_most=LIMIT_MS),
        Bar("missed", ours.seen["missed"], at_most=0),
        Bar("false hits", ours.seen["false_hits"], at_most=0),
        *figure.bars,
        Bar("seconds after the burst until all was said", (latest - ended_ms) / 1000, at_most=DELIVERED_S),
        Bar("effects that never became true", unsettled, at_most=0),
    ]


async def _cost(figure: Figure, small: World, settings: Settings, highest: float) -> None:
    """Add what a violation costs the homeserver: ours, and a bare loop that makes the same writes; the messages' own
    cost is that of the same burst with nobody acting, and is taken off both.

    At a third of the highest rate and without an observer: near its limit a homeserver answers many with one wake-up, so
    that the same writes cost it less the busier it is.
    """
    rate, seconds = highest / 3, 12.0 if settings.quick else 20.0
    cpu: dict[str, list[float]] = {"nobody": [], "ours": [], "bare": []}
    violations, texts = 0, []
    for turn in range(1 if settings.quick else 3):
        async with Stage(small, settings) as stage:
            service = await stage.ours()
            await _warm_up(stage)
            await settled(service)
            play: dict[str, Any] = {"observe": False, "violating": COST_VIOLATING}
            ours = await _burst(stage, rate, seconds, settle_s=0, until_quiet=service, **play)
            _, written = await _said(stage, service, ours.seen)
            await service.stop()
            await stage.floor(redacts=False)
            await asyncio.sleep(2)
            bare_play = play | {"redact_here": True, "also_write": written}
            # By turns in either order: a homeserver is not quite the same one after a burst.
            plays = (play, bare_play) if turn % 2 == 0 else (bare_play, play)
            bursts = [await _burst(stage, rate, seconds, settle_s=0, last_for=ours.wall_s, **one) for one in plays]
            nobody, bare = bursts if turn % 2 == 0 else bursts[::-1]
        violations = len(ours.seen["violating"])
        texts.append(len(written))
        for name, burst in (("nobody", nobody), ("ours", ours), ("bare", bare)):
            cpu[name].append(burst.cpu_s)
    per_violation = {
        name: [(one - none) * 1000 / violations for one, none in zip(cpu[name], cpu["nobody"], strict=True)]
        for name in ("ours", "bare")
    }
    figure.facts["cost: messages a second, seconds, violations"] = [rate, seconds, violations]
    figure.facts["cost: texts written besides (merged)"] = texts
    figure.facts["cost: homeserver CPU s"] = cpu
    figure.facts["cost: homeserver CPU ms per violation"] = per_violation
    figure.facts["cost: ratio by repetition"] = [
        own / bare if bare > 0 else None for own, bare in zip(*per_violation.values(), strict=True)
    ]
    bare_ms = sum(per_violation["bare"])
    ratio = sum(per_violation["ours"]) / bare_ms if bare_ms > 0 else None
    figure.bars.append(Bar("homeserver CPU per violation / a bare loop's", ratio, at_most=COST))
