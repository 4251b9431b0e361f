"""The public list of rooms: shown is what the policy says, whatever was cut off, refused, or done by hand."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from appservice.matrix import Rejected
from appservice.provisioning import Reconciled
from policies.changes import SetListing
from policies.compile import compile_community
from policies.desired import MANAGED_TYPE, DesiredCommunity
from policies.load import load_policy
from policies.people import People
from policies.plan import Plan
from tests.support.house import GHOSTS, fresh_store, open_house
from tests.support.model_homeserver import Killed, ModelHomeserver
from tests.support.paths import POLICIES
from tests.unit.provisioning.test_apply import World, example

VOUCHED = '{value: directory, because: "Board minute 4", approved_by: deputy}'


@functools.cache
def community(*, listed: bool) -> DesiredCommunity:
    """The example, in which the open group is in the public list or not."""
    text = (POLICIES / "hearth-demo.yaml").read_text(encoding="utf-8")
    if listed:
        text = text.replace("    kind: open\n", f"    kind: open\n    publish: {VOUCHED}\n")
    policy = load_policy(text, "f").policy
    assert policy is not None
    return compile_community(policy, people())


def people() -> People:
    return example()[1]


@pytest.fixture(autouse=True)
def quick_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appservice.provisioning.reconcile._STREAM_S", 0.2)


@pytest_asyncio.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_house(fresh_store(tmp_path), knows=(), handlers=()) as house:
        model = ModelHomeserver(house)
        house.homeserver.script.first = model
        made = World(model, house)
        await apply(made, listed=False)
        model.writes.clear()
        yield made
        assert made.audit is not None
        await made.audit.flush()


async def apply(world: World, *, listed: bool) -> Reconciled:
    return await world.provisioner.apply(community(listed=listed), people)


async def plan(world: World, *, listed: bool, audit: bool = False) -> Plan:
    return await world.provisioner.plan(community(listed=listed), people(), audit=audit)


def shown(world: World) -> set[str]:
    """The keys of the rooms that the list shows."""
    return {key for key, room_id in world.rooms().items() if room_id in world.model.listed}


async def test_a_group_is_listed_and_unlisted_with_exactly_the_planned_calls_and_then_none(world: World) -> None:
    for listed in (True, False, True):
        planned = await plan(world, listed=listed)
        world.model.writes.clear()
        done = await apply(world, listed=listed)
        assert (done.settled, len(world.model.writes)) == (True, planned.calls)
        assert shown(world) == ({"welcome"} if listed else set())
        world.model.reads.clear()
        world.new_life()
        again = await world.provisioner.apply(community(listed=listed), people, first=None)
        assert (again.calls, [read for read in world.model.reads if "directory" in read]) == (0, [])


@pytest.mark.parametrize("after_effect", [False, True], ids=["not done", "done and not answered"])
@pytest.mark.parametrize("then", [False, True], ids=["then unlisted", "then listed"])
@pytest.mark.parametrize("first", [False, True], ids=["while unlisting", "while listing"])
async def test_killed_at_any_call_the_list_shows_what_the_policy_says_by_then(
    world: World, first: bool, then: bool, after_effect: bool
) -> None:
    await apply(world, listed=not first)
    for call in range(1, (await plan(world, listed=first)).calls + 1):
        world.model.die_at, world.model.after_effect = len(world.model.writes) + call, after_effect
        with pytest.raises(Killed):
            await apply(world, listed=first)
        world.model.revive()
        world.forget()
        assert (await apply(world, listed=then)).settled
        assert shown(world) == ({"welcome"} if then else set()), call
        assert (await plan(world, listed=then)).empty
        await apply(world, listed=not first)


async def test_a_homeserver_that_does_not_list_is_told_of_in_words_and_keeps_nothing_else_from_being_done(
    world: World,
) -> None:
    world.model.refuse = {"directory/list": Rejected(403, "M_FORBIDDEN")}
    done = await apply(world, listed=True)
    [undone] = done.undone
    assert isinstance(undone.change, SetListing)
    assert "room_list_publication_rules" in undone.why
    assert not done.settled
    planned = await plan(world, listed=True)
    assert [change.do for change in planned.changes] == ["set_listing"]
    assert [note.kind for note in planned.notes if note.kind == "not_listed"] == ["not_listed"]

    world.model.refuse = {}
    assert (await apply(world, listed=True)).settled
    assert "not_listed" not in {note.kind for note in (await plan(world, listed=True)).notes}


@pytest.mark.parametrize("listed", [False, True])
async def test_what_somebody_did_to_the_list_by_hand_is_found_when_every_room_is_read(
    world: World, listed: bool
) -> None:
    await apply(world, listed=listed)
    world.model.listed ^= {world.rooms()["welcome"]}
    assert (await plan(world, listed=listed)).empty  # no event told of it
    [found] = (await plan(world, listed=listed, audit=True)).changes
    assert isinstance(found, SetListing)
    assert found.listed is listed
    assert (await apply(world, listed=listed)).settled
    assert shown(world) == ({"welcome"} if listed else set())
    assert (await plan(world, listed=listed, audit=True)).empty


async def test_a_mark_that_others_wrote_says_nothing_of_the_list(world: World) -> None:
    room = world.rooms()["welcome"]
    claimed = {**world.model.state(room)[MANAGED_TYPE, ""], "directory": "listed"}
    await world.model.put(room, MANAGED_TYPE, "", claimed, "@eve:hearth.example")
    assert (await plan(world, listed=False)).empty  # it is no mark
    world.forget()
    assert (await apply(world, listed=False)).settled
    assert world.model.rooms[room][MANAGED_TYPE, ""]["sender"] == GHOSTS.steward
    assert [write for write in world.model.writes if f"directory/list/room/{room}" in write]
