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
    messages. `redacted` tells that the homeserver already emptied it; `redacted_by` and `redacted_ms` who had it do so,
    and when.
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
    redacted_by: str = ""
    redacted_ms: int = 0

    @property
    def is_state(self) -> bool:
        return self.state_key is not None

    @property
    def replaces(self) -> str | None:
        """The id of the message that this one is an edit of, None where it is none."""
        return replaced(self.content)


def replaced(content: Mapping[str, Any]) -> str | None:
    """Return the id of the message that a content replaces, None where it is no edit."""
    relation = content.get("m.relates_to")
    if not isinstance(relation, Mapping) or relation.get("rel_type") != "m.replace":
        return None
    target = relation.get("event_id")
    return target if isinstance(target, str) and len(target) <= 255 else None
