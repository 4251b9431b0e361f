"""Answers become a verdict with its reasons, and files that load; nothing that anybody types can break out of its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

import policies
from policies.beginning import (
    QUESTIONS,
    Answers,
    NotUnderstood,
    Verdict,
    answers_of,
    first_steps,
    judge,
    read_answers,
    read_typed,
    relevant,
    signposts_of,
    written,
)
from policies.beginning.sensitive import telling_words
from policies.compile import compile_community
from policies.load import load_people, load_policy
from policies.people import People
from policies.schema import Policy
from tests.support.beginnings import BASE, GO, NOT_YET, SMALLER, answers_file

SIGNPOSTS = signposts_of((Path(policies.__file__).parent / "rules/signposts/en-GB.csv").read_text(encoding="utf-8"))
HOSTILE = (
    "{{ 7 * 7 }}",
    "# a comment",
    "name: x\n  server: evil.example",
    '" \\" \' `',
    "*alias &anchor !tag",
    "- one\r\n- two",
    "a\u2028b\u2029c\x85d\x0be",
    "[bold]{value}%s%(x)s",
    "--- ...",
    "| > ? : , [] {}",
    "null",
    "true",
    "~",
    "0777",
    "schema: 2 # x",
)


def answered(changed: Mapping[str, object]) -> Answers:
    read = read_answers(answers_file(changed), "answers.yaml")
    assert read.answers is not None, read.findings
    return read.answers


def verdict(**changed: object) -> Verdict:
    return judge(answered(changed), SIGNPOSTS)


def loaded(answers: Answers) -> tuple[Policy, People]:
    """The files for these answers, which load without a finding that is more than advice, and compile."""
    files = written(answers)
    assert files is not None
    policy = load_policy(files[0], "policy.yaml")
    assert policy.policy is not None, (policy.findings, files[0])
    people = load_people(files[1], "people.yaml", policy.policy)
    assert people.people is not None, (people.findings, files[1])
    assert {one.severity for one in (*policy.findings, *people.findings)} <= {"advice"}
    assert compile_community(policy.policy, people.people).rooms
    return policy.policy, people.people


def shape(policy: Policy) -> tuple[tuple[str, str, str], ...]:
    return tuple((key, group.kind, group.tier) for key, group in policy.groups.items())


@pytest.mark.parametrize("name", GO)
def test_go_writes_the_groups_that_were_asked_for(name: str) -> None:
    changed, groups = GO[name]
    found = verdict(**changed)
    assert (found.outcome, found.reasons) == ("go", ())
    policy, people = loaded(answered(changed))
    assert shape(policy) == groups
    assert people.holders("lead") == ("@copper-lark:chat.charity.example",)
    assert people.holders("deputy") == ("@quiet-fern:chat.charity.example",)
    assert people.holders("moderator") == ("@amber-kite:chat.charity.example",)
    assert people.holders("admin") == ("@north-gate:chat.charity.example",)


@pytest.mark.parametrize("name", SMALLER)
def test_smaller_says_why_and_writes_the_smaller_community(name: str) -> None:
    changed, keys, groups = SMALLER[name]
    found = verdict(**changed)
    assert found.outcome == "smaller"
    assert tuple(reason.key for reason in found.reasons) == keys
    policy, _ = loaded(answered(changed))
    assert shape(policy) == groups
    purposes = answered(changed).purposes
    assert policy.community.purpose == purposes[0]


@pytest.mark.parametrize("name", NOT_YET)
def test_not_yet_says_why_and_what_to_do_first_and_writes_no_policy(name: str) -> None:
    changed, keys = NOT_YET[name]
    found = verdict(**changed)
    assert found.outcome == "not_yet"
    assert tuple(reason.key for reason in found.reasons) == keys
    assert written(answered(changed)) is None
    steps = " ".join(first_steps(found).split())
    for reason in found.reasons:
        assert reason.words in steps
        assert reason.advice in steps


def test_people_under_18_are_pointed_to_services_made_for_them_and_crises_to_those_who_can_help() -> None:
    assert [one.contact for one in verdict(for_whom="young").pointers] == ["0800 1111"]
    contacts = [one.contact for one in verdict(must=["crisis"]).pointers]
    assert contacts == ["999", "111, then option 2", "116 123"]


def test_pointers_come_from_the_table_of_signposts_and_from_nowhere_else() -> None:
    for changed, _ in NOT_YET.values():
        assert judge(answered(changed), ()).pointers == ()
        known = {(one.name, one.contact) for one in SIGNPOSTS}
        assert {(one.name, one.contact) for one in judge(answered(changed), SIGNPOSTS).pointers} <= known


@pytest.mark.parametrize(("asked", "advised"), [(1, True), (4, True), (5, False)])
def test_fewer_than_five_asked_is_advice_and_stops_nobody(asked: int, advised: bool) -> None:
    found = verdict(asked=asked)
    assert found.outcome == "go"
    assert ("few_asked" in {one.key for one in found.advice}) is advised


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The lounge", ()),
        ("People can certainly be kind, and help others to mend", ()),
        ("Transport for carers, and the backgammon club", ()),
        ("chat.leeds-mental-health.example", ("mentalhealth",)),
        ("dementiacarers.example", ("dementiacarers",)),
        ("MS friends, and Bereaved Parents", ("bereaved", "ms")),
    ],
)
def test_words_that_tell_of_an_illness_or_of_a_hard_time_are_found_and_others_are_left(
    text: str, found: tuple[str, ...]
) -> None:
    assert telling_words(text) == found


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"server": "chat.cancerfriends.example"}, "telling_server"),
        ({"server": "dementia-leeds.example"}, "telling_server"),
        ({"name": "HIV Friends"}, "telling_name"),
        ({"group": "Bereaved people"}, "telling_name"),
        ({"harm": "Somebody may speak of suicide."}, "risk_too_low"),
        ({"moderators": "none"}, "no_moderators"),
        ({"operators": []}, "no_operators"),
        ({"lead_hours": "every day 8am to 8pm"}, "long_week"),
    ],
)
def test_what_is_worth_a_thought_is_said_and_changes_nothing(changed: dict[str, object], key: str) -> None:
    assert key not in {one.key for one in verdict().advice}
    found = verdict(**changed)
    assert found.outcome == "go"
    assert key in {one.key for one in found.advice}


def test_a_name_that_tells_of_people_does_not_become_the_id_that_stays_for_ever() -> None:
    policy, _ = loaded(answered({"name": "Cancer Friends"}))
    assert policy.community.id == "community"
    assert loaded(answered({"name": "Café d'Été 2"}))[0].community.id == "cafe-dete-2"
    assert loaded(answered({"name": "Ünï — 中文"}))[0].community.id == "uni"
    assert loaded(answered({"name": "中文"}))[0].community.id == "community"
    assert loaded(answered({"name": "true"}))[0].community.id == "true"


def test_one_person_with_several_roles_stands_in_the_people_file_once() -> None:
    _, people = loaded(answered({"moderators": ["copper-lark", "amber-kite"], "operators": ["copper-lark"]}))
    assert people.get("@copper-lark:chat.charity.example").roles == {"lead", "moderator", "admin"}


def test_the_team_keeps_a_record_of_what_was_asked_in_comments() -> None:
    files = written(answered({"asked": 3}))
    assert files is not None
    comments = [line for line in files[0].splitlines() if line.startswith("#")]
    for words in ("How many were asked: 3", "What was learnt: They want", "need to take part: Big letters", "Friday"):
        assert any(words in line for line in comments), words
    assert "copper-lark" not in files[0]


def test_the_hours_of_all_who_are_there_become_the_hours_of_the_community() -> None:
    policy, _ = loaded(
        answered(
            {
                "lead_hours": "Mon-Fri 9:00-13:00 Europe/Dublin",
                "deputy_hours": "weekdays 12.30 to 5pm Europe/Dublin",
                "moderator_hours": "Saturdays 10-12 Europe/Dublin",
            }
        )
    )
    expected = ", ".join(f"{day} 09:00-17:00" for day in ("Mon", "Tue", "Wed", "Thu", "Fri"))
    assert str(policy.community.hours) == f"{expected}, Sat 10:00-12:00 Europe/Dublin"


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("key", [one.key for one in QUESTIONS if one.read.__name__ in ("sentence", "name")])
def test_what_is_typed_stays_in_its_place(key: str, text: str) -> None:
    """The same keys and the same values, but for the one that was typed; comments stay comments."""
    question = next(one for one in QUESTIONS if one.key == key)
    for base in (GO["both-medium-with-news"][0], GO["closed-high"][0]):
        before = answered(base)
        after = replace(before, **{key: read_typed(question, f"x {text}", {})})
        plain, typed = written(before), written(after)
        assert plain is not None
        assert typed is not None
        loaded(after)
        assert _without_texts(yaml.safe_load(typed[0])) == _without_texts(yaml.safe_load(plain[0]))
        assert typed[1] == plain[1]
        lines = [line for line in typed[0].splitlines() if not line.startswith("#")]
        assert len(lines) == len([line for line in plain[0].splitlines() if not line.startswith("#")])


def _without_texts(data: object) -> object:
    if isinstance(data, dict):
        texts = ("name", "purpose", "not_for", "because", "id")
        return {key: "" if key in texts else _without_texts(value) for key, value in data.items()}
    return data


@pytest.mark.parametrize(
    "text",
    [
        "a\u202eb",
        "a\x1b[31mb",
        "a\x00b",
        "\u200b",
        "a\ufeffb",
        "a\ufffdb",
        "a\ufffeb",
        "\ud800",
        "x" * 10_000,
        "!!",
        " ",
    ],
)
@pytest.mark.parametrize("key", [one.key for one in QUESTIONS])
def test_what_nobody_can_see_or_nobody_would_read_is_refused_in_words(key: str, text: str) -> None:
    question = next(one for one in QUESTIONS if one.key == key)
    if not text.strip() and question.empty is not None:
        return
    with pytest.raises(NotUnderstood) as refused:
        read_typed(question, text, {"server": "chat.charity.example"})
    assert refused.value.message
    assert refused.value.advice


TYPED = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=60),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=600),
    st.sampled_from(["none", "no", "yes", "1", "2", "3", "0", "5", "copper-lark", "chat.charity.example", "; ;;"]),
    st.sampled_from(["weekdays 9am to 5pm", "Mon 10-12, Tue 9-24", "Fri-Mon 20:00-24:00", "daily 0-24 UTC"]),
    st.lists(st.sampled_from(["talk", "news", "crisis", "a b", "@x:y", "07700 900123"]), max_size=6).map("; ".join),
)


@st.composite
def well_formed(draw: st.DrawFn) -> Answers:
    """Whatever the readers let through: what cannot be understood is answered from the base instead."""
    said: dict[str, object] = {}
    while True:
        question = next((one for one in relevant(said) if one.key not in said), None)
        if question is None:
            break
        base = BASE.get(question.key, "words")
        plain = "; ".join(map(str, base)) if isinstance(base, list) else str(base)
        choices = st.sampled_from(sorted(question.choices)) if question.choices else TYPED
        text = draw(st.one_of(st.just("lead" if question.key == "accept" else plain), choices))
        try:
            said[question.key] = read_typed(question, text, said)
        except NotUnderstood:
            said[question.key] = read_typed(question, "none" if question.key.endswith("hours") else plain, said)
    answers = answers_of(said)
    assert answers is not None
    return answers


@settings(max_examples=300, deadline=None)
@given(well_formed())
def test_any_answers_give_a_verdict_with_reasons_and_a_policy_that_loads_whenever_one_is_written(
    answers: Answers,
) -> None:
    found = judge(answers, SIGNPOSTS)
    assert bool(found.reasons) is (found.outcome != "go")
    assert (written(answers) is None) is (found.outcome == "not_yet")
    if found.outcome == "not_yet":
        assert first_steps(found)
        return
    policy, people = loaded(answers)
    assert policy.community.server == answers.server
    assert set(people.by_id) == {answers.lead, answers.deputy, *answers.moderators, *answers.operators}
    assert len(policy.groups) <= 3


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["now", "learnt", "access", "door_why", "harm", "name", "group"]), st.text()))
def test_a_record_of_anything_is_comments_and_a_value_of_anything_is_one_value(texts: dict[str, str]) -> None:
    """Also of answers that no reader has seen."""
    plain = answered({})
    odd = Answers(**{**{key: getattr(plain, key) for key in asdict(plain)}, **texts})
    files = written(odd)
    assert files is not None
    data = yaml.safe_load(files[0])
    assert list(data) == ["schema", "community", "roles", "groups"]
    assert list(data["groups"]) == ["talk"]
