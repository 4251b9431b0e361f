"""The policy language, version 1: strict models of what may be written. References and contradictions: `contradictions`.

Only what is compiled and enforced is in here; a key that did nothing would promise somebody protection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, ClassVar, Final, Literal, NoReturn, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from policies.defaults import Approver, Duty, HistoryVisibility, Kind, Pins, Posting, RuleMode, Tier
from policies.findings import did_you_mean, shown
from policies.governed_rooms import HIGHEST_HUMAN_LEVEL
from policies.hours import EXAMPLE, HoursError, StaffedHours, parse_hours
from policies.times import Lifetime, TimeError, parse_date, parse_lifetime

SCHEMA_VERSION: Final = 1
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
    "SCHEMA_VERSION",
    "AcceptLimits",
    "CodeOfConduct",
    "Community",
    "Group",
    "HistorySetting",
    "Owners",
    "PinsSetting",
    "Policy",
    "RiskAssessment",
    "Role",
    "RuleSetting",
    "ServerName",
    "Slug",
    "StrictModel",
    "UserId",
]


def _refuse(message: str, advice: str) -> NoReturn:
    raise PydanticCustomError("policy", "{message}", {"message": message, "advice": advice})


def _slug(text: str) -> str:
    if not _SLUG.fullmatch(text) or len(text) > MAX_SLUG:
        fitting = "-".join(re.findall(r"[a-z0-9]+", text[:MAX_SLUG].lower()))
        advice = f'For instance "{fitting}".' if fitting else 'For instance "carers-lounge".'
        allowed = f"a-z, 0-9 and single hyphens between them, at most {MAX_SLUG} characters"
        _refuse(f'"{shown(text)}" is not an id: {allowed}', advice)
    return text


def _text_of(limit: int, *, lines: bool) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not text.strip():
            _refuse("the text is empty", "Write a few plain words: members read them.")
        if len(text) > limit:
            _refuse(f"the text has {len(text):,} characters, {limit} are allowed", "Say it shorter.")
        if not lines and "\n" in text.strip():
            _refuse("a name has one line", "Put further lines into the purpose.")
        return text.strip()

    return check


def _server_name(text: str) -> str:
    host, colon, port = text.partition(":")
    labels = host.split(".")
    good_port = not colon or (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536)
    if len(host) > 230 or not good_port or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        advice = 'Write the name as it stands behind the colon of a user id, in small letters: "chat.charity.example".'
        _refuse(f'"{shown(text)}" is not a server name', advice)
    return text


def _user_id(text: str) -> str:
    localpart, colon, server = text[1:].partition(":")
    if not text.startswith("@") or not colon or not _USER_LOCALPART.fullmatch(localpart) or len(text) > 255:
        _refuse(f'"{shown(text)}" is not a Matrix user id', 'Write it in quotes, like "@amina:chat.charity.example".')
    _server_name(server)
    return text


def _contact(text: str) -> str:
    if not (_EMAIL.fullmatch(text) or (_PHONE.fullmatch(text) and sum(c.isdigit() for c in text) >= 3)):
        advice = 'Write one number or address an item, in quotes: "01632 960123", "hello@charity.example".'
        _refuse(f'"{shown(text)}" is neither a phone number nor an e-mail address', advice)
    return text


def _hours(value: object) -> StaffedHours:
    if isinstance(value, StaffedHours):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_hours(value)
    except HoursError as error:
        _refuse(error.message, error.advice)


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_date(value)
    except TimeError as error:
        _refuse(error.message, error.advice)


def _lifetime(value: object) -> Lifetime:
    if isinstance(value, Lifetime):
        return value
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_lifetime(str(value))
    except TimeError as error:
        _refuse(error.message, error.advice)


def _web_address(text: str) -> str:
    if len(text) > 100 or not _ADDRESS.fullmatch(text):
        advice = 'Write it whole, like "https://charity.example/conduct", with at most 100 characters.'
        _refuse(f'"{shown(text)}" is not the address of a page', advice)
    return text


Slug = Annotated[str, AfterValidator(_slug)]
Name = Annotated[str, AfterValidator(_text_of(MAX_NAME, lines=False))]
Text = Annotated[str, AfterValidator(_text_of(MAX_TEXT, lines=True))]
ServerName = Annotated[str, AfterValidator(_server_name)]
UserId = Annotated[str, AfterValidator(_user_id)]
Contact = Annotated[str, AfterValidator(_contact)]
Version = Annotated[str, AfterValidator(_text_of(20, lines=False))]
Sentence = Annotated[str, AfterValidator(_text_of(MAX_SENTENCE, lines=False))]
WebAddress = Annotated[str, AfterValidator(_web_address)]
Hours = Annotated[StaffedHours, PlainValidator(_hours), PlainSerializer(str, return_type=str)]
Day = Annotated[date, PlainValidator(_day), PlainSerializer(str, return_type=str)]
Kept = Annotated[Lifetime, PlainValidator(_lifetime), PlainSerializer(str, return_type=str)]


class StrictModel(BaseModel):
    """A block of keys: unknown keys are errors, nothing is converted, nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Owners(StrictModel):
    """Who answers for the community: roles of the policy, whose holders stand in the people file."""

    safeguarding_lead: Slug = Field(description="The role that leads on safeguarding.", examples=["lead"])
    deputy: Slug = Field(description="The role that stands in for the lead; another role.", examples=["deputy"])


class CodeOfConduct(StrictModel):
    """What people agree to when they take part; the helper program tells it to each who joins."""

    version: Version = Field(description="Which version it is, as members read it.", examples=['"2026-09"'])
    text: Text | None = Field(
        default=None, description="What it says, in plain words.", examples=['"Be kind. What is said here stays here."']
    )
    address: WebAddress | None = Field(
        default=None, description="The page where it stands.", examples=['"https://charity.example/conduct"']
    )


class RiskAssessment(StrictModel):
    """Who looked at what may go wrong, and when: needed before a change that exposes people or cannot be undone."""

    reviewed: Day = Field(description="The day of the last review.", examples=["2026-09-01"])
    next: Day = Field(description="The day by which it is looked at again.", examples=["2027-09-01"])
    by: Slug = Field(description="The role that did it.", examples=["lead"])


class Community(StrictModel):
    """What the community is, for whom, and who answers for it."""

    id: Slug = Field(description="Rooms are found by it for ever, so never change it.", examples=["leeds-carers"])
    name: Name = Field(description="What members read.", examples=["Leeds Carers Together"])
    purpose: Text = Field(description="What it is for, in plain words.", examples=["Unpaid carers support each other."])
    not_for: Text = Field(
        description="What it is not, so that nobody relies on it in vain.",
        examples=['"Not a crisis service: in danger call 999."'],
    )
    server: ServerName = Field(description="The homeserver's name.", examples=["chat.charity.example"])
    owners: Owners = Field(
        description="Nobody should answer alone: name the roles of the safeguarding lead and a deputy.",
        examples=["{safeguarding_lead: lead, deputy: deputy}"],
    )
    hours: Hours = Field(description="When somebody is there to read.", examples=[f'"{EXAMPLE}"'])
    allowed_contacts: tuple[Contact, ...] = Field(
        default=(),
        max_length=100,
        description="The charity's own public numbers and addresses, which anybody may write.",
        examples=['["01632 960123", "hello@charity.example"]'],
    )
    code_of_conduct: CodeOfConduct | None = Field(
        default=None,
        description="What people agree to; it is told to each who joins.",
        examples=['{version: "2026-09", text: "Be kind. What is said here stays here."}'],
    )
    risk_assessment: RiskAssessment | None = Field(
        default=None,
        description="Without one, no change is made that exposes people or cannot be undone.",
        examples=["{reviewed: 2026-09-01, next: 2027-09-01, by: lead}"],
    )


class Role(StrictModel):
    """What holders of a role may do: a power level in rooms, and duties in the house."""

    level: int = Field(
        ge=0,
        le=HIGHEST_HUMAN_LEVEL,
        description="Its power level in rooms: 0 for none, 50 to moderate, at most 90.",
        examples=["50"],
    )
    can: tuple[Duty, ...] = Field(
        default=(),
        description="Its duties: moderate, approve_join, safeguard, operate.",
        examples=["[moderate, approve_join]"],
    )


class AcceptLimits(StrictModel):
    """Who accepts, and why, that a group of high risk runs on a server that cannot stop private rooms and messages."""

    because: Text = Field(description="Why it is accepted.", examples=['"Board minute 2026-07 item 4"'])
    approved_by: Approver = Field(description="Which of the owners answers for it.", examples=["safeguarding_lead"])


class Setting(StrictModel):
    """A choice that may need a reason and a name: one word, or `{value: …, because: …, approved_by: …}`."""

    words: ClassVar[tuple[str, ...]] = ()
    word: ClassVar[str] = "value"

    because: Text | None = Field(default=None, description="Why it is so.", examples=['"Board minute 2026-07 item 4"'])
    approved_by: Approver | None = Field(
        default=None, description="Which of the owners answers for it.", examples=["safeguarding_lead"]
    )

    @property
    def vouched(self) -> bool:
        """Whether somebody answers for it, with a reason."""
        return bool(self.because and self.approved_by)

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        if value not in cls.words:
            _refuse(f'"{shown(value)}" is not known here', did_you_mean(value, cls.words))
        return {cls.word: value}


class HistorySetting(Setting):
    """What those who come later can read of what was written before."""

    words: ClassVar[tuple[str, ...]] = get_args(HistoryVisibility)

    value: HistoryVisibility = Field(
        description="shared: all that was written; invited: from the invite on; joined: only while they are there.",
        examples=["joined"],
    )


class PinsSetting(Setting):
    """Who may pin messages, so that everybody sees them first."""

    words: ClassVar[tuple[str, ...]] = get_args(Pins)

    value: Pins = Field(description="everybody, moderators or nobody.", examples=["moderators"])


class Group(StrictModel):
    """One group: what it is for, how people come in, and how much can go wrong."""

    name: Name = Field(description="What members read, also on a lock screen.", examples=["Carers' lounge"])
    purpose: Text = Field(description="What it is for, in plain words.", examples=["Talk with other carers."])
    kind: Kind = Field(description="How people come in: open, hybrid, closed or announce.", examples=["open"])
    tier: Tier = Field(description="How much can go wrong: low, medium or high.", examples=["low"])
    accept_limits: AcceptLimits | None = Field(
        default=None,
        description="Tier high needs it.",
        examples=['{because: "Board minute 2026-07 item 4", approved_by: safeguarding_lead}'],
    )
    history: HistorySetting | None = Field(
        default=None,
        description="What those who come later can read: joined, invited or shared; more than its kind gives needs a reason and a name.",
        examples=["joined"],
    )
    posting: Posting | None = Field(
        default=None, description="Who may write: everybody or moderators.", examples=["moderators"]
    )
    pins: PinsSetting | None = Field(
        default=None,
        description="Who may pin messages: moderators, nobody, or with a reason and a name everybody.",
        examples=["nobody"],
    )
    retention: Kept | None = Field(
        default=None,
        description="How long messages are kept; older ones are deleted for good.",
        examples=['"180 days"'],
    )
    welcome: Sentence | None = Field(
        default=None,
        description="A plain sentence that each newcomer to the group is told privately.",
        examples=['"On Tuesdays at 7 we are all here."'],
    )


class RuleSetting(Setting):
    """Whether a rule acts or only counts; in a file also one word: `bullying: enforce`."""

    words: ClassVar[tuple[str, ...]] = get_args(RuleMode)
    word: ClassVar[str] = "mode"

    mode: RuleMode = Field(description="Whether it acts (enforce) or only counts (shadow).", examples=["enforce"])


class Policy(StrictModel):
    """A whole policy file. It names roles and never people."""

    schema_version: Literal[1] = Field(alias="schema", description="The version of the language.", examples=["1"])
    community: Community = Field(description="What the community is.", examples=["{id: …, name: …, purpose: …}"])
    roles: Mapping[Slug, Role] = Field(
        min_length=1, description="Who may do what.", examples=["{lead: {level: 75, can: [safeguard]}}"]
    )
    groups: Mapping[Slug, Group] = Field(
        min_length=1,
        description="The groups of the community.",
        examples=["{welcome: {name: Start here, purpose: Say hello., kind: open, tier: low}}"],
    )
    rules: Mapping[str, RuleSetting] = Field(
        default_factory=dict,
        description="Rules about what people do that are not as they ship; each named one looks in every group.",
        examples=["{bullying: enforce, hate: shadow}"],
    )
