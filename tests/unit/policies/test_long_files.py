"""Long files take work in proportion to their length: groups are not asked for each person, nor lists for each item."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest

from policies.files import Read
from policies.findings import MAX_FINDINGS, Finding
from policies.including import compose
from policies.load import load_people, load_policy
from policies.schema import Policy
from tests.support.hostile import PEOPLE, POLICY

_FEW = 60
"""Groups and people; enough that what grows with their product stands out."""


@contextmanager
def counted(name: str = "") -> Iterator[list[int]]:
    """Count the calls that are made meanwhile, of Python and of C; of functions with this name only, if there is one."""
    count = [0]

    def see(frame: FrameType, event: str, _: object) -> None:
        count[0] += event in ("call", "c_call") and (not name or (frame.f_code.co_name == name and event == "call"))

    sys.setprofile(see)
    try:
        yield count
    finally:
        sys.setprofile(None)


def policy_with(number: int, group: str, more: str = "") -> Policy:
    text = POLICY + "".join(f"  g{n}: {{name: G{n}, purpose: x, {group}}}\n" for n in range(number))
    loaded = load_policy(text.replace("  allowed_contacts:", f"{more}  allowed_contacts:", 1), "f")
    assert loaded.policy is not None, loaded.findings
    return loaded.policy


def people_with(number: int, entry: str, server: str = "hearth.example") -> str:
    return PEOPLE + "".join(f'  "@p{n}:{server}": {entry}\n' for n in range(number))


@pytest.mark.parametrize(
    ("group", "entry"),
    [
        ("kind: closed, tier: low", "{roles: [moderator]}"),
        ("kind: closed, tier: low, capacity: 9999", "{groups: [bereaved]}"),
        ("kind: closed, tier: low, capacity: 9999, membership: {roles: [moderator]}", "{roles: [moderator]}"),
        ("kind: hybrid, tier: low", "{roles: [lead]}"),
    ],
)
def test_twice_as_many_groups_and_people_take_twice_the_work(group: str, entry: str) -> None:
    work = []
    for number in (_FEW, 2 * _FEW):
        policy, text = policy_with(number, group), people_with(number, entry)
        with counted() as calls:
            load_people(text, "p", policy)
        work.append(calls[0])
    assert work[1] < 2.5 * work[0]  # all for all would be four times


def test_the_people_of_a_partner_are_not_compared_with_each_partner_one_by_one() -> None:
    work = []
    for partners in (10, 100):
        servers = ", ".join(f"s{n}.example" for n in range(partners))
        opened = (
            f"  federation: {{mode: partners, servers: [{servers}], because: x, approved_by: deputy}}\n"
            "  risk_assessment: {reviewed: 2026-09-01, next: 2027-09-01, by: lead}\n"
        )
        policy = policy_with(1, "kind: hybrid, tier: low", opened)
        text = people_with(1_000, "{groups: [g0]}", f"s{partners - 1}.example")
        with counted() as calls:
            assert load_people(text, "p", policy).people is not None
        work.append(calls[0])
    assert work[1] < 1.1 * work[0]


@pytest.mark.parametrize("key", ["roles: [moderator", "groups: [bereaved"])
def test_of_much_advice_no_more_is_worded_than_is_shown(key: str) -> None:
    word = key.partition("[")[2]
    text = PEOPLE + f'  "@z:hearth.example": {{{key}{f", {word}" * 2_000}]}}\n'
    policy = policy_with(1, "kind: open, tier: low")
    with counted("finding") as worded:
        loaded = load_people(text, "p", policy)
    assert loaded.people is not None
    assert [one.message for one in loaded.findings] == [f"{word} stands here twice"] * MAX_FINDINGS
    assert worded[0] == MAX_FINDINGS


def test_an_error_behind_much_advice_stops_the_file_and_is_shown() -> None:
    text = PEOPLE + f'  "@z:hearth.example": {{groups: [bereaved{", bereaved" * 2_000}, nix]}}\n'
    loaded = load_people(text, "p", policy_with(1, "kind: open, tier: low"))
    assert loaded.people is None
    assert [one.message for one in loaded.findings if one.severity == "error"] == ['there is no group "nix"']


def test_no_more_files_are_looked_for_than_findings_are_shown() -> None:
    asked: list[str] = []

    def fetch(name: str) -> Read:
        asked.append(name)
        return Read(None, (Finding("error", name, 1, 1, "", "there is no such file", "Look for it."),))

    composed = compose(f"schema: 2\ninclude: [{', '.join(f'f{n}.yaml' for n in range(5_000))}]\n", "f", fetch)
    assert len(asked) == len(composed.source.findings) == MAX_FINDINGS
