"""Planner: 1,000 rooms with 200,000 memberships: that nothing is to be done, and what is, where one in a hundred changed."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from appservice.operations.errors import OperationFailed
from benchmarks.figures import Bar, Figure
from benchmarks.samples import summarise
from benchmarks.settings import Settings

NOTHING_S, CHANGED_S, MEMORY_MIB = 2.0, 3.0, 300.0
ROOMS, MEMBERS = 1_000, 200
_ROOT = Path(__file__).parent.parent


async def run(settings: Settings) -> Figure:
    figure = Figure("planner")
    rooms = ROOMS // 10 if settings.quick else ROOMS
    found = [await _measured("planner_world", rooms) for _ in range(settings.repetitions)]
    asked = [await _measured("planner_service", rooms) for _ in range(settings.repetitions)]
    figure.measures |= {
        "no change, as the service is asked: CPU": summarise("s", [one["nothing_s"] for one in asked]),
        "planner alone, no change: CPU": summarise("s", [one["nothing_s"] for one in found]),
        "planner alone, 1 % changed: CPU": summarise("s", [one["changed_s"] for one in found]),
        "memory of the planner's process": summarise("MiB", [[one["peak_mib"]] for one in found]),
        "memory of the service's part": summarise("MiB", [[one["peak_mib"]] for one in asked]),
    }
    figure.facts |= {name: found[0][name] for name in ("rooms", "memberships", "changes")}
    figure.facts["homeserver calls of a plan without change"] = asked[0]["calls"]
    figure.notes.append(
        "each in a process of its own; its peak holds policy, people, the whole world and the plan, with its digest"
    )
    figure.notes.append(
        "asked: files read and known, people with what was approved since, rooms as the stream told of them"
    )
    figure.bars += [
        Bar("no change, CPU [s]", figure.measures["no change, as the service is asked: CPU"].median, at_most=NOTHING_S),
        Bar("homeserver calls of it", max(one["calls"] for one in asked), at_most=0),
        Bar("1 % changed, CPU [s]", figure.measures["planner alone, 1 % changed: CPU"].median, at_most=CHANGED_S),
        Bar("peak memory [MiB]", max(one["peak_mib"] for one in found), at_most=MEMORY_MIB),
    ]
    return figure


async def _measured(module: str, rooms: int) -> dict[str, Any]:
    """Return what a process of its own measured. Raises `OperationFailed`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"benchmarks.{module}",
        str(rooms),
        str(MEMBERS),
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise OperationFailed(f"{module} ended with {process.returncode}")
    return dict(json.loads(said))
