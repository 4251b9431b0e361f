"""SIGKILL of the service at every named point, again and again with a violation on its way: each has its effects once."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest

from appservice.deathpoints import POINTS
from tests.support.audit import decided
from tests.support.community import VIOLATION, Community, Sent
from tests.support.proxy import TransactionProxy
from tests.support.seen import order_of

if TYPE_CHECKING:
    from tests.conftest import MakeCommunity

pytestmark = [pytest.mark.homeserver, pytest.mark.chaos]

#: How often the process dies: at the first time it comes to the point, the second, …
DEATHS = 5
GAP_POINTS = tuple(point for point in POINTS if point.startswith("gap-"))


async def assert_handled_in_order(community: Community, violations: list[Sent]) -> None:
    for room_id in {event.room_id for event in violations}:
        ids = [event.event_id for event in violations if event.room_id == room_id]
        handled = await decided(community.service.config, room_id, "redact")
        assert handled == order_of(await community.timeline("rosa", room_id), ids)


@pytest.mark.parametrize("point", [point for point in POINTS if point not in GAP_POINTS])
async def test_a_service_killed_there_repeats_nothing_and_misses_nothing(point: str, community: Community) -> None:
    violations = []
    await community.service.stop()
    for death in range(1, DEATHS + 1):
        if death % 2:
            violations.append(await community.say("sam", "welcome", f"{VIOLATION} ({death})"))
        community.service.spawn({"INGLENOOK_DIE_AT": f"{point}:{death}"})
        violations.append(await community.say("rosa", "welcome", f"{VIOLATION} ({death}, while it starts)"))
        violations.append(await community.say("rosa", "bereaved", f"{VIOLATION} ({death}, while it starts)"))
        await community.service.died()
    await community.service.start()
    await community.all_told_once(violations)
    await assert_handled_in_order(community, violations)


@pytest.mark.parametrize("point", GAP_POINTS)
async def test_a_service_killed_there_repeats_and_misses_nothing_that_was_never_pushed(
    point: str, make_community: MakeCommunity
) -> None:
    community, proxy = await TransactionProxy.between(make_community)
    async with proxy:
        await community.start()
        proxy.refusing = True
        violations = []
        for death in (1, 1, 2):
            violations.append(await community.say("sam", "welcome", f"{VIOLATION} (before)"))
            await community.service.kill()
            violations.append(await community.say("rosa", "welcome", f"{VIOLATION} (between)"))
            community.service.spawn({"INGLENOOK_DIE_AT": f"{point}:{death}"})
            await community.service.died()
        await community.service.start()
        await community.redacted(violations)
        await assert_handled_in_order(community, violations)
        # What the homeserver kept for us comes now, and must not count twice.
        proxy.refusing = False
        await community.service.kill()
        await community.service.start()
        violations.append(await community.say("sam", "welcome", f"{VIOLATION} (after)"))
        await community.all_told_once(violations)
        await proxy.caught_up(violations[-1].event_id)
        await community.all_told_once(violations)


async def test_a_notice_that_was_being_edited_when_the_service_died_goes_on_counting(community: Community) -> None:
    violations: list[Sent] = []
    # The first violation is four attempts (removal, notice, message, card), one of the next four is the edit.
    for death in (6, 7, 8):
        await community.service.stop()
        await community.service.start({"INGLENOOK_DIE_AT": f"outbox-after-send:{death}"})
        violations.append(await community.say("sam", "welcome", VIOLATION))
        await community.all_told_once(violations)
        violations.append(await community.say("rosa", "welcome", VIOLATION))
        await community.service.died()
        await community.service.start()
        await community.all_told_once(violations)
        violations.append(await community.say("morgan", "welcome", VIOLATION))
        await community.all_told_once(violations)


async def test_newcomers_have_one_direct_room_each_wherever_the_service_dies(community: Community) -> None:
    newcomers = [f"nia{death}" for death in range(1, 9)]
    await asyncio.gather(*(community.sign_up(person) for person in newcomers))
    violations: list[Sent] = []
    for death, person in enumerate(newcomers, start=1):
        await community.service.stop()
        await community.join(person, "welcome")
        violations.append(await community.say(person, "welcome", VIOLATION))
        community.service.spawn({"INGLENOOK_DIE_AT": f"journal-before-commit:{death}"})
        await community.service.died()
        await community.service.start()
    await community.all_told_once(violations)


async def test_a_direct_room_that_was_made_but_not_written_down_is_found_again(community: Community) -> None:
    violations = [await community.say("sam", "welcome", VIOLATION)]
    await community.all_told_once(violations)
    await community.service.kill()
    # What a death leaves after the steward has left the finished room, and before the row is committed.
    with sqlite3.connect(community.service.config.store) as store:
        store.execute("DELETE FROM direct_rooms WHERE user_id = ?", [community.user_id("sam")])
    await community.service.start()
    violations.append(await community.say("sam", "welcome", VIOLATION))
    await community.all_told_once(violations)
