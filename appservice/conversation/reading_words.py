"""`say TEXT`, written to the helper program in private, and `post`, `show`, `give back`, by those who read it first.

The words of a newcomer are sealed at once; no card holds them. Who may read them is asked when it happens. Only who was
shown something decides about it: a yes to what nobody has read would be none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from appservice.cases import answered, is_a_call, plain_key, spoken
from appservice.flow import (
    MOST_CHARACTERS,
    MOST_WAITING,
    SAY,
    DecideWords,
    DirectMessage,
    DropWords,
    Effect,
    EventInput,
    Facts,
    HoldWords,
    Newcomer,
    NewcomerCard,
    Newcomers,
    Place,
    PostWords,
    ReturnWords,
    ShowWords,
    UrgentMessage,
    Words,
    WordsState,
)

#: What can be tapped on a card, with the word that does the same.
TAPS: Final[Mapping[str, str]] = {"👀": "show", "✅": "post", "❌": "give back"}
_SAY: Final = re.compile(r"say\b[:,]?[ \t]*", re.IGNORECASE)
_IN: Final = re.compile(r"in[ \t]+([^:\n]{1,200}):[ \t]*", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"N-[A-Z2-7]{5}", re.IGNORECASE)
_HOUSE: Final = frozenset({Place.MODERATORS, Place.SAFEGUARDING})


@dataclass(frozen=True, slots=True)
class _Typed:
    """What somebody typed about a newcomer's words: what to do, of whom (by reference, or by replying to the card)."""

    action: str
    reference: str
    answers: str


class Say:
    """A newcomer sends something for reading. Sees nothing else: whatever is not for it is somebody's talk."""

    name = SAY

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        newcomers = facts.newcomers
        if newcomers is None:
            return
        if item.event.redacts is not None:
            yield from self._taken_back(item, newcomers)
        elif item.event.replaces is not None:
            yield from self._changed(item, facts, newcomers, item.event.replaces)
        elif (said := _said(item, facts)) is not None:
            yield from self._sent(item, facts, newcomers, said)

    def _taken_back(self, item: EventInput, newcomers: Newcomers) -> Iterable[Effect]:
        """Who removes their own message to us takes back what it was to say."""
        words = newcomers.sent_by(item.event.redacts or "")
        if words is None or words.user_id != item.event.sender:
            return
        of = _common(item, self.name) | {"community": words.community, "group": words.group, "user_id": words.user_id}
        yield DropWords(**of, words_id=words.id)
        yield NewcomerCard(**of)

    def _changed(self, item: EventInput, facts: Facts, newcomers: Newcomers, edited: str) -> Iterable[Effect]:
        """Who edits their message to us wants that to be read, and no more what it said before. It is read anew."""
        words, new = newcomers.sent_by(edited), item.event.content.get("m.new_content")
        if words is None or words.user_id != item.event.sender or words.state is not WordsState.WAITS:
            return
        said = _said(item, facts, new if isinstance(new, Mapping) else {})
        sent = list(self._sent(item, facts, newcomers, said or "", edited))
        of = _common(item, self.name) | {"community": words.community, "group": words.group, "user_id": words.user_id}
        yield DropWords(**of, words_id=words.id)
        yield from sent
        if (card := NewcomerCard(**of)) not in sent:
            yield card

    def _sent(
        self, item: EventInput, facts: Facts, newcomers: Newcomers, said: str, edits: str = ""
    ) -> Iterable[Effect]:
        groups, sender = newcomers.groups_of(item.event.sender), item.event.sender
        text, group = said, groups[0] if len(groups) == 1 else None
        if (named := _IN.match(said)) is not None:
            wanted = " ".join(named[1].split()).casefold()
            found = next((one for one in groups if wanted in (one[1].casefold(), one[0])), None)
            if found is not None:
                text, group = said[named.end() :], found
        text = text.strip()
        if group is None:
            yield self._told(item, "first.which", *({"room": one[2]} for one in groups))
        elif not text or len(text) > MOST_CHARACTERS:
            yield self._told(item, "first.how")
        elif newcomers.open_of(sender) - bool(edits) >= MOST_WAITING:
            yield self._told(item, "first.enough", {"room": group[2]})
        elif (sealed := newcomers.seal(text)) is None:
            yield self._told(item, "first.cannot")
        else:
            yield from self._held(item, facts, group, sealed, edits)

    def _held(
        self, item: EventInput, facts: Facts, group: tuple[str, str, str], sealed: bytes, edits: str
    ) -> Iterable[Effect]:
        common = _common(item, self.name) | {
            "community": facts.room.community,
            "group": group[0],
            "user_id": item.event.sender,
        }
        yield HoldWords(**common, sealed=sealed, at_ms=item.received_ms, edits=edits)
        yield NewcomerCard(**common)
        yield self._told(item, "first.heard", {"room": group[2]})

    def _told(self, item: EventInput, text: str, *values: Mapping[str, str]) -> DirectMessage:
        sender = item.event.sender
        items = tuple({"person": sender, **one} for one in values) or ({"person": sender},)
        return DirectMessage(**_common(item, self.name), user_id=sender, text=text, items=items)


class ReadingWords:
    """Those who look after a group read what a newcomer wrote, and decide."""

    name = "reading_words"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room, newcomers = item.event, facts.room, facts.newcomers
        if newcomers is None or event.redacted or event.sender in facts.ghosts:
            return
        if room.members.get(event.sender) != "join" or (room.place not in _HOUSE and not _is_theirs(item, facts)):
            return
        if event.type == "m.reaction":
            relation = event.content.get("m.relates_to")
            if not isinstance(relation, Mapping) or relation.get("rel_type") != "m.annotation":
                return
            target, key = relation.get("event_id"), relation.get("key")
            action = TAPS.get(plain_key(key)) if isinstance(key, str) else None
            newcomer = newcomers.by_card(event.room_id, target) if isinstance(target, str) else None
            if newcomer is not None and action is not None:
                yield from self._answer(item, facts, newcomers, newcomer, action)
            return
        typed = _typed(item, facts)
        if typed is None:
            return
        found = _meant(item, facts, newcomers, typed)
        if isinstance(found, str):
            yield self._told(item, found)
        elif found is not None:
            yield from self._answer(item, facts, newcomers, found, typed.action)

    def _answer(
        self, item: EventInput, facts: Facts, newcomers: Newcomers, newcomer: Newcomer, action: str
    ) -> Iterable[Effect]:
        sender = item.event.sender
        if not newcomers.may(newcomer, sender):
            yield self._told(item, "first.not_yours")
            return
        waiting = newcomers.waiting(*newcomer.key)
        mine = [one for one in waiting if sender in one.shown]
        if not waiting:
            yield self._told(item, "first.over")
        elif action == "show" or not mine:
            shown = tuple(one.id for one in waiting)
            yield ShowWords(**self._of(item, newcomer), words=shown, to=sender, at_ms=item.received_ms)
        elif action == "post":
            yield from self._post(item, facts, newcomers, newcomer, mine)
        else:
            yield from self._give_back(item, facts, newcomers, newcomer, mine, "declined")

    def _post(
        self, item: EventInput, facts: Facts, newcomers: Newcomers, newcomer: Newcomer, words: list[Words]
    ) -> Iterable[Effect]:
        room_id = _room_of(newcomers, newcomer)
        left = newcomers.left(newcomer.group, newcomer.user_id)
        # While the room is read anew, nobody is known to be in it: it is looked at again when the words leave.
        if not room_id and (not left or _is_known(facts, newcomer.group)):
            yield from self._give_back(item, facts, newcomers, newcomer, words, "gone" if left else "free")
            return
        of, sender = self._of(item, newcomer), item.event.sender
        yield DecideWords(**of, words=tuple(one.id for one in words), posts=True, by=sender)
        posts = [PostWords(**of, words_id=one.id) for one in words]
        yield from posts
        told = {"person": newcomer.user_id, "room": room_id, "left": str(max(0, left - len(words)))}
        yield UrgentMessage(  # said alone: what is left may be another by the next one
            **_common(item, self.name),
            after=posts[-1].key,
            user_id=newcomer.user_id,
            text="first.posted",
            items=(told,),
        )
        yield NewcomerCard(**of, once=posts[-1].key)

    def _give_back(
        self,
        item: EventInput,
        facts: Facts,
        newcomers: Newcomers,
        newcomer: Newcomer,
        words: list[Words],
        why: str,
    ) -> Iterable[Effect]:
        of = self._of(item, newcomer)
        yield DecideWords(**of, words=tuple(one.id for one in words), posts=False, by=item.event.sender)
        yield give_back(_common(item, self.name), newcomer.user_id, _room_of(newcomers, newcomer), words, why)
        yield NewcomerCard(**of)

    def _of(self, item: EventInput, newcomer: Newcomer) -> dict[str, Any]:
        return _common(item, self.name) | {
            "community": newcomer.community,
            "group": newcomer.group,
            "user_id": newcomer.user_id,
        }

    def _told(self, item: EventInput, text: str) -> UrgentMessage:
        sender = item.event.sender
        return UrgentMessage(**_common(item, self.name), user_id=sender, text=text, items=({"person": sender},))


def give_back(common: Mapping[str, Any], user_id: str, room_id: str, words: Iterable[Words], why: str) -> ReturnWords:
    """Return what gives words back to who wrote them; `why` it is, as `ReturnWords` says."""
    items = tuple({"person": user_id, "room": room_id, "id": one.id, "why_back": why} for one in words)
    return ReturnWords(**common, user_id=user_id, text="first.back", items=items)


def is_for_reading(item: EventInput, facts: Facts) -> bool:
    """Return whether somebody sends or answers words for reading in private, so that nobody else need answer."""
    if _said(item, facts) is not None:
        return True
    typed = _typed(item, facts)
    if typed is None or facts.newcomers is None or not _is_theirs(item, facts):
        return False
    return _meant(item, facts, facts.newcomers, typed) is not None


def _said(item: EventInput, facts: Facts, edited: Mapping[str, Any] | None = None) -> str | None:
    """Return what somebody whose first messages are read sends for reading, None for anything else they write.

    Who calls for help says it to us, and not to the group. edited: what an edit makes of a message.
    """
    event, newcomers, content = item.event, facts.newcomers, item.event.content if edited is None else edited
    if newcomers is None or event.type != "m.room.message" or content.get("msgtype") != "m.text":
        return None
    if event.redacted or (event.replaces is not None and edited is None) or not _is_theirs(item, facts):
        return None
    words = spoken(content, facts.ghosts.guardian)
    begins = _SAY.match(words)
    if begins is None or not newcomers.groups_of(event.sender) or is_a_call(words[begins.end() :]):
        return None
    return words[begins.end() :]


def _typed(item: EventInput, facts: Facts) -> _Typed | None:
    event = item.event
    if event.type != "m.room.message" or event.content.get("msgtype") != "m.text" or event.replaces is not None:
        return None
    words = spoken(event.content, facts.ghosts.guardian)[:100].lower().split()
    reference = words.pop().rstrip(".,").upper() if words and _REFERENCE.fullmatch(words[-1].rstrip(".,")) else ""
    action = {"post": "post", "show": "show", "give back": "give back"}.get(" ".join(words))
    return _Typed(action, reference, answered(event.content)) if action is not None else None


def _meant(item: EventInput, facts: Facts, newcomers: Newcomers, typed: _Typed) -> Newcomer | str | None:
    """Return whose words are meant, else what is answered; None where it is somebody's talk."""
    room_id, sender = item.event.room_id, item.event.sender
    if typed.reference:
        found = newcomers.by_reference(typed.reference)
        # Who may not see it learns not even that it is there (CARE, rule 4).
        return found if found is not None and newcomers.may(found, sender) else "first.unknown"
    if typed.answers and (found := newcomers.by_card(room_id, typed.answers)) is not None:
        return found
    known = {one.key: one for one in newcomers.open_in(room_id)}
    if facts.room.place is Place.DIRECT:
        known |= {one.key: one for one in newcomers.shown_to(sender)}
    waiting = [one for one in known.values() if newcomers.may(one, sender)]
    if len(waiting) > 1:
        return "first.which_card"
    return waiting[0] if waiting else None


def _room_of(newcomers: Newcomers, newcomer: Newcomer) -> str:
    """Return the room in which a newcomer still waits, "" for none."""
    groups = newcomers.groups_of(newcomer.user_id)
    return next((room_id for group, _, room_id in groups if group == newcomer.group), "")


def _is_known(facts: Facts, group: str) -> bool:
    return any(found == group and facts.room_of(room_id) is not None for room_id, found in facts.groups.items())


def _is_theirs(item: EventInput, facts: Facts) -> bool:
    return facts.room.place is Place.DIRECT and facts.direct_rooms.get(item.event.sender) == item.event.room_id


def _common(item: EventInput, rule: str) -> dict[str, Any]:
    return {"source": item.id, "rule": rule, "lane": item.lane}
