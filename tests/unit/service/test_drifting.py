"""From an event that changes a room by hand to what follows: rows, what is put back, and who is told how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appservice.flow import Card, Event, EventInput, Origin
from appservice.intake import Projection
from appservice.provisioning import Applied, Made, Observer
from appservice.service import drifting
from appservice.service.drifting import DriftWatch
from appservice.store import Commit, Database, StoreRefused, read_drifts
from policies.changes import Change, SetState
from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.load import load_files
from policies.plan import Plan
from tests.support.governed import GHOSTS, SERVER
from tests.support.house import ManualClock, fresh_store
from tests.support.paths import POLICIES

KIT = f"@kit:{SERVER}"
RULES, NAME = "m.room.join_rules", "m.room.name"
OPEN = {"join_rule": "public"}


def community(said: str) -> DesiredCommunity:
    loaded = load_files(POLICIES / "leeds-carers.yaml")
    assert loaded.policy is not None
    assert loaded.people is not None
    policy = loaded.policy.model_validate(
        {**loaded.policy.model_dump(by_alias=True), "drift": {"settings": None, "look": said}}
    )
    return compile_community(policy, loaded.people)


class World:
    """Rooms as the stream tells of them, and a homeserver that takes or refuses what is put back."""

    def __init__(self, database: Database, said: str = "warn") -> None:
        self.clock = ManualClock()
        self.community = community(said)
        self.ids = {room.key: f"!{room.key}" for room in self.community.rooms}
        self.projection = Projection(SERVER, GHOSTS)
        for room in self.community.rooms:
            self.projection.replace(self.ids[room.key], self._events(room.key))
        self.number = 0
        self.refuses = self.unassessed = self.dies = False
        self.store_refuses = self.dying = 0
        self.made: list[SetState] = []
        self.told: list[Card] = []
        nothing: Any = SimpleNamespace()
        observer = Observer(nothing, nothing, self.projection, nothing, GHOSTS, ())
        self.core: Any = SimpleNamespace(
            config=SimpleNamespace(homeserver=SimpleNamespace(name=SERVER)),
            ghosts=GHOSTS,
            projection=self.projection,
            provisioner=SimpleNamespace(applying=False),
            governance=SimpleNamespace(
                repair=self._repair,
                settled=True,
                waits=lambda _change: self.unassessed,
                with_newcomers=lambda one: one,
            ),
            lanes=SimpleNamespace(enact=self._enact),
            database=database,
        )
        self.watch = DriftWatch(self.core, observer, self.clock)
        self.watch.follow(self.community)
        self.watch.begin()
        self.database = database
        self.enacting = 0

    def _events(self, key: str) -> list[Event]:
        room = self.community.room(key)
        create = {**room.creation_content, "room_version": "12", "additional_creators": [GHOSTS.guardian]}
        state = {("m.room.create", ""): create, **self.community.complete_state(key, self.ids)}
        members = {("m.room.member", one): {"membership": "join"} for one in (GHOSTS.steward, GHOSTS.guardian)}
        return [
            self._event(self.ids[key], *at, content, GHOSTS.steward, f"$made-{key}-{at}")
            for at, content in (state | members).items()
        ]

    def _event(self, room_id: str, kind: str, key: str, content: Any, sender: str, event_id: str) -> Event:
        return Event(event_id, room_id, sender, kind, content, self.clock.now, key)

    async def _repair(self, look: Callable[[], Plan]) -> Applied:
        applied = Applied()
        for change in look().changes:
            assert isinstance(change, SetState)
            applied.made.append(Made(change, "failed" if self.refuses else "done"))
            if not self.refuses:
                self.made.append(change)
                await self.happens(change.type, change.after, GHOSTS.steward, change.room)
        return applied

    async def _enact(self, effects: list[Card], beside: Commit) -> None:
        """As the lanes do it: all of it true at once, or nothing of it, and memory as before."""
        if self.dies:
            self.dying += 1
            await asyncio.Event().wait()
        try:
            if self.store_refuses:
                self.store_refuses -= 1
                raise StoreRefused("full")
            self.enacting += 1
            await self.database.commit(beside)
        except StoreRefused:
            for undo in reversed(beside.undo):
                undo()
            raise
        self.told += effects
        self.enacting -= 1

    async def happens(self, kind: str, content: Any, sender: str = KIT, group: str = "bereaved") -> str:
        """A piece of state comes by the stream."""
        self.number += 1
        event = self._event(self.ids[group], kind, "", content, sender, f"$event{self.number}")
        self.projection.apply(event)
        rows = self.watch.moved(EventInput(SERVER, event, Origin.PUSH, self.clock.now))
        await self.database.commit(rows)
        return event.event_id

    async def quiet(self) -> None:
        """Wait until each room is seen to, or waits for its time."""
        for _ in range(200):
            await asyncio.sleep(0.005)
            if all(not self.watch.book.open_in(room) for room in ()) and not self._busy():
                return
        raise AssertionError("it is never quiet")

    def _busy(self) -> bool:
        return self.enacting > 0 or any(
            one.done == "seen" and not self.watch.book.wait_ms(one.place) for one in self._open()
        )

    def _open(self) -> list[Any]:
        return [one for room in self.watch.book.open_rooms() for one in self.watch.book.open_in(room)]

    async def rows(self) -> list[dict[str, Any]]:
        return await read_drifts(self.database, SERVER, since_ms=0, limit=100)


@pytest.fixture
async def database(tmp_path: Path) -> Any:
    made = Database(fresh_store(tmp_path), "normal")
    await made.open()
    yield made
    await made.close()


async def test_what_differs_is_put_back_noted_with_who_and_when_and_told_without_a_name(database: Database) -> None:
    world = World(database)
    event_id = await world.happens(RULES, OPEN)
    await world.quiet()
    (row,) = await world.rows()
    assert (row["event_id"], row["sender"], row["first_ms"]) == (event_id, KIT, world.clock.now)
    assert (row["grp"], row["aspect"], row["times"], row["done"]) == ("bereaved", "settings", 1, "put_back")
    assert [change.type for change in world.made] == [RULES]
    (card,) = world.told
    assert (card.text, card.place, card.about) == ("card.drift.put_back", "ops", "")
    assert KIT not in str(card.record())
    await world.watch.close()


async def test_fifty_changes_by_one_person_are_one_row_one_notice_and_few_repairs(database: Database) -> None:
    world = World(database)
    for _ in range(50):
        await world.happens(RULES, OPEN)
        await world.quiet()
    (row,) = await world.rows()
    assert (row["times"], row["done"]) == (50, "seen")
    assert len(world.made) == 3
    assert [card.text for card in world.told] == ["card.drift.put_back", "card.drift.contested"]
    assert world.watch.book.counts == {"seen_7_days": 50, "standing": 0, "contested": 1}
    world.clock.now += 16_000  # its turn has come
    await world.happens(RULES, OPEN, f"@sue:{SERVER}")
    await world.quiet()
    assert len(world.made) == 4
    assert {one["done"] for one in await world.rows()} == {"put_back"}
    await world.watch.close()


async def test_what_is_only_warned_of_stands_and_is_told_once_until_it_changes(database: Database) -> None:
    world = World(database)
    for number in range(5):
        await world.happens(NAME, {"name": f"Corner {number}"})
        await world.quiet()
    (row,) = await world.rows()
    assert (row["times"], row["done"], world.made) == (5, "stands", [])
    assert [(card.text, card.place) for card in world.told] == [("card.drift.stands", "moderators")]
    right = dict(world.community.room("bereaved").state[NAME, ""])
    await world.happens(NAME, right)
    await world.quiet()
    assert (await world.rows())[0]["done"] == "put_back"
    world.clock.now += 2 * 3600 * 1000
    await world.happens(NAME, {"name": "Again"})
    await world.quiet()
    assert len(world.told) == 2
    await world.watch.close()


async def test_what_waits_for_a_risk_assessment_is_not_put_back_and_is_told_to_stand(database: Database) -> None:
    world = World(database)
    world.unassessed = True
    await world.happens(RULES, OPEN)
    await world.quiet()
    assert world.made == []
    assert [card.text for card in world.told] == ["card.drift.stands"]
    await world.watch.close()


async def test_what_stands_is_not_told_again_after_a_restart(database: Database) -> None:
    world = World(database)
    await world.happens(NAME, {"name": "Corner"})
    await world.quiet()
    await world.watch.close()
    again = World(database)
    again.clock.now = world.clock.now + 2 * 3600 * 1000
    await again.watch.book.load(database)
    assert again.watch.book.counts["standing"] == 1
    again.number = 10
    await again.happens(NAME, {"name": "Other corner"})
    await again.quiet()
    assert again.told == []
    await again.watch.close()


async def test_what_is_ignored_is_noted_and_nobody_is_told(database: Database) -> None:
    world = World(database, "ignore")
    await world.happens(NAME, {"name": "Corner"})
    await world.quiet()
    assert (await world.rows(), world.told, world.made) == ([], [], [])  # names belong to people, and are no drift
    await world.watch.close()


async def test_what_we_do_while_a_plan_is_applied_is_no_drift_and_what_others_do_is(database: Database) -> None:
    world = World(database)
    world.core.provisioner.applying = True
    await world.happens(RULES, OPEN, GHOSTS.steward)
    assert await world.rows() == []
    event_id = await world.happens(RULES, OPEN, KIT)
    assert [one["event_id"] for one in await world.rows()] == [event_id]
    await world.watch.close()


async def test_what_the_homeserver_refuses_to_put_back_is_told_and_tried_again(database: Database) -> None:
    world = World(database)
    world.refuses = True
    await world.happens(RULES, OPEN)
    await world.quiet()
    assert (await world.rows())[0]["done"] == "failed"
    assert [card.text for card in world.told] == ["card.drift.failed"]
    assert world.watch.book.counts["standing"] == 1
    await world.watch.close()


async def test_what_cannot_be_taken_back_is_told(database: Database) -> None:
    world = World(database)
    await world.happens("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"})
    await world.quiet()
    assert (await world.rows())[0]["done"] == "final"
    assert [card.text for card in world.told] == ["card.drift.final"]
    await world.watch.close()


async def test_what_a_reading_shows_to_be_new_is_seen_with_who_did_it(database: Database) -> None:
    world = World(database)
    event = world._event("!bereaved", RULES, "", OPEN, KIT, "$missed")
    world.projection.apply(event)
    await database.commit(world.watch.found_moved("!bereaved", [(RULES, ""), ("m.room.topic", "")]))
    await world.quiet()
    assert [(one["event_id"], one["sender"]) for one in await world.rows()] == [("$missed", KIT)]
    await world.watch.close()


async def test_rooms_that_are_not_of_the_community_are_nobodys_business(database: Database) -> None:
    world = World(database)
    world.projection.unmanaged("!other")
    event = Event("$x", "!other", KIT, RULES, OPEN, 1, "")
    world.projection.apply(event)
    assert world.watch.moved(EventInput(SERVER, event, Origin.PUSH, 1)).empty
    await world.watch.close()


def left(world: World, change: Change) -> bool:
    return world.watch.left_alone(change)


async def test_an_apply_that_was_cut_off_is_finished_but_for_what_was_done_by_hand(database: Database) -> None:
    world = World(database)
    change = SetState("bereaved", "!bereaved", "x", NAME, "", {}, {"name": "y"})
    door = SetState("bereaved", "!bereaved", "x", RULES, "", {}, {"join_rule": "invite"})
    assert left(world, change)
    assert not left(world, door)
    world.core.governance.settled = False
    assert not left(world, change)
    await world.happens(NAME, {"name": "Corner"})
    assert left(world, change)
    await world.watch.close()


async def test_what_is_seen_is_one_line_of_the_audit_too(database: Database) -> None:
    world = World(database)
    rows: list[Commit] = []
    event = world._event("!bereaved", RULES, "", OPEN, KIT, "$once")
    world.projection.apply(event)
    for _ in range(3):
        rows.append(world.watch.moved(EventInput(SERVER, event, Origin.PUSH, 1)))
    lines = [line for one in rows for line in one.audit]
    assert [(line.line["drift"], line.line["answer"], line.person) for line in lines] == [(RULES, "enforce", KIT)]
    await world.watch.close()


async def test_that_newcomers_come_and_go_is_no_drift_and_is_seen_to_by_others(database: Database) -> None:
    world = World(database)
    new, powers = f"@new:{SERVER}", world.community.room("bereaved").state["m.room.power_levels", ""]
    rooms = tuple(replace(one, first_messages=2) if one.key == "bereaved" else one for one in world.community.rooms)
    world.core.governance.with_newcomers = lambda community: replace(
        community, rooms=rooms, waiting={"bereaved": frozenset({new})}
    )
    woken: list[str] = []
    world.watch.newcomers_moved = woken.append
    held = {**powers, "users": {**powers["users"], new: -1}}  # type: ignore[dict-item]
    await world.happens("m.room.power_levels", held)
    assert woken == []
    await world.happens("m.room.power_levels", powers)
    assert (woken, await world.rows(), world.made) == ([world.ids["bereaved"]], [], [])
    await world.happens("m.room.power_levels", {**held, "ban": 0})
    await world.quiet()
    assert [change.after for change in world.made] == [held]
    await world.watch.close()


async def test_while_what_was_cut_off_is_being_finished_nothing_is_put_back(database: Database) -> None:
    world = World(database)
    world.watch._begun = False
    await world.happens(RULES, OPEN)
    await asyncio.sleep(0.02)
    assert (world.made, [one["done"] for one in await world.rows()]) == ([], ["seen"])
    world.watch.begin()
    await world.quiet()
    assert [change.type for change in world.made] == [RULES]
    await world.watch.close()


@pytest.mark.parametrize(("kind", "content", "told"), [(NAME, {"name": "Corner"}, "stands"), (RULES, OPEN, "put_back")])
async def test_people_are_told_what_became_of_drift_though_the_store_refuses_at_first(
    database: Database, monkeypatch: pytest.MonkeyPatch, kind: str, content: Any, told: str
) -> None:
    monkeypatch.setattr(drifting, "_AGAIN_S", 0.01)
    world = World(database)
    world.store_refuses = 2
    await world.happens(kind, content)
    async with asyncio.timeout(10):
        while not world.told:
            await asyncio.sleep(0.01)
    assert [card.text for card in world.told] == [f"card.drift.{told}"]
    assert [one["done"] for one in await world.rows()] == [told]
    await world.watch.close()


@pytest.mark.parametrize(("kind", "content", "told"), [(NAME, {"name": "Corner"}, "stands"), (RULES, OPEN, "put_back")])
async def test_what_was_not_told_before_a_death_is_told_in_the_next_life(
    database: Database, kind: str, content: Any, told: str
) -> None:
    world = World(database)
    world.dies = True
    await world.happens(kind, content)
    async with asyncio.timeout(10):
        while world.dying != 1:
            await asyncio.sleep(0.01)
    await world.watch.close()
    assert [row["done"] for row in await world.rows()] == ["seen"]
    later = World(database)
    if told == "stands":
        later.projection.apply(later._event("!bereaved", kind, "", content, KIT, "$event1"))
    await later.watch.book.load(database)
    later.watch.begin()
    await later.quiet()
    assert [card.text for card in later.told] == [f"card.drift.{told}"]
    await later.watch.close()


async def test_a_repair_that_waited_for_an_apply_follows_the_policy_that_holds_by_then(database: Database) -> None:
    world = World(database)
    under_way, repair = asyncio.Event(), world.core.governance.repair

    async def in_turn(look: Callable[[], Plan]) -> Applied:
        await under_way.wait()
        return await repair(look)

    world.watch._governance.repair = in_turn  # type: ignore[method-assign]
    shut = {"history_visibility": "invited"}
    key = ("m.room.history_visibility", "")
    await world.happens(key[0], shut)
    await asyncio.sleep(0)
    rooms = tuple(
        replace(room, state={**room.state, key: shut}) if room.key == "bereaved" else room
        for room in world.community.rooms
    )
    world.watch.follow(replace(world.community, rooms=rooms))  # a person says in the policy what was done by hand
    under_way.set()
    await world.quiet()
    assert world.made == []
    await world.watch.close()
