"""Newcomers who wait stand in a room's powers, and a plan neither forgets them nor takes them for anybody's doing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.changes import SetState
from policies.desired import DesiredCommunity
from policies.drift import deviations
from policies.newcomers import MOST_BYTES, MOST_HELD, held, with_newcomers
from policies.observed import Observed
from policies.people import People
from policies.plan import plan
from tests.unit.plan.model_homeserver import ModelHomeserver
from tests.unit.plan.worlds import IDENTITIES, compile_community, edited, people_of, policy_with, settled, user

PEOPLE = people_of({"ana": "lead lounge", "bea": "lounge", "cat": "lounge"})
POWERS = ("m.room.power_levels", "")
LOUNGE: dict[str, Any] = {"kind": "hybrid", "posting": {"first_messages": 3}}
SILENT: dict[str, Any] = {"kind": "hybrid"}


def community(*waiting: str, lounge: dict[str, Any] = LOUNGE, people: People = PEOPLE) -> DesiredCommunity:
    made = compile_community(policy_with({"hello": "open low", "lounge": lounge}), people)
    return replace(made, waiting={"lounge": frozenset(user(one) for one in waiting)} if waiting else {})


def powers(wanted: DesiredCommunity) -> Any:
    return wanted.complete_state("lounge", {})[POWERS]


def world(wanted: DesiredCommunity, **content: Any) -> Observed:
    """Everything as it should be, those who wait included; the lounge with these powers, if some are given."""
    found = settled(wanted, PEOPLE)
    lounge = edited(found.rooms["lounge"], {"set": {POWERS[0]: content["powers"]}} if content else {})
    return replace(found, rooms={**found.rooms, "lounge": lounge})


@given(st.sets(st.sampled_from(("bea", "cat", "ana", "dan"))), st.sets(st.sampled_from(("bea", "cat", "ana", "dan"))))
def test_whoever_waits_one_apply_puts_it_right_and_then_there_is_nothing_to_do(was: set[str], now: set[str]) -> None:
    homeserver = ModelHomeserver(IDENTITIES)
    for wanted in (community(*was), community(*now)):
        homeserver.apply(plan(wanted, PEOPLE, homeserver.observe(wanted), IDENTITIES))
        assert plan(wanted, PEOPLE, homeserver.observe(wanted), IDENTITIES).empty
    users = powers(community(*now))["users"]
    assert {one for one, level in users.items() if level == -1} == {user(one) for one in now - {"ana"}}
    assert users[user("ana")] == 75, "who has power by a role keeps it"


def test_without_the_setting_nobody_waits_whatever_is_known_of_them() -> None:
    before, after = community("bea"), community("bea", lounge=SILENT)
    found = plan(after, PEOPLE, world(before), IDENTITIES)
    [change] = [one for one in found.changes if isinstance(one, SetState) and one.type == POWERS[0]]
    assert change.after["users"] == {user("ana"): 75}
    assert "Whose first messages are read" in change.words()


def test_who_waits_neither_gains_nor_loses_power_so_no_limit_and_no_assessment_stands_in_the_way() -> None:
    for before, after in ((community(), community("bea", "cat")), (community("bea", "cat"), community())):
        found = plan(after, PEOPLE, world(before), IDENTITIES)
        assert [(one.change_class, one.phase) for one in found.changes] == [("safe", "lock")]
        assert found.shares == ()
    first = plan(community(), PEOPLE, settled(community(lounge=SILENT), PEOPLE), IDENTITIES)
    assert {one.change_class for one in first.changes} == {"safe"}


def test_what_newcomers_wrote_they_can_take_back_and_reactions_are_kept_from_them() -> None:
    levels = powers(community())
    assert levels["events"]["m.room.redaction"] == -1
    assert levels["events"]["m.reaction"] == levels["events_default"] == 0
    assert powers(community(lounge=SILENT))["events"]["m.room.redaction"] == 0


def test_that_people_come_and_go_is_no_drift_and_any_other_difference_is() -> None:
    wanted, before = community("bea"), powers(community("cat"))
    [found] = deviations(wanted, world(wanted, powers=before), IDENTITIES, "lounge")
    assert found.of_newcomers
    raised = {**before, "users": {**before["users"], user("cat"): 50}}
    for content in (raised, {}, {**before, "users_default": -1}, {**before, "users": []}):
        [found] = deviations(wanted, world(wanted, powers=content), IDENTITIES, "lounge")
        assert not found.of_newcomers


def test_somebody_held_back_where_nobody_waits_is_drift() -> None:
    wanted = community(lounge=SILENT)
    before = powers(wanted)
    silenced = {**before, "users": {**before["users"], user("bea"): -1}}
    [found] = deviations(wanted, world(wanted, powers=silenced), IDENTITIES, "lounge")
    assert not found.of_newcomers


@pytest.mark.parametrize("length", [20, 240])
def test_no_crowd_of_newcomers_makes_the_powers_too_large_and_the_plan_tells_how_many_are_beyond(length: int) -> None:
    names = [f"{n:04}".ljust(length, "x") for n in range(MOST_HELD + 1)]
    wanted = community(*names)
    content = powers(wanted)
    count = sum(1 for level in content["users"].values() if level == -1)
    assert len(orjson.dumps(content)) < 40_000
    assert count == min(MOST_HELD, MOST_BYTES // len(user(names[0])))
    [note] = [one for one in plan(wanted, PEOPLE, world(wanted), IDENTITIES).notes if one.kind == "newcomers"]
    assert note.text.startswith(f"“Lounge”: {len(names) - count} more people are new than")


def test_who_is_held_goes_by_the_people_and_not_by_the_order_in_which_they_came() -> None:
    people = [f"@{n}:chat.example" for n in range(700)]
    assert held(people, ()) == held(reversed(people), ())  # type: ignore[arg-type]
    levels = {"users": {"@1:chat.example": 50, "@gone:chat.example": -1}, "ban": 50}
    assert with_newcomers(levels, people[:2]) == {"users": {"@1:chat.example": 50, "@0:chat.example": -1}, "ban": 50}
    assert with_newcomers(levels, ["@gone:chat.example"]) is levels
    assert held(["no user id", "@", "@sam:chat.example"], ()) == ("@sam:chat.example",), "one would spoil it for all"
