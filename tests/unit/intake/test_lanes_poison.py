"""Lanes and what is bad for them: a handler that fails, an event that is strange. Neither stops anybody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.flow import Event
from appservice.intake.lanes import TRIES
from appservice.matrix import decode
from appservice.store import Commit
from tests.support.house import (
    GROUP,
    ROSA,
    SAM,
    House,
    RemovesBad,
    fresh_store,
    member,
    message,
    open_house,
    state_of,
)
from tests.support.lane_handlers import Poisoned, idle, inputs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh_store(tmp_path)


@pytest_asyncio.fixture
async def house(path: Path) -> AsyncIterator[House]:
    async with open_house(path) as made:
        yield made


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
        states = dict(await house.table("SELECT input_id, state FROM journal"))
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


@pytest.mark.parametrize("room", [GROUP, "!new"], ids=["at once", "after waiting"])
async def test_an_error_of_ours_outside_the_handlers_costs_one_input_and_not_the_lane(
    house: House, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    """Raised at once it would be answered 500 for ever; raised later it would end the lane until a restart."""
    apply = house.projection.apply

    def stumbles(event: Event) -> Commit | None:
        if event.event_id == "$x":
            raise ZeroDivisionError
        return apply(event)

    monkeypatch.setattr(house.projection, "apply", stumbles)
    house.homeserver.script.state["!new"] = state_of("!new")
    await house.lanes.accept(inputs(house, member("$x", ROSA, "join", room), message("$good", "bad", room)))
    await idle(house)
    await house.lanes.accept(inputs(house, message("$later", "bad", room)))
    await idle(house)
    assert sorted(await house.table("SELECT source FROM outbox WHERE type = 'redact'")) == [("$good",), ("$later",)]
    assert await house.table("SELECT input_id FROM set_aside") == [("$x",)]
    assert (await house.questions.counts()).pending == 0
