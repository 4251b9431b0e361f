"""A plan asks nobody in beyond the capacity of a group, and says so."""

from __future__ import annotations

from dataclasses import replace

from policies.changes import Invite
from policies.compile import compile_community
from policies.observed import Observed
from policies.plan import Plan, plan
from tests.unit.plan.worlds import IDENTITIES, edited, people_of, policy_with, settled, user

SAID = {"ana": "lead quiet", "bea": "quiet", "cat": "quiet"}


def planned(capacity: int, members: dict[str, str | None]) -> Plan:
    """The plan for a room with these members, for which ana, bea and cat are approved."""
    people = people_of(SAID)
    plain = policy_with({"quiet": "hybrid low"})
    group = plain.groups["quiet"].model_copy(update={"capacity": capacity})
    community = compile_community(plain.model_copy(update={"groups": {"quiet": group}}), people)
    world = settled(community, people)
    room = edited(world.rooms["quiet"], {"members": members})
    return plan(community, people, replace(world, rooms={**world.rooms, "quiet": room}), IDENTITIES)


def test_all_who_are_approved_are_asked_in_while_there_are_places() -> None:
    found = planned(3, {"bea": None, "cat": "knock"})
    assert [change.user_id for change in found.changes if isinstance(change, Invite)] == [user("bea"), user("cat")]
    assert found.notes == ()


def test_nobody_is_asked_in_where_there_are_not_places_for_all() -> None:
    found = planned(2, {"bea": None, "cat": "knock"})
    assert found.empty
    [note] = found.notes
    assert (note.kind, note.room) == ("full", "quiet")
    assert "is full (2 places, 1 of them taken, 2 more people approved)" in note.text


def test_nobody_is_taken_out_when_a_capacity_is_lowered() -> None:
    assert planned(2, {}).empty


def test_a_new_room_asks_nobody_in_beyond_its_capacity() -> None:
    people = people_of(SAID)
    plain = policy_with({"quiet": "closed low"})
    group = plain.groups["quiet"].model_copy(update={"capacity": 2})
    community = compile_community(plain.model_copy(update={"groups": {"quiet": group}}), people)
    found = plan(community, people, Observed({}), IDENTITIES)
    assert not [change for change in found.changes if isinstance(change, Invite) and change.room == "quiet"]
    assert [note.kind for note in found.notes] == ["full"]
