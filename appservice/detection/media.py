"""Groups of words only: pictures, files, recordings and places are taken away, kindly. Pure.

To the homeserver they are ordinary messages, so power levels cannot stop them; stickers they can, and do.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from appservice.detection.ways import moderates, of_way
from appservice.flow import MEDIA, Effect, EventInput, Facts, GiveBack, Place, Redact

__all__ = ["Media", "is_media"]

#: Kinds of messages that are words, whatever else stands in them: clients show nothing but the words.
_WORDS: Final = frozenset({"m.text", "m.notice", "m.emote"})
_OTHERS: Final = frozenset({"m.image", "m.file", "m.audio", "m.video", "m.location"})
#: Fields of messages of kinds that we do not know, by which something is fetched, or a place is told.
_FIELDS: Final = frozenset({"url", "file", "geo_uri", "itemtypes"})
#: Types of events that are media by themselves.
_TYPES: Final = frozenset({"m.sticker", "m.image", "m.file", "m.audio", "m.video", "m.voice", "m.location"})
#: ms until their author is told, so that several are told at once.
_GATHER_MS: Final = 2 * 1000


class Media:
    """`words_only` are the groups in which nothing but words is shared."""

    name = MEDIA

    def __init__(self, words_only: Collection[str]) -> None:
        self._words_only = frozenset(words_only)

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room = item.event, facts.room
        if room.place is not Place.GROUP or room.group not in self._words_only:
            return
        if event.state_key is not None or event.redacted or not event.sender or not is_media(event.type, event.content):
            return
        if facts.in_distress(event.sender) or moderates(room, facts, event.sender):
            return
        redact = Redact(**of_way(item, self.name), room_id=event.room_id, event_id=event.event_id, reason=self.name)
        yield redact
        yield GiveBack(
            **of_way(item, self.name),
            after=redact.key,
            user_id=event.sender,
            text="your.media_removed",
            items=({"person": event.sender, "room": event.room_id},),
            not_before_ms=item.received_ms + _GATHER_MS,
        )


def is_media(event_type: str, content: Mapping[str, Any]) -> bool:
    """Return whether an event shows or hands on more than words; of an edit, also what it turns a message into."""
    if event_type in _TYPES:
        return True
    if event_type != "m.room.message":
        return False
    new = content.get("m.new_content")
    return _shows(content) or (isinstance(new, Mapping) and _shows(new))


def _shows(content: Mapping[str, Any]) -> bool:
    kind = content.get("msgtype")
    if isinstance(kind, str) and kind in _WORDS:
        markup = content.get("formatted_body")
        return isinstance(markup, str) and "<img" in markup.lower()
    return (isinstance(kind, str) and kind in _OTHERS) or not _FIELDS.isdisjoint(content)
