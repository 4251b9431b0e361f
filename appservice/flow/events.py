"""One Matrix event as the rest of the house sees it: already parsed, every field of a known type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a room (Client-Server specification, "Room event format").

    `event_id`, `room_id`, `sender` and `type` are empty where the homeserver sent nothing usable; `origin_server_ts`
    (ms) is then 0. `content` is as hostile as its author: only its being a mapping is certain. `state_key` is None for
    messages. `redacted` tells that the homeserver already emptied it.
    """

    event_id: str
    room_id: str
    sender: str
    type: str
    content: Mapping[str, Any]
    origin_server_ts: int = 0
    state_key: str | None = None
    redacts: str | None = None
    redacted: bool = False

    @property
    def is_state(self) -> bool:
        return self.state_key is not None
