"""Signs of distress in words: found in the ways people write them, and not in the ways they joke."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.detection.concern import ConcernRules, Sign
from appservice.detection.phrases import Phrases, expanded, folded
from appservice.detection.wording import Spelling
from tests.support.paths import POLICIES

FOLDER = POLICIES.parent / "rules"
SPELLING = Spelling((FOLDER / "spelling-en.csv").read_text(encoding="utf-8"))
RULES = ConcernRules((FOLDER / "concern-en.csv").read_text(encoding="utf-8"), SPELLING)


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
        ("everyone would be better off without me", 3),
        ("cba with life", 3),
        ("I CNT DO DIS NO MORE", 3),
        ("i dont want to live", 3),
        ("I don’t want to live any more", 3),
        ("whats the point of me being here", 3),
        ("i want it all to stop", 3),
        ("i wanna kiiill myslef", 3),
        ("feeling suisidal again", 3),
        ("I took too many tablets on purpose", 4),
        ("im on the bridge and i dont know who to tell", 4),
        ("This is goodbye, look after my dog when I'm gone", 4),
        ("👋 im done. bye everyone", 4),
        ("ten years ago i was ok. now i want to die", 3),
        ("my son says he wants to die", 3),
        ("I think my husband is going to kill himself", 3),
        ("i cut myself again last night, feel so ashamed", 3),
        ("my carer hits me when I am slow", 3),
        ("my grandson has my bank card and wont give it back", 3),
        ("he checks my phone and takes my wages", 3),
        ("he comes in my room at night and touches me", 3),
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
        "I can't go on Tuesday",
        "I can't go on the trip",
        "I'm not suicidal, just sad",
        "I used to want to die, I don't any more",
        "He took his own life last year",
        "two years since I last self-harmed",
        "If someone says they want to die, ask them directly",
        "My mate is filling in forms, willing to help, hunting for pens",
        "That's odd, I feel too ill for cake",
        "send me some pictures with no clothes on",
        "dont tell your mum about us, keep it our secret",
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


def test_what_excuses_one_sentence_does_not_excuse_the_next() -> None:
    assert RULES.look("i was suicidal years ago") is None
    assert RULES.look("My brother died years ago. I am suicidal.") == Sign("suicide", 3)


@pytest.mark.parametrize(
    "text", ["i " * 8_000, "want to " * 2_000, "a1" * 8_000, "he hit me my mum said " * 700, "'.👋" * 5_000]
)
def test_hostile_text_is_read_to_its_end(text: str) -> None:
    RULES.look(text)


@given(st.text())
def test_arbitrary_text_never_raises(text: str) -> None:
    RULES.look(text)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("kind,severity,phrase,unless\nsadness,3,so sad,\n", "line 2"),
        ("kind,severity,phrase,unless\nsuicide,9,so sad,\n", "line 2"),
        ("kind,severity,phrase,unless\nsuicide,3,,\n", "line 2"),
        ("kind,severity,phrase,unless\nsuicide,3,a|b||c d,\n", "line 2.*words"),
        ("kind,severity,phrase,unless\nsuicide,3,<nobody> died,\n", "line 2.*no set"),
        ("kind,severity,phrase,unless\nset,x,a|b,\nsuicide,3,a? *,\n", "line 3.*any word"),
        ("kind,severity,phrase,unless\nsuicide,3,a b,<gone>\n", "line 2.*no set"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_line(table: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ConcernRules(table, SPELLING)


@pytest.mark.parametrize("row", ["a b c d,x", "cant,cannot\ncant,not", ",x"])
def test_a_mistake_in_the_spellings_is_told_with_its_line(row: str) -> None:
    with pytest.raises(ValueError, match=f"line {2 + row.count(chr(10))}"):
        Spelling(f"written,meant\n{row}\n")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("I cannot", "i cant"),
        ("i CAN'T", "i cant"),
        ("soooo sad", "sad"),
        ("killling my self", "kiling myself"),
        ("d i e", "die"),
        ("paracetmol paracettamol paracteamol", "paracetamol paracetamol paracetamol"),
        ("off of odd", "off of odd"),
    ],
)
def test_ways_to_write_are_brought_to_one_spelling(written: str, meant: str) -> None:
    assert " ".join(SPELLING.read(written).words) == meant


def test_a_pattern_stands_for_each_of_its_forms() -> None:
    assert expanded("can't|cannot go on? now") == ["cannot go now", "cannot go on now", "cant go now", "cant go on now"]


def test_words_are_whole_words() -> None:
    phrases = Phrases([("end it", 1)])
    assert [found.what for found in phrases.find(folded("please END it."))] == [1]
    assert not list(phrases.find(folded("weekend items")))
