"""What stood around a removed message in its room, as it is now: read when somebody asks to see it, and never kept."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import islice
from typing import Any, Final

import orjson
import structlog

from appservice.flow import Event, Item
from appservice.matrix import Actor, HomeserverClient, HomeserverError, parse_event

log = structlog.get_logger()

#: Messages that are shown, before and after together; where one side has fewer, the other has more.
MOST: Final = 10
_EACH_SIDE: Final = MOST // 2
#: Events that are asked for: edits and our own words lie between messages.
_READ: Final = 60
#: Seconds that are waited for them: what was removed is shown in any case.
_WITHIN_S: Final = 1.5
#: Characters of one of them that are shown at most, and bytes that they take as body and HTML.
_CHARACTERS_EACH: Final = 320
_BYTES_EACH: Final = 2_000
_MESSAGE: Final = "m.room.message"
#: Kinds of messages that are words of people; a notice is a program's.
_WORDS: Final = ("m.text", "m.emote")

#: `masked(content)` is the start of what a message says, without anybody's contact details.
Masked = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True)
class Around:
    """Reads it as the guardian. `ours(user_id)` tells our own, `removed_edits(ids)` which empty messages were edits."""

    client: HomeserverClient
    guardian: Actor
    ours: Callable[[str], bool]
    removed_edits: Callable[[Sequence[str]], Awaitable[set[str]]]
    masked: Masked

    async def read(self, room_id: str, event_id: str, *, with_itself: bool = False) -> tuple[Item, ...] | None:
        """Return what stands around a message, oldest first; None where it cannot be read.

        with_itself: where only an edit of it is shown, what the message says now belongs to what stands around.

        Each item has `stood`: a `message` (with `about` and `words`), one that was `removed` (with `about`), or `here`,
        the place of the message itself; that is not told where nothing else stands. Raises `StoreRefused`.
        """
        try:
            async with asyncio.timeout(_WITHIN_S):
                found = await self.client.context(room_id, event_id, self.guardian, limit=_READ, types=(_MESSAGE,))
        except (HomeserverError, TimeoutError) as error:
            log.warning("context_not_read", error=type(error).__name__)
            return None
        itself = found.get("event")
        if not isinstance(itself, dict) or itself.get("room_id") != room_id:
            return None  # an edit names what it edits, and may name what stands elsewhere
        before, after = _parsed(found, "events_before", room_id), _parsed(found, "events_after", room_id)
        here = (parse_event(itself, room_id), itself)
        empty = [event.event_id for event, _ in (*before, *after) if event.redacted]
        edits = await self.removed_edits(empty) if empty else set[str]()
        later = list(islice(self._shown(after, edits), MOST))
        nearest = (here, *before) if with_itself and not here[0].redacted else before
        earlier = list(islice(self._shown(nearest, edits), MOST - len(later[:_EACH_SIDE])))[::-1]
        later = later[: MOST - len(earlier)]
        return (*earlier, {"stood": "here"}, *later) if earlier or later else ()

    def _shown(self, events: Iterable[tuple[Event, object]], edits: Collection[str]) -> Iterator[Item]:
        """Yield what of these is shown, in their order."""
        for event, raw in events:
            if event.event_id not in edits and (item := self._item(event, raw)) is not None:
                yield item

    def _item(self, event: Event, raw: object) -> Item | None:
        """Return how one event is shown, None where it is not."""
        if event.type != _MESSAGE or event.is_state or not event.sender or self.ours(event.sender):
            return None
        if event.redacted:
            return {"stood": "removed", "about": event.sender}
        if event.replaces is not None:
            return None  # its message says it
        content = _newest(event, raw)
        if content.get("msgtype") not in _WORDS:
            return None
        words = fitting(self.masked(content), _CHARACTERS_EACH, _BYTES_EACH)
        return {"stood": "message", "about": event.sender, "words": words} if words.strip() else None


def _parsed(answer: Mapping[str, Any], name: str, room_id: str) -> list[tuple[Event, object]]:
    events = answer.get(name)
    return [(parse_event(raw, room_id), raw) for raw in events[:_READ]] if isinstance(events, list) else []


def _newest(event: Event, raw: object) -> Mapping[str, Any]:
    """Return the content of a message as its newest edit left it; the homeserver bundles that with it."""
    node: object = raw
    for name in ("unsigned", "m.relations", "m.replace"):
        node = node.get(name) if isinstance(node, dict) else None
    edit = parse_event(node, event.room_id)
    new = edit.content.get("m.new_content")
    theirs = edit.sender == event.sender and edit.replaces == event.event_id and not edit.redacted
    return new if theirs and isinstance(new, dict) else event.content


def fitting(words: str, characters: int, most_bytes: int) -> str:
    """Return as much of `words`, from the start, as takes at most so many characters, and bytes as body and as HTML."""
    words = words[:characters]
    while words and (taken := _bytes_of(words)) > most_bytes:
        words = words[: min(len(words) - 1, len(words) * most_bytes // taken)]
    return words


def _bytes_of(words: str) -> int:
    return len(orjson.dumps(words)) + len(orjson.dumps(escape(words).replace("\n", "<br>")))
