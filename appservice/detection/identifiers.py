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
#: The same said in words, or with space around the sign: only where the name, or the ending, leaves no doubt.
_EMAIL_SAID: Final = re.compile(
    r"(?<![\w.+-])([a-z0-9][a-z0-9._+-]{1,63})\s(?:at|@)\s([a-z0-9-]{1,63}(?:(?:\.|\sdot\s)[a-z0-9-]{1,63}){0,3}(?:\.|\sdot\s)"
    r"(?:com|org|net|uk|eu|info|ie|me|example))\b",
    re.IGNORECASE,
)
_SAID: Final = re.compile(r"\s(?:at|dot)\s", re.IGNORECASE)
_IN_LINK: Final = re.compile(r"://\S{0,200}$")
_DOT: Final = re.compile(r"\s?[(\[]\s?dot\s?[)\]]\s?|\sdot\s", re.IGNORECASE)
_DIGITS: Final = re.compile(r"(?<![\w.,:/£$€+-])\d(?:[ -]{0,2}\d){7,22}(?![\w/]|[.,:]\d)")
_NHS_WORD: Final = re.compile(r"\bn\.?h\.?s\b[^\n]{0,20}$", re.IGNORECASE)
_NHS_WORD_AFTER: Final = re.compile(r"[^\n\d]{0,20}\bn\.?h\.?s\b", re.IGNORECASE)
_DOTTED: Final = re.compile(r"(?<![\w.,:/£$€+-])(?:\d{3}\.\d{3}\.\d{4}|(?:\d{4}\.){3}\d{4})(?![\w/]|[.,:-]\d)")
_NHS_FORM: Final = re.compile(r"\d{3}[ -]\d{3}[ -]\d{4}")
_CARD_FORM: Final = re.compile(r"\d{13,19}|\d{4}([ .-]{1,2})\d{4}\1\d{4}\1\d{1,7}|\d{4}([ -]{1,2})\d{6}\2\d{5}")
#: Words right before digits that say what else they are, although they pass a card's check by chance (1 in 10).
_NO_CARD: Final = re.compile(
    r"\b(?:order|tracking|parcel|ref|reference|invoice|booking|voucher|gift\s?card|club\s?card|membership|imei|serial)\b"
    r"[^\d\n]{0,12}$",
    re.IGNORECASE,
)
_SORT_CODE: Final = re.compile(r"(?<![\d-])\d{2}([ -])\d{2}\1\d{2}(?![\d-])")
_ACCOUNT: Final = re.compile(r"(?<![\d-])(?:\d{8}|\d{4}[ -]\d{4})(?![\d-])")
#: A sort code by its name, in any writing, and one beside the account without marks.
_NAMED_SORT_CODE: Final = re.compile(
    r"\b(?:sort(?:\s?code)?|s/?c)\b[\s:=]{0,3}(?:(?:is|no|number)[\s:=]{1,3})?\d\d([ ./-]?)\d\d\1\d\d(?![\d/.-]*\d)",
    re.IGNORECASE,
)
_SIX_AND_EIGHT: Final = re.compile(r"(?<![\d-])\d{6}(?=[ ,/]{1,2}\d{8}(?!\d))")
_IBAN: Final = re.compile(r"\bGB\d\d ?[A-Z]{4}(?: ?\d){14}\b", re.IGNORECASE)
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
    r"\b(?:flat\s\w{1,4},?\s)?\d{1,4}[a-z]?,?\s(?!(?:minutes?|mins?|miles?|people|of|for|from|pm|am|weeks?|days?|hours?|years?|stops?)\b)(?:[a-z][a-z'’.-]{0,30}\s){0,4}?"
    r"(?:road|rd|street|st|lane|ln|avenue|ave|close|drive|way|crescent|court|ct|place|terrace|gardens|grove|park|row|"
    r"mews|hill|square|view|walk|green|croft|mount|rise|parade|gate|bank|field|fields|end|yard|wharf|lodge|house)\b",
    re.IGNORECASE,
)
#: Houses with no number, flats in a house with a name, and streets whose name says no kind of way.
_NAMED_HOUSE: Final = re.compile(
    r"\b(?:(?:[A-Z][\w'’-]{0,20}\s){1,3}(?:Cottage|Farm|Lodge|Villa|Barn|Bungalow|Forge|Rectory|Vicarage|Manor|Grange|Croft)"
    r"|(?i:(?:flat|apartment|apt|house\s(?:no|number))\.?\s\w{1,4}))\b"
)
_NUMBERED: Final = re.compile(
    r"(?<![\w£.:/-])(?:(?<!\bbus )(?:(?:1[3-9]|[2-9]\d|\d{3})[a-z]?|\d{1,3}[a-z])|(?:(?<=lives at )|(?<=live at )|(?<=address is )|No\.? )\d{1,3}),?\s"
    r"[A-Z][a-z]{2,20}(?:\s[A-Z][a-z]{2,20})?(?:,\s|\s\Z)"
)
#: Characters before a postcode in which its house must stand, and behind it, where some write it first.
_HOUSE_REACH: Final = 90
_HOUSE_BEHIND: Final = 50
_PUBLIC_PLACE: Final = re.compile(
    r"\b(?:hall|centre|center|church|chapel|mosque|temple|synagogue|library|cafe|café|hospital|surgery|clinic|hospice|"
    r"office|school|college|university|station|museum|theatre|pub|hotel|inn|shop|gym|pharmacy|hub|venue|"
    r"courthouse|courts?\sbuilding|vets?|dentist|dental|pool|baths|food\s?bank|supermarket|tesco|asda|aldi|lidl|morrisons|"
    r"sainsbury'?s|nursery|gurdwara|police|council|depot|warehouse|stadium|gallery|market)\b",
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
        said = (one for one in _EMAIL_SAID.finditer(text) if _surely_an_address(one))
        for match in (*_EMAIL.finditer(text), *said):
            name, domain = match[1].lower(), _DOT.sub(".", match[2]).lower()
            if _IN_LINK.search(text[max(0, match.start() - 200) : match.start()]):
                continue
            if name in _OFFICES or f"{name}@{domain}" in self._allowed:
                continue
            yield Identifier(match.start(), match.end(), "email")


def _surely_an_address(said: re.Match[str]) -> bool:
    """`lucy at mail dot example` by its dot, `r.patel @ mail.example` by the mark or digit in the name."""
    if "@" not in said[0]:
        return len(_SAID.findall(said[0])) > 1
    return not said[1].isalpha() and any(character.isalpha() for character in said[1])


def _addresses(text: str) -> Iterator[Identifier]:
    for code in _POSTCODE.finditer(text):
        begin = max(0, code.start() - _HOUSE_REACH)
        before = text[begin : code.start()]
        houses = [*_HOUSE.finditer(before), *_NAMED_HOUSE.finditer(before), *_NUMBERED.finditer(before)]
        if houses:
            house = max(houses, key=lambda one: one.end())
            if not _PUBLIC_PLACE.search(before[: house.start()] + before[house.end() :]):
                yield Identifier(begin + house.start(), code.end(), "address")
            continue
        stop = code.end() + _HOUSE_BEHIND
        first = next((n for n in range(code.end(), min(stop, len(text))) if text[n] not in " ,\n"), stop)
        after = _HOUSE.match(text, first, stop) or _NAMED_HOUSE.match(text, first, stop)
        if after is not None and not _PUBLIC_PLACE.search(before):
            yield Identifier(code.start(), after.end(), "address")


def _numbers(text: str) -> Iterator[Identifier]:
    for match in (*_DIGITS.finditer(text), *_DOTTED.finditer(text)):
        written = match[0]
        digits = re.sub(r"[ .-]", "", written)
        before = text[max(0, match.start() - 40) : match.start()]
        if len(digits) == 10 and is_nhs_number(digits):
            named = _NHS_WORD.search(before) or _NHS_WORD_AFTER.match(text, match.end())
            if _NHS_FORM.fullmatch(written) or named:
                yield Identifier(match.start(), match.end(), "nhs_number")
        elif _CARD_FORM.fullmatch(written) and is_card_number(digits) and not _NO_CARD.search(before):
            yield Identifier(match.start(), match.end(), "card")


def _banks(text: str) -> Iterator[Identifier]:
    for iban in _IBAN.finditer(text):
        if _is_iban(iban[0]):
            yield Identifier(iban.start(), iban.end(), "bank")
    codes = (*_SORT_CODE.finditer(text), *_NAMED_SORT_CODE.finditer(text), *_SIX_AND_EIGHT.finditer(text))
    read = -1
    for code in sorted(codes, key=lambda one: one.end()):
        if code.start() < read:
            continue  # the same, found by its name
        start, end = max(0, code.start() - _BANK_REACH), code.end() + _BANK_REACH
        around = text[start : code.start()] + " " * (code.end() - code.start()) + text[code.end() : end]
        accounts = list(_ACCOUNT.finditer(around))
        if accounts and (_BANK_WORD.search(around) or _BANK_WORD.search(code[0])):
            read = code.end()
            first, last = start + accounts[0].start(), start + accounts[-1].end()
            yield Identifier(min(code.start(), first), max(code.end(), last), "bank")


def _is_iban(written: str) -> bool:
    """ISO 13616: the first four characters behind the others, letters as numbers, modulo 97."""
    code = written.replace(" ", "").upper()
    return int("".join(str(int(character, 36)) for character in code[4:] + code[:4])) % 97 == 1


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
