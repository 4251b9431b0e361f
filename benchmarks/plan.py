"""Plan: how long it takes to find out, for 200 rooms, that there is nothing to do; and what that asks of the homeserver."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from pathlib import Path
from statistics import median
from time import monotonic

from appservice.operations.control import plan_policy
from appservice.operations.errors import OperationFailed
from benchmarks.figures import Bar, Figure
from benchmarks.ready import requests
from benchmarks.samples import summarise
from benchmarks.settings import Settings
from benchmarks.stack import Stage
from benchmarks.worlds import LARGE, LARGE_QUICK, settled, world

PLAN_S = 0.3
#: Plans per repetition.
PLANS = 10
#: What our gap check asks every few seconds, plan or not.
_GAP_CHECK = "GET /_matrix/client/v3/sync"


async def run(settings: Settings) -> Figure:
    large = await world(LARGE_QUICK if settings.quick else LARGE, settings, settings.say)
    figure = Figure("plan")
    asked: list[list[float]] = []
    typed: list[list[float]] = []
    async with Stage(large, settings, log_level="INFO") as stage:
        service = await stage.ours()
        await settled(service)
        policy, people = stage.folder / "policy.yaml", stage.folder / "people.yaml"
        before = requests(stage)
        for _ in range(settings.repetitions):
            asked.append([])
            for _ in range(PLANS):
                started = monotonic()
                planned = await plan_policy(service.config, policy, people)
                asked[-1].append(monotonic() - started)
                if planned.changes:
                    raise OperationFailed(f"there was something to do: {planned.summary}")
            typed.append([await _command(service.path, policy, people) for _ in range(3)])
        after = requests(stage) - before
    figure.measures["asked of the service"] = summarise("s", asked)
    figure.measures["the whole command, with Python's start"] = summarise("s", typed)
    calls = Counter({kind: count for kind, count in after.items() if kind != _GAP_CHECK})
    figure.facts["rooms"] = large.plan.rooms
    figure.facts["homeserver requests while planning"] = dict(calls)
    figure.notes.append(f"{large.plan.rooms} groups of {large.plan.members} members; the policy that is in force")
    figure.bars += [
        Bar("a plan without change [s]", median(value for one in asked for value in one), at_most=PLAN_S),
        Bar("homeserver requests", sum(calls.values()), at_most=0),
    ]
    return figure


async def _command(config: Path, policy: Path, people: Path) -> float:
    """Return seconds of `inglenook plan`. Raises `OperationFailed`."""
    started = monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "appservice",
        "plan",
        str(policy),
        "--people",
        str(people),
        "--config",
        str(config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode != 0 or b"Nothing to do." not in said:
        raise OperationFailed(f"inglenook plan: {said.decode()}")
    return monotonic() - started
