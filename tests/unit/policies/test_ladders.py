"""`escalation`: what a policy may say of who is called, what it means, and what is refused."""

from __future__ import annotations

import pytest

from policies.compile import compile_community, policy_digest
from policies.escalation import BANDS
from policies.explain import explain_community
from policies.files import EXAMPLES
from policies.findings import Finding
from policies.intent import weakenings
from policies.ladders import BUILT_IN, DEPUTY, LEAD, Step, band_of, duration, ladders_of, weaker_in
from policies.load import load_people, load_policy
from policies.notes import weakened
from policies.schema import Policy
from policies.source import read_yaml

EXAMPLE = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
PEOPLE = (EXAMPLES / "leeds-carers.people.yaml").read_text(encoding="utf-8")
#: More roles than the example has: somebody who listens, and somebody who moderates those who moderate.
BASE = EXAMPLE.replace(
    "\nroles:\n",
    "\nroles:\n  listener: {level: 0, can: [safeguard]}\n  senior: {level: 60, can: [moderate]}\n",
)
LONG = "{{steps: [{}], because: Board minute 4, approved_by: deputy}}"


def text(escalation: str) -> str:
    return f"{BASE}\nescalation:\n  {escalation}\n"


def policy(escalation: str) -> Policy:
    loaded = load_policy(text(escalation), "f")
    assert loaded.policy is not None, [str(one) for one in loaded.findings]
    return loaded.policy


def errors(escalation: str) -> list[Finding]:
    return [one for one in load_policy(text(escalation), "f").findings if one.severity == "error"]


def test_what_is_not_written_is_as_it_is_built_in_and_never_weaker_than_itself() -> None:
    loaded = load_policy(BASE, "f").policy
    assert loaded is not None
    assert ladders_of(loaded) == BUILT_IN
    assert [list(weaker_in(band, BUILT_IN[band])) for band in BANDS] == [[]] * 4
    assert BUILT_IN["danger"].steps[0].called == (LEAD, DEPUTY)


def test_a_list_of_steps_and_a_block_mean_the_same_and_a_role_that_holds_an_office_is_the_office() -> None:
    short = policy("serious: [{call: lead, within: 30m}, {call: [deputy, listener], within: 1h}]")
    long = policy(
        "serious: {steps: [{call: safeguarding_lead, within: 30 minutes}, {call: [deputy, listener], within: 60m}]}"
    )
    assert ladders_of(short)["serious"] == ladders_of(long)["serious"]
    assert ladders_of(short)["serious"].steps == (Step((LEAD,), 30), Step((DEPUTY, "listener"), 60))
    assert ladders_of(short)["danger"] == BUILT_IN["danger"]


def test_a_policy_without_ladders_has_the_digest_from_before_they_could_be_written() -> None:
    plain, more = load_policy(BASE, "f").policy, policy("help: [{call: deputy, within: 1h}, {call: lead, within: 1h}]")
    assert plain is not None
    assert policy_digest(plain) != policy_digest(more)
    assert policy_digest(policy("")) == policy_digest(plain)
    hours = policy("help: [{call: deputy, within: 60 minutes}, {call: lead, within: 1 hour}]")
    assert policy_digest(more) != policy_digest(plain)
    assert ladders_of(hours) == ladders_of(more)


def test_conduct_is_shown_to_moderators_until_a_step_calls_somebody_who_safeguards() -> None:
    steps = "conduct: [{call: moderator, within: 2h}, {call: senior, within: 2h}, {call: lead, within: 2h}]"
    assert [one.room for one in ladders_of(policy(steps))["conduct"].steps] == ["moderators"] * 2 + ["safeguarding"]


@pytest.mark.parametrize(
    ("track", "severity", "band"),
    [
        ("conduct", 1, "conduct"),
        ("conduct", 2, "conduct"),
        ("concern", 2, "help"),
        ("conduct", 3, "serious"),
        ("concern", 3, "serious"),
        ("concern", 4, "danger"),
        ("conduct", 4, "danger"),
    ],
)
def test_every_case_is_on_one_ladder(track: str, severity: int, band: str) -> None:
    assert band_of(track, severity) == band


WEAKER = [
    ("serious: [{call: lead, within: 30m}]", "it has 1 step, and not 2"),
    (
        "serious: [{call: lead, within: 90m}, {call: deputy, within: 10m}]",
        "step 1 waits 1 hour 30 minutes, and not 1 hour",
    ),
    (
        "serious: [{call: listener, within: 10m}, {call: [lead, deputy], within: 10m}]",
        "the safeguarding lead is called after 10 minutes, and not at once",
    ),
    ("serious: [{call: lead, within: 30m}, {call: listener, within: 30m}]", "the deputy is not on it"),
    (
        "danger: [{call: [lead, deputy], within: 15m}, {call: listener, within: 10m}, {call: same_again, within: 10m}]",
        "it ends after 35 minutes, and not after 30 minutes",
    ),
    (
        "conduct: [{call: moderator, within: 2h}, {call: senior, within: 2h}]",
        "the safeguarding lead is not on it",
    ),
    (
        "serious: [{call: lead, within: 1h}, {call: listener, within: 30m}, {call: deputy, within: 30m}]",
        "the deputy is called after 1 hour 30 minutes, and not after 1 hour",
    ),
    (
        "help: [{call: card_only, within: 8h}, {call: listener, within: 7h}, {call: [lead, deputy], within: 1h}]",
        "the safeguarding lead is called after 15 hours, and not after 8 hours",
    ),
    (
        "conduct: [{call: moderator, within: 8h}, {call: senior, within: 7h}, {call: deputy, within: 1h}]",
        "the safeguarding lead is not on it",
    ),
    ("help: [{call: lead, within: 8h}, {call: listener, within: 8h}]", "the deputy is not on it"),
    ("help: [{call: card_only, within: 12h}, {call: lead, within: 1h}]", "step 1 waits 12 hours, and not 8 hours"),
]


@pytest.mark.parametrize(("written", "why"), WEAKER)
def test_what_is_weaker_than_built_in_needs_a_reason_and_a_name_and_is_told_in_plans(written: str, why: str) -> None:
    (error,) = errors(written)
    band, _, steps = written.partition(": ")
    assert why in error.message
    assert (error.text, error.line) == (band, text(written).rstrip().count("\n") + 1)
    vouched = policy(f"{band}: {LONG.format(steps[1:-1])}")
    (one,) = weakenings(vouched)
    assert why in one.value
    note = weakened(one, {}).text
    assert why in note
    assert "The deputy answers for it: Board minute 4" in note


@pytest.mark.parametrize(
    "steps", ["{call: deputy, within: 1m}", "{call: lead, within: 1m}, {call: deputy, within: 1m}"]
)
def test_care_15_in_danger_both_owners_are_called_first_whoever_answers_for_it(steps: str) -> None:
    assert any("both called first" in one.message for one in errors(f"danger: {LONG.format(steps)}"))


def test_what_is_stricter_is_free_and_needs_nobody_who_answers_for_it() -> None:
    stricter = (
        "danger: [{call: [lead, deputy, listener], within: 5m, outside_hours: agreed}, {call: same_again, within: 5m}]"
    )
    assert load_policy(text(stricter), "f").findings == ()
    vouched = f"danger: {LONG.format('{call: [lead, deputy], within: 5m}, {call: same_again, within: 5m}')}"
    (advice,) = load_policy(text(vouched), "f").findings
    assert (advice.severity, "not weaker" in advice.message) == ("advice", True)


def found(people: str, escalation: str) -> list[Finding]:
    return list(load_people(people, "p", policy(escalation)).findings)


def test_a_first_step_that_nobody_would_answer_does_not_load_and_a_later_one_is_told() -> None:
    first = found(PEOPLE, "help: [{call: listener, within: 1h}, {call: [lead, deputy], within: 1h}]")
    assert [(one.severity, one.line, "step 1" in one.message) for one in first] == [("error", 6, True)]
    beside = found(PEOPLE, "help: [{call: [lead, listener], within: 1h}, {call: deputy, within: 1h}]")
    assert [one.severity for one in beside] == ["advice"]
    later = found(PEOPLE, "help: [{call: [lead, deputy], within: 1h}, {call: listener, within: 1h}]")
    assert [(one.severity, "step 2" in one.message) for one in later] == [("advice", True)]


def test_a_step_that_calls_only_people_who_were_called_before_is_told() -> None:
    both = PEOPLE.replace("      - moderator\n", "      - moderator\n      - senior\n")
    told = found(both, "conduct: [{call: moderator, within: 1h}, {call: senior, within: 1h}, {call: lead, within: 1h}]")
    assert [(one.severity, "nobody but people who were called before" in one.message) for one in told] == [
        ("advice", True)
    ]


def test_the_whole_ladder_is_explained_with_the_line_of_each_step_or_why_it_is_so() -> None:
    written = text("serious:\n    - {call: lead, within: 30m}\n    - {call: [deputy, listener], within: 45m}")
    loaded = load_policy(written, "f").policy
    assert loaded is not None
    told = {one.about: one for one in explain_community(loaded, read_yaml(written, "f"))}
    line = written.split("\n").index("    - {call: lead, within: 30m}") + 1
    assert [told[f"serious cases, step {n}"].origin.where for n in (1, 2)] == [f"f:{line}", f"f:{line + 1}"]
    assert told["serious cases, step 2"].words == (
        "Called in the safeguarding room: the deputy, all with the role listener. Those with the role only in the "
        "staffed hours. After 45 minutes of the staffed hours it passes on."
    )
    assert told["danger, step 1"].origin.where == "unless the file says otherwise"
    assert (
        told["danger, step 2"].words
        == "The same people are called again. After 15 minutes, day or night, it passes on."
    )
    assert "nobody's device rings" in told["conduct, step 1"].words
    assert {f"{name}, at the end" for name in ("conduct", "requests for help", "serious cases", "danger")} <= set(told)


def test_ladders_change_no_room_but_for_the_mark_of_the_policy() -> None:
    people = load_people(PEOPLE, "p").people
    plain = load_policy(BASE, "f").policy
    assert people is not None
    assert plain is not None
    changed = policy("help: [{call: lead, within: 1h}, {call: deputy, within: 1h}]")
    for was, now in zip(compile_community(plain, people).rooms, compile_community(changed, people).rooms, strict=True):
        differ = {key for key in now.state if now.state[key] != was.state[key]}
        assert differ == {("org.inglenook.managed", "")}


def test_lengths_of_time_are_said_in_words() -> None:
    assert [duration(one) for one in (1, 15, 60, 90, 480)] == [
        "1 minute",
        "15 minutes",
        "1 hour",
        "1 hour 30 minutes",
        "8 hours",
    ]
