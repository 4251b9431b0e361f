"""What a person's client shows of a room: pure reading of events as the Client-Server API hands them out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

_COUNT_IN_NOTICE = re.compile(r"I removed (a|\d+) messages? here")
_COUNT_IN_DIRECT_MESSAGE = re.compile(r"I removed (a|\d+) messages? of yours")
_COUNT_IN_CARD = re.compile(r"(\d+) messages? removed")
_LINK = re.compile(r"https://matrix\.to/#/[^/\"]+/([^?\"]+)")


@dataclass(frozen=True)
class SeenEvent:
    """One event of a timeline. `redacts` is set on redactions, `redacted_by` on events that lost their content."""

    event_id: str
    room_id: str
    sender: str
    type: str
    state_key: str | None
    content: Mapping[str, Any]
    redacts: str | None
    redacted_by: str | None
    timestamp: int
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def replaces(self) -> str | None:
        """The event that this one is an edit of."""
        relation = self.content.get("m.relates_to")
        is_edit = isinstance(relation, dict) and relation.get("rel_type") == "m.replace"
        return relation.get("event_id") if isinstance(relation, dict) and is_edit else None


@dataclass(frozen=True)
class SeenMessage:
    """A message as a client shows it: the newest valid edit applied, `text` None if it was removed.

    `event_id` is the first event's; `edits` are the ids of the edits, oldest first.
    """

    event_id: str
    room_id: str
    sender: str
    text: str | None
    html: str
    msgtype: str
    edits: tuple[str, ...]


@dataclass(frozen=True)
class Sent:
    """A message that a person sent."""

    event_id: str
    room_id: str
    author: str


@dataclass(frozen=True)
class Told:
    """What people see that came of some violations; every count should be exactly one per violation.

    `redactions` and `cards` (links) by event, `notices` by room, `privately`, `on_cards` and `direct_rooms` by author.
    """

    redactions: Mapping[str, list[str]]
    notices: Mapping[str, int]
    privately: Mapping[str, int]
    cards: Counter[str]
    on_cards: Mapping[str, int]
    direct_rooms: Mapping[str, int]

    def missing(self, violations: Iterable[Sent]) -> list[str]:
        """What has not been said or done yet, in words."""
        return [words for words, count, wanted in self._compared(violations) if count < wanted]

    def repeated(self, violations: Iterable[Sent]) -> list[str]:
        """What was said or done more often than once, in words."""
        return [words for words, count, wanted in self._compared(violations) if count > wanted]

    def _compared(self, violations: Iterable[Sent]) -> Iterable[tuple[str, int, int]]:
        listed = list(violations)
        for event in listed:
            count = len(self.redactions.get(event.event_id, ()))
            yield f"{count} redactions of {event.event_id}", count, 1
            # A card links the first ten messages it speaks of, and counts all of them.
            count = max(self.cards[event.event_id], 1)
            yield f"{count} links on cards to {event.event_id}", count, 1
        for room_id, wanted in Counter(event.room_id for event in listed).items():
            yield f"{self.notices[room_id]} of {wanted} told in {room_id}", self.notices[room_id], wanted
        for author, wanted in Counter(event.author for event in listed).items():
            yield f"{self.privately[author]} of {wanted} told to {author}", self.privately[author], wanted
            yield f"{self.on_cards[author]} of {wanted} on cards about {author}", self.on_cards[author], wanted
            yield f"{self.direct_rooms[author]} direct rooms of {author}", self.direct_rooms[author], 1


def seen_event(raw: Mapping[str, Any], room_id: str) -> SeenEvent:
    """Read an event of `/messages` or `/sync`."""
    content = raw.get("content", {})
    because = raw.get("unsigned", {}).get("redacted_because")
    return SeenEvent(
        event_id=raw["event_id"],
        room_id=room_id,
        sender=raw["sender"],
        type=raw["type"],
        state_key=raw.get("state_key"),
        content=content,
        redacts=content.get("redacts") or raw.get("redacts"),
        redacted_by=because["event_id"] if because else None,
        timestamp=raw["origin_server_ts"],
        raw=raw,
    )


def messages(timeline: Iterable[SeenEvent]) -> list[SeenMessage]:
    """Return the messages of a timeline, oldest first.

    An edit counts if it is by the same sender and of a message that is not an edit itself (specification, "Validity of
    replacement events"); any other is not shown, as clients do it.
    """
    shown: dict[str, SeenMessage] = {}
    for event in timeline:
        if event.type != "m.room.message":
            continue
        edited = shown.get(event.replaces or "")
        if event.replaces is None:
            text = None if event.redacted_by else event.content.get("body")
            shown[event.event_id] = _message(event, event.event_id, event.content, text, ())
        elif edited is not None and edited.sender == event.sender and edited.text is not None:
            new = event.content.get("m.new_content", {})
            edits = (*edited.edits, event.event_id)
            shown[edited.event_id] = _message(event, edited.event_id, new, new.get("body"), edits)
    return list(shown.values())


def _message(
    event: SeenEvent, event_id: str, content: Mapping[str, Any], text: str | None, edits: tuple[str, ...]
) -> SeenMessage:
    return SeenMessage(
        event_id=event_id,
        room_id=event.room_id,
        sender=event.sender,
        text=text,
        html=content.get("formatted_body", ""),
        msgtype=content.get("msgtype", ""),
        edits=edits,
    )


def removals_told_in_notices(shown: Iterable[SeenMessage], guardian: str) -> int:
    """How many removals the guardian's notices of one room speak of, all together."""
    return sum(_told(_COUNT_IN_NOTICE, message) for message in shown if message.sender == guardian)


def removals_told_privately(shown: Iterable[SeenMessage], guardian: str) -> int:
    """How many removals the guardian's messages of one direct room speak of, all together."""
    return sum(_told(_COUNT_IN_DIRECT_MESSAGE, message) for message in shown if message.sender == guardian)


def removals_on_cards(shown: Iterable[SeenMessage], guardian: str) -> Counter[str]:
    """How often each removed event is linked from the guardian's cards of one room."""
    cards: Counter[str] = Counter()
    for message in shown:
        if message.sender == guardian and message.text is not None:
            cards.update(link for link in map(unquote, _LINK.findall(message.html)) if link.startswith("$"))
    return cards


def removals_counted_on_cards(shown: Iterable[SeenMessage], guardian: str, author: str) -> int:
    """How many removals the guardian's cards about `author` (a user id) speak of, all together."""
    about, listed = f"Written by {author}.", re.compile(rf"[HSP]-\d{{4}}: (\d+) by {re.escape(author)}[.,]")
    cards = [card for card in shown if card.sender == guardian]
    own = sum(_told(_COUNT_IN_CARD, card) for card in cards if about in (card.text or ""))
    # After five cards in a week the rest stands in one list (CARE, rule 16).
    return own + sum(int(count) for card in cards for count in listed.findall(card.text or ""))


def redactions(timeline: Iterable[SeenEvent], by: str) -> dict[str, list[str]]:
    """The redaction events that `by` sent, by the event they remove."""
    found: dict[str, list[str]] = {}
    for event in timeline:
        if event.type == "m.room.redaction" and event.sender == by and event.redacts is not None:
            found.setdefault(event.redacts, []).append(event.event_id)
    return found


def _told(pattern: re.Pattern[str], message: SeenMessage) -> int:
    match = pattern.search(message.text or "")
    if match is None:
        return 0
    return 1 if match[1] == "a" else int(match[1])


def order_of(events: Sequence[SeenEvent], ids: Iterable[str]) -> list[str]:
    """Those of `ids` that are in the timeline, in its order."""
    wanted = set(ids)
    return [event.event_id for event in events if event.event_id in wanted]
