"""Newcomers whose first messages are read before everybody sees them: who waits, what waits, and what moves that."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Final, Protocol

from appservice.flow.effects import DirectMessage, Effect, Urgency

#: What takes away a message that came before its author was held back, and what answers what is sent for reading.
FIRST_MESSAGES: Final = "first_messages"
SAY: Final = "say"
#: Messages of one person that may wait at a time, and characters of each.
MOST_WAITING: Final = 3
MOST_CHARACTERS: Final = 2_000


class WordsState(StrEnum):
    """Where words stand that somebody sent for reading: they wait, or go where a person decided."""

    WAITS = "waits"
    GOES = "goes"  # into the group
    RETURNS = "returns"  # to who wrote it


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who is, or was, new to a group. `posted` counts what was posted for them; `known` from then on they write
    freely, whatever becomes of the setting. `cards` are (room id, event id) of the card that is open about them.
    """

    community: str
    group: str
    user_id: str
    posted: int = 0
    known: bool = False
    cards: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return (self.group, self.user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a newcomer sent for reading: the words are sealed in the store, and nowhere else. `shown` are those who
    were shown them and so may decide. ms since 1970."""

    id: str
    community: str
    group: str
    user_id: str
    at_ms: int
    state: WordsState = WordsState.WAITS
    shown: frozenset[str] = frozenset()


class Newcomers(Protocol):
    """Who waits, and for what, as handlers may ask for it."""

    def left(self, group: str, user_id: str) -> int:
        """Return how many messages of somebody are still to be read first in a group; 0 for all who write freely."""
        ...

    def groups_of(self, user_id: str) -> Sequence[tuple[str, str, str]]:
        """Return (group, its name, its room's id) of the groups in which somebody waits now, by group; of one whose room
        is read anew, with "" as the id."""
        ...

    def waiting(self, group: str, user_id: str) -> Sequence[Words]:
        """Return what somebody sent for reading in a group and nobody decided about, oldest first."""
        ...

    def sent_by(self, event_id: str) -> Words | None:
        """Return what was sent for reading by a message, or took its place by an edit; None once it is done with."""
        ...

    def open_of(self, user_id: str) -> int:
        """Return how much somebody has waiting, in all groups."""
        ...

    def seal(self, text: str) -> bytes | None:
        """Return words sealed for the vault, None where that cannot be done now."""
        ...

    def by_reference(self, reference: str) -> Newcomer | None: ...

    def by_card(self, room_id: str, event_id: str) -> Newcomer | None: ...

    def open_in(self, room_id: str) -> Collection[Newcomer]:
        """Return those of whom a card in a room asks somebody to read something."""
        ...

    def shown_to(self, user_id: str) -> Collection[Newcomer]:
        """Return those of whom something waits that somebody was shown."""
        ...

    def may(self, newcomer: Newcomer, user_id: str) -> bool:
        """Return whether somebody may read, and decide about, what a newcomer wrote: never about themselves."""
        ...


@dataclass(frozen=True, kw_only=True)
class _OfNewcomer(Effect):
    community: str
    group: str
    user_id: str

    @property
    def target(self) -> str:
        return f"{self.community}/{self.group} {self.user_id}"

    @property
    def person(self) -> str:
        return self.user_id


@dataclass(frozen=True, kw_only=True)
class HoldWords(_OfNewcomer):
    """Keep what a newcomer sent for reading, `sealed`. True as soon as it is decided, and never in an outbox.

    edits: the message that this one is an edit of, "" for none.
    """

    type: ClassVar[str] = "hold_words"
    urgency: ClassVar[Urgency] = Urgency.NOW

    sealed: bytes
    at_ms: int
    edits: str = ""

    def describe(self) -> str:
        return f"keep what one person sent for reading in {self.group}"


@dataclass(frozen=True, kw_only=True)
class DropWords(_OfNewcomer):
    """Who sent words for reading took them back, or has others (`words_id`): they are gone. True as soon as it is decided."""

    type: ClassVar[str] = "drop_words"
    urgency: ClassVar[Urgency] = Urgency.NOW

    words_id: str

    def describe(self) -> str:
        return f"forget what one person sent for reading in {self.group}, since they took it back"


@dataclass(frozen=True, kw_only=True)
class DecideWords(_OfNewcomer):
    """A person decided about what a newcomer wrote (`words` are ids): it is posted, or given back. True at once."""

    type: ClassVar[str] = "decide_words"
    urgency: ClassVar[Urgency] = Urgency.NOW

    words: tuple[str, ...]
    posts: bool
    by: str

    @property
    def person(self) -> str:
        return self.by or self.user_id  # who decided, for the audit

    def describe(self) -> str:
        return f"{'post' if self.posts else 'give back'} what one person wrote in {self.group}, as somebody decided"


@dataclass(frozen=True, kw_only=True)
class ShowWords(_OfNewcomer):
    """Show what a newcomer wrote (`words` are ids) to one person who may read it, in their direct room."""

    type: ClassVar[str] = "show_words"
    urgency: ClassVar[Urgency] = Urgency.NOW

    words: tuple[str, ...]
    to: str
    at_ms: int

    @property
    def target(self) -> str:
        return f"{self.community}/{self.group} {self.user_id} {self.to}"

    @property
    def person(self) -> str:
        return self.to

    def describe(self) -> str:
        return f"show one person what another wrote in {self.group}"


@dataclass(frozen=True, kw_only=True)
class PostWords(_OfNewcomer):
    """Post what a newcomer wrote (`words_id`) in the group, saying who wrote it."""

    type: ClassVar[str] = "post_words"
    urgency: ClassVar[Urgency] = Urgency.SOON

    words_id: str

    @property
    def target(self) -> str:
        return self.words_id

    def describe(self) -> str:
        return f"post what one person wrote in {self.group}"


@dataclass(frozen=True, kw_only=True)
class ReturnWords(DirectMessage):
    """Give a newcomer words back that are not posted: opened when it is sent, and gone from the store afterwards.

    Each item has the `id` of the words, and in `why_back` why it is, the same for all: `declined`, `late`, `gone`, `free`
    or `failed`.
    """

    type: ClassVar[str] = "return_words"

    @property
    def merge_key(self) -> str:
        return f"{super().merge_key} {self.items[0].get('why_back', '') if self.items else ''}"

    def describe(self) -> str:
        return f"give one person back what they sent for reading: “{self.text}”"


@dataclass(frozen=True, kw_only=True)
class NewcomerCard(_OfNewcomer):
    """The card about a newcomer says what waits now: one card while something waits, edited without calling anybody."""

    type: ClassVar[str] = "newcomer_card"
    urgency: ClassVar[Urgency] = Urgency.SOON

    def describe(self) -> str:
        return f"tell those who moderate {self.group} that something waits to be read"
