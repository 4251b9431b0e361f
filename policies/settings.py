"""What may be written at a key of the policy: one word, or a block with a reason and a name. The whole: `schema`."""

from __future__ import annotations

from typing import ClassVar, Final, get_args

from pydantic import Field, model_validator

from policies.defaults import (
    Approver,
    DriftAnswer,
    Federation,
    HistoryVisibility,
    Pins,
    Posting,
    Publish,
    RuleMode,
)
from policies.findings import did_you_mean, shown
from policies.strict import StrictModel
from policies.written import Kept, OtherServer, Paused, Reason, Slug, refuse

MAX_SERVERS: Final = 100
LIMIT_PERCENT: Final = 30
"""A group that ends, or a term of office, takes fewer; half a file missing takes more. octoDNS has lived with it for years."""
LIMIT_FROM: Final = 10
"""People from whom on a share means something."""
MOST_FIRST: Final = 10  # who has written so many is known; more would keep people out
LOOSEST_PERCENT: Final = 50  # whoever means to take more than half says so each time
LOOSEST_FROM: Final = 50  # people; below, only losing everybody would be refused


class LimitSetting(StrictModel):
    """How much may be taken at once: below the usual is free, above needs a reason and a name."""

    percent: int | None = Field(
        default=None,
        ge=1,
        le=LOOSEST_PERCENT,
        description=f"More than so many in a hundred are refused; {LIMIT_PERCENT} by itself.",
        examples=["20"],
    )
    of_at_least: int | None = Field(
        default=None,
        ge=2,
        le=LOOSEST_FROM,
        description=f"From so many people on; {LIMIT_FROM} by itself. Of fewer, only losing everybody is refused.",
        examples=["5"],
    )
    because: Reason | None = Field(
        default=None, description="Why it is so.", examples=['"Board minute 2026-07 item 4"']
    )
    approved_by: Approver | None = Field(
        default=None, description="Which of the owners answers for it.", examples=["safeguarding_lead"]
    )

    @property
    def vouched(self) -> bool:
        """Whether somebody answers for it, with a reason."""
        return bool(self.because and self.approved_by)


class Limits(StrictModel):
    """From how many people one apply may take something, before somebody must insist by name."""

    removals: LimitSetting | None = Field(
        default=None, description="People taken out of rooms.", examples=["{percent: 20, of_at_least: 5}"]
    )
    demotions: LimitSetting | None = Field(
        default=None, description="People who lose power.", examples=["{percent: 20}"]
    )


class Setting(StrictModel):
    """A choice that may need a reason and a name: one word, or `{value: …, because: …, approved_by: …}`."""

    words: ClassVar[tuple[str, ...]] = ()
    word: ClassVar[str] = "value"

    because: Reason | None = Field(
        default=None, description="Why it is so.", examples=['"Board minute 2026-07 item 4"']
    )
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
            refuse(f'"{shown(value)}" is not known here', lambda: did_you_mean(value, cls.words))
        return {cls.word: value}


class FederationSetting(Setting):
    """Of which servers people can take part; more than this one needs a reason and a name."""

    words: ClassVar[tuple[str, ...]] = get_args(Federation)
    word: ClassVar[str] = "mode"

    mode: Federation = Field(
        description="closed: this one; partners: those named in servers, too; open: any but those in deny.",
        examples=["partners"],
    )
    servers: tuple[OtherServer, ...] = Field(
        default=(),
        max_length=MAX_SERVERS,
        description="With partners: their servers, each by its name.",
        examples=["[chat.partner.example]"],
    )
    deny: tuple[OtherServer, ...] = Field(
        default=(),
        max_length=MAX_SERVERS,
        description="With open: servers whose people stay out all the same.",
        examples=["[chat.trouble.example]"],
    )


class GroupFederation(Setting):
    """Of which servers people can be in a group: never of more than the community lets in."""

    words: ClassVar[tuple[str, ...]] = get_args(Federation)
    word: ClassVar[str] = "mode"

    mode: Federation = Field(
        description="closed: this one; partners: partners too; open: any that the community lets in.",
        examples=["closed"],
    )
    servers: tuple[OtherServer, ...] = Field(
        default=(),
        max_length=MAX_SERVERS,
        description="With partners: only these of them.",
        examples=["[chat.partner.example]"],
    )


class AcceptLimits(StrictModel):
    """Who accepts, and why, that a group of high risk runs on a server that cannot stop private rooms and messages."""

    because: Reason = Field(description="Why it is accepted.", examples=['"Board minute 2026-07 item 4"'])
    approved_by: Approver = Field(description="Which of the owners answers for it.", examples=["safeguarding_lead"])


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


class PublishSetting(Setting):
    """How a group can be found by those whom no space shows it."""

    words: ClassVar[tuple[str, ...]] = get_args(Publish)

    value: Publish = Field(
        description="nothing: it has no address; address: by whoever knows its address; directory: in the list of rooms, too.",
        examples=["address"],
    )


class PostingSetting(Setting):
    """Who may write, how often, and what is read first; in a file also one word: `posting: moderators`."""

    words: ClassVar[tuple[str, ...]] = get_args(Posting)
    word: ClassVar[str] = "who"

    who: Posting | None = Field(
        default=None, description="Who may write: everybody or moderators.", examples=["moderators"]
    )
    slow: Paused | None = Field(
        default=None,
        description="How long each person waits between two messages: 5s to 6h; not those who moderate.",
        examples=['"30s"'],
    )
    first_messages: int | None = Field(
        default=None,
        ge=1,
        le=MOST_FIRST,
        description="How many messages of somebody new are read by those who moderate before everybody sees them.",
        examples=["3"],
    )


class RetentionSetting(Setting):
    """How long messages are kept before they are deleted for good."""

    value: Kept = Field(description="A number of days, or forever.", examples=["180 days"])

    @model_validator(mode="before")
    @classmethod
    def _one_word(cls, value: object) -> object:
        return {"value": str(value)} if type(value) in (str, int) else value


class MembershipBlock(StrictModel):
    """Who may be in a group besides the people who are listed for it."""

    roles: tuple[Slug, ...] = Field(
        min_length=1,
        description="Roles whose holders may be in it without being listed.",
        examples=["[moderator]"],
    )


class JoinBlock(StrictModel):
    """Who answers requests to join a group."""

    approved_by: tuple[Slug, ...] = Field(
        min_length=1,
        description="Roles whose holders answer requests; others who can approve_join do not.",
        examples=["[lead, deputy]"],
    )


class RuleSetting(Setting):
    """Whether a rule acts or only counts; in a file also one word: `bullying: enforce`."""

    words: ClassVar[tuple[str, ...]] = get_args(RuleMode)
    word: ClassVar[str] = "mode"

    mode: RuleMode = Field(description="Whether it acts (enforce) or only counts (shadow).", examples=["enforce"])


class DriftSetting(Setting):
    """What follows when somebody changes by hand what the policy says; in a file also one word: `look: warn`."""

    words: ClassVar[tuple[str, ...]] = get_args(DriftAnswer)

    value: DriftAnswer = Field(
        description="enforce: it is put back at once; warn: people are told, and it stands; ignore: it stands.",
        examples=["warn"],
    )


class Drift(StrictModel):
    """What follows when somebody changes a room by hand; what is left out is as it ships."""

    settings: DriftSetting | None = Field(
        default=None,
        description="Who may come in and read; less than enforce needs a reason and a name.",
        examples=['{value: warn, because: "Board minute 2026-07 item 4", approved_by: deputy}'],
    )
    powers: DriftSetting | None = Field(
        default=None,
        description="Who may do what; less than enforce needs a reason and a name.",
        examples=["enforce"],
    )
    links: DriftSetting | None = Field(
        default=None, description="The space and the addresses by which a room is found.", examples=["warn"]
    )
    look: DriftSetting | None = Field(
        default=None,
        description="Name and purpose of a room; with enforce nobody can change them by hand.",
        examples=["enforce"],
    )
