"""Who made state what it is: by its event, or by a redaction, which leaves of an event only what keeps rooms working."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appservice.flow import Event, Written

_KEPT: Final[Mapping[str, tuple[str, ...]]] = {
    "m.room.join_rules": ("join_rule", "allow"),
    "m.room.power_levels": (
        *("users", "users_default", "events", "events_default", "state_default"),
        *("invite", "kick", "ban", "redact"),
    ),
    "m.room.history_visibility": ("history_visibility",),
}
"""What stays of a content that was redacted, by event type (specification, room versions 11 and 12, "Redactions")."""


def written_of(event: Event) -> Written:
    """Return who made this piece of state what it is; of one that was redacted before we read it, who had that done."""
    if event.redacted and event.redacted_by:
        return Written(event.event_id, "", event.redacted_by, event.redacted_ms)
    return Written(event.event_id, event.event_id, event.sender, event.origin_server_ts)


def emptied_by(redaction: Event, event_id: str) -> Written:
    """Return the same of state that this redaction emptied."""
    return Written(event_id, redaction.event_id, redaction.sender, redaction.origin_server_ts)


def pruned(event_type: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a redaction leaves of state. A create event cannot be redacted, nor can we see members emptied so."""
    if event_type == "m.room.create":
        return content
    return {name: content[name] for name in _KEPT.get(event_type, ()) if name in content}


def written_from(entry: list[Any]) -> Written | None:
    """Return what `written_record` wrote after type, key and content; None for a row of an earlier version."""
    return Written(*entry[3:7]) if len(entry) == 7 else None


def written_record(written: Written | None) -> list[Any]:
    """Return it as JSON values."""
    return [] if written is None else [written.event_id, written.cause, written.sender, written.at_ms]
