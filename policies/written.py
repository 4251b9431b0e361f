"""The kinds of value that stand in a policy: each is checked, and refused with advice. The blocks are in `schema`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date
from typing import Annotated, Final, NoReturn, get_args

from pydantic import AfterValidator, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from policies.defaults import Approver
from policies.findings import shown
from policies.hours import HoursError, StaffedHours, parse_hours
from policies.strict import WAS_ACCEPTED
from policies.times import Lifetime, Pause, TimeError, parse_date, parse_lifetime, parse_pause

MAX_SLUG: Final = 40  # characters; two of them and a server name fit an alias of 255 bytes
MAX_NAME: Final = 80  # characters
MAX_TEXT: Final = 500  # characters
MAX_SENTENCE: Final = 200  # characters

_SLUG: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_HOST_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_USER_LOCALPART: Final = re.compile(r"[a-z0-9._=/+-]+")
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}")
_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()-]{1,24}")
_ADDRESS: Final = re.compile(r"https://[A-Za-z0-9.-]{1,200}(:[0-9]{1,5})?(/[A-Za-z0-9._~/%+=&?#-]{0,200})?")

__all__ = [
    "Contact",
    "Day",
    "Hours",
    "Kept",
    "Name",
    "OtherServer",
    "Paused",
    "Reason",
    "Sentence",
    "ServerName",
    "Slug",
    "Text",
    "UserId",
    "Version",
    "WebAddress",
    "is_slug",
    "refuse",
    "worded",
]


def refuse(message: str, advice: str | Callable[[], str]) -> NoReturn:
    """Refuse a value. Advice that takes work is given as what words it: only findings that are kept are worded."""
    raise PydanticCustomError("policy", "{message}", {"message": message, "advice": advice})


def worded(said: object) -> str:
    """Return a message or advice of a refusal in words."""
    return str(said() if callable(said) else said)


def is_slug(text: str) -> bool:
    """Return whether a text is an id, such as a role has."""
    return bool(_SLUG.fullmatch(text)) and len(text) <= MAX_SLUG


def _slug(text: str) -> str:
    if not is_slug(text):
        fitting = "-".join(re.findall(r"[a-z0-9]+", text[:MAX_SLUG].lower()))
        advice = f'For instance "{fitting}".' if fitting else 'For instance "carers-lounge".'
        other = next((sign for sign in text if sign.isalnum() and not sign.isascii()), None)
        if other is not None:  # it may look like one of them, and nobody would see what is wrong
            advice = f"The sign U+{ord(other):04X} is none of them: type it again. {advice}"
        if text in get_args(Approver):
            advice = "Name the role that holds this office, as it stands under roles."
        allowed = f"a-z, 0-9 and single hyphens between them, at most {MAX_SLUG} characters"
        refuse(f'"{shown(text)}" is not an id: {allowed}', advice)
    return text


def _shows(sign: str) -> bool:
    """Return whether a character is seen: no space, mark or control, nor the blank of Braille."""
    return unicodedata.category(sign)[0] in "LNPS" and sign != "\u2800"


def _text_of(limit: int, *, lines: bool, what: str = "a name") -> Callable[[str], str]:
    def check(text: str) -> str:
        if not any(map(_shows, text)):
            refuse("the text is empty", "Write a few plain words.")
        if len(text) > limit:
            refuse(f"the text has {len(text):,} characters, {limit} are allowed", "Say it shorter.")
        if not lines and "\n" in text.strip():
            further = "Put further lines into the purpose." if what == "a name" else "Write it in one line."
            refuse(f"{what} has one line", further)
        return text.strip()

    return check


def _reason(text: str, info: ValidationInfo) -> str:
    said = _text_of(MAX_TEXT, lines=True)(text)
    if info.context != WAS_ACCEPTED and not any(
        map(str.isalnum, said)
    ):  # as our own advice has it, and somebody copied it
        refuse(
            f'"{shown(said)}" is no reason', "Write why, in a few plain words: whoever asks in a year has only these."
        )
    return said


def _server_name(text: str) -> str:
    host, colon, port = text.partition(":")
    labels = host.split(".")
    good_port = not colon or (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536)
    if len(host) > 230 or not good_port or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        advice = 'Write the name as it stands behind the colon of a user id, in small letters: "chat.charity.example".'
        refuse(f'"{shown(text)}" is not a server name', advice)
    return text


def _other_server(text: str) -> str:
    if any(sign in text for sign in "*?"):
        advice = "Name each server whole: nobody can know who will have a name that fits a pattern."
        refuse(f'"{shown(text)}" is a pattern, not a server name', advice)
    host = text.rpartition("]")[0][1:] if text.startswith("[") else text.partition(":")[0]
    # A last label of digits, or of a 0x and digits, makes any of it an address: 127.1 and 0x7f.1 are this machine.
    if text.startswith("[") or re.fullmatch(r"(.*\.)?([0-9]+|0x[0-9a-f]*)", host):
        advice = 'Write its name, like "chat.partner.example": an address may be somebody else tomorrow.'
        refuse(f'"{shown(text)}" is an address, not a server name', advice)
    return _server_name(text)


def _user_id(text: str) -> str:
    localpart, colon, server = text[1:].partition(":")
    if not text.startswith("@") or not colon or not _USER_LOCALPART.fullmatch(localpart) or len(text) > 255:
        refuse(f'"{shown(text)}" is not a Matrix user id', 'Write it in quotes, like "@amina:chat.charity.example".')
    _server_name(server)
    return text


def _contact(text: str) -> str:
    if not (_EMAIL.fullmatch(text) or (_PHONE.fullmatch(text) and sum(c.isdigit() for c in text) >= 3)):
        advice = 'Write one number or address an item, in quotes: "01632 960123", "hello@charity.example".'
        refuse(f'"{shown(text)}" is neither a phone number nor an e-mail address', advice)
    return text


def _hours(value: object) -> StaffedHours:
    if isinstance(value, StaffedHours):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_hours(value)
    except HoursError as error:
        refuse(error.message, error.advice)


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_date(value)
    except TimeError as error:
        refuse(error.message, error.advice)


def _lifetime(value: object) -> Lifetime:
    if isinstance(value, Lifetime):
        return value
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_lifetime(str(value))
    except TimeError as error:
        refuse(error.message, error.advice)


def _pause(value: object) -> Pause:
    if isinstance(value, Pause):
        return value
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_pause(str(value))
    except TimeError as error:
        refuse(error.message, error.advice)


def _web_address(text: str) -> str:
    if len(text) > 100 or not _ADDRESS.fullmatch(text):
        advice = 'Write it whole, like "https://charity.example/conduct", with at most 100 characters.'
        refuse(f'"{shown(text)}" is not the address of a page', advice)
    return text


def _json(pattern: str | None = None, longest: int | None = None) -> WithJsonSchema:
    """What a JSON Schema says of a text: editors know the pattern and the length, the loader knows all."""
    return WithJsonSchema(
        {"type": "string"}
        | ({"pattern": pattern} if pattern else {})
        | ({"maxLength": longest, "minLength": 1} if longest else {})
    )


def _whole(expression: re.Pattern[str]) -> str:
    return f"^(?:{expression.pattern})$"


_ONE_LINE: Final = r"^[^\n]*\S[^\n]*$"
_SAYS_SOMETHING: Final = r"\S"
_HOURS: Final = r"^\s*[A-Za-z]{3}.*[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}.* [A-Za-z]\S*\s*$"

Slug = Annotated[str, AfterValidator(_slug), _json(_whole(_SLUG), MAX_SLUG)]
Name = Annotated[str, AfterValidator(_text_of(MAX_NAME, lines=False)), _json(_ONE_LINE, MAX_NAME)]
Text = Annotated[str, AfterValidator(_text_of(MAX_TEXT, lines=True)), _json(_SAYS_SOMETHING, MAX_TEXT)]
Reason = Annotated[str, AfterValidator(_reason), _json(_SAYS_SOMETHING, MAX_TEXT)]
Version = Annotated[str, AfterValidator(_text_of(20, lines=False, what="a version")), _json(_ONE_LINE, 20)]
Sentence = Annotated[
    str, AfterValidator(_text_of(MAX_SENTENCE, lines=False, what="a sentence")), _json(_ONE_LINE, MAX_SENTENCE)
]
ServerName = Annotated[str, AfterValidator(_server_name), _json(r"^[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?$", 230)]
OtherServer = Annotated[
    str,
    AfterValidator(_other_server),
    _json(r"^(?!(.*\.)?([0-9]+|0x[0-9a-f]*)(:|$))[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?$", 230),
]
UserId = Annotated[str, AfterValidator(_user_id), _json(r"^@[a-z0-9._=/+-]+:[a-z0-9][a-z0-9.-]*(:[0-9]{1,5})?$", 255)]
Contact = Annotated[str, AfterValidator(_contact), _json(f"{_whole(_EMAIL)}|{_whole(_PHONE)}")]
WebAddress = Annotated[str, AfterValidator(_web_address), _json(_whole(_ADDRESS), 100)]
Hours = Annotated[StaffedHours, PlainValidator(_hours), PlainSerializer(str, return_type=str), _json(_HOURS)]
Day = Annotated[
    date, PlainValidator(_day), PlainSerializer(str, return_type=str), _json(r"^[0-9]{4}-[01][0-9]-[0-3][0-9]$")
]
Kept = Annotated[
    Lifetime,
    PlainValidator(_lifetime),
    PlainSerializer(str, return_type=str),
    _json(r"^(forever|[1-9][0-9]{0,3} days?)$"),
]
Paused = Annotated[
    Pause,
    PlainValidator(_pause),
    PlainSerializer(str, return_type=str),
    _json(r"^[1-9][0-9]{0,5} ?(s|m|h|seconds?|minutes?|hours?)$"),
]
