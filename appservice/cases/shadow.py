"""What rules in shadow would have done: counted without a word of anybody's, and told to those who moderate on request."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from appservice.effects import Speaker
from appservice.flow import (
    Attempt,
    Clock,
    Done,
    Effect,
    EventInput,
    Facts,
    Item,
    NoteShadow,
    Place,
    Refused,
    Result,
    Rules,
    ShowShadow,
    UrgentMessage,
)
from appservice.people import DirectRooms
from appservice.store import Commit, Questions

#: ms of which is told.
TOLD_MS: Final = 7 * 24 * 3600 * 1000
#: Messages that are kept in mind, and those of one rule that an answer links to.
_KEPT_MOST: Final = 10_000
_LINKED: Final = 5
_WORD: Final = "shadow"
_DUTIES: Final = ("moderate", "safeguard")
#: How people are told of it: a reach at which a message can be read.
_READABLE: Final = {"reached", "invited"}


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A message that a rule would have removed. `about` is its author, who is not to see it here (CARE, rule 4)."""

    rule: str
    community: str
    room_id: str
    event_id: str
    about: str
    at_ms: int


class ShadowBook:
    """What was counted in the last days: in memory for answers, in the store with the commit of its input."""

    def __init__(self, homeserver: str, clock: Clock) -> None:
        self._homeserver = homeserver
        self._clock = clock
        self._noted: deque[Shadowed] = deque(maxlen=_KEPT_MOST)
        self.rules: Rules | None = None

    async def load(self, questions: Questions) -> None:
        """Take up what an earlier life of ours counted. Raises `StoreRefused`."""
        for row in await questions.shadowed(self._clock.now_ms() - TOLD_MS):
            self._noted.append(Shadowed(*row))

    def note(self, effect: Effect) -> Commit:
        """Count one message; return its row."""
        assert isinstance(effect, NoteShadow)
        one = Shadowed(effect.rule, effect.community, effect.room_id, effect.event_id, effect.about, effect.at_ms)
        self._noted.append(one)

        def undo() -> None:
            if one in self._noted:
                self._noted.remove(one)

        return Commit(shadowed=[{"homeserver": self._homeserver} | asdict(one)], undo=[undo])

    def seen_by(self, community: str, user_id: str) -> list[Shadowed]:
        """Return what somebody may be told, the newest first.

        Of those who moderate only those who answer for safeguarding learn, and nobody of themselves (CARE, rule 4).
        """
        rules = self.rules
        if rules is None:
            return []
        lead = rules.can(community, user_id, "safeguard")
        return [
            one
            for one in self._lately()
            if one.community == community and one.about != user_id and (lead or not self._among_us(one))
        ]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many messages each rule would have removed, for `status`; not those of people who may read it."""
        found: dict[str, int] = {}
        for one in self._lately():
            if not self._among_us(one):
                found[one.rule] = found.get(one.rule, 0) + 1
        return dict(sorted(found.items()))

    def _lately(self) -> list[Shadowed]:
        since = self._clock.now_ms() - TOLD_MS
        return [one for one in reversed(self._noted) if one.at_ms > since]

    def _among_us(self, one: Shadowed) -> bool:
        """Whether its author looks after the community: would see the answer, or the numbers."""
        rules = self.rules
        places = (Place.MODERATORS, Place.SAFEGUARDING, Place.OPS)
        return rules is not None and any(rules.admits(one.community, place, one.about) for place in places)


class ShadowWords:
    """The word `shadow` in the moderators' room: who may is told privately what rules in shadow would have done."""

    name = "shadow_words"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room, rules = item.event, facts.room, facts.rules
        if rules is None or room.place is not Place.MODERATORS or event.redacted or event.sender in facts.ghosts:
            return
        if event.type != "m.room.message" or event.content.get("msgtype") != "m.text" or item.late:
            return
        body = event.content.get("body")
        if not isinstance(body, str) or body[:20].strip().rstrip(".!?").lower() != _WORD or event.replaces is not None:
            return
        if room.members.get(event.sender) != "join":
            return
        if not _may(rules, room.community, event.sender):
            entry = {"person": event.sender}
            yield UrgentMessage(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                user_id=event.sender,
                text="case.not_yours",
                items=(entry,),
            )
            return
        yield ShowShadow(source=item.id, rule=self.name, lane=item.lane, community=room.community, user_id=event.sender)


class ShowShadowExecutor:
    """Tells one person, who may know it at that moment, in their direct room. No words of anybody's, and no names."""

    def __init__(self, book: ShadowBook, rooms: DirectRooms, speaker: Speaker) -> None:
        self._book = book
        self._rooms = rooms
        self._speaker = speaker

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, ShowShadow)
        rules = self._book.rules
        if rules is None or not _may(rules, effect.community, effect.user_id):
            return Refused("not_theirs")
        room_id, how = await self._rooms.ensure(effect.user_id, effect.key)
        if how not in _READABLE:
            return Refused("not_reached")
        items = self._items(effect)
        done: Done = await self._speaker.say(room_id, effect, "shadow.told", items, attempt)
        return done

    def _items(self, effect: ShowShadow) -> tuple[Item, ...]:
        """One item a message; the first of each rule says how many that rule has."""
        by_rule: dict[str, list[Shadowed]] = {}
        for one in self._book.seen_by(effect.community, effect.user_id):
            by_rule.setdefault(one.rule, []).append(one)
        person = {"person": effect.user_id}
        return tuple(
            person
            | {"kind": rule, "room": one.room_id, "event": one.event_id}
            | ({"count": str(len(found))} if n == 0 else {})
            for rule, found in sorted(by_rule.items())
            for n, one in enumerate(found[:_LINKED])
        ) or (person,)


def _may(rules: Rules, community: str, user_id: str) -> bool:
    return any(rules.can(community, user_id, duty) for duty in _DUTIES)
