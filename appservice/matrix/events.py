"""From untrusted JSON to `flow.Event`: a malformed event is data, never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict

from appservice.flow import Event
from appservice.matrix.json import readable

#: Matrix identifiers are at most 255 bytes (specification, appendices); longer ones are nobody's.
_MAX_IDENTIFIER = 255
#: Greater than any clock we may meet and safe in every JSON implementation (2^53 - 1).
_MAX_TIMESTAMP = 2**53 - 1


def _identifier(value: object) -> str:
    if isinstance(value, str) and len(value) <= _MAX_IDENTIFIER and value.isprintable():
        return value
    return ""


def _optional_identifier(value: object) -> str | None:
    return _identifier(value) or None


def _state_key(value: object) -> str | None:
    return readable(value) if isinstance(value, str) and len(value) <= _MAX_IDENTIFIER else None


def _timestamp(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TIMESTAMP:
        return value
    return 0


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class _Wire(BaseModel):
    """The fields of an event that we read; whatever else is there is none of our business."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    event_id: Annotated[str, BeforeValidator(_identifier)] = ""
    room_id: Annotated[str, BeforeValidator(_identifier)] = ""
    sender: Annotated[str, BeforeValidator(_identifier)] = ""
    type: Annotated[str, BeforeValidator(_identifier)] = ""
    content: Annotated[Any, BeforeValidator(_mapping)] = {}
    origin_server_ts: Annotated[int, BeforeValidator(_timestamp)] = 0
    state_key: Annotated[str | None, BeforeValidator(_state_key)] = None
    redacts: Annotated[str | None, BeforeValidator(_optional_identifier)] = None
    unsigned: Annotated[Any, BeforeValidator(_mapping)] = {}


def parse_event(raw: object, room_id: str | None = None) -> Event:
    """Return the event in `raw`, whatever `raw` is.

    `room_id` overrides the event's own: in /sync answers events carry none. An event without a usable id gets one made
    of its content (`malformed:…`), so that it is deduplicated like any other.
    """
    wire = _Wire.model_validate(raw if isinstance(raw, dict) else {})
    content: Mapping[str, Any] = wire.content
    redacts = wire.redacts
    if redacts is None and wire.type == "m.room.redaction":
        redacts = _optional_identifier(content.get("redacts"))  # room version 11 and later
    because = _mapping(wire.unsigned.get("redacted_because"))
    return Event(
        event_id=wire.event_id or _substitute_id(raw),
        room_id=room_id if room_id is not None else wire.room_id,
        sender=wire.sender,
        type=wire.type,
        content=content,
        origin_server_ts=wire.origin_server_ts,
        state_key=wire.state_key,
        redacts=redacts,
        redacted="redacted_because" in wire.unsigned,
        redacted_by=_identifier(because.get("sender")),
        redacted_ms=_timestamp(because.get("origin_server_ts")),
    )


def _substitute_id(raw: object) -> str:
    try:
        canonical = orjson.dumps(raw, option=orjson.OPT_SORT_KEYS)
    except (TypeError, ValueError):
        canonical = repr(type(raw)).encode()
    return f"malformed:{sha256(canonical).hexdigest()[:43]}"
