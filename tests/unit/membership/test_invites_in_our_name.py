"""Invites that stand in the stream in one of our names: ours are left alone, those that somebody else had sent are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from appservice.flow import Card, Effect, Event, EventInput, Facts, Origin, Remove
from appservice.matrix import parse_event
from appservice.membership import Doors, Standing
from policies.changes import BringOver, Invite
from policies.desired import DesiredCommunity
from policies.people import People
from policies.plan import plan
from tests.support.house import GHOSTS as HOUSE_GHOSTS
from tests.support.house import GROUP as HOUSE_GROUP
from tests.support.house import SAM as HOUSE_SAM
from tests.support.house import fresh_store, member, message, open_house
from tests.support.lane_handlers import Remembered, idle, inputs
from tests.unit.membership.test_places import GHOSTS, GROUP, LEAD, ROSA, SAM, Rules, group, kinds
from tests.unit.plan.model_homeserver import ModelHomeserver
from tests.unit.plan.test_plan_properties import communities, homeservers
from tests.unit.plan.worlds import IDENTITIES, policy_with


def door(person: str, now: str = "invite", *, by: str = GHOSTS.steward, **room: Any) -> list[Effect]:
    event = Event("$1", GROUP, by, "m.room.member", {"membership": "invite"}, origin_server_ts=1, state_key=person)
    members = {LEAD: "join", person: now}
    facts = Facts(1, replace(group(members), **room), GHOSTS, "h.example", rules=Rules())  # type: ignore[arg-type]
    return list(Doors({"lounge": 1}).handle(EventInput("h.example", event, Origin.PUSH, 1), facts))


@pytest.mark.parametrize("by", GHOSTS.all)
def test_an_invite_in_our_name_of_somebody_who_may_not_be_there_is_withdrawn_and_the_moderators_know(by: str) -> None:
    effects = door(SAM, by=by)
    assert kinds(effects) == {Remove, Card}
    assert [(one.user_id, one.code) for one in effects if isinstance(one, Remove)] == [(SAM, "invite_withdrawn")]


@pytest.mark.parametrize(
    "room", [{}, {"taken_out": {ROSA}}], ids=["though all places are taken", "though a person took them out before"]
)
def test_our_own_invite_of_somebody_who_may_be_there_is_left_alone(room: dict[str, Any]) -> None:
    assert door(ROSA, **room) == []


@pytest.mark.parametrize("now", ["join", "left", "removed", "ban", "knock"])
def test_an_invite_in_our_name_that_is_over_is_left_to_what_came_after_it(now: str) -> None:
    assert door(SAM, now) == []


@pytest.mark.parametrize("room", [{"community": "another"}, {"group": "gone"}])
def test_an_invite_in_our_name_to_a_room_that_the_policy_says_nothing_of_is_left_alone(room: dict[str, Any]) -> None:
    assert door(SAM, **room) == []


async def test_of_what_we_do_ourselves_the_doorkeepers_hear_of_invites_of_people_and_nobody_else_of_anything(
    tmp_path: Path,
) -> None:
    keeper, other, heard = Remembered(), Remembered(), list[str]()
    async with open_house(fresh_store(tmp_path), handlers=(other,)) as house:
        house.lanes.doorkeepers = (keeper,)
        noted = house.lanes.heard
        house.lanes.heard = lambda item, facts, effects: (heard.append(item.id), noted(item, facts, effects))[1]
        invite = member("$invite", HOUSE_SAM, "invite")
        for raw in (
            {**invite, "sender": HOUSE_GHOSTS.steward},
            {**invite, "event_id": "$guardian", "sender": HOUSE_GHOSTS.steward, "state_key": HOUSE_GHOSTS.guardian},
            {**invite, "event_id": "$elsewhere", "sender": HOUSE_GHOSTS.steward, "room_id": "!none-of-ours"},
            {**invite, "event_id": "$hand", "sender": "@lead:hearth.example"},
            {**member("$kick", HOUSE_SAM, "leave"), "sender": HOUSE_GHOSTS.steward},
            {**message("$words"), "sender": HOUSE_GHOSTS.guardian},
        ):
            await house.lanes.accept([house.input(parse_event(raw, raw["room_id"]))])
            await idle(house)
    assert (keeper.seen, other.seen, heard) == (["$invite"], ["$hand"], ["$hand"])


async def test_an_invite_that_a_server_administrator_had_sent_in_the_stewards_name_is_withdrawn_at_once(
    tmp_path: Path,
) -> None:
    async with open_house(fresh_store(tmp_path), handlers=()) as house:
        house.lanes.doorkeepers = (Doors(),)
        house.projection.rules = Rules()  # type: ignore[assignment]
        invite = {**member("$1", HOUSE_SAM, "invite"), "sender": HOUSE_GHOSTS.steward}
        await house.lanes.accept(inputs(house, invite))
        rows = await house.table("SELECT type FROM outbox ORDER BY type")
        assert [(HOUSE_GROUP, *row) for row in rows] == [(HOUSE_GROUP, "card"), (HOUSE_GROUP, "remove")]


@settings(max_examples=60, deadline=None)
@given(homeservers(), communities())
def test_whom_a_plan_asks_in_the_doors_let_in(server: ModelHomeserver, wanted: tuple[DesiredCommunity, People]) -> None:
    """Else we would take back our own invites."""
    community, people = wanted
    standing = Standing("h.example", policy_with({"hello": "open low"}), community, people)
    for change in plan(community, people, server.observe(community), IDENTITIES).changes:
        if isinstance(change, BringOver | Invite):
            assert standing.admits(community.id, change.room, change.user_id)
