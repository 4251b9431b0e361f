"""Which rooms of others a group can take over: each refusal says why, and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from policies.adoption import closes, why_not
from policies.changes import Retire
from policies.desired import MANAGED_TYPE, PREDECESSOR_TYPE
from policies.observed import ObservedRoom
from policies.succession import TOMBSTONE, earlier, followed, predecessor_of
from policies.succession_notes import taken_over
from tests.unit.plan.worlds import IDENTITIES, community_with, of_others, people_of, user

ROOM = community_with({"hello": "open low"}, people_of({})).room("hello")


def refusal(said: dict[str, Any], *, direct: bool = False, **changed: Any) -> str | None:
    room: ObservedRoom = replace(of_others(said), **changed)
    return why_not(room, ROOM, IDENTITIES, direct=direct)


@pytest.mark.parametrize("version", ["1", "6", "10", "11"])
def test_a_room_in_which_the_steward_has_power_can_be_taken_over(version: str) -> None:
    assert refusal({"version": version}) is None


@pytest.mark.parametrize(
    ("set_there", "words"),
    [
        ({MANAGED_TYPE: {"community": "other", "group": "hello"}}, "carries the mark of a community"),
        ({"m.room.tombstone": {"replacement_room": "!other"}}, "is closed already"),
        ({"m.room.power_levels": {"users": {user("pat"): 100}}}, "gives it power level 100"),
        ({"m.room.power_levels": {"users": {IDENTITIES.steward: 99}, "state_default": 100}}, "power level 100"),
        ({"m.room.power_levels": {"users": "x"}}, "has not enough power in that room"),
    ],
)
def test_a_room_that_cannot_be_taken_over_is_refused_with_the_reason(set_there: dict[str, Any], words: str) -> None:
    found = refusal({"set": set_there})
    assert found is not None
    assert words in found


def test_a_space_is_no_room_and_private_talk_is_no_group() -> None:
    space = refusal({}, create_content={"type": "m.space", "room_version": "10"})
    assert space == "that is a space, and “hello” is a room"
    assert "private conversation" in str(refusal({}, direct=True))


@pytest.mark.parametrize("membership", [None, "invite", "knock", "ban", "left"])
def test_a_room_that_the_steward_is_not_in_cannot_be_closed_so_it_is_not_taken_over(membership: str | None) -> None:
    """Though it has the power there."""
    assert "is not in that room" in str(refusal({"members": {"steward": membership}}))


def test_a_plan_closes_a_room_when_its_tombstone_is_among_the_changes() -> None:
    room = of_others({})
    leads_on = Retire("hello", room.room_id, "Hello", *TOMBSTONE, None, {"replacement_room": "!new"}, "steward")
    assert closes([leads_on], room)
    assert not closes([], room)
    assert not closes([replace(leads_on, room_id="!another")], room)
    assert not closes([replace(leads_on, type="m.room.join_rules")], room)


def test_a_room_that_we_made_gets_a_new_one_instead() -> None:
    assert "inglenook upgrade hello" in str(refusal({}, creators=frozenset(IDENTITIES)))


def test_a_room_that_was_taken_over_hides_none_of_the_rooms_before() -> None:
    """Who left those is still not asked again, and who may not be in the group any more is taken out of them, too."""
    taken_over = {"predecessor_room_id": "!others"}
    first = replace(of_others({}), room_id="!first", creators=frozenset(IDENTITIES))
    second = replace(first, room_id="!second", create_content={"predecessor": {"room_id": "!first"}})
    third = replace(first, room_id="!third", create_content={"predecessor": {"room_id": "!second"}})
    second = replace(second, state={**second.state, (PREDECESSOR_TYPE, ""): taken_over})
    third = replace(third, state={**third.state, (PREDECESSOR_TYPE, ""): {"predecessor_room_id": "!more-of-others"}})
    ours = {room.room_id: room for room in (first, second, third)}
    assert predecessor_of(third) == "!more-of-others"
    assert [room.room_id for room in earlier(third, ours.get)] == ["!second", "!first"]
    assert followed([third, second], IDENTITIES) == {"!more-of-others", "!second", "!others", "!first"}


def test_a_plan_says_which_room_is_taken_over_so_that_it_is_not_the_wrong_one() -> None:
    members = {"@lead:x.example": "join", "@robin:x.example": "join", "@kite:x.example": "left"}
    room = replace(of_others({}), members=members, state={("m.room.name", ""): {"name": "Tea\n\u202eroom"}})
    said = next(taken_over(ROOM, room)).text
    assert said == f"“{ROOM.name}”: The old room is {room.room_id}, called “Tea…”. 2 are in it now."
    nameless = next(taken_over(ROOM, replace(room, state={}))).text
    assert f"{room.room_id}, without a name" in nameless
