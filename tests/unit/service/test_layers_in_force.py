"""What was set in a room stays in force beside the files: over restarts, applies and undos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from appservice.service.policy_files import PolicyFiles
from policies.layers import Layer
from tests.support.governed import SERVER, example, governed
from tests.support.house import fresh_store

PLACES = Layer("carers-lounge", "capacity", 30, f"@copper-lark:{SERVER}", 1_790_000_000_000)


def capacity(said: object) -> object:
    return said.policy.groups["carers-lounge"].capacity  # type: ignore[attr-defined]


def with_places(files: PolicyFiles) -> PolicyFiles:
    return replace(files, layers=(PLACES,))


async def test_what_is_set_holds_after_a_restart_and_when_the_same_file_is_applied_again(tmp_path: Path) -> None:
    store = fresh_store(tmp_path)
    async with governed(store) as life:
        await life.governance.apply(example())
        _, number = await life.governance.apply(with_places(example()))
        assert number == 2
        homeserver = life.homeserver
    async with governed(store, homeserver) as life:
        assert capacity(life.governance.said) == 30
        _, number = await life.governance.apply(example())
        assert (number, capacity(life.governance.said)) == (None, 30)
        assert life.governance.follows(example())


async def test_undoing_it_restores_what_was_set_before(tmp_path: Path) -> None:
    async with governed(fresh_store(tmp_path)) as life:
        await life.governance.apply(example())
        await life.governance.apply(with_places(example()))
        await life.governance.apply(replace(example(), layers=(replace(PLACES, value=20),)))
        await life.governance.undo(None)
        assert capacity(life.governance.said) == 30
        await life.governance.undo(2)
        assert capacity(life.governance.said) is None


async def test_a_file_that_says_it_itself_wins_and_the_plan_says_so_until_it_is_applied(tmp_path: Path) -> None:
    says = example(edit={"    kind: hybrid": "    capacity: 40\n    kind: hybrid"})
    async with governed(fresh_store(tmp_path)) as life:
        await life.governance.apply(example())
        await life.governance.apply(with_places(example()))
        _, planned = await life.governance.plan(says)
        assert [note.text for note in planned.notes if note.kind == "overruled"] == [
            "“Carers' lounge”: capacity 30, set in the room on 2026-09-21, has no effect any more: the file says capacity 40."
        ]
        await life.governance.apply(says)
        assert capacity(life.governance.said) == 40
        _, planned = await life.governance.plan(says)
        assert [note for note in planned.notes if note.kind == "overruled"] == []
        await life.governance.undo(None)  # the file of before, and what was set beside it
        assert capacity(life.governance.said) == 30
