"""Signs of distress in words: found in the ways people write them, and not in the ways they joke."""

from __future__ import annotations

import pytest

from appservice.detection.concern import ConcernRules, Sign
from appservice.detection.phrases import Phrases, expanded, folded
from tests.support.paths import POLICIES

RULES = ConcernRules((POLICIES.parent / "rules" / "concern-en.csv").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("I can't go on", 3),
        ("i cant go on", 3),
        ("I CAN’T GO ON!!!", 3),
        ("i want to d i e", 3),
        ("i want to k1ll mys3lf", 3),
        ("I've taken all my tablets.", 4),
        ("Thank you all. This is goodbye.", 4),
        ("he hit me again last night", 3),
        ("I don't feel safe at home", 3),
        ("everyone would be better off without me", 2),
        ("Call me on 07700 900123, I can't go on", 3),
    ],
)
def test_a_sign_is_found_however_it_is_written(text: str, severity: int) -> None:
    sign = RULES.look(text)
    assert sign is not None
    assert sign.severity == severity


@pytest.mark.parametrize(
    "text",
    [
        "I nearly died of embarrassment, want to die laughing",
        "We can't go on holiday this year",
        "My mum is going to kill me, I forgot the milk",
        "I ran 5 kms this morning",
        "I cut myself shaving",
        "Sorry, I hurt myself at the gym",
        "The suicide awareness training is on Tuesday",
        "It hit me that tomorrow is Friday",
        "Good morning",
        "",
        "x" * 200_000,
    ],
)
def test_ordinary_words_are_no_sign(text: str) -> None:
    assert RULES.look(text) is None


def test_the_most_severe_sign_counts() -> None:
    assert RULES.look("better off without me, i have taken all my pills") == Sign("suicide", 4)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("kind,severity,phrase,unless\nsadness,3,so sad,\n", "line 2"),
        ("kind,severity,phrase,unless\nsuicide,9,so sad,\n", "line 2"),
        ("kind,severity,phrase,unless\nsuicide,3,,\n", "line 2"),
        ("kind,severity,phrase,unless\nsuicide,3,a|b||c d,\n", "empty word"),
        ("kind,severity,phrase,unless\nsuicide,3," + " ".join(["a|b|c|d"] * 10) + ",\n", "phrases"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_line(table: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ConcernRules(table)


def test_a_pattern_stands_for_each_of_its_forms() -> None:
    assert expanded("can't|cannot go on? now") == ["cannot go now", "cannot go on now", "cant go now", "cant go on now"]


def test_words_are_whole_words() -> None:
    phrases = Phrases([("end it", 1)])
    assert [found.what for found in phrases.find(folded("please END it."))] == [1]
    assert not list(phrases.find(folded("weekend items")))
