"""The journal's rows: an input as it is written down before it is handled, or once it is."""

from __future__ import annotations

from typing import Any

from appservice.flow import Event, EventInput, Ghosts
from appservice.matrix import encode


def journal_row(item: EventInput, state: str, body: bytes | None) -> dict[str, Any]:
    """Return the row of an input; `body` only while it waits."""
    return {
        "homeserver": item.homeserver,
        "input_id": item.id,
        "room_id": item.event.room_id,
        "origin": item.origin.value,
        "state": state,
        "origin_ts": item.event.origin_server_ts,
        "received_ms": item.received_ms,
        "body": body,
    }


def journal_body(event: Event, ghosts: Ghosts) -> bytes:
    """Return the event in the form it came, as far as we read it; what we said ourselves is not kept."""
    own_words = event.sender in ghosts and not event.is_state
    raw: dict[str, Any] = {
        "event_id": event.event_id,
        "sender": event.sender,
        "type": event.type,
        "content": {} if own_words else dict(event.content),
        "origin_server_ts": event.origin_server_ts,
        "redacts": event.redacts,
    }
    if event.state_key is not None:
        raw["state_key"] = event.state_key
    if event.redacted:
        raw["unsigned"] = {"redacted_because": {}}
    return encode(raw)
