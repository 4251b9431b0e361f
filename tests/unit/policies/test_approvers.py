"""Requests to join that nobody would answer are told beforehand, in the file that can change it."""

from __future__ import annotations

from policies.files import EXAMPLES
from policies.findings import Finding
from policies.load import load_people, load_policy

POLICY = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
PEOPLE = (EXAMPLES / "leeds-carers.people.yaml").read_text(encoding="utf-8")
#: The two people who may let others in.
LEAD, DEPUTY = "@copper-lark:chat.leedscarers.example", "@quiet-fern:chat.leedscarers.example"


def people(text: str, policy: str = POLICY) -> list[Finding]:
    loaded = load_policy(policy, "policy.yaml").policy
    assert loaded is not None
    return list(load_people(text, "people.yaml", loaded).findings)


def without_approval(role: str, text: str = POLICY) -> str:
    """The policy in which a role lets nobody in."""
    start = text.index(f"\n  {role}:")
    return text[:start] + text[start:].replace("      - approve_join\n", "", 1)


def test_the_example_needs_no_advice() -> None:
    assert people(PEOPLE) == []
    assert load_policy(POLICY, "policy.yaml").findings == ()


def test_a_role_that_lets_people_in_and_never_sees_who_asks_is_told() -> None:
    role = "\nroles:\n  host: {level: 50, can: [approve_join]}\n"
    (told,) = load_policy(POLICY.replace("\nroles:\n", role), "policy.yaml").findings
    assert (told.severity, told.message) == ("advice", "the role host may let people in, and never sees who asks")
    assert "moderate" in told.advice


def test_a_group_at_which_nobody_would_answer_is_told() -> None:
    role = "\nroles:\n  host: {level: 50, can: [moderate, approve_join]}\n"
    policy = without_approval("lead", without_approval("deputy", POLICY.replace("\nroles:\n", role)))
    (told,) = people(PEOPLE, policy)
    assert (told.severity, told.line) == ("advice", PEOPLE.split("\n").index("people:") + 1)
    assert told.message == "people may ask to join carers-lounge, and nobody is listed who can let them in"
    assert "roles: [host]" in told.advice


def test_an_approver_who_would_be_the_one_who_asks_is_told() -> None:
    policy = without_approval("deputy")
    assert people(PEOPLE, policy) == [], "who is in the group need not ask"
    (told,) = people(PEOPLE.replace("      - carers-lounge\n", "", 1), policy)
    assert (
        told.message == f"{LEAD} alone can let people into carers-lounge, and is not in it: nobody lets themselves in"
    )
    assert (told.severity, LEAD in told.text) == ("advice", True)
