"""Lanes: each room in order, rooms side by side, every input once, and nobody suffers from another's failure."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.flow import EventInput, Origin
from appservice.intake import Projection
from appservice.matrix import Unreachable
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
from tests.support.lane_handlers import Holds, Remembered, idle, inputs
from tests.support.stub_homeserver import Call
from tests.support.waiting import eventually


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return fresh_store(tmp_path)


@pytest_asyncio.fixture
async def house(path: Path) -> AsyncIterator[House]:
    async with open_house(path) as made:
        yield made


# -- once --------------------------------------------------------------------------------------------------------------


async def test_an_input_for_a_known_room_is_handled_in_one_commit_without_its_text_on_disk(house: House) -> None:
    before = house.database.commits
    assert await house.lanes.accept(inputs(house, message("$1", "a bad word"))) == 1
    assert house.database.commits == before + 1
    assert await house.table("SELECT input_id, state, body FROM journal") == [("$1", "done", None)]
    assert len(await house.table("SELECT key FROM outbox")) == 2
    lines = [line for _, _, line in await house.questions.audit_lines(f"{SERVER}/{GROUP}")]
    assert [line["decided"] for line in lines if "decided" in line] == ["redact", "notice"]


async def test_what_was_decided_at_once_leaves_at_once(house: House) -> None:
    await house.lanes.accept(inputs(house, message("$1", "bad")))

    async def redacted() -> bool:
        return [effect.type for effect in house.executor.effects] == ["redact"]

    await eventually(redacted, "the redaction is executed", within=5, every=0.005)


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


async def test_a_removal_by_hand_and_the_request_after_it_are_both_learnt_from_the_gap_check(house: House) -> None:
    """The room that is read says only that they ask; who took them out stands in an event that comes with it."""
    house.homeserver.script.state[GROUP] = [*state_of(GROUP), member("$knock", ROSA, "knock", ts=2)]
    kick = member("$kick", ROSA, "leave", ts=1) | {"sender": SAM}
    await house.lanes.accept(inputs(house, kick, member("$knock", ROSA, "knock", ts=2), origin=Origin.GAP))
    await idle(house)
    room = house.projection.room(GROUP)
    assert room is not None
    assert ROSA in room.taken_out


async def test_messages_found_by_the_gap_check_need_no_reading(house: House) -> None:
    calls = len(house.homeserver.calls)
    await house.lanes.accept(inputs(house, message("$1", "bad"), origin=Origin.GAP))
    assert len(house.homeserver.calls) == calls
    assert house.lanes.recovered == 1


# -- redactions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more", [{}, {"state_key": "x"}, {"state_key": ""}], ids=["message", "state", "state without key"]
)
async def test_a_redaction_that_empties_a_setting_is_seen_also_where_it_was_sent_as_state(
    house: House, more: dict[str, str]
) -> None:
    moved: list[str] = []

    def noted(item: EventInput) -> Commit:
        moved.append(item.id)
        return Commit()

    house.lanes.moved = noted
    guests = {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}}
    redaction = {"type": "m.room.redaction", "content": {"redacts": "$guests"}, **more}
    await house.lanes.accept(inputs(house, {**message("$guests"), **guests}, {**message("$gone"), **redaction}))
    room = house.projection.room(GROUP)
    assert room is not None
    assert room.state["m.room.guest_access", ""] == {}
    assert moved == ["$guests", "$gone"]


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

            house.database.commit = sometimes  # type: ignore[method-assign, assignment]

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
