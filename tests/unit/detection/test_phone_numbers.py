"""Which digits of a message are a telephone number, on labelled cases (`phone_cases.csv`) and on arbitrary text.

Personal numbers in here are from Ofcom's ranges for drama; numbers abroad are made by phonenumbers when needed.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import unicodedata
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.detection.phone_numbers import (
    MAX_FINDINGS,
    NumberKind,
    PhoneFinder,
    helpline_numbers,
    reserved_ranges,
)
from appservice.detection.text import visible_text

RULES = Path(__file__).resolve().parents[3] / "policies" / "rules"
RESERVED_TABLE = (RULES / "reserved-numbers-gb.csv").read_text(encoding="utf-8")
RESERVED = reserved_ranges(RESERVED_TABLE)
HELPLINES = helpline_numbers((RULES / "signposts" / "en-GB.csv").read_text(encoding="utf-8"))
FINDER = PhoneFinder(HELPLINES, reserved=RESERVED)


def numbers(text: str) -> list[str]:
    return [finding.digits for finding in FINDER.find(visible_text({"msgtype": "m.text", "body": text}))]


def example_mobile(region: str) -> phonenumbers.PhoneNumber:
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    assert example is not None
    return example


def cases() -> list[tuple[str, list[str], str]]:
    """What each case shows, the numbers in it, its text ({zwsp} and {nbsp} stand for what nobody sees)."""
    with (Path(__file__).parent / "phone_cases.csv").open(encoding="utf-8", newline="") as file:
        return [
            (
                row["shows"],
                row["numbers"].split(),
                row["text"].replace("{zwsp}", "\u200b").replace("{nbsp}", "\u00a0"),
            )
            for row in csv.DictReader(file)
        ]


def test_on_the_labelled_cases_nothing_else_is_taken_for_a_number_and_hardly_one_is_missed() -> None:
    positives = [case for case in cases() if case[1]]
    negatives = [case for case in cases() if not case[1]]
    assert len(positives) >= 60
    assert len(negatives) >= 120

    false_alarms = {shows: numbers(text) for shows, _, text in negatives if numbers(text)}
    assert false_alarms == {}
    invented = {shows: numbers(text) for shows, expected, text in positives if set(numbers(text)) - set(expected)}
    assert invented == {}
    missed = [shows for shows, expected, text in positives if set(expected) - set(numbers(text))]
    assert len(missed) <= 0.05 * len(positives), missed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("call me on 07700 900123 please", "07700 900123"),
        ("it is (020) 7946 0123.", "(020) 7946 0123"),
        ("ring +44 (0)7700 900123!", "+44 (0)7700 900123"),
        ("(07700 900123)", "07700 900123"),
        (
            "its oh double seven double oh nine hundred two three four ok",
            "oh double seven double oh nine hundred two three four",
        ),
    ],
)
def test_a_span_covers_the_number_as_written_and_no_more(text: str, found: str) -> None:
    (finding,) = FINDER.find(text)
    assert text[finding.start : finding.end] == found
    assert finding.span == (finding.start, finding.end)


def test_a_printed_finding_does_not_show_the_number() -> None:
    (finding,) = FINDER.find("07700 900123")
    assert "900123" not in repr(finding)


@pytest.mark.parametrize("row", list(csv.DictReader(RESERVED_TABLE.splitlines())), ids=lambda row: row["name"])
def test_every_reserved_range_is_found_at_both_ends_with_the_kind_its_table_says(row: dict[str, str]) -> None:
    for number in (row["first"], row["last"]):
        (finding,) = FINDER.find(f"ring {number} today")
        assert (finding.digits, finding.kind.value) == (number, row["kind"])
    assert row["source"]


def test_a_range_that_is_no_range_is_refused_with_its_line() -> None:
    with pytest.raises(ValueError, match="line 3"):
        reserved_ranges("name,first,last\nA,0100,0199\nB,0200,01x\n")


def test_only_organisations_have_freephone_and_premium_numbers() -> None:
    (freephone,) = FINDER.find("0808 157 0123")
    (mobile,) = FINDER.find("07700 900123")
    assert freephone.kind is NumberKind.FREEPHONE
    assert not freephone.kind.may_be_private
    assert mobile.kind.may_be_private


@pytest.mark.parametrize("region", ["DE", "FR", "IE", "PL", "IN", "NG"])
def test_a_valid_number_abroad_is_found_by_its_country_code(region: str) -> None:
    example = example_mobile(region)
    e164 = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
    for written in (
        e164,
        phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL),
        "ring 00" + e164[1:],
    ):
        (finding,) = FINDER.find(written)
        assert (finding.digits, finding.kind) == (e164, NumberKind.INTERNATIONAL)


@pytest.mark.parametrize("helpline", [number for number in HELPLINES if len(number) > 7])
def test_a_helpline_is_never_a_finding_however_it_is_written(helpline: str) -> None:
    digits = helpline.replace(" ", "")
    for written in (helpline, digits, helpline.replace(" ", "-"), "+44 " + digits[1:], "0044" + digits[1:]):
        assert FINDER.find(f"call {written} now") == ()


def test_signposts_give_the_numbers_and_leave_out_e_mail_addresses_and_menus() -> None:
    assert {"999", "111", "116 123", "0800 1111"} <= set(HELPLINES)
    assert not any(character.isalpha() or character in "@," for number in HELPLINES for character in number)


def test_the_charitys_own_number_is_allowed_in_any_spelling() -> None:
    finder = PhoneFinder(["+44 1632 960 123", "0113 496 0000"], reserved=RESERVED)
    assert finder.find("the office: 01632 960123 or (0113) 496-0000") == ()
    assert [finding.digits for finding in finder.find("and mine 01632 960124")] == ["01632960124"]


def test_without_the_table_a_drama_number_is_no_number_and_a_valid_one_is() -> None:
    valid = phonenumbers.format_number(example_mobile("GB"), phonenumbers.PhoneNumberFormat.NATIONAL)
    finder = PhoneFinder([])
    assert finder.find("07700 900123") == ()
    assert len(finder.find(valid)) == 1


def test_a_region_without_rules_is_refused() -> None:
    with pytest.raises(ValueError, match="'FR'"):
        PhoneFinder([], region="FR")


def test_phonenumbers_is_not_loaded_before_a_message_needs_it() -> None:
    program = (
        "import sys\n"
        "from appservice.detection.phone_numbers import PhoneFinder\n"
        "finder = PhoneFinder([])\n"
        "finder.find('see you at 10.30 on 07/12/2024, order number 07700900123')\n"
        "assert 'phonenumbers' not in sys.modules\n"
        "finder.warm_up()\n"
        "assert 'phonenumbers' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


_DRAMA = st.builds(
    lambda block, last: f"{block}{last:03}",
    st.sampled_from(["07700900", "01632960", "01134960", "02079460", "02896496", "02920180", "03069990"]),
    st.integers(0, 999),
)


@given(_DRAMA, st.sampled_from(["", " ", "-", ".", "/", " - "]), st.sampled_from([(5, 11), (4, 7), (3, 7), (5, 8)]))
def test_a_drama_number_is_found_in_every_usual_grouping(number: str, mark: str, cuts: tuple[int, int]) -> None:
    written = mark.join(part for part in (number[: cuts[0]], number[cuts[0] : cuts[1]], number[cuts[1] :]) if part)
    assert numbers(f"here it is {written} ok") == [number]


@given(_DRAMA, st.sampled_from(["+44", "+44 ", "0044", "+44 (0)", "+44(0)", "(+44) ", "0044 0"]))
def test_a_drama_number_is_found_behind_every_spelling_of_the_country_code(number: str, code: str) -> None:
    assert numbers(f"it is {code}{number[1:]}") == [number]


_DECIMALS = [chr(point) for point in range(0x20000) if unicodedata.category(chr(point)) == "Nd"]
_PIECES = [*"0123456789+()-./ oOlI,#£\n", "call ", "seven ", "double ", "oh ", "hundred ", "wa.me/44", "0770"]
_PHONE_LIKE = st.lists(st.sampled_from(_PIECES)).map("".join)


@given(st.text() | _PHONE_LIKE)
def test_arbitrary_text_never_raises_and_spans_lie_in_order_inside_it(text: str) -> None:
    findings = FINDER.find(text)
    position = 0
    for finding in findings:
        assert position <= finding.start < finding.end <= len(text)
        position = finding.end
        assert finding.digits.lstrip("+").isdecimal()
        assert finding.digits.lstrip("+").isascii()


@given(st.lists(st.sampled_from(_DECIMALS), min_size=11, max_size=11))
def test_digits_of_every_script_read_as_the_number_they_say(shapes: list[str]) -> None:
    number = "07700900123"
    zeros = [ord(shape) - unicodedata.decimal(shape) for shape in shapes]
    assert numbers("".join(chr(zero + int(digit)) for zero, digit in zip(zeros, number, strict=True))) == [number]


@pytest.mark.parametrize(
    "hostile",
    [
        "0 " * 32_000,
        "07700 900123 " * 5_000,
        "01124 567890 " * 5_000,
        "o 7 " * 16_000,
        "(0" * 32_000,
        "seven oh " * 7_000,
    ],
)
def test_a_message_full_of_look_alikes_comes_to_an_end_with_a_bounded_answer(hostile: str) -> None:
    assert len(FINDER.find(hostile)) <= MAX_FINDINGS
