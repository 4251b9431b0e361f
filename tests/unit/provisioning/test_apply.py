"""Applying: rooms are found by what cannot be forged, half-made ones are finished, and what is true is left alone."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.matrix import Actor, Rejected, Unreachable
from appservice.provisioning import Provisioner
from appservice.provisioning.apply import creation_body
from policies.compile import compile_community
from policies.desired import MANAGED_TYPE, DesiredCommunity
from policies.load import load_files
from policies.people import People
from tests.support.house import GHOSTS, SAM, fresh_store, open_house
from tests.support.paths import POLICIES
from tests.support.stub_homeserver import Call


@functools.cache
def example() -> tuple[DesiredCommunity, People]:
    loaded = load_files(POLICIES / "hearth-demo.yaml", POLICIES / "hearth-demo.people.yaml")
    assert loaded.policy is not None
    assert loaded.people is not None
    return compile_community(loaded.policy, loaded.people), loaded.people


@dataclass
class Model:
    """A homeserver that keeps rooms and their state, as far as provisioning looks."""

    rooms: dict[str, dict[tuple[str, str], dict[str, Any]]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    writes: list[str] = field(default_factory=list)
    fail_after: int | None = None

    async def __call__(self, call: Call) -> Any:
        if call.method != "GET":
            if self.fail_after is not None and len(self.writes) >= self.fail_after:
                raise Unreachable("away")
            self.writes.append(f"{call.method} {call.path}")
        body = dict(call.body or {})
        if call.path.endswith("/createRoom"):
            return self.create(body, call.actor or "")
        if call.path.endswith("/joined_rooms"):
            return {"joined_rooms": [room for room in self.rooms if self.membership(room, call.actor) == "join"]}
        parts = call.path.split("/")
        if "/_matrix/client/v3/join/" in call.path:
            self.put(parts[-1], "m.room.member", str(call.actor), {"membership": "join"}, str(call.actor))
            return {}
        if call.path.endswith("/invite"):
            self.put(parts[-2], "m.room.member", body["user_id"], {"membership": "invite"}, str(call.actor))
            return {}
        if call.path.endswith("/state"):
            return list(self.rooms[parts[-2]].values())
        if "/state/" in call.path:
            at = parts.index("state")
            self.put(parts[at - 1], parts[at + 1], "/".join(parts[at + 2 :]), body, str(call.actor))
            return {"event_id": "$e"}
        return None

    def create(self, body: dict[str, Any], sender: str) -> dict[str, str]:
        alias = body.get("room_alias_name")
        if alias in self.taken:
            raise Rejected(400, "M_ROOM_IN_USE")
        room = f"!room{len(self.rooms)}"
        self.rooms[room] = {}
        self.put(room, "m.room.create", "", {**body["creation_content"], "room_version": body["room_version"]}, sender)
        self.put(room, "m.room.member", sender, {"membership": "join"}, sender)
        for who in body["invite"]:
            self.put(room, "m.room.member", who, {"membership": "invite"}, sender)
        self.put(room, "m.room.power_levels", "", body["power_level_content_override"], sender)
        for event in body["initial_state"]:
            self.put(room, event["type"], event["state_key"], event["content"], sender)
        if alias is not None:
            self.put(room, "m.room.canonical_alias", "", {"alias": f"#{alias}:hearth.example"}, sender)
        return {"room_id": room}

    def put(self, room: str, kind: str, key: str, content: Any, sender: str) -> None:
        event = {
            "type": kind,
            "state_key": key,
            "content": content,
            "sender": sender,
            "event_id": f"${kind}{key}{room}",
        }
        self.rooms[room][kind, key] = event

    def membership(self, room: str, user_id: str | None) -> str | None:
        event = self.rooms[room].get(("m.room.member", user_id or ""))
        return event["content"]["membership"] if event else None


@dataclass
class World:
    model: Model
    provisioner: Provisioner
    forget: Any

    async def apply(self) -> Any:
        return await self.provisioner.apply(*example())


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_house(fresh_store(tmp_path), knows=()) as house:
        model = Model()
        house.homeserver.script.first = model
        guardian = Actor(GHOSTS.guardian, "D")
        provisioner = Provisioner(house.homeserver, GHOSTS, guardian, house.projection, house.lanes)
        yield World(model, provisioner, house.projection.forget_all)


async def test_every_room_of_the_policy_is_made_and_the_guardian_is_in_it(world: World) -> None:
    done = await world.apply()
    wanted, _ = example()
    assert set(done.rooms) == {room.key for room in wanted.rooms}
    assert done.created == len(wanted.rooms)
    assert done.problems == []
    for room in done.rooms.values():
        assert world.model.membership(room, GHOSTS.guardian) == "join"


@pytest.mark.parametrize("forgotten", [False, True], ids=["remembered", "nothing remembered"])
async def test_applied_again_nothing_is_written(world: World, forgotten: bool) -> None:
    first = await world.apply()
    if forgotten:
        world.forget()
    world.model.writes.clear()
    again = await world.apply()
    assert world.model.writes == []
    assert again.rooms == first.rooms
    assert (again.created, again.changed, again.invited) == (0, 0, 0)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 7, 12, 20])
async def test_interrupted_anywhere_it_is_finished_by_the_next_attempt_with_no_room_twice(
    world: World, after: int
) -> None:
    world.model.fail_after = after
    with pytest.raises(Unreachable):
        await world.apply()
    world.forget()
    world.model.fail_after = None
    done = await world.apply()
    assert len(world.model.rooms) == len(example()[0].rooms)
    world.model.writes.clear()
    assert (await world.apply()).rooms == done.rooms
    assert world.model.writes == []


async def test_state_that_somebody_changed_is_put_right_and_a_name_left_to_people(world: World) -> None:
    done = await world.apply()
    room = done.rooms["bereaved"]
    world.model.put(room, "m.room.join_rules", "", {"join_rule": "public"}, GHOSTS.steward)
    world.model.put(room, "m.room.name", "", {"name": "The members' own name"}, SAM)
    world.forget()  # the rooms are read anew; while we run, the stream tells
    again = await world.apply()
    assert again.changed == 1
    assert world.model.rooms[room]["m.room.join_rules", ""]["content"]["join_rule"] != "public"
    assert world.model.rooms[room]["m.room.name", ""]["content"] == {"name": "The members' own name"}


async def test_a_room_that_somebody_else_made_with_our_mark_is_not_taken_for_ours(world: World) -> None:
    mark = {MANAGED_TYPE: {"community": "hearth", "group": "moderators"}}
    body = {"creation_content": mark, "room_version": "12", "power_level_content_override": {}, "initial_state": []}
    trap = world.model.create({**body, "invite": [GHOSTS.steward]}, SAM)["room_id"]
    world.model.put(trap, "m.room.member", GHOSTS.steward, {"membership": "join"}, GHOSTS.steward)
    done = await world.apply()
    assert trap not in done.rooms.values()


async def test_an_address_that_is_taken_is_a_problem_told_and_no_reason_to_stop(world: World) -> None:
    wanted, _ = example()
    world.model.taken = {wanted.room("welcome").alias_localpart}
    done = await world.apply()
    assert len(done.problems) == 1
    assert wanted.room("welcome").alias_localpart in done.problems[0]
    assert "taken" in done.problems[0]
    assert set(done.rooms) == {room.key for room in wanted.rooms}


async def test_who_is_approved_for_a_closed_group_is_invited_once_and_nobody_else(world: World) -> None:
    done = await world.apply()
    invited = {who for kind, who in world.model.rooms[done.rooms["bereaved"]] if kind == "m.room.member"}
    assert "@rosa:hearth.example" in invited
    assert SAM not in invited
    # Who was removed by a ban is not asked in again.
    rosa = "@rosa:hearth.example"
    world.model.put(done.rooms["bereaved"], "m.room.member", rosa, {"membership": "ban"}, GHOSTS.steward)
    assert (await world.apply()).invited == 0


@pytest.mark.parametrize("key", [room.key for room in example()[0].rooms])
def test_a_room_is_complete_and_ours_from_its_first_moment(key: str) -> None:
    room = example()[0].room(key)
    body = creation_body(room, GHOSTS)
    assert body["preset"] == "private_chat"
    assert set(body["creation_content"]["additional_creators"]) == {GHOSTS.guardian, GHOSTS.custodian}
    assert body["creation_content"][MANAGED_TYPE]["group"] == key
    levels = body["power_level_content_override"]
    assert all(level <= 90 for level in levels.get("users", {}).values())
    assert not set(levels.get("users", {})) & {GHOSTS.steward, GHOSTS.guardian, GHOSTS.custodian}
    kinds = {event["type"] for event in body["initial_state"]}
    assert {"m.room.join_rules", "m.room.history_visibility", MANAGED_TYPE} <= kinds
