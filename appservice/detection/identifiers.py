"""What else points at one person: e-mail and postal addresses, NHS numbers, payment cards, bank accounts.

Pure. Each finding is checked by what its kind can be checked by (a check digit, a form, words beside it), because a
harmless message that is removed hurts somebody too. Everything is linear in the text.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

#: Characters of a text that are searched: more than any message of a person.
MAX_TEXT: Final = 16_384
KINDS: Final = ("phone", "email", "address", "nhs_number", "card", "bank")
#: Kinds that nobody should show of themselves either: removed whoever's they are.
NEVER_SHOWN: Final = frozenset({"nhs_number", "card", "bank"})

#: Addresses that stand for an office and not for a person.
_OFFICES: Final = frozenset(
    [
        "admin",
        "bookings",
        "care",
        "contact",
        "enquiries",
        "enquiry",
        "feedback",
        "fundraising",
        "hello",
        "help",
        "helpline",
        "hi",
        "info",
        "mail",
        "membership",
        "news",
        "newsletter",
        "noreply",
        "no-reply",
        "office",
        "press",
        "privacy",
        "referrals",
        "reception",
        "safeguarding",
        "support",
        "team",
        "training",
        "volunteer",
        "volunteering",
        "webmaster",
    ]
)
_EMAIL: Final = re.compile(
    r"(?<![\w.+-])([a-z0-9][a-z0-9._%+-]{0,63})(?:@|\s?[(\[]\s?at\s?[)\]]\s?)"
    r"([a-z0-9-]{1,63}(?:(?:\.|\s?[(\[]\s?dot\s?[)\]]\s?)[a-z0-9-]{1,63}){0,6}(?:\.|\s?[(\[]\s?dot\s?[)\]]\s?)[a-z]{2,24})\b",
    re.IGNORECASE,
)
_DOT: Final = re.compile(r"\s?[(\[]\s?dot\s?[)\]]\s?", re.IGNORECASE)
_DIGITS: Final = re.compile(r"(?<![\w.,:/£$€+-])\d(?:[ -]?\d){7,22}(?![\w/]|[.,:]\d)")
_NHS_WORD: Final = re.compile(r"\bnhs\b[^\n]{0,20}$", re.IGNORECASE)
_NHS_FORM: Final = re.compile(r"\d{3}[ -]\d{3}[ -]\d{4}")
_CARD_FORM: Final = re.compile(r"\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -])\d{6}\2\d{5}")
_SORT_CODE: Final = re.compile(r"(?<![\d-])\d{2}([ -])\d{2}\1\d{2}(?![\d-])")
_ACCOUNT: Final = re.compile(r"(?<!\d)\d{8}(?!\d)")
_BANK_WORD: Final = re.compile(r"\b(?:account|acc|acct|a/c|sort\s?code|bank)\b", re.IGNORECASE)
#: Characters around a sort code in which an account number, and a word for it, must stand.
_BANK_REACH: Final = 60
_POSTCODE: Final = re.compile(
    r"(?<![a-z0-9])(?:gir ?0aa|[a-pr-uwyz](?:[0-9][0-9a-hjkps-uw]?|[a-hk-y][0-9][0-9abehmnprv-y]?) ?[0-9][abd-hjlnp-uw-z]{2})"
    r"(?![a-z0-9])",
    re.IGNORECASE,
)
#: A house with its number or flat, and the kind of way it stands at.
_HOUSE: Final = re.compile(
    r"\b(?:flat\s\w{1,4},?\s)?\d{1,4}[a-z]?,?\s(?:[a-z][a-z'’.-]{0,30}\s){0,4}?"
    r"(?:road|rd|street|st|lane|ln|avenue|ave|close|drive|way|crescent|court|ct|place|terrace|gardens|grove|park|row|"
    r"mews|hill|square|view|walk|green|croft|mount|rise|parade|gate|bank|field|fields|end|yard|wharf|lodge|house)\b",
    re.IGNORECASE,
)
#: Characters before a postcode in which its house must stand.
_HOUSE_REACH: Final = 90
_PUBLIC_PLACE: Final = re.compile(
    r"\b(?:hall|centre|center|church|chapel|mosque|temple|synagogue|library|cafe|café|hospital|surgery|clinic|hospice|"
    r"office|school|college|university|station|museum|theatre|pub|hotel|shop|gym|pharmacy|hub|venue)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Identifier:
    """Something that points at one person, at `text[start:end]`."""

    start: int
    end: int
    kind: str


class Identifiers:
    """Finds all of them but phone numbers. `allowed` are e-mail addresses that anybody may write."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = frozenset(one.strip().lower() for one in allowed if "@" in one)

    def find(self, text: str) -> tuple[Identifier, ...]:
        """Return what is in a visible text, in its order."""
        text = text[:MAX_TEXT]
        found = [*self._emails(text), *_addresses(text), *_numbers(text), *_banks(text)]
        return tuple(sorted(found, key=lambda one: one.start))

    def _emails(self, text: str) -> Iterator[Identifier]:
        if "@" not in text and "at" not in text.lower():
            return
        for match in _EMAIL.finditer(text):
            name, domain = match[1].lower(), _DOT.sub(".", match[2]).lower()
            if name in _OFFICES or f"{name}@{domain}" in self._allowed:
                continue
            yield Identifier(match.start(), match.end(), "email")


def _addresses(text: str) -> Iterator[Identifier]:
    for code in _POSTCODE.finditer(text):
        before = text[max(0, code.start() - _HOUSE_REACH) : code.start()]
        houses = list(_HOUSE.finditer(before))
        if not houses or _PUBLIC_PLACE.search(before[: houses[-1].start()] + before[houses[-1].end() :]):
            continue
        yield Identifier(code.start() - len(before) + houses[-1].start(), code.end(), "address")


def _numbers(text: str) -> Iterator[Identifier]:
    for match in _DIGITS.finditer(text):
        written = match[0]
        digits = re.sub(r"[ -]", "", written)
        if len(digits) == 10 and is_nhs_number(digits):
            before = text[max(0, match.start() - 40) : match.start()]
            if _NHS_FORM.fullmatch(written) or _NHS_WORD.search(before):
                yield Identifier(match.start(), match.end(), "nhs_number")
        elif _CARD_FORM.fullmatch(written) and is_card_number(digits):
            yield Identifier(match.start(), match.end(), "card")


def _banks(text: str) -> Iterator[Identifier]:
    for code in _SORT_CODE.finditer(text):
        start, end = max(0, code.start() - _BANK_REACH), code.end() + _BANK_REACH
        around = text[start : code.start()] + " " * (code.end() - code.start()) + text[code.end() : end]
        account = _ACCOUNT.search(around)
        if account is not None and _BANK_WORD.search(around):
            yield Identifier(min(code.start(), start + account.start()), code.end(), "bank")


def helpline_addresses(csv_text: str) -> tuple[str, ...]:
    """Return the e-mail addresses in the column `contact` of the table of signposts."""
    rows = csv.DictReader(io.StringIO(csv_text))
    return tuple(contact for row in rows if "@" in (contact := (row.get("contact") or "").strip()))


def is_nhs_number(digits: str) -> bool:
    """Return whether ten digits end with the check digit of an NHS number (weights 10 to 2, modulo 11)."""
    if len(digits) != 10 or not digits.isascii() or not digits.isdigit() or len(set(digits)) == 1:
        return False
    check = 11 - sum(int(digit) * weight for digit, weight in zip(digits, range(10, 1, -1), strict=False)) % 11
    return check != 10 and check % 11 == int(digits[9])


def is_card_number(digits: str) -> bool:
    """Return whether digits are a payment card's: a known issuer's first digits, its length, and Luhn's check."""
    if not digits.isascii() or not digits.isdigit() or not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    two, four = int(digits[:2]), int(digits[:4])
    visa = digits[0] == "4" and len(digits) in {13, 16, 19}
    mastercard = (51 <= two <= 55 or 2221 <= four <= 2720) and len(digits) == 16
    others = (two in {34, 37} and len(digits) == 15) or ((four == 6011 or two == 65) and len(digits) == 16)
    if not (visa or mastercard or others):
        return False
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
