"""A stream of messages while service and homeserver are killed at random moments: everything is handled once."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable

import pytest

from tests.support.community import VIOLATION, Community, Sent

pytestmark = [pytest.mark.homeserver, pytest.mark.chaos]

SEED = int(os.environ.get("INGLENOOK_CHAOS_SEED", "20260701"))
MOMENTS = 50
#: At these moments the homeserver is killed too (an even one: it first, an odd one: the service first).
WITH_HOMESERVER = frozenset({6, 15, 24, 33, 42})
#: Seconds between a start and the next kill: from before it reads its store to well after it is ready.
LIVES = (0.3, 1.9)
#: Seconds between two messages, and the share of those that violate.
PAUSES = (0.02, 0.3)
VIOLATING = 0.3
PLACES = (("sam", "welcome"), ("rosa", "welcome"), ("rosa", "bereaved"), ("amina", "bereaved"), ("morgan", "welcome"))


async def talk(community: Community, chance: random.Random, done: asyncio.Event) -> tuple[list[Sent], list[Sent]]:
    """People talk until `done`; return the violations and the harmless messages."""
    violations: list[Sent] = []
    harmless: list[Sent] = []
    while not done.is_set():
        person, room = chance.choice(PLACES)
        if chance.random() < VIOLATING:
            violations.append(await community.say(person, room, f"{VIOLATION} ({len(violations)})"))
        else:
            harmless.append(await community.say(person, room, f"The kettle is on ({len(harmless)})"))
        await asyncio.sleep(chance.uniform(*PAUSES))
    return violations, harmless


async def test_everything_is_handled_once_through_fifty_kills_at_random_moments(
    community: Community, tell: Callable[[str], None]
) -> None:
    chance, done, started = random.Random(SEED), asyncio.Event(), time.monotonic()
    talking = asyncio.create_task(talk(community, random.Random(SEED + 1), done))
    for moment in range(MOMENTS):
        await asyncio.sleep(chance.uniform(*LIVES))
        if moment not in WITH_HOMESERVER:
            await community.service.kill()
        elif moment % 2:
            await community.service.kill()
            await community.restart_homeserver(kill=True)
        else:
            await community.homeserver.kill()
            await asyncio.sleep(chance.uniform(0, 0.5))
            await community.service.kill()
            await community.homeserver.start()
        community.service.spawn()
    done.set()
    violations, harmless = await talking
    returned = time.monotonic()
    await community.redacted(violations)
    tell(
        f"seed {SEED}: {len(violations)} violations among {len(violations) + len(harmless)} messages, {MOMENTS} kills "
        f"in {returned - started:.0f} s; all removed {time.monotonic() - returned:.1f} s after the last kill"
    )
    told = await community.all_told_once(violations)
    assert not {event.event_id for event in harmless} & set(told.redactions)
