"""A homeserver that was put back to an older copy: noticed, and what it forgot is dealt with.

Its stream positions start again from the past, so our token lies in its future and says nothing; events that we
handled, and effects that became events, may be gone. Noticed by asking for the newest event that we know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import structlog

from appservice.effects import Audit, Outbox
from appservice.flow import Clock, Effect, RoomFacts, effect_from_record
from appservice.intake.projection import Projection
from appservice.matrix import Actor, HomeserverClient, Rejected
from appservice.store import Commit, Database, Questions
from policies.movements import kept_ms
from policies.times import MS_A_DAY

log = structlog.get_logger()

#: Newest inputs looked through for the point at which the copy was made.
_LOOK_BACK = 10_000
#: Which of the newest events are asked for, counted from the newest.
_PLACES = (0, 1, 3, 7, 15, 31, 63)
#: ms before that point from which effects are doubted: clocks, and what was under way.
_MARGIN_MS = 120_000
AUDIT_LANE = "homeserver"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found: events known to us that the homeserver lost, effects that must become true again, and those
    whose reason vanished with them."""

    lost: int
    repeated: int
    void: int


class RestoreCheck:
    """`look()` once per start and reconnection: a handful of reads, when nothing happened. `viewers` are those of our identities
    that may see an event: the guardian, and the steward, who made the rooms before the guardian came."""

    def __init__(
        self,
        client: HomeserverClient,
        viewers: Sequence[Actor],
        database: Database,
        questions: Questions,
        projection: Projection,
        outbox: Outbox,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._client = client
        self._viewers = tuple(viewers)
        self._database = database
        self._questions = questions
        self._projection = projection
        self._outbox = outbox
        self._audit = audit
        self._clock = clock
        self.begin_anew: Callable[[], Awaitable[None]] | None = None
        #: is told first which events are lost; returns rows to commit
        self.noticed: Callable[[Collection[str]], Commit] = lambda _lost: Commit()
        self.times = 0
        self.lost = 0

    async def look(self) -> Restored | None:
        """Return what was found if the homeserver is an older one than we knew, None if it is not.

        Raises `HomeserverError` where it cannot be told; ask again.
        """
        known = await self._known(_LOOK_BACK)
        # Something may have been said since it came back: not only the newest event is asked for.
        asked = [known[place] for place in _PLACES if place < len(known)]
        here = await asyncio.gather(*(self._has(room, event) for room, event, _ in asked))
        missing = [room for (room, _, _), has in zip(asked, here, strict=True) if not has]
        if not missing:
            return None
        joined = set(await self._client.joined_rooms(self._viewers[0]))
        if joined and not joined.intersection(missing):
            # Their rooms are gone; that happens without a restore. Ask for one in a room that still stands.
            known = [one for one in known if one[0] in joined]
            if not known or await self._has(*known[0][:2]):
                return None
        return await self._deal(known)

    async def _deal(self, known: list[tuple[str, str, int]]) -> Restored:
        while known and await self._has(*known[0][:2]):
            known = known[1:]  # said since
        lost = await self._count_lost([(room, event) for room, event, _ in known])
        since = (known[min(lost, len(known) - 1)][2] if known else self._clock.now_ms()) - _MARGIN_MS
        await self._database.commit(self.noticed({event for _, event, _ in known[:lost]}))
        repeated = void = 0
        for settled in await self._questions.settled_since(since):
            if await self._has(settled.event_room, settled.event_id):
                continue
            try:
                effect = effect_from_record(settled.record)
            except (KeyError, TypeError, ValueError):  # of a version that this one does not know
                continue
            if await self._stands(effect) and await self._outbox.again(settled.key, settled.record, self._stands):
                repeated += 1
            else:
                await self._outbox.void(settled.key)
                void += 1
        vanished = [{"homeserver": self._questions.homeserver, "input_id": event} for _, event, _ in known[:lost]]
        await self._database.commit(Commit(vanished=vanished))
        found = Restored(lost, repeated, void)
        self.times += 1
        self.lost += lost
        log.error("homeserver_restored", lost=lost, repeated=repeated, void=void)
        self._audit.note(AUDIT_LANE, {"restored": {"lost": lost, "repeated": repeated, "void": void}})
        if self.begin_anew is not None:
            await self.begin_anew()
        return found

    async def _known(self, limit: int) -> list[tuple[str, str, int]]:
        """(room id, event id, received ms) of the newest events in rooms that are or were ours.

        Without those that the homeserver may have deleted since, as the policy says (`retention`): they are not lost.
        """
        rows = await self._questions.newest_events(limit)
        return [row for row in rows if (room := self._projection.room(row[0])) is None or self._asked_for(room, row[2])]

    def _asked_for(self, room: RoomFacts, received_ms: int) -> bool:
        kept = kept_ms(room.state.get(("m.room.retention", "")))
        return room.managed and received_ms > self._clock.now_ms() - kept + MS_A_DAY

    async def _count_lost(self, newest_first: list[tuple[str, str]]) -> int:
        """How many of the newest events the homeserver lacks: it has all older ones, so halving finds the edge."""
        low, high = 0, len(newest_first)
        while low < high:
            middle = (low + high) // 2
            if await self._has(*newest_first[middle]):
                high = middle
            else:
                low = middle + 1
        return low

    async def _stands(self, effect: Effect) -> bool:
        """Whether the event for which an effect was decided is still there."""
        return not effect.source.startswith("$") or await self._has(effect.lane.room_id, effect.source)

    async def _has(self, room_id: str, event_id: str) -> bool:
        if not room_id:
            return False
        for viewer in self._viewers:
            try:
                await self._client.event(room_id, event_id, viewer)
            except Rejected as error:
                if error.temporary:
                    raise
            else:
                return True
        return False
