"""`add R-…` and `decline R-…`, typed where the card of a request stands: how requests to join are answered without an invite."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Iterable
from hashlib import sha256

from appservice.flow import Approve, DirectMessage, Effect, EventInput, Facts, Invite, Notice, Place, Remove
from appservice.membership.places import Capacities, is_full

_WORDS = ("add", "decline")
#: Where cards of requests stand: of those who sit with the moderators, in the other room.
_PLACES = {Place.MODERATORS, Place.SAFEGUARDING}


def request_reference(room_id: str, user_id: str) -> str:
    """Return the short name (`R-ABCDE`) of one person's request to join one room; it says nothing by itself."""
    digest = sha256(f"{room_id}\x1f{user_id}".encode("utf-8", "surrogatepass")).digest()
    return "R-" + b32encode(digest).decode("ascii")[:5]


class JoinWords:
    """Answers of those whose role may; checked when they are typed, against the requests that wait at that moment."""

    name = "join_words"

    def __init__(self, capacities: Capacities | None = None) -> None:
        self._capacities = capacities or {}

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, rules = item.event, facts.rules
        if event.type != "m.room.message" or facts.room.place not in _PLACES or rules is None:
            return
        word, reference = _read(event.content.get("body"))
        if word is None or event.redacted or item.late:
            return
        if event.content.get("msgtype") != "m.text" or facts.room.members.get(event.sender) != "join":
            return
        if not rules.can(facts.room.community, event.sender, "approve_join"):
            yield self._say(item, "request.not_yours")
            return
        asked = [(room, user) for room, user in facts.knocks if request_reference(room, user) == reference]
        if len(asked) != 1:
            yield self._say(item, "request.unknown")
            return
        room_id, person = asked[0]
        if person == event.sender:  # nobody lets themselves in (CARE, rule 4)
            yield self._say(item, "request.not_yours")
            return
        group = facts.groups.get(room_id, "")
        if group and not rules.approves(facts.room.community, group, event.sender):
            yield self._say(item, "request.not_yours")
            return
        yield from self._answer(item, facts, word, room_id, person)

    def _answer(self, item: EventInput, facts: Facts, word: str, room_id: str, person: str) -> Iterable[Effect]:
        group = facts.groups.get(room_id, "")
        if not group:
            yield self._say(item, "request.unknown")
            return
        if word == "add":
            if is_full(self._capacities, facts.room_of(room_id), facts, person):
                yield self._say(item, "request.full")
                return
            yield Approve(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                community=facts.room.community,
                group=group,
                user_id=person,
                by=item.event.sender,
            )
            invite = Invite(source=item.id, rule=self.name, lane=item.lane, room_id=room_id, user_id=person)
            yield invite
            yield self._say(item, "request.added", invite.key)
            return
        remove = Remove(
            source=item.id, rule=self.name, lane=item.lane, room_id=room_id, user_id=person, code="declined"
        )
        yield remove
        yield DirectMessage(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            after=remove.key,
            user_id=person,
            text="your.request_declined",
            items=({"person": person, "room": room_id},),
        )
        yield self._say(item, "request.declined", remove.key)

    def _say(self, item: EventInput, text: str, after: str | None = None) -> Notice:
        return Notice(
            source=item.id,
            rule=self.name,
            lane=item.lane,
            after=after,
            room_id=item.event.room_id,
            text=text,
            items=({"event": item.event.event_id},),
        )


def _read(body: object) -> tuple[str | None, str]:
    words = body[:100].split() if isinstance(body, str) else []
    if len(words) == 2 and words[0].lower() in _WORDS:
        return words[0].lower(), words[1].upper()
    return None, ""
