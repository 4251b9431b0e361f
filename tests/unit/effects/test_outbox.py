"""The outbox: harm first, quiet things together, each effect until it is settled and written down, through any failure."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from appservice.effects.outbox import BACK_OFF_MOST_MS, GATHER_MS, REMEMBERED_MS
from appservice.flow import (
    Attempt,
    Done,
    EnsureDirectRoom,
    Postponed,
    Refused,
    Result,
    Urgency,
    Withdraw,
)
from appservice.matrix import Unreachable
from appservice.store import Commit, StoreRefused
from tests.support.house import SAM, fresh_store
from tests.support.outbox_life import LANE, life, notice, redact, said
from tests.support.waiting import eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh_store(tmp_path)


# -- order -------------------------------------------------------------------------------------------------------------


async def test_harm_goes_first_and_what_is_said_about_it_follows(path: Path) -> None:
    async with life(path) as one:
        await one.decide(notice(), EnsureDirectRoom(source="$1", rule="r", lane=LANE, user_id=SAM), redact())
        await one.until_settled(redact())
        one.house.clock.now += GATHER_MS
        await one.until_settled(notice())
        assert one.executor.types()[-1] == "notice"
        assert set(one.executor.types()[:2]) == {"redact", "ensure_direct_room"}


async def test_a_quiet_effect_waits_for_others_to_be_said_with_it(path: Path) -> None:
    async with life(path) as one:
        await one.decide(notice())
        assert one.house.outbox._next_group() is None
        assert one.executor.asked == []
        one.house.clock.now += GATHER_MS
        await one.until_settled(notice())


async def test_nothing_is_said_about_a_removal_that_has_not_happened_yet(path: Path) -> None:
    async with life(path, [Postponed("unreachable", 60_000)]) as one:
        first = redact()
        await one.decide(first, notice(after=first))
        await one.until_asked(1)
        one.house.clock.now += GATHER_MS
        assert one.house.outbox._next_group() is None
        assert one.executor.types() == ["redact"]
        one.house.outbox.homeserver_is_back()
        await one.until_settled(first)
        await one.until_settled(notice())
        assert one.executor.types() == ["redact", "redact", "notice"]


async def test_an_urgent_effect_waits_too_for_the_one_it_follows(path: Path) -> None:
    async with life(path, [Postponed("unreachable", 60_000)]) as one:
        first = redact()
        second = EnsureDirectRoom(source="$1", rule="r", lane=LANE, user_id=SAM, after=first.key)
        await one.decide(first, second)
        await one.until_asked(1)
        await asyncio.sleep(0.15)
        assert one.executor.types() == ["redact"]
        one.house.outbox.homeserver_is_back()
        await one.until_settled(first, second)
        assert one.executor.types() == ["redact", "redact", "ensure_direct_room"]


async def test_a_removal_that_was_refused_is_not_announced_as_done(path: Path) -> None:
    async with life(path, [Refused("M_FORBIDDEN")]) as one:
        first = redact()
        await one.decide(first, notice(after=first))
        await one.until_settled(first)
        one.house.clock.now += GATHER_MS

        async def void() -> bool:
            return (await one.states())[notice().key] == "void"

        await eventually(void, "the notice is void", every=0.01)
        assert one.executor.types() == ["redact"]


@pytest.mark.parametrize("outcome", [Done(), Refused("not_reached")], ids=["told", "not reached"])
async def test_what_tells_how_it_went_waits_until_it_went_somehow(path: Path, outcome: Result) -> None:
    async with life(path, [Postponed("unreachable", 60_000), outcome]) as one:
        first = redact()
        report = replace(notice(2), once=first.key)
        await one.decide(first, report)
        await one.until_asked(1)
        one.house.clock.now += GATHER_MS
        assert one.house.outbox._next_group() is None
        assert one.executor.types() == ["redact"]
        one.house.outbox.homeserver_is_back()
        await one.until_settled(first, report)
        assert one.executor.types() == ["redact", "redact", "notice"]
        assert one.executor.asked[-1][1].untold is (outcome != Done()), "it must not claim what did not happen"


async def test_it_waits_too_for_what_another_one_says_in_its_place_also_after_a_restart(path: Path) -> None:
    told = [notice(1), notice(2)]
    report = replace(notice(3, room_id="!team"), once=told[1].key)
    hold = asyncio.Event()
    async with life(path, hold=hold) as one:
        await one.decide(*told, report)
        one.house.clock.now += GATHER_MS
        await one.until_asked(1)
        assert (await one.states())[told[1].key] == "merged"
        await asyncio.sleep(0.25)
        assert len(one.executor.asked) == 1
    async with life(path, [Postponed("unreachable", 300)]) as other:
        other.house.clock.now += GATHER_MS
        await other.house.outbox.resume()
        await other.until_asked(1)
        await asyncio.sleep(0.25)
        assert [effect.target for effect, _ in other.executor.asked] == [told[0].room_id]
        other.house.clock.now += 1000
        await other.until_settled(told[0], report)
        assert [effect.target for effect, _ in other.executor.asked][-1] == "!team"


async def test_what_follows_a_text_that_another_one_was_to_say_is_moot_when_that_one_is_refused(path: Path) -> None:
    both = [notice(1), notice(2)]
    follows = replace(notice(3, room_id="!team"), after=both[1].key)
    async with life(path, [Refused("M_FORBIDDEN")]) as one:
        await one.decide(*both, follows)
        one.house.clock.now += GATHER_MS

        async def moot() -> bool:
            return (await one.states())[follows.key] == "void"

        await eventually(moot, "nobody is told of what was not said")
        assert len(one.executor.asked) == 1


@pytest.mark.parametrize("removed", [Done(), Refused("admitted")], ids=["taken out", "stays"])
async def test_a_card_about_a_removal_waits_for_the_message_and_is_moot_only_without_the_removal(
    path: Path, removed: Result
) -> None:
    remove = redact()
    told = replace(notice(1), after=remove.key)
    card = replace(notice(2, room_id="!team"), after=remove.key, once=told.key)
    async with life(path, [removed, Refused("not_reached")]) as one:
        await one.decide(remove, told, card)
        one.house.clock.now += GATHER_MS
        happened = removed == Done()

        async def settled() -> bool:
            return (await one.states())[card.key] == ("done" if happened else "void")

        await eventually(settled, "the card was shown, or is moot")
        assert one.executor.types() == (["redact", "notice", "notice"] if happened else ["redact"])


async def test_many_removals_leave_side_by_side_and_not_one_after_another(path: Path) -> None:
    hold = asyncio.Event()
    async with life(path, hold=hold) as one:
        effects = [redact(n) for n in range(8)]
        await one.decide(*effects)
        await one.until_asked(8)
        hold.set()
        await one.until_settled(*effects)


async def test_quiet_effects_under_way_do_not_hold_up_a_removal(path: Path) -> None:
    hold = asyncio.Event()
    async with life(path, hold=hold) as one:
        await one.decide(*(notice(n, text=f"text {n}") for n in range(5)))
        one.house.clock.now += GATHER_MS
        await one.until_asked(2)
        await one.decide(redact(9))
        await one.until_asked(3)
        assert one.executor.types() == ["notice", "notice", "redact"]
        hold.set()
        await one.until_settled(redact(9))


# -- merging -----------------------------------------------------------------------------------------------------------


async def test_notices_of_one_room_that_wait_together_are_said_once_with_everything(path: Path) -> None:
    async with life(path) as one:
        notices = [notice(n) for n in range(5)]
        await one.decide(*notices)
        one.house.clock.now += GATHER_MS
        await one.until_settled(*notices)
        ((effect, _),) = one.executor.asked
        assert effect.key == notices[0].key
        assert said(effect) == ["$0", "$1", "$2", "$3", "$4"]
        assert sorted((await one.states()).values()) == ["done"] + ["merged"] * 4


async def test_other_rooms_and_other_texts_are_said_apart(path: Path) -> None:
    async with life(path) as one:
        notices = [notice(1), notice(2, room_id="!other"), notice(3, text="something else")]
        await one.decide(*notices)
        one.house.clock.now += GATHER_MS
        await one.until_settled(*notices)
        assert len(one.executor.asked) == 3


async def test_who_was_merged_is_written_down_before_anything_is_said(path: Path) -> None:
    hold = asyncio.Event()
    async with life(path, hold=hold) as one:
        first, second = notice(1), notice(2)
        await one.decide(first, second)
        one.house.clock.now += GATHER_MS
        await one.until_asked(1)
        rows = await one.house.table("SELECT key, merged_into FROM outbox WHERE state = 'merged'")
        assert rows == [(second.key, first.key)]
        hold.set()
        await one.until_settled(first)


async def test_nothing_is_said_while_the_merge_cannot_be_written_down(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with life(path) as one:
        notices = [notice(1), notice(2)]
        await one.decide(*notices)
        commit = one.house.database.commit
        refused = 0

        async def refuse(_what: Commit) -> None:
            nonlocal refused
            refused += 1
            raise StoreRefused("disk full")

        monkeypatch.setattr(one.house.database, "commit", refuse)
        one.house.clock.now += GATHER_MS

        async def tried() -> bool:
            return refused > 0

        await eventually(tried, "the merge is tried", within=5, every=0.01)
        assert one.executor.asked == []
        monkeypatch.setattr(one.house.database, "commit", commit)
        one.house.clock.now += 1000
        await one.until_settled(*notices)
        assert [said(effect) for effect, _ in one.executor.asked] == [["$1", "$2"]]


async def test_what_was_merged_is_still_said_when_the_process_died_before_saying_it(path: Path) -> None:
    notices = [notice(n) for n in range(3)]
    async with life(path, [Postponed("unreachable", 3_600_000)]) as one:
        await one.decide(*notices)
        one.house.clock.now += GATHER_MS
        await one.until_asked(1)
    async with life(path) as two:
        assert await two.house.outbox.resume() == 1
        two.house.clock.now += GATHER_MS
        await two.until_settled(*notices)
        assert [sorted(said(effect)) for effect, _ in two.executor.asked] == [["$0", "$1", "$2"]]


@pytest.mark.parametrize("died", [False, True], ids=["same life", "next life"])
async def test_a_text_that_may_have_been_sent_is_not_made_to_say_more(path: Path, died: bool) -> None:
    """The homeserver remembers its transaction id: whatever is added to it now would never be seen."""
    first, second = notice(1), notice(2)
    async with life(path, [Unreachable("timed out, and was sent")]) as one:
        await one.decide(first)
        one.house.clock.now += GATHER_MS
        await one.until_asked(1)
        if not died:
            await one.decide(second)
            one.house.clock.now += GATHER_MS + BACK_OFF_MOST_MS
            await one.until_settled(first, second)
            seen = one.executor.asked
    if died:
        async with life(path) as two:
            await two.house.outbox.resume()
            await two.decide(second)
            two.house.clock.now += GATHER_MS + BACK_OFF_MOST_MS
            await two.until_settled(first, second)
            seen = [(first, Attempt(1)), *two.executor.asked]
    visible: dict[str, list[str]] = {}
    for effect, _ in seen:
        visible.setdefault(effect.key, said(effect))
    assert sorted(event for events in visible.values() for event in events) == ["$1", "$2"]


# -- lives -------------------------------------------------------------------------------------------------------------


async def test_what_an_earlier_life_left_open_is_finished_and_what_was_done_is_not_repeated(path: Path) -> None:
    first = redact(1)
    async with life(path) as one:
        await one.decide(first)
        await one.until_settled(first)
        await one.house.database.commit(
            Commit(outbox=one.house.outbox.rows([redact(2), notice(2, after=redact(2))], one.house.clock.now))
        )
    async with life(path) as two:
        assert await two.house.outbox.resume() == 2
        await two.until_settled(redact(2))
        two.house.clock.now += GATHER_MS
        await two.until_settled(notice(2))
        assert [(effect.type, effect.source) for effect, _ in two.executor.asked] == [
            ("redact", "$2"),
            ("notice", "$2"),
        ]
    async with life(path) as three:
        assert await three.house.outbox.resume() == 0


async def test_a_record_that_this_version_cannot_read_does_not_stop_the_others(path: Path) -> None:
    async with life(path) as one:
        rows = one.house.outbox.rows([redact(1), redact(2)], 1)
        rows[0]["record"] = b'{"type":"of a later version"}'
        await one.house.database.commit(Commit(outbox=rows))
    async with life(path) as two:
        assert await two.house.outbox.resume() == 1
        await two.until_settled(redact(2))


async def test_an_effect_taken_twice_is_done_once(path: Path) -> None:
    hold = asyncio.Event()
    async with life(path, hold=hold) as one:
        await one.decide(redact())
        await one.decide(redact())
        await one.until_asked(1)
        hold.set()
        await one.until_settled(redact())
        assert len(one.executor.asked) == 1


async def test_an_old_effect_is_looked_for_before_it_is_sent_again(path: Path) -> None:
    async with life(path, [Unreachable("away")]) as one:
        await one.decide(redact())
        await one.until_asked(1)
        await asyncio.sleep(0)
        one.house.clock.now += REMEMBERED_MS + 1
        one.house.outbox.homeserver_is_back()
        await one.until_settled(redact())
        assert [attempt.look_first for _, attempt in one.executor.asked] == [False, True]


async def test_after_closing_nothing_new_is_started(path: Path) -> None:
    async with life(path) as one:
        await one.house.outbox.close()
        one.house.outbox.take([redact()], 1)
        await asyncio.sleep(0.05)
        assert one.executor.asked == []


async def test_closing_does_not_wait_for_what_is_only_due_later(path: Path) -> None:
    async with life(path, [Postponed("unreachable", 3_600_000)]) as one:
        await one.decide(redact())
        await one.until_asked(1)
        await asyncio.sleep(0)
        closing = asyncio.create_task(one.house.outbox.close(within_s=600))
        finished, _ = await asyncio.wait([closing], timeout=5)
        closing.cancel()
        assert finished


async def test_status_can_say_how_much_waits_and_since_when(path: Path) -> None:
    async with life(path, [Postponed("unreachable", 3_600_000)]) as one:
        assert one.house.outbox.oldest_ms is None
        await one.decide(redact(), notice())
        await one.until_asked(1)
        one.house.clock.now += 90
        assert one.house.outbox.waiting == {"now": 1, "soon": 0, "when_quiet": 1}
        assert one.house.outbox.oldest_ms == 90
        assert set(one.house.outbox.waiting) == {urgency.name.lower() for urgency in Urgency}


async def test_what_is_meant_for_later_leaves_then_and_does_not_count_as_waiting(path: Path) -> None:
    async with life(path) as one:
        later = Withdraw(
            source="$1",
            rule="r",
            lane=LANE,
            room_id="!dm",
            event_id="$shown",
            reason="shown_long_enough",
            not_before_ms=one.house.clock.now + 600_000,
        )
        await one.decide(later)
        one.house.outbox.homeserver_is_back()
        await asyncio.sleep(0.1)
        assert one.executor.asked == []
        assert (one.house.outbox.waiting["now"], one.house.outbox.oldest_ms) == (0, None)
    async with life(path) as one:  # also over a restart
        await one.house.outbox.resume()
        assert one.house.outbox.waiting["now"] == 0
        one.house.clock.now = later.not_before_ms
        await one.until_settled(later)
