"""A plan on paper: whole, ours, fresh, and compared in plain words with what would be done now."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from policies.desired import DesiredCommunity
from policies.observed import Observed
from policies.people import People
from policies.plan import Plan, plan
from policies.saved import FORMAT, GOOD_FOR_MS, SavedPlan, UnusablePlan, differences, people_digest
from tests.unit.plan.model_homeserver import ModelHomeserver
from tests.unit.plan.test_plan_properties import EXAMPLES, communities, homeservers, planned
from tests.unit.plan.worlds import IDENTITIES, community_with, edited, people_of, settled

GROUPS = {"hello": "open low", "quiet": "closed medium"}
PEOPLE = people_of({"ana": "lead quiet", "sam": "quiet"})
MADE = 1_800_000_000_000
SERVER = "chat.example"


def saved(made: Plan | None = None) -> SavedPlan:
    made = made or plan(community_with(GROUPS, PEOPLE), PEOPLE, Observed({}), IDENTITIES)
    return SavedPlan(made, people_digest(PEOPLE), SERVER, MADE, "/charity/policy.yaml", "/charity/people.yaml")


def after(**edits: dict[str, Any]) -> Plan:
    community = community_with(GROUPS, PEOPLE)
    world = settled(community, PEOPLE)
    rooms = {key: edited(room, edits.get(key, {})) for key, room in world.rooms.items()}
    return plan(community, PEOPLE, replace(world, rooms=rooms), IDENTITIES)


def test_a_saved_plan_survives_the_file() -> None:
    assert SavedPlan.from_record(json.loads(json.dumps(saved().record()))) == saved()


def everywhere(record: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all values below `record` that are no containers."""
    if isinstance(record, dict):
        return [place for name, value in record.items() for place in everywhere(value, (*path, name))]
    if isinstance(record, list):
        return [place for index, value in enumerate(record) for place in everywhere(value, (*path, index))]
    return [path]


def damaged(record: Any, place: tuple[Any, ...], value: Any) -> Any:
    copy = json.loads(json.dumps(record))
    inside = copy
    for step in place[:-1]:
        inside = inside[step]
    inside[place[-1]] = value
    return copy


@pytest.mark.parametrize("value", [None, 7, "x", [], {}, True], ids=repr)
def test_a_saved_plan_with_any_value_changed_is_refused(value: object) -> None:
    record = saved().record()
    places = everywhere(record)
    assert len(places) > 100
    for place in places:
        wrong = damaged(record, place, value)
        if wrong != record:
            with pytest.raises(UnusablePlan, match=r"damaged|newer"):
                SavedPlan.from_record(wrong)


@pytest.mark.parametrize("name", sorted(saved().record()))
def test_a_saved_plan_that_lacks_a_part_is_refused(name: str) -> None:
    record = {key: value for key, value in saved().record().items() if key != name}
    with pytest.raises(UnusablePlan):
        SavedPlan.from_record(record)


@pytest.mark.parametrize("record", [None, [], "plan", 3, {}, {"schema": 1}], ids=repr)
def test_what_is_no_saved_plan_is_told_so_with_the_way_to_make_one(record: object) -> None:
    with pytest.raises(UnusablePlan, match="--out FILE"):
        SavedPlan.from_record(record)


def test_a_plan_in_a_newer_format_is_told_so_whatever_else_it_holds() -> None:
    with pytest.raises(UnusablePlan, match=rf"newer Inglenook .*format {FORMAT + 1}, this one reads {FORMAT}"):
        SavedPlan.from_record({"inglenook_plan": FORMAT + 1, "something": ["new"]})


def test_a_record_that_is_nested_beyond_sense_is_refused() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnusablePlan, match="damaged"):
        SavedPlan.from_record({**saved().record(), "more": deep})


def test_a_plan_is_good_for_seven_days_on_its_own_server() -> None:
    made = saved()
    made.usable(SERVER, MADE)
    made.usable(SERVER, MADE + GOOD_FOR_MS)
    with pytest.raises(UnusablePlan, match="7 days old, and a plan is good for seven"):
        made.usable(SERVER, MADE + GOOD_FOR_MS + 1)
    with pytest.raises(UnusablePlan, match="in the future"):
        made.usable(SERVER, MADE - 3_600_000)
    with pytest.raises(UnusablePlan, match=r"for chat\.example, and this service looks after other\.example"):
        made.usable("other.example", MADE)


def test_the_digest_of_people_knows_what_they_hold_and_not_the_order() -> None:
    other = People(dict(reversed(PEOPLE.by_id.items())))
    assert people_digest(other) == people_digest(PEOPLE)
    assert people_digest(people_of({"ana": "lead", "sam": "quiet"})) != people_digest(PEOPLE)
    assert people_digest(people_of({"ana": "lead quiet"})) != people_digest(PEOPLE)


# -- what differs ------------------------------------------------------------------------------------------------------


def test_what_differs_is_said_in_plain_words() -> None:
    then = after(quiet={"members": {"eve": "join"}, "set": {"m.room.join_rules": {"join_rule": "public"}}})
    now = after(quiet={"members": {"max": "join"}, "set": {"m.room.join_rules": {"join_rule": "knock"}}})
    assert differences(then, now) == (
        "Different: “Quiet”: People could ask to come in before; only people who are invited can come in from now on. "
        "(The plan said: Anybody could come in before; only people who are invited can come in from now on.)",
        "New: “Quiet”: @max:chat.example, who is not approved for it, is removed.",
        "Not any more: “Quiet”: @eve:chat.example, who is not approved for it, is removed.",
    )


def test_what_reads_the_same_and_stands_on_something_else_is_told_too() -> None:
    then, now = (
        after(quiet={"set": {"m.room.server_acl": {"allow": [server]}}}) for server in ("x.example", "y.example")
    )
    assert then.digest != now.digest
    (line,) = differences(then, now)
    assert line.startswith("Something else stands there than before: “Quiet”: ")


def test_many_differences_are_cut_short_with_their_number() -> None:
    now = after(quiet={"members": {f"p{number}": "join" for number in range(50)}})
    found = differences(after(), now)
    assert (len(found), found[-1]) == (21, "… and 30 more.")


@EXAMPLES
@given(homeservers(), communities(), homeservers())
def test_plans_differ_in_words_exactly_when_their_changes_do(
    server: ModelHomeserver, wanted: tuple[DesiredCommunity, People], other: ModelHomeserver
) -> None:
    one, two = planned(server, wanted), planned(other, wanted)
    assert bool(differences(one, two)) is (one.digest != two.digest)
    assert all("\n" not in line for line in differences(one, two))


@EXAMPLES
@given(homeservers(), communities())
def test_any_plan_can_be_saved_and_read(server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]) -> None:
    made = saved(planned(server, wanted))
    assert SavedPlan.from_record(json.loads(json.dumps(made.record()))) == made
