"""What may be written under `escalation`: who is called first and who next, by how serious it is. What it means: `ladders`."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from policies.defaults import Approver
from policies.findings import did_you_mean, shown
from policies.strict import StrictModel
from policies.times import TimeError, parse_minutes
from policies.written import MAX_SLUG, Reason, is_slug, refuse

Office = Literal["safeguarding_lead", "deputy"]
OFFICES: Final[tuple[str, ...]] = get_args(Office)
CARD_ONLY: Final = "card_only"
SAME_AGAIN: Final = "same_again"
MAX_CALLED: Final = 6  # roles of one step
Band = Literal["conduct", "help", "serious", "danger"]
BANDS: Final[tuple[Band, ...]] = get_args(Band)

_WORDS: Final = (*OFFICES, CARD_ONLY, SAME_AGAIN)

__all__ = ["BANDS", "CARD_ONLY", "OFFICES", "SAME_AGAIN", "Band", "Escalation", "LadderBlock", "Office", "StepBlock"]


def _who(text: str) -> str:
    if text not in _WORDS and not is_slug(text):
        refuse(f'"{shown(text)}" is neither a role nor an office', lambda: did_you_mean(text, _WORDS))
    return text


def _one_or_more(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _within(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PydanticCustomError("string_type", "Input should be a valid string")
    try:
        return parse_minutes(str(value))
    except TimeError as error:
        refuse(error.message, error.advice)


_WHO_SCHEMA: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_SLUG,
    "pattern": r"^[a-z0-9]+([-_][a-z0-9]+)*$",
}
_Who = Annotated[str, AfterValidator(_who), WithJsonSchema(_WHO_SCHEMA)]
Called = Annotated[
    tuple[_Who, ...],
    BeforeValidator(_one_or_more),
    WithJsonSchema(
        {"anyOf": [_WHO_SCHEMA, {"type": "array", "items": _WHO_SCHEMA, "minItems": 1, "maxItems": MAX_CALLED}]}
    ),
]
Within = Annotated[
    int,
    PlainValidator(_within),
    PlainSerializer(lambda minutes: f"{minutes}m", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[1-9][0-9]{0,3} ?(m|min|minute|minutes|h|hour|hours)$"}),
]


class StepBlock(StrictModel):
    """One step of a ladder: who is called, and how long they have before it passes on."""

    call: Called = Field(
        max_length=MAX_CALLED,
        description="Who is called: roles, safeguarding_lead, deputy; or card_only, same_again.",
        examples=["[safeguarding_lead, deputy]"],
    )
    within: Within = Field(
        description="How long they have: in danger by the clock, else of the staffed hours.", examples=["30m"]
    )
    outside_hours: Literal["agreed"] | None = Field(
        default=None,
        description="Roles are called outside the staffed hours only if their holders agreed to it.",
        examples=["agreed"],
    )


class LadderBlock(StrictModel):
    """A whole ladder; in a file also only the list of its steps."""

    steps: tuple[StepBlock, ...] = Field(
        description="Who is called first, and who next.", examples=["[{call: safeguarding_lead, within: 30m}]"]
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

    @model_validator(mode="before")
    @classmethod
    def _only_steps(cls, value: object) -> object:
        return {"steps": value} if isinstance(value, tuple) else value


class Escalation(StrictModel):
    """Who is called when nobody answers. What is left out is as it is by itself."""

    conduct: LadderBlock | None = Field(
        default=None,
        description="A rule was broken, and nobody is in danger.",
        examples=["[{call: moderator, within: 4h}, {call: safeguarding_lead, within: 4h}]"],
    )
    help: LadderBlock | None = Field(
        default=None,
        description="Somebody asks for a person, or there is a worry.",
        examples=["[{call: card_only, within: 2h}, {call: [safeguarding_lead, deputy], within: 2h}]"],
    )
    serious: LadderBlock | None = Field(
        default=None,
        description="Somebody may be in distress, or was seriously hurt.",
        examples=["[{call: safeguarding_lead, within: 30m}, {call: deputy, within: 30m}]"],
    )
    danger: LadderBlock | None = Field(
        default=None,
        description="Somebody is in danger now; the lead and the deputy are always called first, at once.",
        examples=["[{call: [safeguarding_lead, deputy], within: 10m}, {call: same_again, within: 10m}]"],
    )

    def of(self, band: Band) -> LadderBlock | None:
        """Return what is written for a band."""
        found: LadderBlock | None = getattr(self, band)
        return found
