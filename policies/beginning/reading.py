"""How a typed answer becomes a value. What cannot be understood says what is wrong and what to write instead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from policies.beginning.answers import compact, joined_hours
from policies.contacts import strange_contact
from policies.findings import shown
from policies.hours import HoursError, StaffedHours, parse_hours
from policies.written import MAX_NAME, MAX_TEXT, Contact, ServerName, UserId

Said = Mapping[str, Any]
"""What was answered so far: values by the keys of their questions."""
Reader = Callable[[str, Said], Any]
"""From one line (stripped, never empty) and what was said before to a value. Raises `NotUnderstood`."""

OURS: Final = "inglenook"  # how the names of our own accounts begin
HERE: Final = "Europe/London"
NONE: Final = frozenset({"none", "no", "nobody", "never", "0"})
MAX_SERVER: Final = 100  # characters: an address of a room holds it beside two ids
MAX_HOURS: Final = 200  # characters, as many as the policy allows
MAX_TYPED: Final = 10_000  # characters of one answer, whatever it is: a list of twenty is shorter
MAX_PEOPLE: Final = 1_000_000

_SERVER: Final = TypeAdapter[str](ServerName)
_USER: Final = TypeAdapter[str](UserId)
_CONTACT: Final = TypeAdapter[str](Contact)
_JOINERS: Final = frozenset("\u200c\u200d\u200e\u200f")  # real languages and emoji need them
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_SPELT: Final = (
    (re.compile(r"\b(?:every ?day|daily|all week)\b", re.I), "Mon-Sun"),
    (re.compile(r"\b(?:(?:each|every) )?week ?days?\b", re.I), "Mon-Fri"),
    (re.compile(r"\b(?:(?:each|every) )?week ?ends?\b", re.I), "Sat-Sun"),
    (re.compile(r"\bnoon\b", re.I), "12:00"),
    (re.compile(r"\bmidnight\b", re.I), "24:00"),
    (re.compile(r"\bmondays?\b", re.I), "Mon"),
    (re.compile(r"\btues(?:days?)?\b", re.I), "Tue"),
    (re.compile(r"\bwed(?:s|nesdays?)\b", re.I), "Wed"),
    (re.compile(r"\bthu(?:rs?|rsdays?)\b", re.I), "Thu"),
    (re.compile(r"\bfridays?\b", re.I), "Fri"),
    (re.compile(r"\bsaturdays?\b", re.I), "Sat"),
    (re.compile(r"\bsundays?\b", re.I), "Sun"),
)
_TIME: Final = re.compile(r"(?<![\d:.])(\d{1,2})(?:[:.](\d{2}))? ?([ap]m)?(?![\d:.\w])", re.I)
_BETWEEN: Final = re.compile(r" ?(?:[-–—]|\bto\b|\buntil\b) ?", re.I)

__all__ = [
    "HERE",
    "NONE",
    "NotUnderstood",
    "Reader",
    "Said",
    "contact",
    "hours",
    "is_visible",
    "name",
    "nobody_or_user",
    "number",
    "one_line",
    "sentence",
    "server",
    "user",
]


class NotUnderstood(ValueError):
    """What is wrong with an answer, and what to write instead."""

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


def is_visible(sign: str) -> bool:
    """Return whether a person can see a character, or needs it to write; a policy may hold no other."""
    code = ord(sign)
    if sign in _JOINERS:
        return True
    if code == 0x2065 or code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF:
        return False
    return unicodedata.category(sign) not in _UNSEEN


def one_line(text: str) -> str:
    """Return the text on one line, without spaces around it. Raises `NotUnderstood` if something in it is unseen."""
    if len(text) > MAX_TYPED:
        raise NotUnderstood("This is far too long.", "Please say it in fewer words.")
    line = " ".join(text.split())
    if not all(map(is_visible, line)) or "\ufffd" in line:
        raise NotUnderstood("There is a sign in it that cannot be seen or read.", "Please type it by hand.")
    return line


def sentence(text: str, said: Said) -> str:
    """Return a text of plain words."""
    return _words(text, MAX_TEXT)


def name(text: str, said: Said) -> str:
    """Return a name, as members read it."""
    return _words(text, MAX_NAME)


def number(text: str, said: Said) -> int:
    """Return a whole number from 0 on."""
    if text.casefold() in NONE:
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > MAX_PEOPLE:
        raise NotUnderstood(f'"{shown(text)}" is not a number.', "Write it in digits, like 5.")
    return int(text)


def server(text: str, said: Said) -> str:
    """Return the name of a server."""
    small = text.lower().rstrip(".")
    if len(small) > MAX_SERVER or "." not in small or not _fits(_SERVER, small):
        advice = "Write small letters with dots, like chat.charity.example."
        raise NotUnderstood(f'"{shown(text)}" cannot be the name of a server.', advice)
    return small


def user(text: str, said: Said) -> str:
    """Return a user id of the community's own server, from a whole one or from its first part."""
    server_name = str(said.get("server") or "server.example")  # without one, what is wrong is said of the server
    first, colon, its_server = text.removeprefix("@").lower().partition(":")
    whole = f"@{first}:{its_server or server_name}"
    if (colon and not its_server) or not _fits(_USER, whole):
        advice = "Write two plain words with a dash, like copper-lark."
        raise NotUnderstood(f'"{shown(text)}" cannot be a user name.', advice)
    if first.startswith(OURS):
        raise NotUnderstood("Such names belong to the helper program.", "Please choose another one.")
    if its_server and its_server != server_name:
        advice = f"Write a user name of {shown(server_name)}, or only its first part."
        raise NotUnderstood("It is on a server of somebody else.", advice)
    return whole


def nobody_or_user(text: str, said: Said) -> str | None:
    """Return a user id, or None if there is nobody."""
    return None if text.casefold() in NONE else user(text, said)


def contact(text: str, said: Said) -> str:
    """Return a public number or e-mail address of the charity."""
    if not _fits(_CONTACT, text):
        advice = "Write one like 01632 960123 or hello@charity.example."
        raise NotUnderstood(f'"{shown(text)}" is no phone number and no e-mail address.', advice)
    return text


def hours(key: str) -> Reader:
    """Return a reader of hours, or of "none"; those of all people must have one time zone, and fit one line together."""

    def read(text: str, said: Said) -> StaffedHours | None:
        if text.casefold() in NONE:
            return None
        if len(text) > MAX_HOURS:
            raise NotUnderstood("These are too many hours to keep in mind.", "Use the same hours for most days.")
        try:
            found = parse_hours(_as_written(text))
        except HoursError as error:
            raise NotUnderstood(f"{error.message[:1].upper()}{error.message[1:]}.", error.advice) from None
        others = [one for other, one in said.items() if other != key and isinstance(one, StaffedHours)]
        if any(one.zone != found.zone for one in others):
            raise NotUnderstood("Your hours name two time zones.", f"Use {others[0].zone} for all of them.")
        together = joined_hours(*others, found)
        if together is None or len(compact(together)) > MAX_HOURS:
            raise NotUnderstood("These are too many hours to keep in mind.", "Use the same hours for most days.")
        return found

    return read


def _words(text: str, most: int) -> str:
    if not any(sign.isalnum() for sign in text):
        raise NotUnderstood("There are no words in it.", "Write a few plain words.")
    if len(text) > most:
        raise NotUnderstood(f"It has {len(text):,} letters. {most} are the most.", "Please say it in fewer words.")
    if (kind := strange_contact(text)) is not None:
        advice = "Leave it out here. Your own public numbers and addresses are asked for later."
        raise NotUnderstood(f"There is {'an' if kind == 'e-mail address' else 'a'} {kind} in it.", advice)
    return text


def _fits(kind: TypeAdapter[str], text: str) -> bool:
    try:
        kind.validate_python(text, strict=True)
    except ValidationError:
        return False
    return True


def _as_written(text: str) -> str:
    """Return hours that a person wrote freely ("weekdays 9am to 5pm") in the one form that the policy knows."""
    before, _, last = text.rpartition(" ")
    said, zone = (before, last) if "/" in last or last == "UTC" else (text, HERE)
    for pattern, short in _SPELT:
        said = pattern.sub(short, said)
    said = _BETWEEN.sub("-", _TIME.sub(_clock, re.sub(r" and ", ", ", said, flags=re.I)))
    return f"{said} {zone}"


def _clock(match: re.Match[str]) -> str:
    hour, minute, half = int(match[1]), match[2] or "00", (match[3] or "").lower()
    if half and 1 <= hour <= 12:
        hour = hour % 12 + (12 if half == "pm" else 0)
    return f"{hour:02d}:{minute}"
