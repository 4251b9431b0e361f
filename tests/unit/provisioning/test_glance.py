"""The hourly look: cheap where all is as known, whole where it is not, and every room whole in its turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.effects import Audit
from appservice.intake import Projection
from appservice.matrix import AdminCapability, Rejected, Unreachable, parse_event
from appservice.provisioning import Observer
from appservice.provisioning.observe import WHOLE_IN_TURN
from appservice.store import Commit, StoreRefused
from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.load import load_files
from tests.support.house import GHOSTS, ROSA, SAM, SERVER, House, fresh_store, open_house, state_of
from tests.support.paths import POLICIES
from tests.support.stub_homeserver import Call

MEMBERS = {GHOSTS.steward: "join", GHOSTS.guardian: "join", SAM: "join", ROSA: "left"}
KEYS = ("space", "welcome", "moderators", "safeguarding", "ops")


def community() -> DesiredCommunity:
    loaded = load_files(POLICIES / "hearth-demo.yaml", POLICIES / "hearth-demo.people.yaml")
    assert loaded.policy is not None
    assert loaded.people is not None
    return compile_community(loaded.policy, loaded.people)


class Rooms:
    """Five rooms, as a homeserver holds them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.script = house.homeserver.script
        for key in KEYS:
            self.script.state[f"!{key}"] = state_of(f"!{key}", key, MEMBERS)
        self.script.first = self.answer
        audit = Audit(house.database)
        admin = AdminCapability(house.homeserver, GHOSTS.steward, audit)
        self.observer = Observer(house.homeserver, admin, house.projection, house.lanes, GHOSTS, ())
        self.refuses: Exception | None = None

    async def answer(self, call: Call) -> Any:
        room = call.path.split("/")[5] if "/rooms/" in call.path else ""
        state = self.script.state.get(room, [])
        if call.path.endswith("/joined_members"):
            if self.refuses is not None:
                raise self.refuses
            joined = [one for one in state if one["content"].get("membership") == "join"]
            return {"joined": {one["state_key"]: {} for one in joined}}
        if call.path.endswith("/state/m.room.power_levels/"):
            return next(one["content"] for one in state if one["type"] == "m.room.power_levels")
        return None

    async def glance(self) -> Counter[str]:
        """Look once; return what was asked, by the end of the path."""
        before = len(self.house.homeserver.calls)
        await self.observer.glance(community())
        return Counter(
            "listed" if "/directory/list/" in call.path else call.path.rpartition("/rooms/")[2].partition("/")[2]
            for call in self.house.homeserver.calls[before:]
        )

    def membership(self, room_id: str, user_id: str) -> str | None:
        return self.house.projection.membership(room_id, user_id)


@pytest_asyncio.fixture
async def rooms(tmp_path: Path) -> AsyncIterator[Rooms]:
    async with open_house(fresh_store(tmp_path), knows=()) as house:
        made = Rooms(house)
        await house.lanes.learn_rooms([f"!{key}" for key in KEYS])
        made.observer._turn = WHOLE_IN_TURN - 1  # no room's turn
        yield made


async def test_where_all_is_as_known_each_room_is_two_small_reads(rooms: Rooms) -> None:
    assert await rooms.glance() == {"joined_members": 5, "state/m.room.power_levels/": 5}


async def test_a_stranger_whom_no_event_told_of_is_found(rooms: Rooms) -> None:
    rooms.script.state["!ops"] = state_of("!ops", "ops", {**MEMBERS, "@eve:evil.example": "join"})
    assert (await rooms.glance())["state"] == 1
    assert rooms.membership("!ops", "@eve:evil.example") == "join"


async def test_a_room_of_ours_that_was_taken_for_one_of_others_is_still_read(rooms: Rooms) -> None:
    answer = rooms.script.first

    async def unlisted(call: Call) -> Any:
        return {"visibility": "private"} if "/directory/list/room/" in call.path else await answer(call)

    rooms.script.first = unlisted
    assert await rooms.observer.read_elsewhere("!ops") is not None
    rooms.script.state["!ops"] = state_of("!ops", "ops", {**MEMBERS, "@eve:evil.example": "join"})
    await rooms.glance()
    assert rooms.membership("!ops", "@eve:evil.example") == "join"


async def test_a_plan_that_is_still_looking_makes_no_address_count_as_free_meanwhile(rooms: Rooms) -> None:
    house, asked, answers = rooms.house, asyncio.Event(), asyncio.Event()
    answers.set()

    async def taken(call: Call) -> Any:
        if "/directory/room/" in call.path:
            asked.set()
            await answers.wait()
            return {"room_id": "!theirs"}
        return {} if "/federation/" in call.path else await rooms.answer(call)

    rooms.script.first = taken
    admin = AdminCapability(house.homeserver, GHOSTS.steward, Audit(house.database))
    observer = Observer(house.homeserver, admin, house.projection, house.lanes, GHOSTS, ("#.*",))
    known = (await observer.look(community())).addresses
    assert "!theirs" in known.values()
    asked.clear()
    answers.clear()
    looking = asyncio.create_task(observer.look(community()))
    await asyncio.wait_for(asked.wait(), 10)
    assert observer.present(community()).addresses == known
    answers.set()
    assert (await looking).addresses == known


async def test_somebody_who_is_gone_is_noticed(rooms: Rooms) -> None:
    rooms.script.state["!ops"] = state_of("!ops", "ops", {**MEMBERS, SAM: "leave"})
    assert (await rooms.glance())["state"] == 1
    assert rooms.membership("!ops", SAM) != "join"


async def test_powers_of_which_no_event_told_are_found(rooms: Rooms) -> None:
    changed = [
        {**one, "event_id": "$raised", "content": {"users": {SAM: 100}}}
        if one["type"] == "m.room.power_levels"
        else one
        for one in rooms.script.state["!ops"]
    ]
    rooms.script.state["!ops"] = changed
    found: list[Any] = []

    def noted(room_id: str, keys: Collection[tuple[str, str]]) -> Commit:
        found.append((room_id, list(keys)))
        return Commit()

    rooms.house.lanes.found_moved = noted
    assert (await rooms.glance())["state"] == 1
    assert found == [("!ops", [("m.room.power_levels", "")])]


async def test_every_room_is_read_whole_once_in_a_day(rooms: Rooms) -> None:
    whole: Counter[str] = Counter()
    for _ in range(WHOLE_IN_TURN):
        before = len(rooms.house.homeserver.calls)
        await rooms.glance()
        whole.update(call.path for call in rooms.house.homeserver.calls[before:] if call.path.endswith("/state"))
    assert len(whole) == 5
    assert set(whole.values()) == {1}


async def test_after_something_may_have_been_missed_every_room_is_read_whole_once(rooms: Rooms) -> None:
    rooms.observer.missed = lambda: 1
    assert await rooms.glance() == {"state": 5, "listed": 5}
    assert (await rooms.glance())["joined_members"] > 0


async def test_a_room_that_the_guardian_does_not_see_any_more_is_read_as_steward(rooms: Rooms) -> None:
    rooms.refuses = Rejected(403, "M_FORBIDDEN")
    assert (await rooms.glance())["state"] == 5


async def test_a_homeserver_that_is_away_ends_the_look_and_what_was_missed_is_not_forgotten(rooms: Rooms) -> None:
    rooms.refuses = Unreachable("gone")
    with pytest.raises(Unreachable):
        await rooms.glance()
    rooms.refuses = None
    rooms.observer.missed = lambda: 1
    assert (await rooms.glance())["state"] == 5


async def test_what_a_reading_shows_to_be_as_known_is_not_written_down_again(rooms: Rooms) -> None:
    commits = rooms.house.database.commits
    await rooms.observer.audit(community())
    assert rooms.house.database.commits == commits
    rooms.script.state["!ops"] = state_of("!ops", "ops", {**MEMBERS, SAM: "leave"})
    await rooms.observer.audit(community())
    assert rooms.house.database.commits == commits + 1


async def test_what_a_reading_showed_and_the_store_refused_is_written_down_with_the_next(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_what: Commit) -> None:
        raise StoreRefused("disk full")

    async def written_down(rooms: Rooms) -> str | None:
        read = Projection(SERVER, GHOSTS)
        await read.load(rooms.house.lanes._questions)
        return read.membership("!ops", SAM)

    assert await written_down(rooms) == "join"
    rooms.script.state["!ops"] = state_of("!ops", "ops", {**MEMBERS, SAM: "leave"})
    with monkeypatch.context() as full:
        full.setattr(rooms.house.database, "commit", refuse)
        with pytest.raises(StoreRefused):
            await rooms.observer.audit(community())
    await rooms.observer.audit(community())
    assert await written_down(rooms) != "join"


def test_a_room_that_is_being_left_is_not_one_of_those_that_are_over_whoever_closed_it(rooms: Rooms) -> None:
    """Its people are seen out with the room that takes its place, and nobody is taken out twice."""
    closed = {"type": "m.room.tombstone", "state_key": "", "content": {"replacement_room": "!astray"}}
    old = [*rooms.script.state["!welcome"], {**rooms.script.state["!welcome"][0], "event_id": "$closed", **closed}]
    new = state_of("!new", "welcome", MEMBERS)
    (create,) = [event for event in new if event["type"] == "m.room.create"]
    create["content"] = {**create["content"], "predecessor": {"room_id": "!welcome"}}
    for room_id, state in (("!welcome", old), ("!new", new)):
        rooms.house.projection.replace(room_id, [parse_event(event, room_id) for event in state])
    seen = rooms.observer.present(community())
    assert seen.rooms["welcome"].room_id == "!new"
    assert seen.predecessors["welcome"].room_id == "!welcome"
    assert seen.earlier["welcome"] == ()
