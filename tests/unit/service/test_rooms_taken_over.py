"""A room that others made is taken over by the steward who is in it, or not at all: whichever came first, invite or power."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.flow import AnswerInvite, Attempt, Done, Effect, Result
from appservice.matrix import Actor, AdminCapability, HomeserverClient
from appservice.membership import Invitations
from appservice.provisioning import Applier, Observer, Provisioner
from appservice.service.succession import Asked, CannotFollow, Successions
from policies.desired import DesiredCommunity
from policies.people import People
from policies.plan import Plan
from policies.succession import PREDECESSOR_TYPE
from tests.support.house import GHOSTS, House, fresh_store, open_house
from tests.support.model_homeserver import ModelHomeserver
from tests.support.stub_homeserver import Call
from tests.support.waiting import eventually
from tests.unit.provisioning.test_apply import ROSA, World, example

OLD = "!tea"
BARE = {("m.room.create", ""): {"room_version": "10"}, ("m.room.join_rules", ""): {"join_rule": "invite"}}


@dataclass
class Homeserver(ModelHomeserver):
    """Who left a room reads it as it was then, and may go in again by an invite, or where anybody may: as Synapse has it."""

    admin: bool = False
    as_they_left: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def _read(self, call: Call) -> Any:
        room = call.path.split("/")[-2]
        if call.path.endswith("/state") and self.membership(room, call.actor) == "leave":
            return self.as_they_left[room]
        return super()._read(call)

    async def _write(self, call: Call) -> Any:
        parts, who = call.path.split("/"), str(call.actor)
        if "/join/" in call.path and self.state(parts[-1])["m.room.join_rules", ""]["join_rule"] == "public":
            await self.put(parts[-1], "m.room.member", who, {"membership": "join"}, who)
            return {}
        room = parts[-2]
        if not call.path.endswith("/leave"):
            return await super()._write(call)
        await self.put(room, "m.room.member", who, {"membership": "leave"}, who)
        self.as_they_left[room] = list(self.rooms[room].values())
        return {}

    async def invites(self, user_id: str, **content: Any) -> None:
        await self.put(OLD, "m.room.member", user_id, {"membership": "invite", **content}, ROSA)

    async def gives_power(self) -> None:
        await self.put(OLD, "m.room.power_levels", "", {"users": {ROSA: 100, GHOSTS.steward: 100}}, ROSA)

    @property
    def steward(self) -> str | None:
        return self.membership(OLD, GHOSTS.steward)


@dataclass
class Declines:
    """Leaves where an invite is to be answered."""

    client: HomeserverClient | None = None

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert self.client is not None
        assert isinstance(effect, AnswerInvite)
        await self.client.leave(effect.room_id, effect.user_id)
        return Done()


@dataclass
class Taking:
    """A private room that Rosa made by hand, and what `inglenook adopt bereaved` does about it."""

    homeserver: Homeserver
    house: House

    def __post_init__(self) -> None:
        client, world = self.house.homeserver, World(self.homeserver, self.house)
        assert world.audit is not None
        self.audit, admin = world.audit, AdminCapability(client, GHOSTS.steward, world.audit)
        observer = Observer(client, admin, self.house.projection, self.house.lanes, GHOSTS, world.patterns)
        applier = Applier(client, admin, observer, GHOSTS, Actor(GHOSTS.guardian, "D"), world.audit)
        self.provisioner = Provisioner(observer, applier, GHOSTS)
        self.successions = Successions(client, observer, GHOSTS, lambda _room_id: 0)

    async def answered(self) -> None:
        """Return when whoever asked one of us in has had an answer, if they get one."""
        await self.house.lanes.idle()

        async def nothing_waits() -> bool:
            return not any(self.house.outbox.waiting.values())

        await eventually(nothing_waits, "invites are answered", within=5, every=0.005)

    async def planned(self, provisioner: Any = None) -> Plan:
        await self.answered()
        community, people = example()
        return await self.successions.plan(Asked("bereaved", OLD), community, people, provisioner or self.provisioner)

    async def take_over(self) -> None:
        community, people = example()
        done = await self.provisioner.apply(community, lambda: people, first=await self.planned())
        assert done.settled


@pytest_asyncio.fixture
async def taking(tmp_path: Path) -> AsyncIterator[Taking]:
    declines = Declines()
    handlers, executors = (Invitations(),), {"answer_invite": declines}
    async with open_house(fresh_store(tmp_path), knows=(), handlers=handlers, executors=executors) as house:
        declines.client = house.homeserver
        homeserver = Homeserver(house)
        house.homeserver.script.first = homeserver
        made = Taking(homeserver, house)
        community, people = example()
        await made.provisioner.apply(community, lambda: people)
        for (kind, key), content in BARE.items():
            await homeserver.put(OLD, kind, key, content, ROSA)
        await homeserver.put(OLD, "m.room.member", ROSA, {"membership": "join"}, ROSA)
        await homeserver.put(OLD, "m.room.power_levels", "", {"users": {ROSA: 100}}, ROSA)
        yield made
        await made.audit.flush()


@pytest.mark.parametrize("power_first", [False, True], ids=["invite, then power", "power, then invite"])
async def test_a_private_room_is_taken_over_and_closed_whichever_came_first(taking: Taking, power_first: bool) -> None:
    theirs = taking.homeserver
    if power_first:
        await theirs.gives_power()
    await theirs.invites(GHOSTS.steward)
    if not power_first:
        await theirs.gives_power()
    await taking.take_over()
    new = next(room for room, state in theirs.rooms.items() if (PREDECESSOR_TYPE, "") in state)
    assert theirs.state(new)[PREDECESSOR_TYPE, ""] == {"predecessor_room_id": OLD}
    assert theirs.state(OLD)["m.room.tombstone", ""]["replacement_room"] == new
    assert theirs.steward == "leave"


async def test_an_invite_of_the_steward_waits_for_a_person_and_nothing_comes_of_it_by_itself(taking: Taking) -> None:
    await taking.homeserver.gives_power()
    await taking.homeserver.invites(GHOSTS.steward)
    await taking.answered()
    community, people = example()
    assert (await taking.provisioner.plan(community, people)).empty
    assert (await taking.provisioner.apply(community, lambda: people)).done == 0
    assert await taking.house.table("SELECT type FROM outbox") == []
    assert taking.homeserver.steward == "invite"


async def test_a_room_that_the_steward_has_left_is_not_taken_over_as_it_was_then(taking: Taking) -> None:
    await taking.homeserver.gives_power()
    await taking.homeserver.invites(GHOSTS.steward)
    await taking.planned()
    assert taking.homeserver.steward == "join"  # to look
    await taking.house.homeserver.leave(OLD, GHOSTS.steward)
    before = dict(taking.homeserver.rooms[OLD])
    with pytest.raises(CannotFollow, match="is not in that room"):
        await taking.planned()
    assert taking.homeserver.rooms[OLD] == before


async def test_the_steward_comes_in_again_where_it_may_and_sees_the_room_as_it_is_now(taking: Taking) -> None:
    theirs = taking.homeserver
    await theirs.gives_power()
    await theirs.put(OLD, "m.room.join_rules", "", {"join_rule": "public"}, ROSA)
    await taking.planned()
    await taking.house.homeserver.leave(OLD, GHOSTS.steward)
    await theirs.put(OLD, "m.room.power_levels", "", {"users": {ROSA: 100}}, ROSA)
    with pytest.raises(CannotFollow, match="power level 100"):
        await taking.planned()
    await theirs.gives_power()
    await taking.take_over()
    assert "m.room.tombstone" in {kind for kind, _ in theirs.state(OLD)}


async def test_a_room_that_leads_elsewhere_is_told_so_by_who_has_left_it(taking: Taking) -> None:
    await taking.homeserver.gives_power()
    await taking.homeserver.invites(GHOSTS.steward)
    await taking.take_over()
    with pytest.raises(CannotFollow, match="is closed already"):
        await taking.planned()


async def test_the_steward_does_not_stay_in_a_private_conversation_that_it_was_asked_into(taking: Taking) -> None:
    await taking.homeserver.invites("@dewi:hearth.example", is_direct=True)
    await taking.homeserver.invites(GHOSTS.steward)
    with pytest.raises(CannotFollow, match="private conversation"):
        await taking.planned()
    assert taking.homeserver.steward == "leave"


async def test_a_plan_by_which_the_old_room_would_stay_open_is_refused(taking: Taking) -> None:
    class Forgets:
        """Plans everything but the closing."""

        async def plan(self, community: DesiredCommunity, people: People, *, find: Any) -> Plan:
            planned = await taking.provisioner.plan(community, people, find=find)
            kept = tuple(change for change in planned.changes if change.phase != "close")
            return Plan(planned.community, planned.policy, kept, planned.notes)

    await taking.homeserver.gives_power()
    await taking.homeserver.invites(GHOSTS.steward)
    assert any(change.phase == "close" for change in (await taking.planned()).changes)
    with pytest.raises(CannotFollow, match="could not be closed"):
        await taking.planned(Forgets())
