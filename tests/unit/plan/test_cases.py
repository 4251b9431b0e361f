"""The planner's rules as data: each file in `cases` is one of them, named by what it shows. Read the folder first.

A case has groups (`kind tier`) and people (roles and groups), observed is what they make when all is well. `before` names
other groups or people that the world was made for; `world` is what was done to it since. `changes` has a line for each
change: phase, class, words. `upgrade` names rooms of which a person asked for new ones, `adopt` rooms of others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from policies.changes import change_record
from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.observed import Observed
from policies.people import People
from policies.plan import Plan, plan
from tests.unit.plan.worlds import IDENTITIES, edited, of_others, people_of, policy_with, settled, under_policy, without

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
KEYS = {"shows", "groups", "community", "people", "before", "world", "changes", "values", "notes", "calls"}
WORLD_KEYS = {"nothing", "missing", "rooms", "admin", "addresses", "former", "upgrade", "adopt"}


def load(path: Path) -> dict[str, Any]:
    case: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert case.keys() <= KEYS, case.keys() - KEYS
    assert case.get("world", {}).keys() <= WORLD_KEYS
    return case


def wanted(case: Mapping[str, Any]) -> tuple[DesiredCommunity, People]:
    people = people_of(case.get("people", {}))
    return compile_community(policy_with(case["groups"], **case.get("community", {})), people), people


def observed(case: Mapping[str, Any]) -> Observed:
    community, _ = wanted(case)
    world = case.get("world", {})
    if world.get("nothing"):
        return Observed({})
    before = case.get("before", {})
    found = settled(*wanted({**case, **before}))
    if "community" not in before or "federation" in before["community"]:
        # A policy in other words is a case of its own: elsewhere it would be noise.
        found = under_policy(found, community.policy_digest)
    found = without(found, world.get("missing", ()))
    rooms = dict(found.rooms)
    for key, edit in world.get("rooms", {}).items():
        rooms[key] = edited(rooms[key], edit)
    return replace(
        found,
        rooms=rooms,
        admin_capability=world.get("admin", True),
        addresses=world.get("addresses", {}),
        predecessors={key: rooms[key] for key in world.get("upgrade", ())}
        | {key: of_others(one) for key, one in world.get("adopt", {}).items()},
        former_rooms=frozenset(world.get("former", ())),
    )


def planned(case: Mapping[str, Any]) -> Plan:
    return plan(*wanted(case), observed(case), IDENTITIES)


def lines(text: str | None) -> list[str]:
    return (text or "").strip().splitlines()


def matches(value: Any, expected: Any) -> bool:
    """Whether a value holds all that is expected; a mapping may hold more."""
    if isinstance(expected, Mapping):
        return isinstance(value, Mapping) and all(matches(value.get(name), part) for name, part in expected.items())
    return bool(value == expected)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_plan_is_what_the_case_says(path: Path) -> None:
    case = load(path)
    found = planned(case)
    assert [f"{one.phase} {one.change_class} {one.describe()}" for one in found.changes] == lines(case.get("changes"))
    assert [note.text for note in found.notes] == lines(case.get("notes"))
    assert found.calls == case.get("calls", len(found.changes))
    records = [change_record(change) for change in found.changes]
    for expected in case.get("values", ()):
        assert any(matches(record, expected) for record in records), f"no change holds {expected}"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_saved_plan_is_read_as_the_same_plan(path: Path) -> None:
    found = planned(load(path))
    assert Plan.from_record(found.record()) == found


def test_cases_are_numbered_without_gaps_and_say_what_they_show() -> None:
    assert [int(path.stem.partition("-")[0]) for path in CASES] == list(range(1, len(CASES) + 1))
    assert all(load(path)["shows"].endswith(".") for path in CASES)
