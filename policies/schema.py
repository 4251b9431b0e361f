"""The policy language: strict models of what may be written. References and contradictions: `contradictions`.

Only what is compiled and enforced is in here; a key that did nothing would promise somebody protection.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from pydantic import Field

from policies.bundle import MAX_PARTS
from policies.defaults import (
    CONDUCT_RULES,
    Duty,
    Kind,
    Media,
    Tier,
)
from policies.escalation import Escalation
from policies.governed_rooms import HIGHEST_HUMAN_LEVEL
from policies.hours import EXAMPLE
from policies.settings import (
    AcceptLimits,
    Drift,
    FederationSetting,
    GroupFederation,
    HistorySetting,
    JoinBlock,
    Limits,
    MembershipBlock,
    PinsSetting,
    PostingSetting,
    PublishSetting,
    RetentionSetting,
    RuleSetting,
)
from policies.strict import StrictModel
from policies.written import (
    Contact,
    Day,
    Hours,
    Name,
    Sentence,
    ServerName,
    Slug,
    Text,
    Version,
    WebAddress,
)

MIN_CAPACITY: Final = 2  # somebody, and somebody who looks after the group
MAX_CAPACITY: Final = 10_000


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

    may_be_bare: ClassVar[frozenset[str]] = frozenset({"limits"})

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
    federation: FederationSetting | None = Field(
        default=None,
        description="Of which servers people can take part: closed, or with a reason and a name partners or open.",
        examples=["closed"],
    )
    limits: Limits | None = Field(
        default=None,
        description="How much one apply may take from people at once.",
        examples=["{removals: {percent: 20}}"],
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
    posting: PostingSetting | None = Field(
        default=None,
        description="Who may write, everybody or moderators, how long each waits, and how much of newcomers is read first.",
        examples=["{slow: 30s}"],
    )
    pins: PinsSetting | None = Field(
        default=None,
        description="Who may pin messages: moderators, nobody, or with a reason and a name everybody.",
        examples=["nobody"],
    )
    membership: MembershipBlock | None = Field(
        default=None,
        description="Who may be in it besides those listed; only for hybrid and closed.",
        examples=["{roles: [moderator]}"],
    )
    join: JoinBlock | None = Field(
        default=None,
        description="Who answers requests to join it; only for hybrid.",
        examples=["{approved_by: [lead, deputy]}"],
    )
    media: Media | None = Field(
        default=None,
        description="Whether pictures, files and recordings can be shared: allowed, or none.",
        examples=["none"],
    )
    capacity: int | None = Field(
        default=None,
        ge=MIN_CAPACITY,
        le=MAX_CAPACITY,
        description="How many people can be in it, those who look after it too; nobody is let in beyond.",
        examples=["12"],
    )
    retention: RetentionSetting | None = Field(
        default=None,
        description="How long messages are kept; older ones are deleted for good. Longer than its tier has it needs a reason and a name.",
        examples=['"180 days"'],
    )
    welcome: Sentence | None = Field(
        default=None,
        description="A plain sentence that each newcomer to the group is told privately.",
        examples=['"On Tuesdays at 7 we are all here."'],
    )
    federation: GroupFederation | None = Field(
        default=None,
        description="Of which servers people can be in it, if fewer than in the community.",
        examples=["closed"],
    )
    publish: PublishSetting | None = Field(
        default=None,
        description="How it can be found: nothing, address, or with a reason and a name directory, the list of rooms.",
        examples=["nothing"],
    )
    hours: Hours | None = Field(
        default=None,
        description="When somebody looks after this group, if not in the community's hours.",
        examples=['"Tue 18:00-21:00 Europe/London"'],
    )


class Policy(StrictModel):
    """A whole policy file. It names roles and never people."""

    may_be_bare: ClassVar[frozenset[str]] = frozenset({"escalation"})

    schema_version: Literal[1, 2] = Field(
        alias="schema", description="The version of the language in which it is written.", examples=["2"]
    )
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
        json_schema_extra={"propertyNames": {"enum": list(CONDUCT_RULES)}},
    )
    escalation: Escalation | None = Field(
        default=None,
        description="Who is called first and who next when nobody answers, and how long each has.",
        examples=["{serious: [{call: safeguarding_lead, within: 30m}, {call: deputy, within: 30m}]}"],
    )
    drift: Drift = Field(
        default_factory=Drift,
        description="What follows when somebody changes by hand what the policy says.",
        examples=["{look: warn}"],
    )
    include: tuple[str, ...] = Field(
        default=(),
        max_length=MAX_PARTS,
        description="Files beside this one, or in a folder below, that hold more of the policy.",
        examples=['["groups/carers.yaml", "roles.yaml"]'],
    )
