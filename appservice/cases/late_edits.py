"""Edits of a removed message go too, whatever they say, as long as they come (DESIGN, decision 5)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from appservice.flow import Card, Effect, EventInput, Facts, OpenCase, Place, Redact, Track


class LateEdits:
    """An edit shows a removed message again in some clients. It is sealed and removed; nobody is told a second time."""

    name = "edit_of_removed"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room = item.event, facts.room
        if event.type != "m.room.message" or room.place is not Place.GROUP or event.redacted or not event.sender:
            return
        if event.replaces is None or event.replaces not in facts.removed:
            return
        common: dict[str, Any] = {
            "source": item.id,
            "rule": self.name,
            "lane": item.lane,
            "conduct_on": event.sender,
        }
        what: dict[str, Any] = {"community": room.community, "about": event.sender}
        where: dict[str, Any] = {"room_id": event.room_id, "event_id": event.event_id}
        yield OpenCase(**common, **what, **where, track=Track.CONDUCT, kind="edit", severity=1)
        redact = Redact(**common, **where, reason=self.name)
        yield redact
        text = "card.contact_details_removed"
        yield Card(**common, **what, after=redact.key, place=Place.MODERATORS, text=text, case=Track.CONDUCT)
