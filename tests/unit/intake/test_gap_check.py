"""The gap check: what was not pushed is found, its token is stored with what it brought, and nothing stops it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.intake import GapCheck
from appservice.matrix import Actor, HomeserverError, Unreachable
from appservice.store import Commit, StoreRefused
from tests.support.house import GHOSTS, GROUP, SERVER, House, fresh_store, message, open_house
from tests.support.stub_homeserver import Call
from tests.support.waiting import eventually


class NoDoubt:
    """Stands for the look at whether the homeserver is the one we knew."""

    looked = 0

    async def look(self) -> None:
        self.looked += 1


@pytest_asyncio.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(fresh_store(tmp_path)) as made:
        yield made


def gap_check(house: House) -> GapCheck:
    return GapCheck(
        SERVER,
        house.homeserver,
        Actor(GHOSTS.guardian, "INGLENOOK"),
        house.lanes,
        house.questions,
        NoDoubt(),  # type: ignore[arg-type]
        house.clock,
    )


def answer(token: str, *events: Mapping[str, Any], limited: bool = False, room_id: str = GROUP) -> dict[str, Any]:
    timeline = {"events": [dict(event) for event in events], "limited": limited, "prev_batch": "p1"}
    return {"next_batch": token, "rooms": {"join": {room_id: {"timeline": timeline}}}}


async def started(house: House, token: str | None = "s0") -> GapCheck:
    if token is not None:
        await house.database.commit(Commit(positions=[{"homeserver": SERVER, "name": "sync_token", "value": token}]))
    made = gap_check(house)
    await made.start()
    return made


async def sources(house: House) -> list[str]:
    return [row[0] for row in await house.table("SELECT source FROM outbox WHERE type = 'redact' ORDER BY source")]


async def test_without_a_token_the_present_is_where_we_begin(house: House) -> None:
    made = await started(house, token=None)
    house.homeserver.script.sync = [answer("s1", message("$old", "bad"))]
    await made.check()
    assert await house.questions.position("sync_token") == "s1"


async def test_what_was_not_pushed_is_handled_like_what_was(house: House) -> None:
    made = await started(house)
    house.homeserver.script.sync = [answer("s1", message("$1", "bad"), message("$2", "good"))]
    assert await made.check() == 2
    assert await sources(house) == ["$1"]
    assert await house.questions.position("sync_token") == "s1"


async def test_each_check_goes_on_where_the_one_before_ended_also_after_a_restart(house: House) -> None:
    made = await started(house)
    house.homeserver.script.sync = [answer("s1"), answer("s2"), answer("s3")]
    await made.check()
    await made.check()
    again = await started(house, token=None)
    await again.check()
    asked = [(call.query or {}).get("since") for call in house.homeserver.calls if call.path.endswith("/sync")]
    assert asked == ["s0", "s1", "s2"]


async def test_what_was_pushed_already_is_nothing_new(house: House) -> None:
    made = await started(house)
    house.homeserver.script.sync = [answer("s1", message("$1", "bad")), answer("s2", message("$1", "bad"))]
    assert await made.check() == 1
    assert await made.check() == 0
    assert await sources(house) == ["$1"]


async def test_the_room_of_an_event_is_the_one_it_was_found_in(house: House) -> None:
    made = await started(house)
    raw = message("$1", "bad", room_id="!lies")
    house.homeserver.script.sync = [answer("s1", raw)]
    await made.check()
    assert await house.table("SELECT room_id FROM journal") == [(GROUP,)]


async def test_a_refused_commit_leaves_the_token_where_it_was(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = await started(house)
    commit = house.database.commit

    async def refuse(_commit: Commit) -> None:
        raise StoreRefused("disk full")

    monkeypatch.setattr(house.database, "commit", refuse)
    house.homeserver.script.sync = [answer("s1", message("$1", "bad"))]
    with pytest.raises(StoreRefused):
        await made.check()
    assert await house.questions.position("sync_token") == "s0"
    monkeypatch.setattr(house.database, "commit", commit)
    house.homeserver.script.sync = [answer("s1", message("$1", "bad"))]
    assert await made.check() == 1
    assert await house.questions.position("sync_token") == "s1"


async def test_a_gap_too_large_for_one_answer_is_read_back_to_what_is_known(house: House) -> None:
    made = await started(house)
    await house.lanes.accept([])
    house.homeserver.script.sync = [answer("s0", message("$known"))]
    await made.check()
    house.homeserver.script.pages[GROUP] = [
        {"chunk": [message("$3", "bad"), message("$2", "bad")], "end": "p2"},
        {"chunk": [message("$1", "bad"), message("$known")], "end": "p3"},
        {"chunk": [message("$older", "bad")], "end": "p4"},
    ]
    house.homeserver.script.sync = [answer("s1", message("$4", "bad"), limited=True)]
    assert await made.check() == 4
    assert await sources(house) == ["$1", "$2", "$3", "$4"]
    order = [row[0] for row in await house.table("SELECT input_id FROM journal ORDER BY seq")]
    assert order == ["$known", "$1", "$2", "$3", "$4"]


@pytest.mark.parametrize(
    "strange",
    [{}, {"next_batch": 5}, {"next_batch": None, "rooms": {}}, {"rooms": {"join": {}}}],
    ids=str,
)
async def test_an_answer_without_a_token_is_an_error_and_moves_nothing(house: House, strange: dict[str, Any]) -> None:
    made = await started(house)
    house.homeserver.script.sync = [strange]
    with pytest.raises(HomeserverError):
        await made.check()
    assert await house.questions.position("sync_token") == "s0"


@pytest.mark.parametrize(
    "rooms",
    [
        None,
        [],
        {"join": []},
        {"join": {GROUP: None}},
        {"join": {GROUP: {"timeline": []}}},
        {"join": {GROUP: {"timeline": {"events": "x"}}}},
        {"join": {GROUP: {"timeline": {"events": [None, 5, {}, []], "limited": "yes"}}}},
        {"join": {GROUP: {"timeline": {"events": [], "limited": True, "prev_batch": 7}}}},
        {"leave": {GROUP: {}}},
    ],
    ids=str,
)
async def test_rooms_of_a_strange_shape_bring_nothing_and_break_nothing(house: House, rooms: Any) -> None:
    made = await started(house)
    house.homeserver.script.sync = [{"next_batch": "s1", "rooms": rooms}]
    await made.check()
    assert await house.questions.position("sync_token") == "s1"


@pytest.mark.parametrize("turns", range(12))
async def test_told_to_look_and_to_end_in_the_same_moment_it_ends(house: House, turns: int) -> None:
    """Python 3.11 may lose a cancellation that comes with what was waited for; a service would never stop."""
    made = await started(house)
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0.02)
    made.soon()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    done, _ = await asyncio.wait([running], timeout=3)
    running.cancel()
    assert done


@pytest.mark.parametrize(
    "failure",
    [Unreachable("away"), StoreRefused("disk full"), ValueError("never thought of"), RecursionError()],
    ids=repr,
)
async def test_the_check_goes_on_after_any_failure(house: House, failure: Exception) -> None:
    """A check that ends quietly would leave lost events lost, and nobody would be told."""
    made = await started(house)
    failures = [failure]

    async def first(call: Call) -> Any:
        if call.path.endswith("/sync") and failures:
            raise failures.pop()
        return None

    house.homeserver.script.first = first
    house.homeserver.script.sync = [answer("s1", message("$1", "bad"))]
    running = asyncio.create_task(made.run())

    async def found() -> bool:
        made.soon()
        return await sources(house) == ["$1"] or running.done()

    try:
        await eventually(found, "the gap check finds the message", within=10, every=0.01)
        assert not running.done()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, ValueError, RecursionError):
            await running
