"""Whose number it is, on labelled cases (`ownership_cases.csv`), and that a faulty table is refused with its line."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.detection.ownership import Ownership, is_of_a_place, ownership_rules, whose
from appservice.detection.phone_numbers import NumberKind, PhoneFinder, PhoneFinding, reserved_ranges

RULES_FOLDER = Path(__file__).resolve().parents[3] / "policies" / "rules"
TABLE = (RULES_FOLDER / "ownership-en.csv").read_text(encoding="utf-8")
RULES = ownership_rules(TABLE)
FINDER = PhoneFinder(
    [], reserved=reserved_ranges((RULES_FOLDER / "reserved-numbers-gb.csv").read_text(encoding="utf-8"))
)


def owners(text: str) -> list[str]:
    return [whose(text, finding, RULES).value for finding in FINDER.find(text)]


def cases() -> list[tuple[str, str]]:
    with (Path(__file__).parent / "ownership_cases.csv").open(encoding="utf-8", newline="") as file:
        return [(row["whose"], row["text"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize(("owner", "text"), cases(), ids=[text for _, text in cases()])
def test_the_words_around_a_number_say_whose_it_is(owner: str, text: str) -> None:
    assert owners(text)[-1] == owner


ROWS = [row for row in csv.DictReader(TABLE.splitlines()) if row["whose"] != "define"]


@pytest.mark.parametrize("row", [row for row in ROWS if row["whose"] != "place"])
def test_the_example_of_each_phrase_is_read_as_its_row_says(row: dict[str, str]) -> None:
    assert owners(row["example"]) == [row["whose"]]


def of_a_place(text: str) -> list[bool]:
    return [is_of_a_place(text, finding, RULES) for finding in FINDER.find(text)]


@pytest.mark.parametrize("row", [row for row in ROWS if row["whose"] == "place"])
def test_the_example_of_each_place_is_read_as_a_places_number(row: dict[str, str]) -> None:
    assert of_a_place(row["example"]) == [True]


@pytest.mark.parametrize(
    "text",
    [
        "my number is 01632 960123",
        "her number is 01632 960123, she is at the library",
        "she works in the library, her home number is 01632 960123",
        "after the surgery ring me on 01632 960123",
        "the man from the council is Al, ring 01632 960123",
    ],
)
def test_a_place_that_is_only_mentioned_does_not_own_the_number(text: str) -> None:
    assert of_a_place(text) == [False]


def test_each_of_two_numbers_has_the_owner_of_its_own_words() -> None:
    assert owners("her number is 07700 900123, mine is 07700 900456") == ["others", "own"]
    assert owners("call me on 07700 900123 or Sam's mobile 07700 900456") == ["own", "others"]


def test_words_near_one_number_do_not_speak_for_the_next() -> None:
    assert owners("my number is 07700 900123. 07700 900456") == ["own", "unclear"]


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("whose,where,phrase\nhers,before,my number\n", "line 2"),
        ("whose,where,phrase\nown,before,my <phone>\n", "line 2.*phone"),
        ("whose,where,phrase\nown,before,my\nown,before,(a+)+\n", r"line 3.*\(a\+\)\+"),
        ("whose,where,phrase\nown,beside,my\n", "line 2.*beside"),
        ("whose,where,phrase\nown,before,\n", "line 2.*empty"),
        ("whose,where,phrase\ndefine,phone,a b\n", "line 2.*a b"),
    ],
)
def test_a_faulty_table_is_refused_with_its_line_and_the_offending_text(table: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ownership_rules(table)


@given(st.text(), st.integers(0, 50), st.integers(0, 50))
def test_arbitrary_text_around_a_number_never_raises(text: str, start: int, length: int) -> None:
    finding = PhoneFinding(min(start, len(text)), min(start + length, len(text)), "07700900123", NumberKind.MOBILE)
    assert isinstance(whose(text, finding, RULES), Ownership)
