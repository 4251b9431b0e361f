"""The shipped example damaged by a script: whatever comes of it, it is told where and what to do, or it is as safe as before."""

from __future__ import annotations

import functools

import pytest

from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.files import EXAMPLES
from policies.findings import Finding, has_errors
from policies.load import load_people, load_policy
from policies.observed import Identities, Observed
from policies.people import People
from policies.plan import plan
from policies.schema import Policy
from tests.support.damage import KINDS

POLICY = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
PEOPLE = (EXAMPLES / "leeds-carers.people.yaml").read_text(encoding="utf-8")
GHOSTS = Identities("@steward:x", "@guardian:x", "@custodian:x")
#: From the narrowest door to the widest.
DOORS = ("invite", "knock", "restricted", "public")


@functools.cache
def example() -> tuple[Policy, People, DesiredCommunity]:
    policy = load_policy(POLICY, "policy.yaml").policy
    assert policy is not None
    people = load_people(PEOPLE, "people.yaml", policy).people
    assert people is not None
    return policy, people, compile_community(policy, people)


def assert_helps(findings: tuple[Finding, ...], damaged: str | bytes) -> None:
    lines = (damaged if isinstance(damaged, bytes) else damaged.encode()).count(b"\n") + 2
    for finding in findings:
        assert 1 <= finding.line <= max(lines, 100_001)
        assert finding.column >= 1
        assert finding.message
        assert finding.advice
        said = str(finding)
        assert said.count("\n") == 1, "nothing in a file can fake a line"
        assert all(sign.isprintable() or sign == "\n" for sign in said)
        assert len(said) < 2000


def assert_safe(policy: Policy, people: People) -> None:
    community = compile_community(policy, people)
    planned = plan(community, people, Observed({}), GHOSTS)
    assert all("\n" not in line for line in planned.describe())
    _, _, whole = example()
    known = {room.key: room for room in whole.rooms}
    for room in community.rooms:
        levels = room.state["m.room.power_levels", ""]
        users = levels["users"]
        assert isinstance(users, dict)
        assert all(0 < level <= 90 for level in users.values())
        assert levels["state_default"] == 150
        assert "additional_creators" not in room.creation_content
        if room.key in known and room.kind == known[room.key].kind:
            was, now = (one.state["m.room.join_rules", ""]["join_rule"] for one in (known[room.key], room))
            assert DOORS.index(str(now)) <= DOORS.index(str(was)), f"{room.key} became more open"
        elif room.key in known:
            # A kind is only another one where the file says so: none is a default.
            assert f"kind: {room.kind}" in current["text"]


current: dict[str, str] = {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_policy_is_explained_or_as_safe_as_it_was(kind: str) -> None:
    _, people, _ = example()
    refused = loaded = 0
    for damaged in KINDS[kind](POLICY):
        found = load_policy(damaged, "policy.yaml")
        assert_helps(found.findings, damaged)
        assert (found.policy is None) == has_errors(found.findings)
        if found.policy is None:
            refused += 1
            continue
        loaded += 1
        current["text"] = damaged if isinstance(damaged, str) else damaged.decode("utf-8", "replace")
        assert_safe(found.policy, people)
    assert refused > 0
    assert refused + loaded >= 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_people_file_is_explained_or_gives_nobody_more_than_it_says(kind: str) -> None:
    policy, whole, _ = example()
    refused = loaded = 0
    for damaged in KINDS[kind](PEOPLE):
        found = load_people(damaged, "people.yaml", policy)
        assert_helps(found.findings, damaged)
        assert (found.people is None) == has_errors(found.findings)
        if found.people is None:
            refused += 1
            continue
        loaded += 1
        assert_safe(policy, found.people)
        for user_id, person in found.people.by_id.items():
            if kind in {"lines deleted", "cut short", "saved otherwise"}:
                assert person.roles <= whole.get(user_id).roles | person.groups
    assert refused > 0
    assert refused + loaded >= 10
