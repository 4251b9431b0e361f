"""A plan as a value: counted, read, saved and refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from policies.changes import (
    Change,
    CreateRoom,
    Invite,
    JoinGuardian,
    Remove,
    SetState,
    change_from_record,
    change_record,
    filled,
    needs,
)
from policies.compile import compile_community
from policies.observed import Observed
from policies.people import People
from policies.plan import Plan, plan
from tests.unit.plan.worlds import IDENTITIES, community_with, edited, people_of, policy_with, settled, user

GROUPS = {"hello": "open low", "quiet": "closed medium", "news": "announce low"}
PEOPLE = people_of({"ana": "lead quiet", "sam": "quiet"})
ENCRYPTION = SetState("quiet", "!q", "Quiet", "m.room.encryption", "", None, {"algorithm": "m.megolm.v1.aes-sha2"})


def from_nothing() -> Plan:
    return plan(community_with(GROUPS, PEOPLE), PEOPLE, Observed({}), IDENTITIES)


def after(**edits: dict[str, Any]) -> Plan:
    """The plan for a settled world in which somebody did this to rooms."""
    community = community_with(GROUPS, PEOPLE)
    world = settled(community, PEOPLE)
    rooms = {key: edited(room, edits.get(key, {})) for key, room in world.rooms.items()}
    return plan(community, PEOPLE, replace(world, rooms=rooms), IDENTITIES)


def test_an_empty_plan_says_that_there_is_nothing_to_do() -> None:
    found = after()
    assert found.empty
    assert found.calls == 0
    assert found.summary() == "Nothing to do."
    assert found.describe() == ()


def test_a_summary_counts_changes_rooms_calls_and_classes() -> None:
    found = after(
        quiet={"set": {"m.room.join_rules": {"join_rule": "public"}}, "members": {"eve": "join", "max": "join"}},
        hello={"set": {"m.room.history_visibility": {"history_visibility": "joined"}}},
    )
    assert found.summary() == "4 changes in 2 rooms, 4 calls: 1 safe, 2 disruptive, 1 exposing."
    assert found.counts == {"safe": 1, "disruptive": 2, "exposing": 1, "one_way": 0}


def test_notes_are_told_after_the_changes_and_leave_the_digest_alone() -> None:
    found = after(quiet={"members": {"sam": "ban", "eve": "join"}})
    assert found.describe()[-1].startswith(f"{user('sam')} is approved for “Quiet” and banned")
    assert replace(found, notes=()).digest == found.digest


def test_an_identity_of_ours_among_the_people_is_refused() -> None:
    people = people_of({"guardian": "lead"})
    with pytest.raises(ValueError, match=r"inglenook-guardian:.* is one of our own identities"):
        plan(community_with(GROUPS, people), people, Observed({}), IDENTITIES)


def test_the_digest_changes_with_what_was_found_before() -> None:
    public, knock = (after(quiet={"set": {"m.room.join_rules": {"join_rule": rule}}}) for rule in ("public", "knock"))
    assert [change_record(one)["after"] for one in public.changes] == [
        change_record(one)["after"] for one in knock.changes
    ]
    assert public.digest != knock.digest


def test_the_digest_changes_with_the_policy() -> None:
    people = People({})
    one, other = (
        plan(compile_community(policy_with(GROUPS, purpose=text), people), people, Observed({}), IDENTITIES)
        for text in ("A.", "B.")
    )
    assert one.digest != other.digest


def test_the_digest_tells_true_from_one() -> None:
    acl = {"allow": ["chat.example"], "deny": []}
    zero, no = (
        SetState("a", "!a", "A", "m.room.server_acl", "", {**acl, "allow_ip_literals": value}, acl)
        for value in (0, False)
    )
    assert Plan("c", "p", (zero,)).digest != Plan("c", "p", (no,)).digest


def test_a_saved_plan_survives_json() -> None:
    found = from_nothing()
    assert Plan.from_record(json.loads(json.dumps(found.record()))) == found


@pytest.mark.parametrize(
    "damage",
    [
        {"plan": 2},
        {"changes": None},
        {"changes": [{"do": "invite"}]},
        {"changes": [{"do": "delete_room", "room": "quiet"}]},
        {"changes": [3]},
        {"notes": ["a"]},
        {"notes": [{"kind": "unheard_of", "room": None, "text": "x"}]},
        {"community": None},
        {"policy": "sha256:other"},
        {"changes": []},
        {"digest": "sha256:0"},
        {"digest": None},
    ],
    ids=str,
)
def test_a_saved_plan_that_was_changed_is_refused(damage: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Plan.from_record({**from_nothing().record(), **damage})


@pytest.mark.parametrize("record", [None, [], "plan", 3])
def test_what_is_no_plan_is_refused(record: object) -> None:
    with pytest.raises(ValueError, match="not a saved plan"):
        Plan.from_record(record)


@pytest.mark.parametrize(
    "damage",
    [{"body": {}}, {"body": {"creation_content": {}, "initial_state": [1]}}, {"room": 3}, {"extra": 1}],
    ids=str,
)
def test_a_damaged_change_is_refused(damage: dict[str, Any]) -> None:
    record = change_record(next(one for one in from_nothing().changes if isinstance(one, CreateRoom)))
    with pytest.raises(ValueError, match=r"."):
        change_from_record({**record, **damage})


def test_changes_wait_for_the_rooms_whose_ids_they_name() -> None:
    waits = {change.describe(): needs(change) for change in from_nothing().changes}
    assert waits["“Carers”: The space is made. Anybody can come in."] == frozenset()
    assert waits["“Hello”: The room is made. Anybody can come in."] == {"space"}
    assert waits["“News”: The room is made. People of the space can come in."] == {"space"}
    assert waits["“Quiet”: The room is made. Only people who are invited can come in."] == frozenset()
    assert waits["“Carers”: It shows “Hello” to those who are in it."] == {"space", "hello"}
    assert waits[f"“Quiet”: {user('sam')} is approved for it, and invited."] == {"quiet"}


def test_ids_are_filled_in_wherever_a_room_is_named() -> None:
    room_ids = {room.key: f"!{room.key}" for room in community_with(GROUPS, PEOPLE).rooms}
    complete = [filled(change, room_ids) for change in from_nothing().changes]
    assert not any(needs(change) for change in complete)
    made = {one.room: one for one in complete if isinstance(one, CreateRoom)}
    state = {(event["type"], event["state_key"]): event["content"] for event in made["news"].body["initial_state"]}
    assert state["m.space.parent", "!space"] == {"via": ["chat.example"], "canonical": True}
    assert state["m.room.join_rules", ""]["allow"] == [{"type": "m.room_membership", "room_id": "!space"}]
    assert {one.state_key for one in complete if isinstance(one, SetState)} == {"!hello", "!news"}
    assert {one.room_id for one in complete if isinstance(one, JoinGuardian)} == set(room_ids.values())


def test_a_room_without_an_id_is_named_when_it_is_missing() -> None:
    change = Invite("quiet", "{room:quiet}", "Quiet", user("sam"))
    with pytest.raises(KeyError, match="quiet"):
        filled(change, {"space": "!space"})


def test_a_room_may_be_called_like_a_placeholder() -> None:
    change = next(one for one in from_nothing().changes if isinstance(one, CreateRoom) and one.room == "quiet")
    named = replace(change, body={**change.body, "name": "{room:space}"})
    assert needs(named) == frozenset()
    assert filled(named, {}) == named


def test_no_creator_is_given_a_level_and_no_person_made_a_creator() -> None:
    for change in from_nothing().changes:
        if isinstance(change, CreateRoom):
            content = next(
                one["content"] for one in change.body["initial_state"] if one["type"] == "m.room.power_levels"
            )
            assert set(content["users"]).isdisjoint(IDENTITIES)
            assert set(change.body["creation_content"]["additional_creators"]) == {
                IDENTITIES.guardian,
                IDENTITIES.custodian,
            }
            assert change.body["invite"] == [IDENTITIES.guardian]
            assert change.body["preset"] == "private_chat"


@pytest.mark.parametrize(
    ("change", "change_class"),
    [
        (ENCRYPTION, "one_way"),
        (replace(ENCRYPTION, type="m.room.tombstone"), "one_way"),
        (Remove("quiet", "!q", "Quiet", user("eve")), "disruptive"),
        (Remove("quiet", "!q", "Quiet", user("eve"), invited=True), "disruptive"),
        (Invite("quiet", "!q", "Quiet", user("eve")), "safe"),
    ],
    ids=lambda value: value.do if isinstance(value, SetState | Invite | Remove) else value,
)
def test_each_change_knows_how_much_care_it_asks_for(change: Change, change_class: str) -> None:
    assert change.change_class == change_class


def test_what_cannot_be_undone_says_so() -> None:
    assert "cannot be undone" in ENCRYPTION.describe()
