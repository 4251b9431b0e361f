"""Which way a change goes: the orders of join rules, history, guests and servers, and what new powers mean."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.governed_rooms import governed_power_levels
from policies.movements import Movement, Shift, movement, power_movement, same

ANA, SAM = "@ana:chat.example", "@sam:chat.example"
TIGHTER, WIDER, NEITHER = Movement(tightens=True), Movement(widens=True), Movement()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


def rule(name: str, *spaces: str) -> dict[str, Any]:
    return {"join_rule": name} | (
        {"allow": [{"type": "m.room_membership", "room_id": space} for space in spaces]} if spaces else {}
    )


ORDERS = {
    "m.room.join_rules": [rule("invite"), rule("knock"), rule("restricted", "!s"), rule("public"), rule("banana")],
    "m.room.history_visibility": [
        {"history_visibility": value} for value in ("joined", "invited", "shared", "world_readable", "other")
    ],
    "m.room.guest_access": [{"guest_access": value} for value in ("forbidden", "can_join", None)],
}


@pytest.mark.parametrize("event_type", ORDERS)
def test_what_is_known_has_an_order_and_what_is_not_counts_as_widest(event_type: str) -> None:
    for narrow, wide in combinations(ORDERS[event_type], 2):
        assert movement(event_type, narrow, wide) == WIDER
        assert movement(event_type, wide, narrow) == TIGHTER
    assert all(movement(event_type, content, dict(content)) == NEITHER for content in ORDERS[event_type])


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (rule("restricted", "!a"), rule("restricted", "!a", "!b"), WIDER),
        (rule("restricted", "!a", "!b"), rule("restricted", "!a"), TIGHTER),
        (rule("restricted", "!a"), rule("restricted", "!b"), Movement(tightens=True, widens=True)),
        (rule("restricted", "!a"), rule("knock_restricted", "!a"), WIDER),
        (rule("restricted"), rule("invite"), NEITHER),
        (rule("knock_restricted"), rule("knock"), NEITHER),
        (None, rule("invite"), NEITHER),
        (None, rule("knock"), WIDER),
        (3, rule("invite"), TIGHTER),
    ],
)
def test_the_ways_into_a_room_are_compared(before: object, after: object, expected: Movement) -> None:
    assert movement("m.room.join_rules", before, after) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, {"allow": ["a"], "deny": [], "allow_ip_literals": False}, TIGHTER),
        ({"allow": ["a"]}, {"allow": ["a", "b"]}, WIDER),
        ({"allow": ["a", "b"]}, {"allow": ["a"]}, TIGHTER),
        ({"allow": ["a"]}, {"allow": ["*"]}, WIDER),
        ({"allow": ["*"]}, {"allow": ["*", "a"]}, NEITHER),
        ({"allow": ["a"], "deny": ["b"]}, {"allow": ["a"]}, WIDER),
        ({"allow": ["a"], "allow_ip_literals": False}, {"allow": ["a"]}, WIDER),
        ({"allow": ["a"]}, {"allow": ["b"]}, Movement(tightens=True, widens=True)),
        ({"allow": "x"}, {"allow": ["a"], "allow_ip_literals": True}, TIGHTER),
    ],
)
def test_lists_of_servers_are_compared(before: object, after: object, expected: Movement) -> None:
    assert movement("m.room.server_acl", before, after) == expected


def test_history_without_an_event_is_shared() -> None:
    assert movement("m.room.history_visibility", None, {"history_visibility": "shared"}) == NEITHER
    assert movement("m.room.history_visibility", None, {"history_visibility": "joined"}) == TIGHTER


def test_new_powers_tell_who_goes_up_and_who_down() -> None:
    moved = power_movement(governed_power_levels({ANA: 75}), governed_power_levels({SAM: 50}))
    assert moved.lowered == (Shift(ANA, 75, 0),)
    assert moved.raised == (Shift(SAM, 0, 50),)
    assert (moved.tightened, moved.widened) == ((), ())


def test_a_level_for_everybody_counts_for_those_whom_nobody_names() -> None:
    moved = power_movement({**governed_power_levels({}), "users_default": 50}, governed_power_levels({ANA: 75}))
    assert moved.lowered == (Shift("", 50, 0),)
    assert moved.raised == (Shift(ANA, 50, 75),)


def test_powers_that_nobody_set_before_take_nothing_from_anybody() -> None:
    moved = power_movement(None, governed_power_levels({ANA: 75}))
    assert moved.first
    assert moved.lowered == ()


def test_what_takes_more_or_less_power_is_named() -> None:
    moved = power_movement(governed_power_levels({}), governed_power_levels({}, events_default=50, invite=0))
    assert moved.tightened == ("events_default",)
    assert moved.widened == ("invite",)


@given(JSON)
def test_any_content_before_is_compared_without_complaint(content: Any) -> None:
    for event_type in (*ORDERS, "m.room.server_acl", "m.room.name"):
        movement(event_type, content, content)
    power_movement(content, governed_power_levels({ANA: 50}))


@given(JSON, JSON)
def test_values_are_the_same_if_their_json_is(left: Any, right: Any) -> None:
    assert same(left, left)
    assert same(left, right) is (json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True))


@pytest.mark.parametrize(("left", "right"), [(1, True), (0, False), (1, 1.0), ([], {}), ("1", 1), ({"a": 1}, {"b": 1})])
def test_values_that_only_python_thinks_alike_differ(left: object, right: object) -> None:
    assert not same({"x": left}, {"x": right})
