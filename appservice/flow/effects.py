"""What shall happen: frozen values returned by handlers, executed later, once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Any, ClassVar, Self

from appservice.flow.inputs import Lane
from appservice.flow.keys import effect_key

#: One thing a text speaks of: string values only, never a member's words.
Item = Mapping[str, str]


class Urgency(IntEnum):
    """In which order effects leave: harm goes first, then what others wait for, then what may be merged."""

    NOW = 0
    SOON = 1
    WHEN_QUIET = 2


class Identity(StrEnum):
    """Who acts: the steward creates and removes, the guardian redacts and speaks (docs/architecture.md)."""

    STEWARD = "steward"
    GUARDIAN = "guardian"


_TYPES: dict[str, type[Effect]] = {}


@dataclass(frozen=True, kw_only=True)
class Effect:
    """A decision waiting to become true.

    `source` is the id of the input that caused it, `rule` the rule that decided, `lane` the room it was decided in.
    `after` names the key of an effect that must have become true first: where it is refused, this one is moot.
    `once` names one that is waited for whatever becomes of it. `conduct_on` is the person whom this effect corrects:
    while they are in distress it is not done by a program (CARE, rule 1).
    """

    type: ClassVar[str] = ""
    urgency: ClassVar[Urgency] = Urgency.SOON

    source: str
    rule: str
    lane: Lane
    identity: Identity = Identity.GUARDIAN
    ordinal: int = 0
    after: str | None = None
    once: str | None = None
    conduct_on: str | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _TYPES[cls.type] = cls

    @property
    def target(self) -> str:
        raise AttributeError(f"{type(self).__name__} names no target")

    @cached_property
    def key(self) -> str:
        return effect_key(self.source, self.rule, self.type, self.target, self.identity, self.ordinal)

    @property
    def merge_key(self) -> str | None:
        """Effects with the same merge key may be said in one breath; None where that is never right."""
        return None

    @property
    def person(self) -> str | None:
        """The user id this effect is about or for, so that the audit can forget it; None if nobody."""
        return None

    def describe(self) -> str:
        """Say in plain words what would happen, for plans, dry runs and the audit."""
        raise AttributeError(f"{type(self).__name__} has no description")

    def record(self) -> dict[str, Any]:
        """Return a JSON-able form that `effect_from_record` understands."""
        return asdict(self) | {"type": self.type}


@dataclass(frozen=True, kw_only=True)
class Redact(Effect):
    """Remove the content of one event for everybody. Cannot be undone."""

    type: ClassVar[str] = "redact"
    urgency: ClassVar[Urgency] = Urgency.NOW

    room_id: str
    event_id: str
    reason: str

    @property
    def target(self) -> str:
        return self.event_id

    def describe(self) -> str:
        return f"remove the message {self.event_id} ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class _Text(Effect):
    """A text that leaves when the homeserver is not busy; `text` is a key of the catalogue."""

    urgency: ClassVar[Urgency] = Urgency.WHEN_QUIET

    text: str
    items: tuple[Item, ...] = ()

    def joined(self, others: tuple[Self, ...]) -> Self:
        """Return this effect saying also what `others` would have said; its key stays."""
        items = list(self.items)
        for other in others:
            items.extend(item for item in other.items if item not in items)
        return replace(self, items=tuple(items))


@dataclass(frozen=True, kw_only=True)
class Notice(_Text):
    """A passive line in a room: no name, no quote."""

    type: ClassVar[str] = "notice"

    room_id: str

    @property
    def target(self) -> str:
        return self.room_id

    @property
    def merge_key(self) -> str:
        return f"notice {self.identity} {self.rule} {self.room_id} {self.text}"

    def describe(self) -> str:
        return f"say “{self.text}” in the room {self.room_id}"


@dataclass(frozen=True, kw_only=True)
class DirectMessage(_Text):
    """A message to one person in the direct room the guardian has with them."""

    type: ClassVar[str] = "direct_message"

    user_id: str

    @property
    def target(self) -> str:
        return self.user_id

    @property
    def merge_key(self) -> str | None:
        return f"direct {self.identity} {self.rule} {self.user_id} {self.text}"

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return f"tell one person privately: “{self.text}”"


@dataclass(frozen=True, kw_only=True)
class Card(_Text):
    """A card for the people of a system room (`moderators`, `safeguarding`) of one community, about one person.

    `case` names the track of the open case about them, or a case by its id, of which it is the card: then the case says
    who sees it and what stands on it, at the moment it leaves.
    """

    type: ClassVar[str] = "card"

    community: str
    place: str
    about: str
    case: str = ""

    @property
    def target(self) -> str:
        return f"{self.community}/{self.place}/{self.about}"

    @property
    def merge_key(self) -> str | None:
        return f"card {self.identity} {self.rule} {self.target} {self.text}"

    @property
    def person(self) -> str:
        return self.about

    def describe(self) -> str:
        return f"show the {self.place} of {self.community} a card: “{self.text}”"


@dataclass(frozen=True, kw_only=True)
class UrgentMessage(DirectMessage):
    """A private message that leaves at once, and alone: to somebody in distress, or to somebody who must know."""

    type: ClassVar[str] = "urgent_message"
    urgency: ClassVar[Urgency] = Urgency.NOW

    @property
    def merge_key(self) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class UrgentCard(Card):
    """A card that leaves at once, and alone: it calls people, who are named in its items."""

    type: ClassVar[str] = "urgent_card"
    urgency: ClassVar[Urgency] = Urgency.NOW

    @property
    def merge_key(self) -> None:
        return None


@dataclass(frozen=True, kw_only=True)
class CardEdit(Card):
    """The cards of a case say what is so now: by edits, which call nobody."""

    type: ClassVar[str] = "card_edit"
    urgency: ClassVar[Urgency] = Urgency.SOON

    @property
    def merge_key(self) -> None:
        return None


def effect_from_record(record: Mapping[str, Any]) -> Effect:
    """Return the effect that `Effect.record` described.

    Raises KeyError for a type this version does not know, TypeError where fields do not fit.
    """
    fields = dict(record)
    cls = _TYPES[fields.pop("type")]
    fields["lane"] = Lane(**fields["lane"])
    fields["identity"] = Identity(fields["identity"])
    if isinstance(fields.get("button"), list):
        fields["button"] = tuple(fields["button"])
    if isinstance(fields.get("words"), list):
        fields["words"] = tuple(fields["words"])
    if "items" in fields:
        fields["items"] = tuple(dict(item) for item in fields["items"])
    return cls(**fields)
