"""Members are told what is different for them: when it is so, as long as it is so, whatever else is applied meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appservice.flow import Attempt, Done, Effect, Postponed, Refused, TellGroup
from appservice.service.member_notices import MemberNotices
from policies.changes import SetState
from policies.desired import MANAGED_TYPE
from tests.support.governed import SERVER, Governed, example, governed
from tests.support.house import fresh_store

FORTY = {"    kind: hybrid": "    capacity: 40\n    kind: hybrid"}
LEFT = {"\nroles:\n": "\ndrift:\n  look: warn\n\nroles:\n"}


@dataclass
class House:
    """A policy in force, and what is said in rooms when another one is."""

    life: Governed
    taken: list[TellGroup] = field(default_factory=list)
    said: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        async def say(_room: str, _effect: Effect, _text: str, items: Any, _attempt: Attempt) -> Done:
            self.said += items
            return Done(event_id="$said")

        core: Any = SimpleNamespace(
            config=SimpleNamespace(homeserver=SimpleNamespace(name=SERVER)),
            projection=SimpleNamespace(place=lambda _community, group: f"!{group}"),
            outbox=SimpleNamespace(rows=lambda *_: [], take=lambda effects, _: self.taken.extend(effects)),
            governance=self.life.governance,
            provisioner=self.life.provisioner,
        )
        speaker: Any = SimpleNamespace(say=say)
        self.notices = MemberNotices(core, self.life.clock, speaker)
        self.life.governance._told = self.notices.beside

    async def applied(self, *edits: Mapping[str, str]) -> None:
        await self.life.governance.apply(example(edit={old: new for edit in edits for old, new in edit.items()}))

    async def turn(self, number: int = 1) -> list[Any]:
        return [await self.notices.execute(effect, Attempt(number)) for effect in self.taken]

    def by_hand(self, kind: str, content: Mapping[str, Any]) -> None:
        """Somebody changes the lounge."""
        rooms = self.life.homeserver.rooms
        lounge = next(one for one in rooms.values() if one.state[MANAGED_TYPE, ""].get("group") == "carers-lounge")
        rooms[lounge.room_id] = replace(lounge, state={**lounge.state, (kind, ""): content})


async def test_members_are_told_although_a_policy_that_changes_something_else_follows_at_once(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as life:
        house = House(life)
        await house.applied()
        await house.applied(FORTY)
        await house.applied(FORTY, {"Mon-Fri": "Mon-Thu"})
        await house.turn()
        assert house.said == [{"new_capacity": "40"}]


async def test_members_are_not_told_what_another_policy_says_otherwise_by_then(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as life:
        house = House(life)
        await house.applied()
        await house.applied(FORTY)
        await house.applied({"    kind: hybrid": "    capacity: 50\n    kind: hybrid"})
        first, second = await house.turn()
        assert (first, type(second), house.said) == (Refused("superseded"), Done, [{"new_capacity": "50"}])


async def test_a_name_that_is_left_as_it_is_does_not_keep_members_from_being_told(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as life:
        house = House(life)
        await house.applied(LEFT)
        await house.applied(LEFT, FORTY)
        house.by_hand("m.room.name", {"name": "Ours"})
        await house.turn()
        assert house.said == [{"new_capacity": "40"}]


async def test_what_is_left_as_it_is_keeps_members_only_from_being_told_what_is_not_so(tmp_path: Path) -> None:
    for edit, told in (
        (FORTY, True),
        (
            {
                "    kind: hybrid": "    history: {value: invited, because: Board minute 4, approved_by: deputy}\n    kind: hybrid"
            },
            False,
        ),
    ):
        (tmp_path / str(told)).mkdir()
        async with governed(fresh_store(tmp_path / str(told))) as life:
            life.governance.left_alone = lambda change: isinstance(change, SetState)
            house = House(life)
            await house.applied()
            await house.applied(edit)
            house.by_hand("m.room.history_visibility", {"history_visibility": "world_readable"})
            await house.turn()
            assert bool(house.said) is told


async def test_what_is_not_so_yet_is_looked_at_ever_less_often(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as life:
        house = House(life)
        await house.applied()
        await house.applied(FORTY)
        house.by_hand("m.room.join_rules", {"join_rule": "public"})
        waits = [(await house.turn(number))[0] for number in (1, 2, 3, 400)]
        assert waits == [Postponed("not_yet", ms) for ms in (1_000, 2_000, 4_000, 600_000)]
        assert house.said == []
