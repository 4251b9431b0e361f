"""Phone numbers, e-mail addresses and user ids in texts of a policy that the helper program tells to people.

It would remove them if a member wrote them. Only the charity's own, and public helplines, may stand there.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Final, Literal

from policies.files import signposts
from policies.problems import Problem
from policies.schema import Policy
from policies.source import Path

ContactKind = Literal["phone number", "e-mail address", "user id"]

__all__ = ["contacts_in", "problems_of_contacts", "strange_contact"]

_USER_ID: Final = re.compile(r"(?<![\w.+%-])@[a-z0-9._=/+-]{1,64}:[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}", re.I)
_EMAIL: Final = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}", re.I)
#: Rows of digits as people group them. Marks of dates, times and prices end a row.
_DIGITS: Final = re.compile(r"(?<![0-9.,:/£$€])\+?\(?[0-9](?:[ ()–-]{0,3}[0-9]){8,19}(?![0-9]|[.,:/][0-9])")
_IN_LINK: Final = re.compile(r"(?:wa\.me/|signal\.me/#p/|tel:)(\+?[0-9]{9,15})", re.I)
_NATIONAL: Final = re.compile(r"0[1-9][0-9]{8,9}")

_ADVICE: Final[Mapping[ContactKind, str]] = {
    "phone number": "Take it out: people can write to the helper. If it is the charity's own, add it to "
    "allowed_contacts under community.",
    "e-mail address": "Take it out: people can write to the helper. If it is the charity's own, add it to "
    "allowed_contacts under community.",
    "user id": "Name the role, not the person: whoever reads this could write to them at any hour.",
}


def problems_of_contacts(policy: Policy) -> Iterator[Problem]:
    """Yield where a text that people are told holds contact details that are not the charity's own."""
    allowed = frozenset(one for text in policy.community.allowed_contacts for _, one in contacts_in(text))
    for path, text in _told(policy):
        kind = strange_contact(text, allowed)
        if kind == "user id":
            yield Problem(path, "people would be told somebody's user id here", _ADVICE[kind])
        elif kind is not None:
            article = "an" if kind == "e-mail address" else "a"
            message = f"people would be told {article} {kind} here that is not among the charity's own"
            yield Problem(path, message, _ADVICE[kind])


def strange_contact(text: str, allowed: Collection[str] = ()) -> ContactKind | None:
    """Return what kind of contact a text holds that is neither `allowed` (as `contacts_in` writes them) nor a helpline."""
    found = ((kind, contact) for kind, contact in contacts_in(text) if contact not in allowed)
    return next((kind for kind, contact in found if contact not in _helplines()), None)


def contacts_in(text: str) -> Iterator[tuple[ContactKind, str]]:
    """Yield the contact details in a text, each in one writing, whatever its spelling. Linear in the text."""
    text = unicodedata.normalize("NFKC", text)
    for found in _USER_ID.finditer(text):
        yield "user id", found[0].lower()
    for found in _EMAIL.finditer(text):
        yield "e-mail address", found[0].lower()
    for written in (*(one[0] for one in _DIGITS.finditer(text)), *(one[1] for one in _IN_LINK.finditer(text))):
        number = _number(written)
        if number is not None:
            yield "phone number", number


def _told(policy: Policy) -> Iterator[tuple[Path, str]]:
    community = policy.community
    for key, text in (("name", community.name), ("purpose", community.purpose), ("not_for", community.not_for)):
        yield ("community", key), text
    conduct = community.code_of_conduct
    if conduct is not None and conduct.text is not None:
        yield ("community", "code_of_conduct", "text"), conduct.text
    for group_id, group in policy.groups.items():
        yield ("groups", group_id, "name"), group.name
        yield ("groups", group_id, "purpose"), group.purpose
        if group.welcome is not None:
            yield ("groups", group_id, "welcome"), group.welcome


def _number(written: str) -> str | None:
    """A British number as it is dialled at home, another one with its country; None for digits that are none."""
    digits = "".join(re.findall(r"[0-9]", written))
    abroad = written.lstrip("(").startswith("+")
    if digits.startswith("00"):
        digits, abroad = digits[2:], True
    if digits.startswith("44") and (abroad or len(digits) >= 12):
        digits, abroad = "0" + digits[2:].lstrip("0"), False
    elif not abroad and len(digits) == 10 and digits.startswith("7"):
        digits = f"0{digits}"  # the first 0 is left out often
    if abroad:
        return f"+{digits}" if 9 <= len(digits) <= 15 else None
    return digits if _NATIONAL.fullmatch(digits) else None


@cache
def _helplines() -> frozenset[str]:
    rows: Iterable[Mapping[str, str | None]] = csv.DictReader(io.StringIO(signposts()))
    return frozenset(contact for row in rows for _, contact in contacts_in(row.get("contact") or ""))
