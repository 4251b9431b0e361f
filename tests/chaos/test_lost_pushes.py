"""Pushes that really get lost, transaction ids that start again, and transactions that come twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.support.community import VIOLATION, Community, Sent
from tests.support.proxy import TransactionProxy
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeCommunity

pytestmark = [pytest.mark.homeserver, pytest.mark.chaos]

MESSAGES = 20
#: Seconds until an event whose push was lost must have been acted on, counted from the homeserver's return.
PROMISE = 10.0
#: Seconds that each transaction takes: long enough that the homeserver still holds the next ones in memory.
SLOW = 8.0


@pytest.mark.parametrize("kill", [False, True], ids=["clean restart", "SIGKILL"])
async def test_messages_whose_push_a_restart_of_the_homeserver_lost_are_acted_on(
    kill: bool, make_community: MakeCommunity, tell: Callable[[str], None]
) -> None:
    community, proxy = await TransactionProxy.between(make_community)
    async with proxy:
        await community.start()
        await community.settled()
        proxy.delay_s = SLOW
        people = ("sam", "rosa", "amina", "morgan")
        violations = [
            await community.say(people[number % 4], "welcome", f"{VIOLATION} ({number})") for number in range(MESSAGES)
        ]
        assert not [one for one in proxy.transactions if set(one.event_ids) & ids(violations)], "pushed too fast"
        await community.restart_homeserver(kill=kill)
        returned = time.monotonic()
        await community.redacted(violations, within=3 * PROMISE)
        took = time.monotonic() - returned
        told = await community.all_told_once(violations)
        # What was not pushed before a later message is, never will be.
        proxy.delay_s = 0.0
        await proxy.caught_up((await community.say("sam", "welcome", "The kettle is on")).event_id)
        pushed = {event for one in proxy.transactions if one.answer == 200 for event in one.event_ids}
        lost = ids(violations) - pushed
        tell(
            f"all {MESSAGES} removed {took:.1f} s after its return (promise {PROMISE:.0f} s); {len(lost)} never pushed"
        )
        assert len(lost) > MESSAGES // 2, "the pushes were not lost: this shows nothing"
        assert len(told.redactions) == MESSAGES


async def test_transaction_ids_that_start_again_at_one_hide_nothing(
    make_community: MakeCommunity, tell: Callable[[str], None]
) -> None:
    community, proxy = await TransactionProxy.between(make_community)
    async with proxy:
        await community.start()
        violations = [await community.say("sam", "welcome", f"{VIOLATION} ({number})") for number in range(3)]
        await community.redacted(violations)
        before = [int(one.id) for one in proxy.transactions]
        await community.settled()
        await community.restart_homeserver()
        arrived = len(proxy.transactions)
        for number in range(3):
            violations.append(await community.say("rosa", "welcome", f"{VIOLATION} (again {number})"))
            await community.redacted(violations)
        after = [int(one.id) for one in proxy.transactions[arrived:]]
        tell(f"transaction ids before the restart {before}, after it {after}")
        assert set(after) & set(before), "the homeserver did not use an id again: this shows nothing"
        await community.all_told_once(violations)


async def test_a_used_transaction_id_with_new_content_is_handled(make_community: MakeCommunity) -> None:
    community, proxy = await TransactionProxy.between(make_community)
    async with proxy:
        await community.start()
        first = await community.say("sam", "welcome", VIOLATION)
        await community.redacted([first])
        (used,) = {one.id for one in proxy.transactions if first.event_id in one.event_ids}
        proxy.refusing = True
        await after_a_gap_check(community)
        second = await community.say("rosa", "welcome", VIOLATION)
        assert await push(community, used, [await raw(community, second)]) == 200
        await community.redacted([second])
        status = await community.settled()
        assert status["gap_check"]["recovered"] == 0, "not the push but the gap check brought it: this shows nothing"
        await community.all_told_once([first, second])


async def test_an_event_that_comes_several_times_is_handled_once(make_community: MakeCommunity) -> None:
    community, proxy = await TransactionProxy.between(make_community)
    async with proxy:
        await community.start()
        proxy.refusing = True
        await after_a_gap_check(community)
        sent = await community.say("sam", "welcome", VIOLATION)
        event = await raw(community, sent)
        offers = (("twice", [event, event]), ("beside", [event]), ("and beside", [event]))
        answers = await asyncio.gather(*(push(community, name, events) for name, events in offers))
        assert set(answers) == {200}
        await community.redacted([sent])
        assert await push(community, "later", [event]) == 200
        proxy.refusing = False
        await community.restart_homeserver()
        await community.all_told_once([sent])
        # Also after our own restart, which empties everything but the store.
        await community.service.kill()
        await community.service.start()
        assert await push(community, "much later", [event, event]) == 200
        await community.all_told_once([sent])


def ids(events: list[Sent]) -> set[str]:
    return {event.event_id for event in events}


async def raw(community: Community, sent: Sent) -> dict[str, Any]:
    """The event as the homeserver would push it."""
    (event,) = [one for one in await community.timeline("rosa", sent.room_id) if one.event_id == sent.event_id]
    return {**event.raw, "room_id": sent.room_id}


async def push(community: Community, transaction: str, events: list[dict[str, Any]]) -> int:
    """Send a transaction straight to the service, as its homeserver would."""
    url = f"http://127.0.0.1:{community.service.config.listen.port}/_matrix/app/v1/transactions/{transaction}"
    headers = {"Authorization": f"Bearer {community.homeserver.registration.hs_token}"}
    async with aiohttp.ClientSession() as session:
        async with session.put(url, json={"events": events}, headers=headers) as response:
            return response.status


async def after_a_gap_check(community: Community) -> None:
    """Return just after one, so that the next is seconds away."""

    async def checks() -> int:
        status = await community.service.status()
        return 0 if status is None else int(status["gap_check"]["checks"])

    before = await checks()

    async def another() -> bool:
        return await checks() > before

    await eventually(another, "another gap check")
