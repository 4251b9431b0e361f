"""A case as the rooms of the house see it: frozen, replaced when it moves on. Its rules stand in `cases`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol


class Track(StrEnum):
    """What a case is about: what somebody did, or how somebody is. The two never mix (CARE, rule 1)."""

    CONDUCT = "conduct"
    CONCERN = "concern"


class Audience(StrEnum):
    """Who is shown a case: one of the two rooms, or people alone, where its person sits in both (CARE, rule 4)."""

    MODERATORS = "moderators"
    SAFEGUARDING = "safeguarding"
    PRIVATE = "private"


class CaseState(StrEnum):
    OPEN = "open"
    TAKEN = "taken"
    CLOSED = "closed"


#: Each audience counts its own cases: a number that is missing would tell those who see the others (CARE, rule 4).
SERIES: Final = {Audience.MODERATORS: "H", Audience.SAFEGUARDING: "S", Audience.PRIVATE: "P"}


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """A message that belongs to a case: what was seen in it, and whether it `stands`, where others were removed."""

    room_id: str
    event_id: str
    kind: str = ""
    stands: bool = False


@dataclass(frozen=True, slots=True)
class CardOf:
    """A card of a case that stands in a room; `at_ms` is when it was sent."""

    room_id: str
    event_id: str
    at_ms: int
    severity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One matter about one person (`about`, a user id), with an owner, a level and a deadline.

    `severity` 1 to 4; `rung` counts how often it was passed on; `moved`: it left the moderators' room for the
    safeguarding one, and does not come back; `deadline_ms` is when it is passed on by itself, None
    once somebody has it. `number` is given when its first card leaves. `count` messages belong to it, `events` are the
    newest of them. `untold`: what was to be said of them to its person was not said. `quiet` cases have no card of their own (CARE, rule 16). `asked_ms` is when its person asked for
    somebody, or for a second look; `earlier` is then the reference of what they ask about, and `not_by` the user id of
    who decided that, and so does not decide again. Times in ms since 1970.
    """

    id: str
    community: str
    track: Track
    kind: str
    severity: int
    about: str
    audience: Audience
    opened_ms: int
    state: CaseState = CaseState.OPEN
    number: int | None = None
    numbered_ms: int | None = None
    owner: str = ""
    rung: int = 0
    moved: bool = False
    deadline_ms: int | None = None
    outcome: str = ""
    closed_ms: int | None = None
    count: int = 0
    events: tuple[CaseEvent, ...] = ()
    cards: tuple[CardOf, ...] = ()
    contact: bool = False
    late: bool = False
    quiet: bool = False
    untold: bool = False
    asked_ms: int | None = None
    earlier: str = ""
    not_by: str = ""

    @property
    def reference(self) -> str:
        """`H-0001`; "" before the first card left."""
        return f"{SERIES[self.audience]}-{self.number:04}" if self.number is not None else ""

    @property
    def open(self) -> bool:
        return self.state is not CaseState.CLOSED


@dataclass(frozen=True, slots=True)
class Button:
    """What a tap on one card means: `action` on a case, by holders of `duty`, once, until `expires_ms`."""

    room_id: str
    event_id: str
    key: str
    case: str
    action: str
    duty: str
    expires_ms: int
    used_by: str = ""


class Cases(Protocol):
    """The cases, as handlers may ask for them."""

    def by_id(self, case_id: str) -> Case | None: ...

    def by_reference(self, community: str, reference: str) -> Case | None: ...

    def by_card(self, room_id: str, event_id: str) -> Case | None: ...

    def open_in(self, room_id: str) -> Collection[Case]:
        """Return the open cases that have a card in a room."""
        ...

    def button(self, room_id: str, event_id: str, key: str) -> Button | None: ...

    def may(self, case: Case, user_id: str) -> bool:
        """Return whether this person may handle a case now: by duty, by audience, and since it is not about them."""
        ...
