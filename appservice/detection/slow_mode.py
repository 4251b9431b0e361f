"""Slow mode: each person waits a while between two messages. Kind first, never in the way of help, and nothing is lost.

The first message in a day that comes too soon stays, and its author is asked to wait. Later ones are taken away and
given back in private. Nobody is slowed who is in distress, or asked us to be quiet, and nobody in a room in which somebody
needs help.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from appservice.detection.ways import moderates, of_way
from appservice.flow import (
    SLOW_MODE,
    Case,
    DirectMessage,
    Effect,
    EventInput,
    Facts,
    GiveBack,
    Item,
    OpenCase,
    Origin,
    Place,
    Redact,
    Track,
    Turn,
)
from appservice.store import Commit

#: What counts as a message. Reactions are none, and edits are no new ones.
TALK: Final = frozenset({"m.room.message", "m.sticker", "m.poll.start", "org.matrix.msc3381.poll.start"})
#: ms in which somebody is asked to wait once, before messages are taken away.
_ASKED_MS: Final = 24 * 3600 * 1000
#: ms in which a person gets one message about what was taken away, and after which the first is sent.
_TOLD_AGAIN_MS: Final = 2 * 60 * 1000
_GATHER_MS: Final = 2 * 1000
#: ms that nobody is slowed in a room after somebody there needed help.
RESTS_MS: Final = 3600 * 1000
#: People in rooms, and messages, that are kept in mind.
_TURNS_MOST: Final = 50_000
_TAKEN_MOST: Final = 10_000
_NEVER: Final = Turn()


class SlowMode:
    """`pauses` are the ms that each person waits, by group."""

    name = SLOW_MODE

    def __init__(self, pauses: Mapping[str, int]) -> None:
        self._pauses = pauses

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event, room, turns = item.event, facts.room, facts.turns
        if not is_talk(item, facts) or room.group not in self._pauses or turns is None:
            return
        pause = self._pauses[room.group]
        redact = Redact(**of_way(item, self.name), room_id=event.room_id, event_id=event.event_id, reason=self.name)
        if event.replaces is not None:
            if turns.taken(event.replaces):
                yield redact  # clients show the edit of a message that is gone as a message
            return
        turn = turns.of(event.room_id, event.sender)
        if not _too_soon(item, turn, pause) or turns.rests(event.room_id, item.received_ms):
            return
        if facts.in_distress(event.sender) or moderates(room, facts, event.sender):
            return
        if event.sender in facts.quiet:
            return  # they could not be told, nor given their words back (CARE, rule 6): words weigh more than pace
        told: Item = {
            "person": event.sender,
            "room": event.room_id,
            "pause": str(pause // 1000),
            "again_ms": str(turn.at_ms + pause),
        }
        if item.received_ms - turn.asked_ms > _ASKED_MS:
            yield DirectMessage(**of_way(item, self.name), user_id=event.sender, text="your.slow_mode", items=(told,))
            return
        yield redact
        yield GiveBack(
            **of_way(item, self.name),
            after=redact.key,
            user_id=event.sender,
            text="your.slow_mode_removed",
            items=({**told, "event": event.event_id},),
            not_before_ms=max(item.received_ms + _GATHER_MS, turn.told_ms + _TOLD_AGAIN_MS),
        )


class TurnBook:
    """`flow.Turns`: in memory, so that nobody's hours of writing are kept. After a start the first message passes."""

    def __init__(self) -> None:
        self._turns: OrderedDict[tuple[str, str], Turn] = OrderedDict()
        self._needed: dict[str, int] = {}
        self._taken: deque[str] = deque(maxlen=_TAKEN_MOST)
        #: which groups have slow mode: of others nothing is kept
        self.slow: Callable[[str], bool] = lambda _group: False

    def load(self, cases: Iterable[Case]) -> None:
        """Take up in which rooms somebody needed help before we were started."""
        for case in cases:
            if case.track is Track.CONCERN:
                for event in case.events:
                    self._need(event.room_id, max(case.opened_ms, case.asked_ms or 0))

    def of(self, room_id: str, user_id: str) -> Turn:
        return self._turns.get((room_id, user_id), _NEVER)

    def rests(self, room_id: str, now_ms: int) -> bool:
        return now_ms - self._needed.get(room_id, -RESTS_MS) < RESTS_MS

    def taken(self, event_id: str) -> bool:
        return event_id in self._taken

    def heard(self, item: EventInput, facts: Facts, effects: Sequence[Effect]) -> Commit:
        """Note a message and what is done about it; return what takes that back, should the store refuse it."""
        event, room = item.event, facts.room
        for effect in effects:
            if isinstance(effect, OpenCase) and effect.track == Track.CONCERN:
                self._need(effect.room_id, item.received_ms)
        if not is_talk(item, facts) or not self.slow(room.group):
            return Commit()
        key = (event.room_id, event.sender)
        before = self._turns.get(key, _NEVER)
        turn = before
        if any(isinstance(one, Redact) and one.event_id == event.event_id for one in effects):
            if any(one.rule == SLOW_MODE for one in effects):
                self._taken.append(event.event_id)
        elif event.replaces is None:
            stamp = min(event.origin_server_ts, item.received_ms)  # a stamp may lie, but not about what is to come
            turn = replace(turn, at_ms=item.received_ms, stamp_ms=max(stamp, turn.stamp_ms))
        for effect in effects:
            if isinstance(effect, GiveBack):
                turn = replace(turn, told_ms=effect.not_before_ms)
            elif isinstance(effect, DirectMessage) and effect.rule == SLOW_MODE:
                turn = replace(turn, asked_ms=item.received_ms)
        if turn is before:
            return Commit()
        self._put(key, turn)
        return Commit(undo=[lambda: self._put(key, before)])

    def _need(self, room_id: str, at_ms: int) -> None:
        self._needed[room_id] = max(at_ms, self._needed.get(room_id, 0))

    def _put(self, key: tuple[str, str], turn: Turn) -> None:
        self._turns[key] = turn
        self._turns.move_to_end(key)
        if len(self._turns) > _TURNS_MOST:
            self._turns.popitem(last=False)


def is_talk(item: EventInput, facts: Facts) -> bool:
    """Return whether somebody wrote something in a group."""
    event = item.event
    said = event.type in TALK and event.state_key is None and not event.redacted and bool(event.sender)
    return said and facts.room.place is Place.GROUP


def _too_soon(item: EventInput, turn: Turn, pause: int) -> bool:
    """Whether a message came before its author's pause was over, both as it reached us and as it was stamped: what the
    homeserver held up for a while comes all at once. What was found late stands already, and is left.
    """
    if turn.at_ms == 0 or item.origin is not Origin.PUSH or item.late:
        return False
    stamp = min(item.event.origin_server_ts, item.received_ms)
    return item.received_ms - turn.at_ms < pause and stamp - turn.stamp_ms < pause
