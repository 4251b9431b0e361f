"""The projection: what is ours is what we marked, state moves on, and the store rebuilds exactly what was live."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appservice.flow import Event, Place, RoomFacts
from appservice.intake import MARKER_TYPE, Projection
from appservice.intake.projection import _STATE_AT_MOST, _room_from
from appservice.matrix import parse_event
from appservice.store import Commit, Database, Questions
from policies.desired import MANAGED_TYPE
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, SERVER, fresh_store, state_of

EVE = "@eve:evil.example"


def events(*raw: dict[str, Any]) -> list[Event]:
    return [parse_event(one, GROUP) for one in raw]


def state(kind: str, content: Any, sender: str = GHOSTS.steward, key: str = "") -> dict[str, Any]:
    return {"event_id": "$s", "type": kind, "state_key": key, "sender": sender, "content": content}


def create(sender: str = GHOSTS.steward, **content: Any) -> dict[str, Any]:
    return state("m.room.create", {"room_version": "12", **content}, sender)


def marker(group: Any = "welcome", sender: str = GHOSTS.steward, community: Any = "hearth") -> dict[str, Any]:
    return state(MARKER_TYPE, {"community": community, "group": group}, sender)


def known(*raw: dict[str, Any]) -> RoomFacts:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(*raw))
    room = projection.room(GROUP)
    assert room is not None
    return room


# -- what is ours ------------------------------------------------------------------------------------------------------


def test_the_mark_that_provisioning_sets_is_the_one_that_is_read() -> None:
    assert MARKER_TYPE == MANAGED_TYPE


@pytest.mark.parametrize("ghost", [GHOSTS.steward, GHOSTS.guardian, GHOSTS.custodian])
def test_a_room_made_and_marked_by_us_is_ours(ghost: str) -> None:
    room = known(create(ghost), marker(sender=ghost))
    assert (room.place, room.community, room.group) == (Place.GROUP, "hearth", "welcome")


@pytest.mark.parametrize(
    "stranger",
    [
        (create(EVE), marker()),
        (create(), marker(sender=EVE)),
        (create(EVE), marker(sender=EVE)),
        (marker(),),
        (create(),),
    ],
    ids=["made by another", "marked by another", "both by another", "made by nobody", "not marked"],
)
def test_a_room_that_we_did_not_both_make_and_mark_is_not_ours(stranger: tuple[dict[str, Any], ...]) -> None:
    assert not known(*stranger).managed


@pytest.mark.parametrize(
    "impostor",
    [GHOSTS.steward + "x", GHOSTS.steward.upper(), "@inglenook:evil.example", ""],
)
def test_somebody_who_is_called_nearly_like_us_is_not_us(impostor: str) -> None:
    assert not known(create(impostor), marker(sender=impostor)).managed


def test_a_strangers_mark_does_not_take_a_room_from_us() -> None:
    assert known(create(), marker(), marker("ops", sender=EVE)).place is Place.GROUP


def test_a_mark_with_a_state_key_means_nothing() -> None:
    assert not known(create(), {**marker(), "state_key": "x"}).managed


@pytest.mark.parametrize(
    ("group", "place"),
    [
        ("space", Place.SPACE),
        ("moderators", Place.MODERATORS),
        ("safeguarding", Place.SAFEGUARDING),
        ("ops", Place.OPS),
        ("direct", Place.DIRECT),
        ("welcome", Place.GROUP),
    ],
)
def test_the_mark_says_what_a_room_is(group: str, place: Place) -> None:
    assert known(create(), marker(group)).place is place


@pytest.mark.parametrize("broken", [marker(5), marker(None), marker(community=["x"]), state(MARKER_TYPE, {})], ids=str)
def test_a_mark_of_ours_that_says_nothing_leaves_the_room_unmanaged(broken: dict[str, Any]) -> None:
    assert not known(create(), broken).managed


def test_the_order_of_the_events_in_a_state_does_not_matter() -> None:
    assert known(marker(), create()).managed


def test_a_place_is_found_by_its_mark_and_not_while_it_is_closed() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(create(), marker("moderators")))
    assert projection.place("hearth", "moderators") == GROUP
    projection.replace("!new", [parse_event({**one, "room_id": "!new"}) for one in (create(), marker("moderators"))])
    assert projection.place("hearth", "moderators") == "!new"
    closed = Projection(SERVER, GHOSTS)
    closed.replace(GROUP, events(create(), marker("moderators"), state("m.room.tombstone", {"body": "moved"})))
    assert closed.place("hearth", "moderators") is None


def test_a_place_whose_room_was_closed_is_no_place_any_more() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(create(), marker("moderators")))
    projection.apply(parse_event(state("m.room.tombstone", {"replacement_room": "!new"}), GROUP))
    assert projection.place("hearth", "moderators") is None


def test_direct_rooms_are_no_place_of_the_community() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(create(), marker("direct")))
    assert projection.place("hearth", "direct") is None


# -- moving on ---------------------------------------------------------------------------------------------------------


def member(who: str, membership: Any, by: str | None = None) -> dict[str, Any]:
    return state("m.room.member", {"membership": membership}, by or who, who)


def test_who_comes_and_goes_is_known_and_only_who_was_removed_by_us_is_forgotten() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(*state_of(GROUP, members={SAM: "join"})))
    for raw, known_as in [
        (member(ROSA, "invite", by=SAM), "invite"),
        (member(ROSA, "join"), "join"),
        (member(ROSA, "leave"), "left"),
        (member(ROSA, "knock"), "knock"),
        (member(ROSA, "ban", by=SAM), "ban"),
        (member(ROSA, "leave", by=SAM), "removed"),
        (member(ROSA, "invite", by=GHOSTS.steward), "invite"),
        (member(ROSA, "leave", by=GHOSTS.steward), None),
    ]:
        projection.apply(parse_event(raw, GROUP))
        room = projection.room(GROUP)
        assert room is not None
        assert room.members.get(ROSA) == known_as
        assert room.members[SAM] == "join"


LED_OUT = [member(ROSA, "join"), member(ROSA, "leave", by=SAM)]
ASKS = member(ROSA, "knock")


@pytest.mark.parametrize(
    ("since", "remembered"),
    [
        ([], True),
        ([member(ROSA, "leave"), ASKS], True),
        ([member(ROSA, "leave", by=GHOSTS.steward), ASKS], True),
        ([member(ROSA, "invite", by=SAM), member(ROSA, "leave"), ASKS], True),
        ([member(ROSA, "ban", by=SAM), member(ROSA, "leave", by=GHOSTS.steward), ASKS], True),
        ([member(ROSA, "invite", by=GHOSTS.steward), member(ROSA, "leave"), ASKS], False),
        ([member(ROSA, "invite", by=SAM), member(ROSA, "join"), member(ROSA, "leave"), ASKS], False),
    ],
    ids=["asks", "takes it back", "was told no", "asked by hand", "banned between", "we asked them in", "came back"],
)
@pytest.mark.parametrize("doubt", [False, True], ids=["live", "read anew each time"])
async def test_that_a_person_took_somebody_out_is_remembered_until_they_are_let_in(
    tmp_path: Path, since: list[dict[str, Any]], remembered: bool, doubt: bool
) -> None:
    """Nobody opens the door for themselves by asking twice."""
    projection = Projection(SERVER, GHOSTS)
    commits = [projection.replace(GROUP, events(*state_of(GROUP)))]
    for raw in (*LED_OUT, ASKS, *since):
        if doubt:
            projection.forget(GROUP)
            commits.append(projection.replace(GROUP, events(*state_of(GROUP), raw)))
        else:
            commits.append(projection.apply(parse_event(raw, GROUP)) or Commit())
    if doubt and since and not remembered and since[0]["sender"] == GHOSTS.steward:
        return  # a room that is read does not say who asked in first; people are asked once too often, never too seldom
    database = Database(fresh_store(tmp_path), "normal")
    await database.open()
    try:
        for commit in commits:
            await database.commit(commit)
        rebuilt = Projection(SERVER, GHOSTS)
        await rebuilt.load(Questions(database, SERVER))
    finally:
        await database.close()
    for one in (projection, rebuilt):
        room = one.room(GROUP)
        assert room is not None
        assert room.members[ROSA] == "knock"
        assert (ROSA in room.taken_out) is remembered


def test_that_a_person_took_somebody_out_is_learnt_late_from_a_room_in_which_they_ask_again() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(*state_of(GROUP), ASKS))
    assert projection.heard_late(parse_event(member(ROSA, "leave"), GROUP)) is None
    assert projection.heard_late(parse_event(member(ROSA, "leave", by=GHOSTS.steward), GROUP)) is None
    assert projection.heard_late(parse_event(member(SAM, "leave", by=EVE), GROUP)) is None
    rows = projection.heard_late(parse_event(LED_OUT[1], GROUP))
    assert rows is not None
    assert rows.rooms
    room = projection.room(GROUP)
    assert room is not None
    assert set(room.taken_out) == {ROSA}


def test_of_rooms_that_are_not_ours_it_is_not_remembered_who_took_out_whom() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.unmanaged("!theirs")
    for raw in (*LED_OUT, ASKS):
        rows = projection.apply(parse_event(raw, "!theirs"))
        assert rows is None or rows.rooms == []


@pytest.mark.parametrize("strange", [["join"], {"join": 1}, 5, None, "x", "JOIN"], ids=repr)
def test_a_membership_that_is_none_makes_nobody_a_member(strange: Any) -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(*state_of(GROUP), member(EVE, strange)))
    projection.apply(parse_event(member(ROSA, strange), GROUP))
    room = projection.room(GROUP)
    assert room is not None
    assert dict(room.members) == {SAM: "join"}


def test_power_levels_move_on() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(*state_of(GROUP)))
    projection.apply(parse_event(state("m.room.power_levels", {"users_default": 25}), GROUP))
    room = projection.room(GROUP)
    assert room is not None
    assert room.power_levels == {"users_default": 25}


def test_what_is_known_already_and_other_rooms_cost_nothing() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(*state_of(GROUP), state("m.room.topic", {"topic": "x"})))
    assert projection.apply(parse_event(state("m.room.topic", {"topic": "x"}), GROUP)) is None
    assert projection.apply(parse_event(state("m.room.power_levels", {}), "!unknown")) is None
    assert projection.apply(parse_event(member(SAM, "join"), GROUP)) is None


def test_reading_a_room_anew_drops_who_is_gone() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(*state_of(GROUP, members={SAM: "join", ROSA: "join"})))
    projection.replace(GROUP, events(*state_of(GROUP, members={ROSA: "join"})))
    room = projection.room(GROUP)
    assert room is not None
    assert dict(room.members) == {ROSA: "join"}


# -- how much is kept --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["m.reaction", "m.room.redaction", "m.room.topic"])
def test_what_members_may_write_under_any_key_is_kept_neither_in_memory_nor_in_the_row(kind: str) -> None:
    projection = Projection(SERVER, GHOSTS)
    flood = [state(kind, {"x": "y" * 1000}, EVE, f"key {n}") for n in range(100)]
    projection.replace(GROUP, events(*state_of(GROUP), *flood[:50]))
    assert [projection.apply(event) for event in events(*flood[50:])] == [None] * 50
    room = projection.room(GROUP)
    assert room is not None
    assert kind not in {event_type for event_type, _ in room.state}
    assert "yyyy" not in str(projection.rows(GROUP).rooms[0]["record"])


def test_what_an_earlier_version_kept_of_members_is_dropped_when_the_store_is_read() -> None:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, events(*state_of(GROUP)))
    record = orjson.loads(projection.rows(GROUP).rooms[0]["record"])
    record["state"].append(["m.reaction", "key", {}, "$r", "$r", EVE, 1])
    assert ("m.reaction", "key") not in _room_from(GROUP, record).state


def test_a_room_full_of_settings_is_still_followed() -> None:
    projection = Projection(SERVER, GHOSTS)
    full = [state("m.space.child", {"via": [SERVER]}, key=f"!{n}") for n in range(_STATE_AT_MOST + 5)]
    projection.replace(GROUP, events(*state_of(GROUP), *full))
    for moved in (
        state("m.space.child", {}, key="!1"),
        state("m.room.join_rules", {"join_rule": "public"}),
        state("m.room.power_levels", {"users_default": 50}),
        state("m.space.child", {"via": [SERVER]}, key="!one more"),
    ):
        projection.apply(parse_event(moved, GROUP))
    room = projection.room(GROUP)
    assert room is not None
    assert room.state["m.space.child", "!1"] == {}
    assert room.state["m.room.join_rules", ""] == {"join_rule": "public"}
    assert room.power_levels == {"users_default": 50}
    assert ("m.space.child", "!one more") not in room.state


# -- the algebra -------------------------------------------------------------------------------------------------------

PEOPLE = [SAM, ROSA, EVE, GHOSTS.guardian]
MOVES = st.one_of(
    st.builds(
        member,
        st.sampled_from(PEOPLE),
        st.sampled_from(["join", "leave", "invite", "ban", "knock", "x", None]),
        st.none() | st.sampled_from(PEOPLE),
    ),
    st.builds(marker, st.sampled_from(["welcome", "ops", "direct", 5]), st.sampled_from(PEOPLE)),
    st.builds(lambda n: state("m.room.power_levels", {"users_default": n}), st.integers(0, 100)),
    st.builds(lambda content: state("m.room.tombstone", content), st.sampled_from([{}, {"body": "moved"}])),
    st.builds(create, st.sampled_from(PEOPLE)),
    st.builds(lambda kind: state(kind, {}), st.sampled_from(["m.room.topic", "m.room.name"])),
)
ROOMS = st.sampled_from([GROUP, "!other"])
HISTORY = st.lists(st.tuples(ROOMS, MOVES), max_size=15)


def told(projection: Projection) -> dict[str, Any]:
    """Everything that a projection knows, as values."""
    return {
        room.room_id: (
            room.place,
            room.community,
            room.group,
            dict(room.members),
            room.power_levels,
            room.create,
            room.creator,
            room.closed,
            set(room.taken_out),
        )
        for room in projection.rooms()
    }


def live(history: list[tuple[str, dict[str, Any]]]) -> tuple[Projection, list[Commit]]:
    projection = Projection(SERVER, GHOSTS)
    commits = [
        projection.replace(room, [parse_event(one, room) for one in state_of(room)]) for room in (GROUP, "!other")
    ]
    for room, raw in history:
        commit = projection.apply(parse_event(raw, room))
        if commit is not None:
            commits.append(commit)
    return projection, commits


@given(HISTORY, ROOMS, MOVES)
def test_an_event_applied_twice_changes_nothing(
    history: list[tuple[str, dict[str, Any]]], room: str, raw: dict[str, Any]
) -> None:
    projection, _ = live(history)
    projection.apply(parse_event(raw, room))
    once = told(projection)
    projection.apply(parse_event(raw, room))
    assert told(projection) == once


@settings(max_examples=40, deadline=None)
@given(HISTORY, st.sets(st.integers(0, 15)), st.booleans())
async def test_what_is_rebuilt_from_the_store_equals_what_was_live(
    history: list[tuple[str, dict[str, Any]]], read_again: set[int], together: bool
) -> None:
    projection, commits = live(history)
    for _ in read_again:
        commits.append(projection.replace(GROUP, [parse_event(one, GROUP) for one in state_of(GROUP)]))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(fresh_store(Path(folder)), "normal")
        await database.open()
        try:
            if together:
                await asyncio.gather(*(database.commit(commit) for commit in commits))
            else:
                for commit in commits:
                    await database.commit(commit)
            rebuilt = Projection(SERVER, GHOSTS)
            assert await rebuilt.load(Questions(database, SERVER)) == 2
        finally:
            await database.close()
    # Who left stands in the store as a tombstone row, and must not come back as a member.
    assert told(rebuilt) == told(projection)


async def test_direct_rooms_are_rebuilt_with_their_reach(tmp_path: Path) -> None:
    projection = Projection(SERVER, GHOSTS)
    database = Database(fresh_store(tmp_path), "normal")
    await database.open()
    try:
        await database.commit(projection.direct_row(SAM, "!dm", "reached"))
        await database.commit(projection.direct_row(ROSA, "!dm2", "invited"))
        rebuilt = Projection(SERVER, GHOSTS)
        await rebuilt.load(Questions(database, SERVER))
    finally:
        await database.close()
    assert rebuilt.direct_reach == {SAM: ("!dm", "reached"), ROSA: ("!dm2", "invited")}
    assert dict(rebuilt.facts(GROUP, 1).direct_rooms) == {SAM: "!dm"}


async def test_one_write_after_another_in_a_shared_transaction_is_the_last_one(tmp_path: Path) -> None:
    """A membership written before a whole room is read anew must not survive the reading."""
    projection = Projection(SERVER, GHOSTS)
    first = projection.replace(GROUP, events(*state_of(GROUP)))
    second = projection.apply(parse_event(member(ROSA, "join"), GROUP))
    third = projection.replace(GROUP, events(*state_of(GROUP)))
    assert second is not None
    database = Database(fresh_store(tmp_path), "normal")
    await database.open()
    try:
        await asyncio.gather(*(database.commit(one) for one in (first, second, third)))
        rebuilt = Projection(SERVER, GHOSTS)
        await rebuilt.load(Questions(database, SERVER))
    finally:
        await database.close()
    assert told(rebuilt) == told(projection)


@pytest.mark.parametrize(("old", "new"), [("!a", "!b"), ("!b", "!a")])
async def test_after_a_restart_the_same_one_of_two_rooms_stands_for_their_group(
    tmp_path: Path, old: str, new: str
) -> None:
    """One takes the place of the other, which is not closed yet; in whatever order the store hands them out."""

    def made(room_id: str, **content: Any) -> Commit:
        raw = [create(**content), marker(), member(GHOSTS.steward, "join"), member(GHOSTS.guardian, "join")]
        return projection.replace(room_id, [parse_event(one, room_id) for one in raw])

    projection = Projection(SERVER, GHOSTS)
    database = Database(fresh_store(tmp_path), "normal")
    await database.open()
    try:
        await database.commit(made(old))
        await database.commit(made(new, predecessor={"room_id": old}))
        await database.commit(made(old))  # what is heard of it last
        rebuilt = Projection(SERVER, GHOSTS)
        await rebuilt.load(Questions(database, SERVER))
    finally:
        await database.close()
    assert (projection.place("hearth", "welcome"), rebuilt.place("hearth", "welcome")) == (new, new)
