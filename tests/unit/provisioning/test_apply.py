"""Applying: planned calls and no other, nothing twice, nothing half, whatever happens in between."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.effects import Audit
from appservice.matrix import Actor, AdminCapability, Rejected, Unreachable
from appservice.provisioning import Applier, Made, Observer, Provisioner, Reconciled, calls
from policies.compile import compile_community
from policies.desired import LEFT_TO_PEOPLE, MANAGED_TYPE, DesiredCommunity
from policies.load import load_files
from policies.people import People
from policies.plan import Plan
from tests.support.house import GHOSTS, SAM, House, fresh_store, open_house
from tests.support.model_homeserver import Killed, ModelHomeserver
from tests.support.paths import POLICIES

ROSA = "@rosa:hearth.example"
AMINA = "@amina:hearth.example"


@functools.cache
def example() -> tuple[DesiredCommunity, People]:
    loaded = load_files(POLICIES / "hearth-demo.yaml", POLICIES / "hearth-demo.people.yaml")
    assert loaded.policy is not None
    assert loaded.people is not None
    return compile_community(loaded.policy, loaded.people), loaded.people


@dataclass
class World:
    model: ModelHomeserver
    house: House
    patterns: tuple[str, ...] = (r"^#hearth-.*:hearth\.example$",)
    audit: Audit | None = None

    def __post_init__(self) -> None:
        self.new_life()

    def new_life(self) -> None:
        """A process that knows nothing but what the projection knows."""
        house, guardian = self.house, Actor(GHOSTS.guardian, "D")
        audit = self.audit = Audit(house.database)
        admin = AdminCapability(house.homeserver, GHOSTS.steward, audit)
        observer = Observer(house.homeserver, admin, house.projection, house.lanes, GHOSTS, self.patterns)
        applier = Applier(house.homeserver, admin, observer, GHOSTS, guardian, audit)
        self.provisioner = Provisioner(observer, applier, GHOSTS)

    def forget(self) -> None:
        """As after a start with an empty store."""
        self.house.projection.forget_all()
        self.new_life()

    async def plan(self) -> Plan:
        return await self.provisioner.plan(*example())

    async def apply(self, first: Plan | None = None) -> Reconciled:
        community, people = example()
        return await self.provisioner.apply(community, lambda: people, first=first)

    def rooms(self) -> dict[str, str]:
        """Room ids by key, as the homeserver's own marks say: each key once."""
        found: dict[str, str] = {}
        for room, state in self.model.rooms.items():
            mark = state.get((MANAGED_TYPE, ""), {"content": {}})["content"]
            if mark.get("community") == "hearth" and state["m.room.create", ""]["sender"] in GHOSTS:
                assert mark["group"] not in found, "a room was made twice"
                found[mark["group"]] = room
        return found

    def assert_as_desired(self) -> None:
        """The homeserver holds every room of the example with exactly the state that was compiled."""
        community, people = example()
        rooms = self.rooms()
        assert set(rooms) == {room.key for room in community.rooms}
        for room in community.rooms:
            state = self.model.state(rooms[room.key])
            del state["m.room.create", ""]
            assert state == community.complete_state(room.key, rooms)
            for user_id, person in people.by_id.items():
                invited = not room.membership.anyone and room.membership.admits(person)
                assert (self.model.membership(rooms[room.key], user_id) is not None) == invited
            assert self.model.membership(rooms[room.key], GHOSTS.guardian) == "join"


@pytest.fixture(autouse=True)
def quick_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the stream brings everything at once, or never."""
    monkeypatch.setattr("appservice.provisioning.reconcile._STREAM_S", 0.2)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_house(fresh_store(tmp_path), knows=(), handlers=()) as house:
        model = ModelHomeserver(house)
        house.homeserver.script.first = model
        made = World(model, house)
        yield made
        assert made.audit is not None
        await made.audit.flush()


async def test_what_was_planned_is_done_with_exactly_the_planned_calls(world: World) -> None:
    planned = await world.plan()
    assert world.model.writes == []
    done = await world.apply(planned)
    assert (done.done, done.calls, done.rounds) == (len(planned.changes), planned.calls, 1)
    assert len(world.model.writes) == planned.calls
    assert done.settled
    world.assert_as_desired()


@pytest.mark.parametrize("forgotten", [False, True], ids=["remembered", "nothing remembered"])
async def test_applied_again_nothing_is_called(world: World, forgotten: bool) -> None:
    await world.apply()
    if forgotten:
        world.forget()
    await world.plan()  # looks, where nothing is known
    world.model.writes.clear()
    world.model.reads.clear()
    again = await world.apply()
    assert (world.model.writes, world.model.reads) == ([], [])
    assert (again.done, again.calls, again.planned, again.settled) == (0, 0, 0, True)


async def calls_needed(tmp_path: Path) -> int:
    async with open_house(fresh_store(tmp_path), knows=(), handlers=()) as house:
        model = ModelHomeserver(house)
        house.homeserver.script.first = model
        return (await World(model, house).plan()).calls


@pytest.mark.parametrize("forgotten", [False, True], ids=["remembered", "nothing remembered"])
@pytest.mark.parametrize("after_effect", [False, True], ids=["not done", "done and not answered"])
async def test_killed_at_any_call_the_next_apply_ends_in_the_same_state(
    tmp_path: Path, after_effect: bool, forgotten: bool
) -> None:
    (tmp_path / "count").mkdir()
    for call in range(1, await calls_needed(tmp_path / "count") + 1):
        folder = tmp_path / str(call)
        folder.mkdir()
        async with open_house(fresh_store(folder), knows=(), handlers=()) as house:
            model = ModelHomeserver(house, die_at=call, after_effect=after_effect)
            house.homeserver.script.first = model
            world = World(model, house)
            with pytest.raises(Killed):
                await world.apply()
            model.revive()
            if forgotten:
                world.forget()
            else:
                world.new_life()
            done = await world.apply()
            assert done.settled, (call, done)
            world.assert_as_desired()
            model.writes.clear()
            assert (await world.apply()).calls == 0
            assert model.writes == []


async def test_answers_that_get_lost_lead_to_no_second_room_and_the_same_end(world: World) -> None:
    world.model.lossy = True
    done = await world.apply()
    assert done.settled
    world.assert_as_desired()


async def test_a_homeserver_that_stays_away_is_reported_and_the_next_apply_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "PATIENCE_S", 0.05)
    world.model.refuse = {"createRoom": Unreachable("away")}
    done = await world.apply()
    assert not done.settled
    assert done.undone[0].why == "the homeserver did not answer"
    assert {made.outcome for made in done.undone} == {"failed", "held"}
    world.model.refuse = {}
    assert (await world.apply()).settled
    world.assert_as_desired()


async def test_one_refusal_costs_one_change_and_nothing_else(world: World) -> None:
    world.model.refuse = {f"invite {ROSA}": Rejected(403, "M_FORBIDDEN")}
    done = await world.apply()
    (undone,) = done.undone
    assert undone.outcome == "failed"
    assert "403" in undone.why
    assert not done.settled
    world.model.refuse = {}
    again = await world.apply()
    assert (again.calls, again.settled) == (1, True)
    world.assert_as_desired()


async def test_a_room_is_not_advertised_while_what_guards_it_could_not_be_done(world: World) -> None:
    await world.apply()
    rooms = world.rooms()
    lounge, space = rooms["welcome"], rooms["space"]
    await world.model.put(lounge, "m.room.join_rules", "", {"join_rule": "public", "x": 1}, GHOSTS.steward)
    await world.model.put(lounge, "m.room.guest_access", "", {"guest_access": "can_join"}, GHOSTS.steward)
    await world.model.put(space, "m.space.child", lounge, {}, GHOSTS.steward)
    world.model.writes.clear()
    world.model.refuse = {f"{lounge}/state/m.room.guest_access": Rejected(403, "M_FORBIDDEN")}
    done = await world.apply()
    assert {(made.change.room, made.outcome) for made in done.undone} >= {("welcome", "failed"), ("space", "held")}
    assert not [write for write in world.model.writes if "m.space.child" in write]


async def test_what_somebody_changes_by_hand_during_an_apply_is_put_right_in_the_same_apply(world: World) -> None:
    planned = await world.plan()

    async def meddle(write: int) -> None:
        if write == planned.calls - 1:
            room = world.rooms()["bereaved"]
            await world.model.put(room, "m.room.join_rules", "", {"join_rule": "public"}, GHOSTS.steward)
            await world.model.put(room, "m.room.member", SAM, {"membership": "join"}, SAM)

    world.model.meanwhile = meddle
    done = await world.apply(planned)
    assert (done.settled, done.rounds) == (True, 2)
    assert done.calls == planned.calls + 2
    assert world.model.membership(world.rooms()["bereaved"], SAM) == "leave"
    world.assert_as_desired()


async def test_what_the_stream_did_not_bring_is_read_before_it_is_done_again(world: World) -> None:
    await world.apply()
    room = world.rooms()["bereaved"]
    await world.model.put(room, "m.room.join_rules", "", {"join_rule": "public"}, GHOSTS.steward)
    world.model.deaf = True
    world.model.writes.clear()
    done = await world.apply()
    assert (done.settled, len(world.model.writes)) == (True, 1)
    world.assert_as_desired()


async def test_state_that_nobody_told_us_of_is_found_by_the_audit_with_two_reads_a_room(world: World) -> None:
    await world.apply()
    rooms = world.rooms()
    await world.model.put(rooms["bereaved"], "m.room.join_rules", "", {"join_rule": "public"}, SAM, unseen=True)
    await world.model.put(rooms["welcome"], "m.room.name", "", {"name": "The members' own"}, SAM, unseen=True)
    assert (await world.plan()).empty
    world.model.reads.clear()
    await world.provisioner.audit(example()[0])
    assert len(world.model.reads) == 2 * len(rooms)  # its state, and whether the public list shows it
    (change,) = (await world.plan()).changes
    assert change.room == "bereaved"
    await world.apply()
    assert world.model.state(rooms["welcome"])["m.room.name", ""] == {"name": "The members' own"}
    assert ("m.room.name", "") in LEFT_TO_PEOPLE


async def test_a_deleted_room_is_noticed_by_one_call_and_made_again(world: World) -> None:
    await world.apply()
    before = world.rooms()
    world.model.delete(before["bereaved"])
    world.model.reads.clear()
    assert await world.provisioner.notice_vanished() == 1
    assert [path.rpartition("/")[2] for path in world.model.reads].count("joined_rooms") == 1
    planned = await world.plan()
    assert any("was deleted" in note.text for note in planned.notes)
    done = await world.apply(planned)
    assert done.settled
    after = world.rooms()
    assert after["bereaved"] != before["bereaved"]
    assert {key: room for key, room in after.items() if key != "bereaved"} == {
        key: room for key, room in before.items() if key != "bereaved"
    }
    assert world.house.projection.place("hearth", "bereaved") == after["bereaved"]
    assert (await world.apply()).calls == 0


async def test_rooms_that_are_not_ours_are_neither_read_nor_touched(world: World) -> None:
    mark = {MANAGED_TYPE: {"community": "hearth", "group": "moderators"}, "room_version": "12"}
    trap = "!trap"
    await world.model.put(trap, "m.room.create", "", mark, SAM)
    await world.model.put(trap, "m.room.member", SAM, {"membership": "join"}, SAM)
    await world.model.put(trap, MANAGED_TYPE, "", mark[MANAGED_TYPE], SAM)
    await world.model.put(trap, "m.room.member", GHOSTS.steward, {"membership": "join"}, GHOSTS.steward)
    before = dict(world.model.rooms[trap])
    await world.apply()
    assert world.model.rooms[trap] == before
    assert trap not in world.rooms().values()
    assert not [write for write in world.model.writes if trap in write]


@pytest.mark.parametrize("when", ["before the plan", "after the plan"])
async def test_an_address_that_is_taken_is_said_with_what_follows_and_stops_nothing(world: World, when: str) -> None:
    address = "#hearth-welcome:hearth.example"
    if when == "before the plan":
        world.model.addresses[address] = "!theirs"

    async def somebody_is_faster(write: int) -> None:
        world.model.addresses[address] = "!theirs"

    planned = await world.plan()
    world.model.meanwhile = somebody_is_faster
    done = await world.apply(planned)
    (note,) = (note for note in done.notes if note.kind == "no_address")
    assert address in note.text
    assert "Until that is put right" in note.text
    assert set(world.rooms()) == {room.key for room in example()[0].rooms}
    assert (await world.apply()).calls == 0


async def test_an_address_outside_our_registration_is_said_before_anything_is_asked(world: World) -> None:
    world.patterns = ()
    world.new_life()
    planned = await world.plan()
    assert {note.kind for note in planned.notes} == {"no_address"}
    assert not [path for path in world.model.reads if "/directory/" in path]
    assert (await world.apply(planned)).settled


async def test_without_the_admin_capability_it_says_what_follows_and_goes_on(world: World) -> None:
    world.model.admin = False
    done = await world.apply()
    (note,) = done.notes
    assert note.kind == "no_admin"
    assert "people are invited and come in by themselves" in note.text
    world.assert_as_desired()


async def test_every_change_is_told_as_it_is_made_and_leaves_a_line_in_the_audit(world: World) -> None:
    told: list[Made] = []
    community, people = example()
    done = await world.provisioner.apply(community, lambda: people, progress=told.append)
    assert len(told) == done.done
    assert world.audit is not None
    await world.audit.flush()
    rows: list[tuple[Any, ...]] = await world.house.table(
        "SELECT line FROM audit WHERE lane = 'provisioning hearth' ORDER BY n"
    )
    assert len(rows) == done.done
    assert not [row for row in rows if ROSA.encode() in row[0] or AMINA.encode() in row[0]]


async def test_a_room_that_others_closed_and_the_steward_is_gone_from_is_emptied_by_the_guardian(world: World) -> None:
    await world.apply()
    old = world.rooms()["bereaved"]
    await world.model.put(old, "m.room.member", SAM, {"membership": "join"}, SAM)
    await world.model.put(old, "m.room.tombstone", "", {"replacement_room": "!astray"}, SAM)
    await world.model.put(old, "m.room.member", GHOSTS.steward, {"membership": "leave"}, GHOSTS.steward)
    applied = await world.apply()
    assert not applied.undone
    assert world.model.membership(old, SAM) == "leave"
    assert world.model.state(old)["m.room.tombstone", ""]["replacement_room"] not in ("!astray", old)
    kicks = [call.actor for call in world.house.homeserver.calls if call.path.endswith("/kick")]
    assert kicks == [GHOSTS.guardian]
