"""Who comes into groups is told what these tell newcomers: once, in one message, and never in a row (CARE, rule 9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from appservice.flow import Attempt, Concerned, DirectMessage, Done, Effect, Executor, Lane, Result
from appservice.matrix import parse_event
from appservice.membership import Arrivals, GreetingExecutor
from appservice.people import Concerns, Greetings
from appservice.people.greetings import KEPT_MS
from appservice.service import upkeep
from appservice.store import Commit
from tests.support.house import GHOSTS, SAM, SERVER, House, fresh_store, open_house, state_of
from tests.support.waiting import eventually

MINUTE, DAY = 60_000, 24 * 3600 * 1000
GROUPS = ("ash", "elm", "oak")
WORDS = {group: f"We meet under the {group}." for group in GROUPS}


class Says:
    """What people are told, message by message."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[Mapping[str, str]]]] = []

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        if isinstance(effect, DirectMessage):
            self.told.append((effect.text, list(effect.items)))
        return Done(event_id=f"$told{len(self.told)}", room_id="!dm")


@dataclass
class Door:
    """A house with three groups, of which Sam is known already."""

    house: House
    says: Says
    concerns: Concerns
    count: int = 0

    async def moves(self, group: str, membership: str = "join") -> None:
        self.count += 1
        event = {
            "type": "m.room.member",
            "state_key": SAM,
            "sender": SAM,
            "event_id": f"$m{self.house.clock.now}-{self.count}",
            "room_id": f"!{group}",
            "origin_server_ts": self.house.clock.now,
            "content": {"membership": membership},
        }
        await self.house.lanes.accept([self.house.input(parse_event(event, f"!{group}"))])

    async def later(self, ms: int) -> None:
        """Time goes by, and what was to leave by then has left."""
        self.house.clock.now += ms
        self.house.outbox.homeserver_is_back()  # it looks now

        async def left() -> bool:
            return not any(self.house.outbox.waiting.values())

        await eventually(left, "what was to leave has left", every=0.01)

    def heard(self) -> list[list[str]]:
        """The groups that each message told of."""
        return [
            [item["room"][1:] for item in items] for text, items in self.says.told if text == "direct.group_welcome"
        ]


@asynccontextmanager
async def door(path: Path, words: Mapping[str, str] = WORDS, *, known: bool = True) -> AsyncIterator[Door]:
    """One life of the service as far as greetings go."""
    says = Says()
    executors: dict[str, Executor] = {"direct_message": says, "ensure_direct_room": says}
    async with open_house(path, knows=(), executors=executors) as house:
        concerns, greetings = Concerns(SERVER, house.clock), Greetings(SERVER, house.clock)
        executors["greeting"] = GreetingExecutor(says, house.projection.membership, concerns.in_distress)
        await greetings.load(house.database)
        house.projection.greeted = greetings.by_person
        house.lanes._recorders = {"note_greeting": greetings.note, "concerned": concerns.note}
        house.lanes.handlers = (Arrivals(words),)
        house.homeserver.script.state |= {
            f"!{group}": state_of(f"!{group}", group, {GHOSTS.guardian: "join"}) for group in GROUPS
        }
        await house.lanes.learn_rooms([f"!{group}" for group in GROUPS])
        if known:
            house.projection.set_direct_room(SAM, "!dm", "reached")
        await house.outbox.resume()
        running = asyncio.create_task(house.outbox.run())
        try:
            yield Door(house, says, concerns)
        finally:
            await house.outbox.close()
            await running


async def test_care_09_three_groups_in_an_evening_are_told_of_in_one_message(tmp_path: Path) -> None:
    async with door(fresh_store(tmp_path)) as one:
        for group in GROUPS:
            await one.moves(group)
            await one.later(3 * MINUTE)
        assert one.heard() == []
        await one.later(MINUTE)
        assert one.heard() == [["ash", "elm", "oak"]]


async def test_care_09_nobody_gets_two_of_these_messages_within_a_day(tmp_path: Path) -> None:
    async with door(fresh_store(tmp_path)) as one:
        await one.moves("ash")
        await one.later(10 * MINUTE)
        await one.moves("elm")
        await one.later(60 * MINUTE)
        await one.moves("oak")
        await one.later(22 * 60 * MINUTE)
        assert one.heard() == [["ash"]]
        await one.later(60 * MINUTE)
        assert one.heard() == [["ash"], ["elm", "oak"]]


async def test_care_09_the_first_welcome_counts_as_one_of_them(tmp_path: Path) -> None:
    async with door(fresh_store(tmp_path), known=False) as one:
        await one.moves("ash")
        await one.later(1000)
        one.house.projection.set_direct_room(SAM, "!dm", "reached")
        await one.moves("elm")
        await one.later(60 * MINUTE)
        assert [text for text, _ in one.says.told] == ["direct.welcome"]
        await one.later(DAY)
        assert one.heard() == [["elm"]]
        await one.moves("ash", "leave")
        await one.moves("ash")
        await one.later(2 * DAY)
        assert one.heard() == [["elm"]], "the first welcome said it already"


async def test_care_09_who_comes_back_is_not_told_again(tmp_path: Path) -> None:
    store = fresh_store(tmp_path)
    async with door(store) as one:
        await one.moves("ash")
        await one.later(10 * MINUTE)
        for back in ("invite", "knock", "leave"):
            await one.moves("ash", "leave")
            await one.moves("ash", back)
            await one.moves("ash")
            await one.later(2 * DAY)
        assert one.heard() == [["ash"]]
        after = one.house.clock.now
    async with door(store) as one:
        one.house.clock.now = after
        await one.moves("ash", "leave")
        await one.moves("ash")
        await one.later(2 * DAY)
        assert one.heard() == [], "nor after we were started anew"


async def test_who_comes_back_is_told_what_a_group_says_now(tmp_path: Path) -> None:
    async with door(fresh_store(tmp_path)) as one:
        await one.moves("ash")
        await one.later(2 * DAY)
        one.house.lanes.handlers = (Arrivals(WORDS | {"ash": "We meet by the river."}),)
        await one.moves("ash", "leave")
        await one.moves("ash")
        await one.later(2 * DAY)
        assert [items[0]["welcome"] for _, items in one.says.told] == [WORDS["ash"], "We meet by the river."]


async def test_who_was_told_long_ago_is_told_again_and_nothing_is_kept_of_it(tmp_path: Path) -> None:
    assert KEPT_MS == upkeep.KEPT_MS
    async with door(fresh_store(tmp_path)) as one:
        await one.moves("ash")
        await one.later(10 * MINUTE)
        ((said,),) = await one.house.table("SELECT said FROM greetings")
        assert len(said) == 16
        await one.moves("ash", "leave")
        await one.later(KEPT_MS + 1)
        await one.house.database.commit(Commit(forget_before_ms=one.house.clock.now - upkeep.KEPT_MS))
        assert await one.house.table("SELECT * FROM greetings") == []
        await one.moves("elm")
        await one.moves("ash")
        await one.later(10 * MINUTE)
        assert one.heard() == [["ash"], ["elm", "ash"]]


async def test_a_greeting_that_waits_leaves_after_a_restart(tmp_path: Path) -> None:
    store = fresh_store(tmp_path)
    async with door(store) as one:
        await one.moves("ash")
        after = one.house.clock.now
    async with door(store) as one:
        one.house.clock.now = after + MINUTE
        await one.moves("elm")
        await one.later(10 * MINUTE)
        assert one.heard() == [["ash", "elm"]]


async def test_what_waits_leaves_out_groups_that_its_person_has_left(tmp_path: Path) -> None:
    async with door(fresh_store(tmp_path)) as one:
        await one.moves("ash")
        await one.moves("elm")
        await one.moves("elm", "leave")
        await one.later(10 * MINUTE)
        assert one.heard() == [["ash"]]
        await one.moves("oak")
        await one.moves("oak", "leave")
        await one.later(2 * DAY)
        assert one.heard() == [["ash"]], "and is not said where nothing is left of it"


async def test_care_09_what_waits_is_not_said_to_somebody_in_distress(tmp_path: Path) -> None:
    async with door(fresh_store(tmp_path)) as one:
        await one.moves("ash")
        now = one.house.clock.now
        sign = Concerned(
            source="$1", rule="concern", lane=Lane(SERVER, "!ash"), user_id=SAM, kind="suicide", severity=3, at_ms=now
        )
        one.concerns.note(sign)
        await one.later(10 * MINUTE)
        assert one.says.told == []


async def test_care_17_who_is_known_is_told_how_long_a_silent_group_keeps_messages_if_their_others_keep_them_otherwise(
    tmp_path: Path,
) -> None:
    async with door(fresh_store(tmp_path), {}) as one:
        one.house.lanes.handlers = (Arrivals(kept={"ash": "365", "elm": "365", "oak": "30"}),)
        for group in GROUPS:
            await one.moves(group)
            await one.later(2 * DAY)
        assert one.heard() == [["ash"], ["oak"]]
        assert [items[0]["kept"] for _, items in one.says.told] == ["365", "30"]
