"""A plan tells what another policy says, also where no room changes for it."""

from __future__ import annotations

import pytest

from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.files import EXAMPLES
from policies.load import load_policy
from policies.other_words import other_words
from policies.people import People
from policies.schema import Policy

EXAMPLE = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
LADDER = """
escalation:
  serious:
    - {call: safeguarding_lead, within: 30m}
    - {call: deputy, within: 1h}
"""


def policy(text: str) -> Policy:
    loaded = load_policy(text, "f")
    assert loaded.policy is not None, loaded.findings
    return loaded.policy


def told(after: str, before: str = EXAMPLE) -> list[tuple[str | None, str]]:
    return [(note.room, note.text) for note in other_words(policy(before), policy(after))]


def test_the_same_policy_says_nothing_else() -> None:
    assert told(EXAMPLE) == []
    assert told(EXAMPLE.replace("    tier: low\n", "    tier: low # little\n")) == []


def test_another_ladder_is_told_step_by_step_and_only_where_it_differs() -> None:
    ((room, text),) = told(EXAMPLE + LADDER)
    assert room is None
    assert text == (
        "From now on, serious cases, step 1: Called in the safeguarding room: the safeguarding lead. "
        "After 30 minutes of the staffed hours it passes on."
    )
    ((_, back),) = told(EXAMPLE, EXAMPLE + LADDER)
    assert "After 1 hour of the staffed hours" in back


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Mon-Fri 08:00-20:00", "Mon-Fri 09:00-17:00", "when somebody is there: Mon 09:00-17:00"),
        ("    - hello@leedscarers.example\n", "", "what anybody may write: 0113 496 0101"),
        (
            "    can:\n      - operate\n",
            "    can:\n      - operate\n      - approve_join\n",
            "It can: operate, approve_join",
        ),
    ],
)
def test_hours_contacts_and_duties_are_told(old: str, new: str, words: str) -> None:
    assert old in EXAMPLE
    assert any(words in text for _, text in told(EXAMPLE.replace(old, new, 1)))


def test_what_a_group_says_is_told_with_its_name_and_of_several_groups_once() -> None:
    ((room, text),) = told(EXAMPLE.replace("    kind: hybrid", "    capacity: 12\n    kind: hybrid"))
    assert (room, text.startswith("“Carers' lounge”: From now on, how many: 12 people at most")) == (
        "carers-lounge",
        True,
    )
    ((room, text),) = told(f"{EXAMPLE}\nrules: {{bullying: enforce}}\n")
    assert room is None
    assert text.startswith(
        "“After caring”, “Carers' lounge”, “What we learned”, “Start here”: From now on, rule bullying: It acts."
    )


def test_what_is_said_no_more_is_told() -> None:
    start, end = EXAMPLE.index("  allowed_contacts:"), EXAMPLE.index("  risk_assessment:")
    texts = [text for _, text in told(EXAMPLE[:start] + EXAMPLE[end:])]
    assert texts == ["From now on nothing is said any more of: what anybody may write."]


def test_what_changes_rooms_is_left_to_the_changes_of_the_plan() -> None:
    assert told(EXAMPLE.replace("kind: hybrid", "kind: closed").replace("name: Start here", "name: Begin here")) == []


def test_that_newcomers_are_read_first_is_told() -> None:
    read_first = EXAMPLE.replace("    kind: hybrid", "    posting: {first_messages: 1}\n    kind: hybrid")
    ((room, text),) = told(read_first)
    assert room == "carers-lounge"
    assert "what newcomers write: The first message of whoever comes in from then on" in text
    ((_, back),) = told(EXAMPLE, read_first)
    assert "what newcomers write: Everybody sees it at once." in back


def test_a_policy_of_many_groups_is_compiled_once_for_all_of_them_and_not_at_all_where_nothing_differs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else a plan for a thousand rooms would take minutes, in which nobody is looked after."""
    compiled: list[Policy] = []

    def counted(of: Policy, people: People) -> DesiredCommunity:
        compiled.append(of)
        return compile_community(of, people)

    monkeypatch.setattr("policies.explain.compile_community", counted)
    one, other = policy(EXAMPLE), policy(EXAMPLE + LADDER)
    assert len(one.groups) > 1
    assert other_words(one, policy(EXAMPLE)) == ()
    assert compiled == []
    assert other_words(one, other) != ()
    assert len(compiled) == 2
