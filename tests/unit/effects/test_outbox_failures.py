"""The outbox through failures: tried again where that helps, given up and recorded where not, nothing held up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from appservice.effects.outbox import BACK_OFF_MOST_MS, GATHER_MS, UNEXPECTED_AT_MOST
from appservice.flow import (
    Postponed,
    Refused,
    Result,
)
from appservice.matrix import Rejected, Unreachable
from appservice.store import Commit, StoreRefused
from tests.support.house import fresh_store, open_house
from tests.support.outbox_life import LANE, Scripted, life, notice, redact
from tests.support.waiting import eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh_store(tmp_path)


async def test_that_somebody_was_not_told_is_known_also_after_a_restart(path: Path) -> None:
    told = redact()
    report = replace(notice(2), once=told.key)
    async with life(path, [Refused("not_reached")]) as one:
        await one.decide(told, report)
        await one.until_settled(told)
        assert one.executor.types() == ["redact"]
    async with life(path) as other:
        other.house.clock.now += GATHER_MS
        await other.house.outbox.resume()
        await other.until_settled(report)
        assert [attempt.untold for _, attempt in other.executor.asked] == [True]


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (Rejected(403, "M_FORBIDDEN"), "M_FORBIDDEN"),
        (Rejected(404, ""), "404"),
        (Rejected(400, "M_BAD_JSON"), "M_BAD_JSON"),
        (Refused("vanished"), "vanished"),
    ],
    ids=str,
)
async def test_what_will_never_work_is_given_up_and_recorded(
    path: Path, failure: Result | Exception, code: str
) -> None:
    async with life(path, [failure]) as one:
        await one.decide(redact())
        await one.until_settled(redact())
        assert await one.house.table("SELECT state, code, attempts FROM outbox") == [("refused", code, 1)]
        assert (await one.house.questions.counts()).refused == 1
        ((_, _, line),) = await one.house.questions.audit_lines(str(LANE))
        assert (line["became"], line["code"], line["key"]) == ("refused", code, redact().key)


@pytest.mark.parametrize(
    "failure",
    [Unreachable("away"), Rejected(500, "M_UNKNOWN"), Rejected(502, ""), Rejected(429, "M_LIMIT_EXCEEDED")],
    ids=str,
)
async def test_what_may_work_later_is_tried_again_and_again(path: Path, failure: Exception) -> None:
    async with life(path, [failure] * 4) as one:
        await one.decide(redact())
        for attempt in range(1, 5):
            await one.until_asked(attempt)
            one.house.clock.now += BACK_OFF_MOST_MS
            one.house.outbox.homeserver_is_back()
        await one.until_settled(redact())
        assert [attempt.number for _, attempt in one.executor.asked] == [1, 2, 3, 4, 5]
        assert await one.house.table("SELECT state, attempts FROM outbox") == [("done", 5)]


async def test_pauses_grow_and_have_an_end(path: Path) -> None:
    async with life(path, [Unreachable("away")] * 12) as one:
        await one.decide(redact())
        pauses = []
        for attempt in range(1, 12):
            await one.until_asked(attempt)
            await asyncio.sleep(0)
            pauses.append(one.due_in(redact()))
            one.house.outbox.homeserver_is_back()
        assert pauses == sorted(pauses)
        assert pauses[0] < 1000
        assert pauses[-1] == BACK_OFF_MOST_MS


async def test_the_pause_that_the_homeserver_asks_for_is_kept(path: Path) -> None:
    async with life(path, [Rejected(429, "M_LIMIT_EXCEEDED", 7_000)]) as one:
        await one.decide(redact())
        await one.until_asked(1)
        await asyncio.sleep(0)
        assert one.due_in(redact()) == 7_000
        one.house.clock.now += 6_999
        await asyncio.sleep(0.05)
        assert len(one.executor.asked) == 1
        one.house.clock.now += 1
        await one.until_settled(redact())


async def test_a_homeserver_that_is_back_is_not_kept_waiting(path: Path) -> None:
    async with life(path, [Postponed("unreachable", 3_600_000)]) as one:
        await one.decide(redact())
        await one.until_asked(1)
        await asyncio.sleep(0)
        one.house.outbox.homeserver_is_back()
        await one.until_settled(redact(), within=2)


async def test_an_error_nobody_thought_of_is_tried_a_few_times_and_then_recorded(path: Path) -> None:
    async with life(path, [ValueError("Quillfeather")] * 50) as one:
        await one.decide(redact())
        for attempt in range(1, UNEXPECTED_AT_MOST + 1):
            await one.until_asked(attempt)
            one.house.outbox.homeserver_is_back()
        await one.until_settled(redact())
        assert len(one.executor.asked) == UNEXPECTED_AT_MOST
        assert await one.house.table("SELECT state, code FROM outbox") == [("refused", "failed")]
        assert "Quillfeather" not in str(await one.house.table("SELECT * FROM outbox"))


async def test_one_effect_that_fails_holds_up_no_other(path: Path) -> None:
    async with life(path, [Postponed("unreachable", 3_600_000)]) as one:
        await one.decide(redact(1))
        await one.until_asked(1)
        await one.decide(redact(2))
        await one.until_settled(redact(2))
        assert one.house.outbox.waiting["now"] == 1


async def test_a_quiet_effect_that_fails_holds_up_no_other(path: Path) -> None:
    async with life(path, [Postponed("unreachable", 3_600_000)]) as one:
        await one.decide(notice(1))
        one.house.clock.now += GATHER_MS
        await one.until_asked(1)
        await one.decide(notice(2, room_id="!other"))
        one.house.clock.now += GATHER_MS
        await one.until_settled(notice(2, room_id="!other"))


async def test_a_result_that_cannot_be_written_down_is_written_later_and_the_deed_not_repeated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with life(path) as one:
        commit = one.house.database.commit
        refusals = 2

        async def sometimes(what: Commit) -> None:
            nonlocal refusals
            if what.settled and refusals:
                refusals -= 1
                raise StoreRefused("disk full")
            await commit(what)

        pauses: list[float] = []
        sleep = asyncio.sleep

        async def short(seconds: float) -> None:
            pauses.append(seconds)
            await sleep(0 if seconds >= 1 else seconds)

        monkeypatch.setattr(one.house.database, "commit", sometimes)
        monkeypatch.setattr(asyncio, "sleep", short)
        await one.decide(redact())
        await one.until_settled(redact())
        assert len(one.executor.asked) == 1
        assert refusals == 0


async def test_an_effect_of_an_unknown_type_is_refused_and_not_lost_in_silence(path: Path) -> None:
    async with open_house(path, executors={"notice": Scripted()}) as house:
        await house.database.commit(Commit(outbox=house.outbox.rows([redact()], 1)))
        house.outbox.take([redact()], 1)

        async def refused() -> bool:
            return await house.table("SELECT state, code FROM outbox") == [("refused", "no_executor")]

        await eventually(refused, "the effect is refused", within=5, every=0.01)
