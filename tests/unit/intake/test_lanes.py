"""Lanes: each room in order, rooms side by side, every input once, and nobody suffers from another's failure."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.flow import Effect, EventInput, Facts, Origin
from appservice.intake import Projection
from appservice.intake.endpoint import decode
from appservice.intake.lanes import TRIES
from appservice.matrix import Unreachable, parse_event
from appservice.store import Commit, StoreRefused
from tests.support.house import (
    GHOSTS,
    GROUP,
    ROSA,
    SAM,
    SERVER,
    House,
    RemovesBad,
    fresh_store,
    member,
    message,
    open_house,
    state_of,
)
from tests.support.stub_homeserver import Call
from tests.support.waiting import eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh_store(tmp_path)


@pytest_asyncio.fixture
async def house(path: Path) -> AsyncIterator[House]:
    async with open_house(path) as made:
        yield made


def inputs(house: House, *raw: Any, origin: Origin = Origin.PUSH) -> list[EventInput]:
    return [house.input(parse_event(one), origin) for one in raw]


async def idle(house: House) -> None:
    async def empty() -> bool:
        return house.lanes.waiting == 0 and not house.lanes._workers

    await eventually(empty, "the lanes are empty", within=10, every=0.005)


class Remembered:
    """A handler that remembers the order in which it saw events."""

    name = "test.remembers"

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.members: list[set[str]] = []

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        self.seen.append(item.id)
        self.members.append({who for who, how in facts.room.members.items() if how == "join"})
        return ()


class Poisoned:
    """A handler that cannot bear one word, in the way it is told to."""

    name = "test.poisoned"

    def __init__(self, failure: BaseException | None = None) -> None:
        self.tries = 0
        self.failure = failure or ValueError("Quillfeather: a secret word of a member")

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        if "poison" in str(item.event.content):
            self.tries += 1
            raise self.failure
        yield from ()


class Holds:
    """Answers no question about one room until it is released."""

    def __init__(self, room_id: str) -> None:
        self.room_id = room_id
        self.release = asyncio.Event()
        self.asked = 0

    async def __call__(self, call: Call) -> Any:
        if call.path.endswith("/state") and self.room_id in call.path:
            self.asked += 1
            await self.release.wait()
        return None


# -- once --------------------------------------------------------------------------------------------------------------


async def test_an_input_for_a_known_room_is_handled_in_one_commit_without_its_text_on_disk(house: House) -> None:
    before = house.database.commits
    assert await house.lanes.accept(inputs(house, message("$1", "a bad word"))) == 1
    assert house.database.commits == before + 1
    assert await house.table("SELECT input_id, state, body FROM journal") == [("$1", "done", None)]
    assert len(await house.table("SELECT key FROM outbox")) == 2
    lines = [line for _, _, line in await house.questions.audit_lines(f"{SERVER}/{GROUP}")]
    assert [line["decided"] for line in lines if "decided" in line] == ["redact", "notice"]


async def test_the_same_event_again_is_nothing_new_however_it_comes(house: House) -> None:
    await house.lanes.accept(inputs(house, message("$1", "bad")))
    assert await house.lanes.accept(inputs(house, message("$1", "bad"))) == 0
    assert await house.lanes.accept(inputs(house, message("$1", "bad"), origin=Origin.GAP)) == 0
    twice = await house.lanes.accept(inputs(house, message("$2", "bad"), message("$2", "bad")))
    assert twice == 1
    assert len(await house.table("SELECT key FROM outbox WHERE type = 'redact'")) == 2
    assert house.lanes.handled == 2


async def test_effects_start_only_when_they_are_committed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_commit: Commit) -> None:
        assert house.outbox.waiting["now"] == 0
        raise StoreRefused("disk full")

    monkeypatch.setattr(house.database, "commit", refuse)
    with pytest.raises(StoreRefused):
        await house.lanes.accept(inputs(house, message("$1", "bad")))
    await asyncio.sleep(0)
    assert house.executor.asked == []


async def test_a_refused_transaction_takes_nothing_and_the_repeated_one_everything(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = house.database.commit

    async def refuse(_commit: Commit) -> None:
        raise StoreRefused("disk full")

    monkeypatch.setattr(house.database, "commit", refuse)
    transaction = [message("$1", "bad"), message("$2", "good"), message("$3", "bad", "!unknown")]
    with pytest.raises(StoreRefused):
        await house.lanes.accept(inputs(house, *transaction))
    assert house.lanes.waiting == 0
    assert await house.table("SELECT * FROM journal") == []
    monkeypatch.setattr(house.database, "commit", commit)
    house.homeserver.script.state["!unknown"] = state_of("!unknown")
    assert await house.lanes.accept(inputs(house, *transaction)) == 3
    await idle(house)
    assert len(await house.table("SELECT key FROM outbox WHERE type = 'redact'")) == 2


async def test_membership_that_came_while_the_store_refused_is_remembered_after_a_restart(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = house.database.commit

    async def refuse(_commit: Commit) -> None:
        raise StoreRefused("disk full")

    monkeypatch.setattr(house.database, "commit", refuse)
    with pytest.raises(StoreRefused):
        await house.lanes.accept(inputs(house, member("$j", ROSA, "join")))
    monkeypatch.setattr(house.database, "commit", commit)
    await house.lanes.accept(inputs(house, member("$j", ROSA, "join")))
    rebuilt = Projection(SERVER, GHOSTS)
    await rebuilt.load(house.questions)
    live, later = house.projection.room(GROUP), rebuilt.room(GROUP)
    assert live is not None
    assert later is not None
    assert dict(later.members) == dict(live.members) == {SAM: "join", ROSA: "join"}


async def test_what_comes_with_inputs_is_committed_with_them(house: House) -> None:
    also = Commit(positions=[{"homeserver": SERVER, "name": "token", "value": "s1"}])
    await house.lanes.accept([], also)
    assert await house.questions.position("token") == "s1"


# -- order and independence --------------------------------------------------------------------------------------------


async def test_a_room_keeps_its_order_even_if_it_must_be_read_first(path: Path) -> None:
    handler = Remembered()
    async with open_house(path, handlers=(handler,), knows=()) as house:
        held = Holds("!new")
        house.homeserver.script.first = held
        house.homeserver.script.state["!new"] = state_of("!new")
        for n in range(5):
            await house.lanes.accept(inputs(house, message(f"${n}", room_id="!new")))
        held.release.set()
        for n in range(5, 10):
            await house.lanes.accept(inputs(house, message(f"${n}", room_id="!new")))
        await idle(house)
        assert handler.seen == [f"${n}" for n in range(10)]
        assert held.asked == 1


async def test_a_room_that_must_be_read_first_holds_up_no_other(path: Path) -> None:
    handler = Remembered()
    async with open_house(path, handlers=(handler,)) as house:
        held = Holds("!slow")
        house.homeserver.script.first = held
        house.homeserver.script.state["!slow"] = state_of("!slow")
        await house.lanes.accept(inputs(house, message("$slow", room_id="!slow"), message("$fast")))
        await house.lanes.accept(inputs(house, message("$fast2")))
        assert handler.seen == ["$fast", "$fast2"]
        assert await house.table("SELECT input_id FROM journal WHERE state = 'pending'") == [("$slow",)]
        held.release.set()
        await idle(house)
        assert handler.seen == ["$fast", "$fast2", "$slow"]


async def test_a_room_is_read_again_until_the_homeserver_answers(path: Path) -> None:
    handler = Remembered()
    async with open_house(path, handlers=(handler,)) as house:
        failures = [Unreachable("away")]

        async def first(call: Call) -> Any:
            if call.path.endswith("/state") and failures:
                raise failures.pop()
            return None

        house.homeserver.script.first = first
        house.homeserver.script.state["!new"] = state_of("!new")
        await house.lanes.accept(inputs(house, message("$1", room_id="!new")))
        await idle(house)
        assert handler.seen == ["$1"]


async def test_a_room_that_is_not_ours_is_journalled_and_nothing_else(house: House) -> None:
    await house.lanes.accept(inputs(house, message("$1", "bad", "!private")))
    await idle(house)
    assert await house.table("SELECT input_id, state, body FROM journal") == [("$1", "done", None)]
    assert await house.table("SELECT * FROM outbox") == []


async def test_what_we_say_ourselves_is_never_judged_and_its_words_are_not_kept(house: House) -> None:
    held = Holds("!slow")
    house.homeserver.script.first = held
    house.homeserver.script.state["!slow"] = state_of("!slow")
    await house.lanes.accept(inputs(house, message("$own", "bad Quillfeather", "!slow", sender=GHOSTS.guardian)))
    ((body,),) = await house.table("SELECT body FROM journal")
    assert b"Quillfeather" not in bytes(body)
    held.release.set()
    await idle(house)
    assert await house.table("SELECT * FROM outbox") == []


async def test_the_facts_are_those_of_the_inputs_turn(path: Path) -> None:
    handler = Remembered()
    async with open_house(path, handlers=(handler,)) as house:
        await house.lanes.accept(
            inputs(house, message("$1"), member("$2", ROSA, "join"), message("$3"), member("$4", ROSA, "leave"))
        )
        assert handler.members == [{SAM}, {SAM, ROSA}, {SAM, ROSA}, {SAM}]


async def test_what_was_journalled_and_not_handled_is_handled_after_a_restart_in_order(path: Path) -> None:
    async with open_house(path, knows=()) as house:
        house.homeserver.script.first = Holds("!new")
        house.homeserver.script.state["!new"] = state_of("!new")
        await house.lanes.accept(inputs(house, *(message(f"${n}", "bad", "!new") for n in range(3))))
    handler = Remembered()
    async with open_house(path, handlers=(handler, RemovesBad()), knows=()) as house:
        house.homeserver.script.state["!new"] = state_of("!new")
        assert await house.lanes.resume() == 3
        await idle(house)
        assert handler.seen == ["$0", "$1", "$2"]
        assert len(await house.table("SELECT key FROM outbox WHERE type = 'redact'")) == 3
        assert await house.table("SELECT input_id FROM journal WHERE state != 'done' OR body IS NOT NULL") == []


# -- gaps --------------------------------------------------------------------------------------------------------------


async def test_state_found_by_the_gap_check_makes_the_room_be_read_and_not_guessed(house: House) -> None:
    """The push of a join was lost, that of the later leave was not: the join arrives last and must not stand."""
    await house.lanes.accept(inputs(house, member("$leave", ROSA, "leave", ts=2)))
    house.homeserver.script.state[GROUP] = state_of(GROUP)
    await house.lanes.accept(inputs(house, member("$join", ROSA, "join", ts=1), origin=Origin.GAP))
    await idle(house)
    room = house.projection.room(GROUP)
    assert room is not None
    assert room.members.get(ROSA) != "join"


async def test_state_found_by_the_gap_check_is_not_guessed_after_a_restart_either(path: Path) -> None:
    async with open_house(path) as house:
        house.homeserver.script.first = Holds(GROUP)
        await house.lanes.accept(inputs(house, member("$leave", ROSA, "leave", ts=2)))
        await house.lanes.accept(inputs(house, member("$join", ROSA, "join", ts=1), origin=Origin.GAP))
    async with open_house(path) as house:
        house.homeserver.script.state[GROUP] = state_of(GROUP)
        await house.lanes.resume()
        await idle(house)
        room = house.projection.room(GROUP)
        assert room is not None
        assert room.members.get(ROSA) != "join"


async def test_messages_found_by_the_gap_check_need_no_reading(house: House) -> None:
    calls = len(house.homeserver.calls)
    await house.lanes.accept(inputs(house, message("$1", "bad"), origin=Origin.GAP))
    assert len(house.homeserver.calls) == calls
    assert house.lanes.recovered == 1


# -- poison ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [ValueError("Quillfeather"), RecursionError(), MemoryError(), KeyError("x")], ids=repr
)
async def test_a_handler_that_fails_three_times_is_set_aside_and_the_others_decisions_stand(
    path: Path, failure: Exception
) -> None:
    poisoned = Poisoned(failure)
    async with open_house(path, handlers=(poisoned, RemovesBad())) as house:
        await house.lanes.accept(inputs(house, message("$1", "bad poison"), message("$2", "bad")))
        assert poisoned.tries == TRIES == 3
        assert len(await house.table("SELECT key FROM outbox WHERE type = 'redact'")) == 2
        set_aside = await house.table("SELECT input_id, handler, error FROM set_aside")
        assert set_aside == [("$1", "test.poisoned", type(failure).__name__)]
        assert (await house.questions.counts()).set_aside == 1
        states = dict(await house.table("SELECT input_id, state FROM journal"))  # type: ignore[arg-type]
        assert states == {"$1": "set_aside", "$2": "done"}


async def test_an_input_that_was_set_aside_keeps_no_text(path: Path) -> None:
    async with open_house(path, handlers=(Poisoned(),)) as house:
        house.homeserver.script.state["!new"] = state_of("!new")
        await house.lanes.accept(inputs(house, message("$1", "poison"), message("$2", "poison", "!new")))
        await idle(house)
        assert await house.table("SELECT body FROM journal") == [(None,), (None,)]
        assert "Quillfeather" not in str(await house.table("SELECT * FROM set_aside"))


async def test_an_input_that_was_set_aside_is_not_tried_again_for_ever(path: Path) -> None:
    poisoned = Poisoned()
    async with open_house(path, handlers=(poisoned,)) as house:
        await house.lanes.accept(inputs(house, message("$1", "poison")))
    async with open_house(path, handlers=(poisoned,)) as house:
        assert await house.lanes.resume() == 0
        assert await house.lanes.accept(inputs(house, message("$1", "poison"))) == 0
    assert poisoned.tries == TRIES


async def test_a_waiting_lane_goes_on_after_poison(path: Path) -> None:
    async with open_house(path, handlers=(Poisoned(), RemovesBad())) as house:
        house.homeserver.script.state["!new"] = state_of("!new")
        await house.lanes.accept(inputs(house, message("$1", "poison", "!new"), message("$2", "bad", "!new")))
        await idle(house)
        assert await house.table("SELECT source FROM outbox WHERE type = 'redact'") == [("$2",)]


# -- strange events ----------------------------------------------------------------------------------------------------


def nested(depth: int) -> Any:
    value: Any = "leaf"
    for _ in range(depth):
        value = [value]
    return value


STRANGE: dict[str, dict[str, Any]] = {
    "membership is a list": member("$x", ROSA, ["join"]),
    "membership is an object": member("$x", ROSA, {"join": 1}),
    "membership is a number": member("$x", ROSA, 5),
    "membership is missing": {**member("$x", ROSA, "join"), "content": {}},
    "content is nested 300 deep": {**message("$x"), "content": {"body": nested(300)}},
    "content is nested 900 deep": {**message("$x"), "content": {"body": nested(900)}},
    "power levels are nested 300 deep": {
        **member("$x", ROSA, ""),
        "type": "m.room.power_levels",
        "state_key": "",
        "content": {"users": nested(300)},
    },
    "a topic is nested 300 deep": {
        **member("$x", ROSA, ""),
        "type": "m.room.topic",
        "state_key": "",
        "content": {"topic": nested(300)},
    },
    "a topic has a number beyond 64 bits": {
        **member("$x", ROSA, ""),
        "type": "m.room.topic",
        "state_key": "",
        "content": {"topic": 2**80},
    },
    "power levels are a list": {**member("$x", ROSA, ""), "type": "m.room.power_levels", "content": ["x"]},
    "the tombstone is strange": {
        **member("$x", ROSA, ""),
        "type": "m.room.tombstone",
        "state_key": "",
        "content": {"a": []},
    },
    "the room version is a number": {
        **member("$x", ROSA, ""),
        "type": "m.room.create",
        "content": {"room_version": 12},
    },
    "a number beyond 64 bits": {**message("$x"), "content": {"body": "x", "n": 2**80}},
    "no id at all": {**message("$x"), "event_id": None},
    "no room": {**message("$x"), "room_id": 5},
    "no sender": {**message("$x"), "sender": None},
    "an unknown type": {**message("$x"), "type": "com.example.unheard.of"},
    "a state key that is half a character": member("$x", "\ud800", "join"),
    "a body that is half a character": {**message("$x"), "content": {"body": "\ud800"}},
    "a body of 65 kB": message("$x", "x" * 65_000),
    "not an event": {},
}


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after waiting"])
@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
async def test_a_strange_event_cannot_stop_the_ones_behind_it(house: House, strange: Any, waits: bool) -> None:
    """What raises here is answered 500, and the homeserver repeats the transaction for ever."""
    room = GROUP
    if waits:
        room = "!new"
        house.homeserver.script.state["!new"] = state_of("!new")
        strange = {**strange, "room_id": "!new"} if strange.get("room_id") == GROUP else strange
    await house.lanes.accept(inputs(house, strange, message("$good", "bad", room)))
    await idle(house)
    assert await house.table("SELECT source FROM outbox WHERE type = 'redact'") == [("$good",)]
    await house.lanes.accept(inputs(house, message("$later", "bad", room)))
    await idle(house)
    assert len(await house.table("SELECT source FROM outbox WHERE type = 'redact'")) == 2


@pytest.mark.parametrize("membership", [["join"], {"a": 1}, 5, None], ids=repr)
async def test_strange_state_of_a_room_does_not_keep_us_from_reading_it(house: House, membership: Any) -> None:
    house.homeserver.script.state["!new"] = [*state_of("!new"), member("$strange", ROSA, membership, "!new")]
    await house.lanes.accept(inputs(house, message("$1", "bad", "!new")))
    await idle(house)
    assert await house.table("SELECT source FROM outbox WHERE type = 'redact'") == [("$1",)]


@pytest.mark.parametrize("text", [r"\ud800", r"\\\ud800\udc00", r"\udc00\udc00"])
async def test_half_characters_from_the_wire_reach_the_journal_as_something_that_can_be_written(
    house: House, text: str
) -> None:
    body = f'{{"event_id":"$1","room_id":"!new","sender":"{SAM}","type":"m.room.message","content":{{"body":"bad{text}"}}}}'
    house.homeserver.script.state["!new"] = state_of("!new")
    await house.lanes.accept(inputs(house, decode(body.encode())))
    await idle(house)
    assert await house.table("SELECT source FROM outbox WHERE type = 'redact'") == [("$1",)]


# -- the algebra -------------------------------------------------------------------------------------------------------

ROOMS = ["!group", "!other", "!unread"]
EVENTS = [message(f"${n}", "bad" if n % 3 else "good", ROOMS[n % 3]) for n in range(9)]
WANTED = sorted(
    (event["event_id"], kind) for event in EVENTS if event["content"]["body"] == "bad" for kind in ("redact", "notice")
)
chunk = st.tuples(st.sampled_from(Origin), st.lists(st.integers(0, len(EVENTS) - 1), max_size=6))


@settings(max_examples=40, deadline=None)
@given(st.lists(chunk, max_size=8), st.sets(st.integers(0, 20)), st.booleans())
async def test_any_interleaving_of_transactions_repetitions_gaps_and_refusals_has_the_same_effects_each_once(
    chunks: list[tuple[Origin, list[int]]], refused: set[int], at_once: bool
) -> None:
    # At the end a gap check brings whatever is still missing, as the homeserver has it.
    chunks = [*chunks, (Origin.GAP, list(range(len(EVENTS))))]
    with tempfile.TemporaryDirectory() as folder:
        async with open_house(fresh_store(Path(folder)), knows=("!group", "!other")) as house:
            house.homeserver.script.state["!unread"] = state_of("!unread")
            commit = house.database.commit
            count = 0

            async def sometimes(what: Commit) -> None:
                nonlocal count
                count += 1
                if count in refused and what.journal:
                    raise StoreRefused("disk full")
                await commit(what)

            house.database.commit = sometimes  # type: ignore[method-assign]

            async def deliver(origin: Origin, wanted: list[int]) -> None:
                while True:
                    try:
                        await house.lanes.accept(inputs(house, *(EVENTS[n] for n in wanted), origin=origin))
                    except StoreRefused:
                        continue
                    return

            if at_once:
                await asyncio.gather(*(deliver(origin, wanted) for origin, wanted in chunks))
            else:
                for origin, wanted in chunks:
                    await deliver(origin, wanted)
            await idle(house)
            assert sorted(await house.table("SELECT source, type FROM outbox")) == WANTED
            decided = await house.table("SELECT line FROM audit WHERE CAST(line AS TEXT) LIKE '%decided%'")
            assert len(decided) == len(WANTED)
            assert len(await house.table("SELECT * FROM journal WHERE state = 'done'")) == len(EVENTS)
