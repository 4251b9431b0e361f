"""E-mail and postal addresses, NHS numbers, cards and accounts: found where they are, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appservice.detection.identifiers import MAX_TEXT, Identifiers, is_card_number, is_nhs_number

FIND = Identifiers(["hello@leedscarers.example", "01632 960123"])


def kinds(text: str) -> list[str]:
    return [one.kind for one in FIND.find(text)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to jo.bloggs@mail.example about it", "email"),
        ("Jo's is JO_B+x@sub.mail.example.", "email"),
        ("jo (at) mail (dot) example works too", "email"),
        ("jo[at]mail.example", "email"),
        ("she lives at 12 Mill Lane, Leeds LS1 4AB", "address"),
        ("12a Mill lane ls14ab", "address"),
        ("Flat 3, 112 Old Church Road, Otley, LS21 3AB now", "address"),
        ("his NHS number is 999 000 0018", "nhs_number"),
        ("NHS no: 9990000018", "nhs_number"),
        ("999-000-0026", "nhs_number"),
        ("card 4111 1111 1111 1111 exp 12/29", "card"),
        ("5555555555554444", "card"),
        ("378282246310005", "card"),
        ("sort code 12-34-56 account 12345678", "bank"),
        ("my bank: 12 34 56, 12345678", "bank"),
        ("acc 12345678 / 12-34-56", "bank"),
        ("jo at mail dot example", "email"),
        ("j.bloggs @ mail.example", "email"),
        ("The Old Forge, Back Lane, Otley LS21 1AA", "address"),
        ("Apartment 12, Clarence Dock, Leeds LS10 1PZ", "address"),
        ("31 Ridgeway, Leeds LS8 4DA", "address"),
        ("LS6 2AB, 14 Beechwood Terrace", "address"),
        ("9990000018 is my NHS number", "nhs_number"),
        ("N.H.S 999.000.0018", "nhs_number"),
        ("4111  1111  1111  1111", "card"),
        ("4111.1111.1111.1111", "card"),
        ("sort code 12.34.56, account 1234-5678", "bank"),
        ("sort code first: 123456 12345678", "bank"),
        ("IBAN GB29 NWBK 6016 1331 9268 19", "bank"),
    ],
)
def test_it_is_found(text: str, kind: str) -> None:
    assert kinds(text) == [kind]


@pytest.mark.parametrize(
    "text",
    [
        "write to hello@leedscarers.example",
        "HELLO@LEEDSCARERS.EXAMPLE is ours",
        "mail info@hospice.example or support@charity.example",
        "@copper-lark:chat.leedscarers.example said so",
        "meet @ 10 at the hall",
        "version 1.2.3@beta",
        "we live near LS1",
        "LS1 4AB is the hall's postcode",
        "the hall, 12 Mill Lane, Leeds LS1 4AB",
        "St Mary's Church, 3 Church Road, LS1 4AB",
        "room 12, see you on the road",
        "999 000 0019",
        "order 9990000018 has come",
        "ISBN 978 0 306 40615 7",
        "4111 1111 1111 1112",
        "1234 5678 9012 3456",
        "0000 0000 0000 0000",
        "12-11-26 at 10, group 12345678",
        "12-34-56 is a nice number",
        "meet at cafe dot is late",
        "buy 2 @ shop.com",
        "https://user:pw@host.example/path",
        "courthouse, 1 Oxford Row LS1 3BG",
        "LS8 1EX, 5 minutes from the park",
        "bus 31, Leeds LS8 4DA",
        "order 4929 0000 0000 0000",
        "IBAN GB29 NWBK 6016 1331 9268 18",
        "on 12-11-26 I paid 12345678",
        "it costs 1,234,567.89 pounds",
        "from 2026-11-24 10:30 to 11:30",
        "",
    ],
)
def test_it_is_none(text: str) -> None:
    assert kinds(text) == []


def test_several_are_told_in_their_order() -> None:
    assert kinds("jo@mail.example, 12 Mill Lane LS1 4AB, 4111111111111111") == ["email", "address", "card"]


def test_a_finding_stands_where_it_says() -> None:
    text = "Jo is at 12 Mill Lane, Leeds LS1 4AB, come"
    (found,) = FIND.find(text)
    assert text[found.start : found.end] == "12 Mill Lane, Leeds LS1 4AB"


@pytest.mark.parametrize("start", ["12 mill lane ", "a@", "1-", "4111 ", "12 34 56 ", "flat 1 ", "ls1 4ab ", "a.b-"])
def test_a_hostile_message_is_read_as_far_as_people_write(start: str) -> None:
    assert len(FIND.find(start * 40_000)) <= MAX_TEXT


@given(st.text(max_size=300))
def test_nothing_that_people_type_is_too_strange(text: str) -> None:
    for one in FIND.find(text):
        assert 0 <= one.start < one.end <= len(text)


@given(st.integers(min_value=0, max_value=999_999_999))
def test_one_wrong_digit_makes_no_nhs_number(first: int) -> None:
    digits = f"{first:09}"
    good = [last for last in "0123456789" if is_nhs_number(digits + last)]
    assert len(good) <= 1


@given(st.integers(min_value=0, max_value=10**14 - 1))
def test_of_ten_last_digits_one_makes_a_card(rest: int) -> None:
    digits = f"4{rest:014}"
    good = [last for last in "0123456789" if is_card_number(digits + last)]
    assert len(good) == 1
