"""What arrives: inputs, each with an id that dedupes it for ever and a lane that orders it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from appservice.flow.events import Event

#: What arrives later than this (ms) is handled as late: concern is still raised, conduct needs the present first.
LATE_AFTER_MS = 10 * 60 * 1000


class Origin(StrEnum):
    """How an event reached us: pushed by the homeserver, or found by the guardian's gap check."""

    PUSH = "push"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Lane:
    """One room's ordered queue, on one homeserver."""

    homeserver: str
    room_id: str

    def __str__(self) -> str:
        return f"{self.homeserver}/{self.room_id}"


@dataclass(frozen=True, slots=True)
class EventInput:
    """A Matrix event to be handled; `received_ms` is our clock when it came in."""

    homeserver: str
    event: Event
    origin: Origin
    received_ms: int

    @property
    def id(self) -> str:
        return self.event.event_id

    @property
    def lane(self) -> Lane:
        return Lane(self.homeserver, self.event.room_id)

    @property
    def late(self) -> bool:
        return self.received_ms - self.event.origin_server_ts > LATE_AFTER_MS
