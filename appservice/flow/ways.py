"""The ways of a group: how often people write in it, in what form, and what is read first. They are not about what somebody says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Protocol

from appservice.flow.effects import DirectMessage
from appservice.flow.newcomers import FIRST_MESSAGES

SLOW_MODE: Final = "slow_mode"
MEDIA: Final = "media"
#: The rules that take a message away for its time, its form, or since its author is new: it belongs to no case.
WAYS: Final = frozenset({SLOW_MODE, MEDIA, FIRST_MESSAGES})


@dataclass(frozen=True, kw_only=True)
class GiveBack(DirectMessage):
    """Tell one person that messages of theirs were taken away, with their words: opened when it is sent, and never
    stored. `not_before_ms` lets those of a while be told in one message.
    """

    type: ClassVar[str] = "give_back"

    not_before_ms: int = 0

    def describe(self) -> str:
        return f"give one person their words back: “{self.text}”"


@dataclass(frozen=True, slots=True)
class Turn:
    """The last message of one person in one room that stands, by our clock (`at_ms`) and as it was stamped (`stamp_ms`);
    when they were last asked to wait (`asked_ms`), and from when on they were last told of a message that was taken
    away (`told_ms`). 0 for never. ms since 1970.
    """

    at_ms: int = 0
    stamp_ms: int = 0
    asked_ms: int = 0
    told_ms: int = 0


class Turns(Protocol):
    """Who wrote last when, as handlers may ask for it."""

    def of(self, room_id: str, user_id: str) -> Turn: ...

    def rests(self, room_id: str, now_ms: int) -> bool:
        """Return whether somebody needed help in a room lately: then nobody there has to wait."""
        ...

    def taken(self, event_id: str) -> bool:
        """Return whether a message was taken away lately since it came too soon."""
        ...
