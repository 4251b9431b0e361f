"""Edits of a removed message go too, whatever they say, as long as they come (DESIGN, decision 5)."""

from __future__ import annotations

from collections.abc import Iterable

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
        yield OpenCase(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            conduct_on=event.sender,
            community=room.community,
            track=Track.CONDUCT,
            kind="contact_details",
            severity=1,
            about=event.sender,
            room_id=event.room_id,
            event_id=event.event_id,
        )
        redact = Redact(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            conduct_on=event.sender,
            room_id=event.room_id,
            event_id=event.event_id,
            reason=self.name,
        )
        yield redact
        yield Card(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            conduct_on=event.sender,
            after=redact.key,
            community=room.community,
            place=Place.MODERATORS,
            about=event.sender,
            text="card.contact_details_removed",
            case=Track.CONDUCT,
        )
