"""A plan that waits for somebody's yes in Matrix, as the rooms of the house see it: frozen, replaced when it moves on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class PlanState(StrEnum):
    """Where a proposed plan stands. From `TAKEN` on nobody else can say yes; what follows `BEGUN` is an end."""

    OPEN = "open"
    TAKEN = "taken"
    BEGUN = "begun"
    DONE = "done"
    PARTLY = "partly"
    MOVED = "moved"
    REFUSED = "refused"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan that was shown on a card, and may be done by a tap or a word, once.

    `what`: `plan` (make the rooms follow what is in force), `set` (a key of one group), `undo` (an applied plan). `group`:
    the one that it is about, "" for all; `group`, `key` and `value` are what is to be set, `undoes` is the number of what
    is to be undone. `digest`: of the plan that was shown. `lines` are what the card says, as items of a text; gone when
    they are of no use any more; `about` whom the plan gives or takes something, None if an older version did not note it.
    `cards`: (room id, event id). `why`: what was in the way. Times in ms since 1970.
    """

    id: str
    community: str
    number: int
    what: str
    by: str
    at_ms: int
    expires_ms: int
    digest: str
    group: str = ""
    key: str = ""
    value: str | int | None = None
    undoes: int | None = None
    state: PlanState = PlanState.OPEN
    taken_by: str = ""
    why: str = ""
    left: int = 0
    lines: tuple[dict[str, str], ...] = ()
    about: tuple[str, ...] | None = None
    cards: tuple[tuple[str, str], ...] = ()

    @property
    def name(self) -> str:
        """How people call it, such as `P-17`."""
        return f"P-{self.number}"


class Plans(Protocol):
    """The proposed plans, as handlers may ask for them."""

    def by_number(self, community: str, number: int) -> Proposal | None: ...

    def by_card(self, room_id: str, event_id: str) -> Proposal | None: ...

    def open_in(self, room_id: str) -> Collection[Proposal]:
        """Return the plans that wait on a card in a room."""
        ...
