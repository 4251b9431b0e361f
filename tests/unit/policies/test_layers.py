"""What was set in a room, laid over the file: the file wins, and what does not fit is told of."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.compile import compile_community, policy_digest
from policies.explain import explain_room
from policies.files import EXAMPLES
from policies.layers import (
    SETTABLE,
    BadSetting,
    Layer,
    layered,
    layers_from_json,
    layers_to_json,
    notes_of,
    setting_of,
    with_layer,
    written_value,
)
from policies.load import load_policy
from policies.people import People
from policies.schema import Group, Policy
from policies.source import read_yaml

LEAD = "@copper-lark:chat.leedscarers.example"
PLACES = Layer("carers-lounge", "capacity", 12, LEAD, 1_790_000_000_000)
WELCOME = Layer("carers-lounge", "welcome", "On Tuesdays we are all here.", LEAD, 1_790_000_000_000)


def policy(name: str = "leeds-carers", edit: tuple[str, str] | None = None) -> Policy:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    if edit is not None:
        assert edit[0] in text
        text = text.replace(*edit, 1)
    found = load_policy(text, "policy.yaml")
    assert found.policy is not None, found.findings
    return found.policy


def lounge(said: Policy, **more: object) -> Policy:
    """The policy with its file saying more of the lounge."""
    group = Group.model_validate(said.groups["carers-lounge"].model_dump(by_alias=True) | more)
    return said.model_copy(update={"groups": {**said.groups, "carers-lounge": group}})


def test_what_is_set_holds_beside_the_file_and_changes_the_digest() -> None:
    said = policy()
    found = layered(said, [PLACES])
    assert found.policy.groups["carers-lounge"].capacity == 12
    assert (found.kept, found.overruled) == ((PLACES,), ())
    assert policy_digest(found.policy) != policy_digest(said)
    room = compile_community(found.policy, People({})).room("carers-lounge")
    assert room.capacity == 12


def test_without_anything_set_the_policy_is_that_of_the_file() -> None:
    said = policy()
    assert layered(said, []).policy is said


def test_the_file_wins_and_the_note_says_what_it_says_and_when_it_was_set() -> None:
    found = layered(lounge(policy(), capacity=40), [PLACES])
    assert found.policy.groups["carers-lounge"].capacity == 40
    assert found.kept == ()
    (note,) = notes_of(found)
    assert (note.kind, note.room) == ("overruled", "carers-lounge")
    assert note.text == (
        "“Carers' lounge”: capacity 12, set in the room on 2026-09-21, has no effect any more: the file says capacity 40."
    )
    assert LEAD not in note.text


def test_what_is_set_for_a_group_that_is_gone_has_no_effect() -> None:
    gone = replace(PLACES, group="reading-room")
    found = layered(policy(), [gone, WELCOME])
    assert found.kept == (WELCOME,)
    assert [one.why for one in found.overruled] == ["gone"]
    assert "reading-room" in notes_of(found)[0].text


def test_what_the_group_may_not_have_is_left_out_and_the_rest_goes_on_to_hold() -> None:
    misplaced = replace(PLACES, group="welcome")  # an open group: people come in by themselves
    found = layered(policy(), [misplaced, WELCOME])
    assert found.kept == (WELCOME,)
    assert found.policy.groups["welcome"].capacity is None
    assert "people come into a group of kind open by themselves" in notes_of(found)[0].text


def test_what_the_language_does_not_have_is_refused_with_its_reason() -> None:
    with pytest.raises(BadSetting):
        with_layer(policy(), replace(PLACES, value=1))


@given(st.permutations([PLACES, WELCOME, replace(WELCOME, group="bereaved"), replace(PLACES, group="nowhere")]))
def test_the_order_of_layers_means_nothing(layers: list[Layer]) -> None:
    said = policy()
    found, other = layered(said, layers), layered(said, layers[::-1])
    assert found == other
    assert layers_to_json(layers) == layers_to_json(layers[::-1])
    assert set(layers_from_json(layers_to_json(layers))) == set(layers)


@pytest.mark.parametrize(
    ("key", "value", "path", "means"),
    [
        ("slow", "30s", ("posting", "slow"), "30s"),
        ("hours", "Tue 18:00-21:00", ("hours",), "Tue 18:00-21:00 Europe/London"),
    ],
)
def test_each_key_lands_where_the_file_would_have_it(key: str, value: str, path: tuple[str, ...], means: str) -> None:
    found = layered(policy(), [Layer("carers-lounge", key, value, LEAD, 0)])
    assert written_value(found.policy.groups["carers-lounge"], key) == means
    assert SETTABLE[key].path == path
    text = (EXAMPLES / "leeds-carers.yaml").read_bytes()
    told = explain_room(found.policy, read_yaml(text, "p.yaml"), "carers-lounge", found.kept)
    assert [one.origin.kind for one in told].count("room") == 1


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(EXAMPLES.glob("*.yaml")) if not path.name.endswith(".people.yaml")],
    ids=lambda path: path.stem,
)
def test_laying_one_key_over_a_group_changes_nothing_else_of_it(path: object) -> None:
    """In every example: the group is written out and read again on the way."""
    said = policy(getattr(path, "stem", ""))
    for key, group in said.groups.items():
        laid = with_layer(said, Layer(key, "welcome", "Hello to all.", LEAD, 0))
        assert laid.groups[key].model_copy(update={"welcome": group.welcome}) == group
        assert {**laid.groups, key: group} == dict(said.groups)


def test_explain_says_who_set_it_and_on_which_day() -> None:
    text = (EXAMPLES / "leeds-carers.yaml").read_bytes()
    found = layered(policy(), [PLACES])
    told = {
        one.about: one for one in explain_room(found.policy, read_yaml(text, "p.yaml"), "carers-lounge", found.kept)
    }
    assert told["how many"].words.startswith("12 people at most")
    assert told["how many"].origin.kind == "room"
    assert str(told["how many"].origin) == f"set in the room by {LEAD} on 2026-09-21"
    assert told["name"].origin.where.startswith("p.yaml:")


@pytest.mark.parametrize(
    ("key", "words", "value"),
    [
        ("capacity", "40", 40),
        ("CAPACITY", " 2 ", 2),
        ("capacity", "none", None),
        ("welcome", "We meet  on Tuesdays.", "We meet on Tuesdays."),
        ("welcome", "“We meet.”", "We meet."),
        ("welcome", "off", None),
        ("slow", "30 seconds", "30s"),
        ("slow", "off", None),
        ("hours", "Tue  18:00-21:00", "Tue 18:00-21:00"),
        ("hours", "Tue 18:00-21:00 Europe/London", "Tue 18:00-21:00 Europe/London"),
    ],
)
def test_what_is_typed_becomes_what_a_file_would_say(key: str, words: str, value: object) -> None:
    settable, found = setting_of(key, words)
    assert (settable.key, found) == (key.lower(), value)


@pytest.mark.parametrize(
    ("key", "words", "about"),
    [
        ("capacity", "1", "capacity"),
        ("capacity", "-3", "capacity"),
        ("capacity", "forty", "capacity"),
        ("capacity", "٤٠", "capacity"),
        ("capacity", "9" * 5000, "capacity"),
        ("capacity", "", "capacity"),
        ("welcome", "", "welcome"),
        ("welcome", "a" * 201, "welcome"),
        ("slow", "30", "slow"),
        ("slow", "1s", "slow"),
        ("hours", "always", "hours"),
        ("history", "shared", ""),
        ("", "", ""),
    ],
)
def test_what_cannot_be_set_is_refused_and_names_the_key_where_there_is_one(key: str, words: str, about: str) -> None:
    with pytest.raises(BadSetting) as refused:
        setting_of(key, words)
    assert refused.value.key == about


def test_each_key_that_can_be_set_stands_in_the_language() -> None:
    group = policy().groups["carers-lounge"]
    for key, settable in SETTABLE.items():
        assert settable.path[0] in Group.model_fields
        assert written_value(group, key) is None or isinstance(written_value(group, key), str)
