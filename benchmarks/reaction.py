"""Reaction: from the response to a send until the redaction arrives at another member, beside the floor bot."""

from __future__ import annotations

from typing import Any

from benchmarks.figures import Bar, Figure
from benchmarks.samples import summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import SMALL, World, world

RATE, VIOLATING = 5.0, 0.25
#: Violations in all, over the repetitions.
AT_LEAST = 200
#: A run of the floor that lags so far behind the raw round trip tells nothing: it is made again, at most so often.
VOID_FACTOR, VOID_MS, VOID_AT_MOST = 1.15, 10.0, 3
#: Strangers of the first contact, per repetition.
NEWCOMERS = 5
_WARM_UP = {"name": "warm-up", "seconds": 4, "rate": RATE, "violating": VIOLATING, "seed": 11}


def is_void(floor_ms: float, raw_ms: float) -> bool:
    """Whether the medians of a run of the floor say that something else disturbed it."""
    return floor_ms > VOID_FACTOR * raw_ms + VOID_MS


async def run(settings: Settings) -> Figure:
    small = await world(SMALL, settings, settings.say)
    figure = Figure("reaction")
    seconds = 12.0 if settings.quick else AT_LEAST / settings.repetitions / RATE / VIOLATING + 1
    floors: list[dict[str, Any]] = []
    ours: list[dict[str, Any]] = []
    void: list[str] = []
    while len(ours) < settings.repetitions:
        seed = len(ours) + 1
        measured = {"name": "measured", "seconds": seconds, "rate": RATE, "violating": VIOLATING, "seed": seed}
        newcomers = {"name": "newcomers", "newcomers": NEWCOMERS, "seed": seed}
        raw = {**measured, "name": "raw", "seconds": 8.0, "redact_here": True, "seed": seed + 50}
        floor = await _once(small, settings, "floor", [_WARM_UP, measured, raw, newcomers])
        if is_void(_median(floor, "measured"), _median(floor, "raw")):
            void.append(f"floor {_median(floor, 'measured'):.0f} ms, raw {_median(floor, 'raw'):.0f} ms")
            if len(void) <= VOID_AT_MOST:
                continue
        floors.append(floor)
        ours.append(await _once(small, settings, "ours", [_WARM_UP, measured, newcomers]))
        settings.say(
            f"repetition {len(ours)}: raw {_median(floor, 'raw'):.0f}, floor {_median(floor, 'measured'):.0f}, "
            f"ours {_median(ours[-1], 'measured'):.0f} ms"
        )
    for label, runs, phase in (
        ("raw", floors, "raw"),
        ("floor", floors, "measured"),
        ("ours", ours, "measured"),
        ("floor, first contact", floors, "newcomers"),
        ("ours, first contact", ours, "newcomers"),
    ):
        figure.measures[label] = summarise("ms", [visible(one[phase]) for one in runs])
    _judge(figure, floors, ours, void)
    return figure


def _judge(figure: Figure, floors: list[dict[str, Any]], ours: list[dict[str, Any]], void: list[str]) -> None:
    floor, own = figure.measures["floor"], figure.measures["ours"]
    missed = sum(phase["missed"] for one in ours for phase in one.values())
    false = sum(one["newcomers"]["false_hits"] for one in ours)
    failed = sum(phase["send_failures"] for one in (*ours, *floors) for phase in one.values())
    figure.facts["ratio of medians, by repetition"] = [
        a / b for a, b in zip(own.repetitions, floor.repetitions, strict=True)
    ]
    contact = figure.measures["ours, first contact"].median / figure.measures["floor, first contact"].median
    figure.facts["first contact, ratio of medians"] = contact
    figure.facts["void runs"] = void
    figure.notes.append("5 messages a second, 10 rooms, 20 authors, 25 % with a number; direct rooms exist")
    figure.notes.append("first contact: a stranger joins and writes a number at once, with no direct room yet")
    figure.bars += [
        Bar("median / the floor's", own.median / floor.median, at_most=1.3),
        Bar("p95 / the floor's", own.p95 / floor.p95, at_most=1.5),
        Bar("missed", missed, at_most=0),
        Bar("false hits", false, at_most=0),
        Bar("sends that failed", failed, at_most=0),
        Bar("runs of the floor that stayed void", max(0, len(void) - VOID_AT_MOST), at_most=0),
    ]
    if own.n < AT_LEAST:
        figure.notes.append(f"n is {own.n}, {AT_LEAST} are asked for")


def visible(phase: dict[str, Any]) -> list[float]:
    """Return the delays (ms) of a phase's redactions that arrived."""
    return [one["visible_ms"] for one in phase["violating"] if one["visible_ms"] is not None]


def _median(one: dict[str, Any], phase: str) -> float:
    return summarise("ms", [visible(one[phase])]).median


async def _once(small: World, settings: Settings, who: str, phases: list[dict[str, Any]]) -> dict[str, Any]:
    async with Stage(small, settings) as stage:
        if who == "floor":
            await stage.floor()
        else:
            await stage.ours()
        return await stage.load(phases)
