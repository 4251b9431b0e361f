"""What is drift, what it is about, and what follows: decided from values alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.changes import AddAddress, Invite, SetListing, SetState
from policies.compile import compile_community
from policies.defaults import DRIFT
from policies.desired import DesiredCommunity
from policies.drift import (
    AT_ONCE,
    GOVERNED_TYPES,
    WINDOW_MS,
    Deviation,
    answer_to,
    aspect_of,
    deviations,
    is_left_alone,
    wait_ms,
)
from policies.load import load_policy
from policies.observed import Observed
from policies.people import People
from policies.plan import plan
from tests.unit.plan.worlds import IDENTITIES, community_with, edited, people_of, settled
from tests.unit.policies.test_explain import FULL

GROUPS = {"welcome": "open low", "lounge": "hybrid medium", "news": "announce low"}
PEOPLE = people_of({"ana": "lead lounge", "bea": "lounge"})
NOBODY = People({})


def world(**edits: Any) -> tuple[DesiredCommunity, Observed]:
    community = community_with(GROUPS, PEOPLE)
    found = settled(community, PEOPLE)
    rooms = {key: edited(room, edits.get(key, {})) for key, room in found.rooms.items()}
    return community, replace(found, rooms=rooms)


def drift_of(key: str, **edits: Any) -> tuple[Deviation, ...]:
    return deviations(*world(**edits), IDENTITIES, key)


def saying(words: str) -> DesiredCommunity:
    """A community whose policy says this of drift."""
    loaded = load_policy(FULL[: FULL.index("drift:")] + f"drift: {words}\n", "f")
    assert loaded.policy is not None, loaded.findings
    return compile_community(loaded.policy, NOBODY)


def test_a_room_that_is_as_the_policy_says_has_no_drift() -> None:
    community, observed = world()
    for room in community.rooms:
        assert deviations(community, observed, IDENTITIES, room.key) == ()


@pytest.mark.parametrize(
    ("state", "content", "aspect"),
    [
        ("m.room.join_rules", {"join_rule": "public"}, "settings"),
        ("m.room.history_visibility", {"history_visibility": "world_readable"}, "settings"),
        ("m.room.guest_access", {}, "settings"),
        ("m.room.server_acl", {"allow": ["*"]}, "settings"),
        ("m.room.retention", {"max_lifetime": 1}, "settings"),
        ("org.inglenook.managed", {}, "settings"),
        ("m.room.power_levels", {"users": {"@ana:chat.example": 100}}, "powers"),
        ("m.room.canonical_alias", {}, "links"),
        ("m.space.parent !space", {}, "links"),
        ("m.space.parent !elsewhere", {"via": ["x.example"]}, "links"),
    ],
)
def test_what_was_changed_by_hand_is_found_with_what_puts_it_right(state: str, content: Any, aspect: str) -> None:
    event_type, _, state_key = state.partition(" ")
    (found,) = drift_of("lounge", lounge={"set": {state: content}})
    assert (found.key, found.aspect, found.answer) == ((event_type, state_key), aspect, "enforce")
    assert isinstance(found.change, SetState | SetListing)
    assert (found.change.room_id, found.change.before) == ("!lounge", content)


def test_a_listing_that_we_have_begun_ourselves_is_no_drift() -> None:
    begun = {"community": "carers", "group": "lounge", "directory": "unsure"}
    assert drift_of("lounge", lounge={"set": {"org.inglenook.managed": begun}}) == ()
    claimed = {**begun, "directory": "listed"}
    (found,) = drift_of("lounge", lounge={"set": {"org.inglenook.managed": claimed}})
    assert isinstance(found.change, SetListing)
    assert not found.change.listed


def test_a_listing_that_was_cut_off_is_ended_though_what_is_done_by_hand_is_left() -> None:
    left = saying("{settings: {value: warn, because: A script does it., approved_by: safeguarding_lead}}")
    mark = {"community": left.id, "group": "lounge"}
    for directory, is_left in (("listed", True), ("unsure", False)):
        change = SetListing("lounge", "!lounge", "Lounge", False, {**mark, "directory": directory}, mark)
        assert is_left_alone(left, change) is is_left


@pytest.mark.parametrize("state", ["m.room.encryption", "m.room.tombstone"])
def test_what_cannot_be_taken_back_is_found_and_nothing_is_planned(state: str) -> None:
    (found,) = drift_of("lounge", lounge={"set": {state: {"body": "x"}}})
    assert found.change is None


@pytest.mark.parametrize(
    "edit",
    [
        {"set": {"m.room.name": {"name": "Ours"}, "m.room.topic": {}}},
        {"set": {"m.room.pinned_events": {"pinned": ["$x"]}, "m.room.avatar": {"url": "mxc://x.example/y"}}},
        {"members": {"eve": "join", "bea": None}},
    ],
    ids=["name and topic", "pins and picture", "people"],
)
def test_what_belongs_to_people_or_to_doors_is_no_drift(edit: Any) -> None:
    assert drift_of("lounge", lounge=edit) == ()


def test_a_room_that_we_do_not_govern_is_left_alone() -> None:
    assert drift_of("lounge", lounge={"set": {"m.room.guest_access": {}}, "creators": ["eve"]}) == ()


def test_other_rooms_need_not_be_observed_but_for_those_that_it_links_to() -> None:
    community, observed = world(
        lounge={"set": {"m.room.guest_access": {}}}, welcome={"set": {"m.room.guest_access": {}}}
    )
    near = replace(observed, rooms={key: observed.rooms[key] for key in ("lounge", "space")})
    assert [one.key for one in deviations(community, near, IDENTITIES, "lounge")] == [("m.room.guest_access", "")]


def test_each_part_of_what_is_written_into_a_room_has_an_aspect() -> None:
    for room in world()[0].rooms:
        assert {event_type for event_type, _ in room.state} <= set(GOVERNED_TYPES)
    assert {aspect_of(one) for one in GOVERNED_TYPES} == set(DRIFT)
    assert aspect_of("m.room.message") is None


def test_a_policy_says_what_follows_and_the_mark_is_kept_always() -> None:
    because = "because: A trial., approved_by: deputy"
    community = saying(f"{{settings: {{value: ignore, {because}}}, links: warn, look: enforce}}")
    answers = {one: answer_to(community, one) for one in ("m.room.join_rules", "m.space.child", "m.room.name")}
    assert answers == {"m.room.join_rules": "ignore", "m.space.child": "warn", "m.room.name": "enforce"}
    assert answer_to(community, "m.room.power_levels") == "enforce"
    assert answer_to(community, "org.inglenook.managed") == "enforce"


def test_names_that_are_not_left_to_people_are_prevented_by_power_and_put_right() -> None:
    community = saying("{look: enforce}")
    observed = settled(community, NOBODY)
    levels: Any = community.room("room").state["m.room.power_levels", ""]["events"]
    assert (levels["m.room.name"], levels["m.room.topic"], levels["m.room.avatar"]) == (150, 150, 50)
    renamed = edited(observed.rooms["room"], {"set": {"m.room.name": {"name": "Ours"}}})
    now = replace(observed, rooms={**observed.rooms, "room": renamed})
    assert [one.aspect for one in deviations(community, now, IDENTITIES, "room")] == ["look"]
    assert [change.describe() for change in plan(community, NOBODY, now, IDENTITIES).changes] == [
        "“Room”: It gets its name."
    ]


def test_only_what_the_policy_does_not_enforce_is_left_to_a_person() -> None:
    links = saying("{links: warn}")
    shown = SetState("room", "!room", "Room", "m.space.parent", "!space", None, {"via": ["x.example"]})
    door = SetState("room", "!room", "Room", "m.room.join_rules", "", {}, {"join_rule": "invite"})
    assert is_left_alone(links, shown)
    assert is_left_alone(links, AddAddress("room", "!room", "Room", "#room:chat.example"))
    assert not is_left_alone(links, door)
    assert not is_left_alone(links, Invite("room", "!room", "Room", "@ana:chat.example"))
    assert not is_left_alone(saying("{}"), shown)
    listed = SetListing("room", "!room", "Room", False, {}, {})
    assert not is_left_alone(saying("{}"), listed)
    assert is_left_alone(saying("{settings: {value: warn, because: A trial., approved_by: deputy}}"), listed)


def test_less_than_it_ships_with_is_a_note_of_every_plan() -> None:
    community = saying("{powers: {value: warn, because: A trial., approved_by: deputy}, links: ignore}")
    notes = [note.text for note in plan(community, NOBODY, settled(community, NOBODY), IDENTITIES).notes]
    (told,) = [note for note in notes if "by hand" in note]
    assert told == (
        "What somebody changes by hand of who may do what stays as it is, and people are told. This is weaker than it is "
        "by itself. The deputy answers for it: A trial."
    )


def test_the_first_times_it_is_put_back_at_once_and_then_ever_later() -> None:
    waits, times, now = [], [], 1_000_000
    for _ in range(8):
        now += (wait := wait_ms(times, now))
        waits.append(wait)
        times.append(now)
    assert waits[:AT_ONCE] == [0] * AT_ONCE
    assert waits[AT_ONCE:] == [15_000, 30_000, 60_000, 120_000, 240_000]
    assert wait_ms(times, now + WINDOW_MS) == 0


@given(st.lists(st.integers(0, 100 * WINDOW_MS), max_size=300), st.integers(0, 100 * WINDOW_MS))
def test_a_wait_is_never_longer_than_an_hour(times: list[int], now: int) -> None:
    assert 0 <= wait_ms(sorted(times), now) <= WINDOW_MS


def test_a_fight_of_a_whole_day_ends_as_a_few_events_an_hour() -> None:
    times: list[int] = []
    now = 0
    while now < 24 * WINDOW_MS:
        now += wait_ms(times, now)
        times.append(now)
        now += 50  # the other one is quick
    assert len(times) < 24 * 12
