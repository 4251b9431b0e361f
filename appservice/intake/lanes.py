"""Lanes: each room's inputs in order, rooms side by side.

An input whose lane is empty and whose room is known is handled at once, and its journal row, its effects and its audit
lines share one commit: its text never touches the disk. Otherwise it is journalled with its text and waits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog

from appservice import switches
from appservice.effects import Outbox
from appservice.flow import Clock, Effect, Event, EventInput, Facts, Ghosts, Handler, Lane, Origin, Written
from appservice.intake.journal import journal_body, journal_row
from appservice.intake.projection import Projection
from appservice.matrix import HomeserverClient, Rejected, Unreachable, parse_event
from appservice.store import AuditLine, Commit, Database, Questions, StoreRefused

log = structlog.get_logger()

#: Type and state key.
StateKey = tuple[str, str]

#: Failures of one handler on one input before it is set aside.
TRIES = 3
#: Rooms whose state is read at the same time, because an input waits for it, and in the background.
_READS_AT_ONCE = 8
_READS_BEHIND = 7
#: Inputs of a lane that had to wait, handled per commit.
_BATCH = 100


@dataclass(slots=True)
class _Handled:
    """What handling some inputs came to: rows to commit, effects to start afterwards with the time they count from."""

    commit: Commit = field(default_factory=Commit)
    effects: list[tuple[Effect, int]] = field(default_factory=list)


class Lanes:
    """Takes inputs in, once each.

    `recorders` maps types of effects that are true as soon as they are decided to what notes them: in memory at once,
    and in the rows it returns, which share the commit. All other effects go to the outbox.
    """

    def __init__(
        self,
        homeserver: str,
        database: Database,
        questions: Questions,
        projection: Projection,
        handlers: Sequence[Handler],
        outbox: Outbox,
        client: HomeserverClient,
        ghosts: Ghosts,
        clock: Clock,
        recorders: Mapping[str, Callable[[Effect], Commit]] | None = None,
    ) -> None:
        self._recorders = recorders or {}
        self._homeserver = homeserver
        self._database = database
        self._questions = questions
        self._projection = projection
        self.handlers = tuple(handlers)
        #: hear of invites sent in our own names, too: an administrator of the homeserver can send one in the steward's
        self.doorkeepers: tuple[Handler, ...] = ()
        self._outbox = outbox
        self._client = client
        self._ghosts = ghosts
        self._clock = clock
        self._door = asyncio.Lock()
        self._unwritten: set[str] = set()
        self._queues: dict[Lane, deque[EventInput]] = {}
        self._workers: dict[Lane, asyncio.Task[None]] = {}
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self._reads_behind = asyncio.Semaphore(_READS_BEHIND)
        self.handled = 0
        self.recovered = 0
        self.text_purged: Callable[[], None] = lambda: None
        #: by type of effect, what is committed beside its row: the message that it removes, sealed
        self.beside: dict[str, Callable[[EventInput, Effect], Commit]] = {}
        #: sees each event that changed state, whoever sent it, and returns rows; also what a reading showed to be new
        self.moved: Callable[[EventInput], Commit] = lambda _item: Commit()
        self.found_moved: Callable[[str, Collection[StateKey]], Commit] = lambda _room_id, _keys: Commit()
        #: sees all effects of an input, and returns those that may be
        self.gate: Callable[[EventInput, Facts, list[Effect]], list[Effect]] = lambda _item, _facts, effects: effects
        #: is told of each input in a room of ours, and what is done about it
        self.heard: Callable[[EventInput, Facts, list[Effect]], Commit] = lambda _item, _facts, _effects: Commit()

    # -- in --------------------------------------------------------------------------------------------------------

    async def accept(self, inputs: Sequence[EventInput], also: Commit | None = None) -> int:
        """Return how many of `inputs` were new, when they are on disk. `also` is committed with them.

        Raises `StoreRefused`: then none of them was taken, and they must be offered again.
        """
        async with self._door:
            fresh = await self._fresh(inputs)
            handled = _Handled(also if also is not None else Commit())
            waiting: list[EventInput] = []
            for item in fresh:
                if self._must_wait(item, waiting):
                    handled.commit.journal.append(journal_row(item, "pending", journal_body(item.event, self._ghosts)))
                    waiting.append(item)
                else:
                    handled.commit.journal.append(journal_row(item, "done", None))
                    self._attend(item, handled)
            touched = {item.event.room_id for item in fresh if item.event.is_state}
            await self._commit(handled.commit, touched)
            self._start(handled)
            for item in waiting:
                self._enqueue(item)
            found = sum(1 for item in fresh if item.origin is Origin.GAP and item.event.sender not in self._ghosts)
            self.recovered += found
            return len(fresh)

    async def _commit(self, commit: Commit, rooms: Collection[str]) -> None:
        """Commit; where that is refused, what memory knows of `rooms` is written down with the next commit."""
        before = frozenset(self._unwritten)
        for room_id in before:
            commit.add(self._projection.rows(room_id))
        try:
            await self._database.commit(commit)
        except StoreRefused:
            self._unwritten.update(rooms)
            _put_back(commit)
            raise
        self._unwritten -= before

    async def resume(self) -> int:
        """Queue what an earlier life of ours journalled and did not handle; return how many."""
        rows = await self._questions.open_inputs()
        for row in rows:
            event = parse_event(orjson.loads(row.body), row.room_id)
            if Origin(row.origin) is Origin.GAP and event.is_state:
                self._projection.forget(row.room_id)
            self._enqueue(EventInput(self._homeserver, event, Origin(row.origin), row.received_ms))
        return len(rows)

    async def _fresh(self, inputs: Sequence[EventInput]) -> list[EventInput]:
        if switches.off("dedupe"):
            return list(inputs)
        by_id = {item.id: item for item in reversed(inputs)}
        known = await self._questions.known(list(by_id))
        return [item for item in inputs if item.id not in known and by_id[item.id] is item]

    def _must_wait(self, item: EventInput, waiting: Sequence[EventInput]) -> bool:
        if item.lane in self._queues or any(one.lane == item.lane for one in waiting):
            return True
        if _begins_a_room_of(self._ghosts, item) and not self._projection.knows(item.event.room_id):
            # Its whole state follows in the stream: nothing needs to be read.
            self._projection.unmanaged(item.event.room_id)
        if item.origin is Origin.GAP and item.event.is_state and self._projection.knows(item.event.room_id):
            # It is older than what we may have seen since: the present is read, not guessed.
            self._projection.forget(item.event.room_id)
        return item.event.room_id != "" and not self._projection.knows(item.event.room_id)

    # -- handling --------------------------------------------------------------------------------------------------

    def _attend(self, item: EventInput, into: _Handled) -> None:
        """Handle one input; an error of ours outside the handlers costs that input, and not those behind it."""
        try:
            self._handle(item, into)
        except Exception as error:
            self._set_aside(item, "lane", error, into)

    def _handle(self, item: EventInput, into: _Handled) -> None:
        event = item.event
        before = None
        # A redaction with a state key empties its target like any other one.
        emptied = self._projection.redact(event) if event.type == "m.room.redaction" else None
        if emptied is not None:
            into.commit.add(emptied)
            into.commit.add(self.moved(item))
        elif event.state_key is not None:
            before = self._projection.membership(event.room_id, event.state_key)
            # What the gap check found may be older than what we saw since: its room was read instead.
            pushed = item.origin is Origin.PUSH
            moved = self._projection.apply(event) if pushed else self._projection.heard_late(event)
            if moved is not None:
                into.commit.add(moved)
            if event.type != "m.room.member":
                into.commit.add(self.moved(item))
        facts = self._projection.facts(event.room_id, self._clock.now_ms(), before)
        self.handled += 1
        handlers = self._who_hear(event, facts)
        if not handlers:
            return
        effects: list[Effect] = []
        for handler in handlers:
            if switches.off(handler.name):
                continue
            decided = self._decide(handler, item, facts, into)
            effects.extend(effect for effect in decided if not _switched_off(effect))
        effects = self.gate(item, facts, effects)
        if event.sender not in self._ghosts:
            into.commit.add(self.heard(item, facts, effects))
        if not effects:
            return
        since = item.received_ms
        if item.origin is Origin.GAP:
            since = min(since, event.origin_server_ts or since)
        self._decided(effects, item.id, since, into)
        for effect in effects:
            if (beside := self.beside.get(effect.type)) is not None:
                into.commit.add(beside(item, effect))

    def _who_hear(self, event: Event, facts: Facts) -> Sequence[Handler]:
        """Return who decides about an event: of what we did ourselves, nobody but the doorkeepers about invites."""
        if event.sender in self._ghosts:
            asks_in = facts.room.managed and event.state_key not in self._ghosts and _is_invite(event)
            return self.doorkeepers if asks_in else ()
        return self.handlers if facts.room.managed or _asks_us_in(self._ghosts, event) else ()

    def _decided(self, effects: Sequence[Effect], source: str, since: int, into: _Handled) -> None:
        """What is true as soon as it is decided is noted, in the order it was decided; the rest goes to the outbox."""
        later: list[Effect] = []
        for effect in effects:
            if (recorder := self._recorders.get(effect.type)) is not None:
                into.commit.add(recorder(effect))
            else:
                later.append(effect)
        into.commit.outbox += self._outbox.rows(later, since)
        into.effects += [(effect, since) for effect in later]
        into.commit.audit += [
            AuditLine(
                str(effect.lane),
                {"decided": effect.type, "key": effect.key, "rule": effect.rule, "input": source},
                effect.person,
            )
            for effect in effects
        ]

    async def enact(self, effects: Sequence[Effect], beside: Commit | None = None) -> None:
        """Take effects that no event decided: a deadline, or another effect; `beside` becomes true with them.

        Raises `StoreRefused`: then nothing is true, and what can be put back in memory is. Ask again.
        """
        wanted = [effect for effect in effects if not _switched_off(effect)]
        handled = _Handled()
        if beside is not None:
            handled.commit.add(beside)
        self._decided(wanted, wanted[0].source if wanted else "", self._clock.now_ms(), handled)
        try:
            await self._database.commit(handled.commit)
        except StoreRefused:
            _put_back(handled.commit)
            raise
        self._start(handled)

    def _decide(self, handler: Handler, item: EventInput, facts: Facts, into: _Handled) -> list[Effect]:
        failure: Exception | None = None
        for _ in range(TRIES):
            try:
                return list(handler.handle(item, facts))
            except Exception as error:  # whatever it is, the others' decisions must not suffer from it
                failure = error
        if failure is not None:
            self._set_aside(item, handler.name, failure, into)
        return []

    def _set_aside(self, item: EventInput, handler: str, error: Exception, into: _Handled) -> None:
        log.error("input_set_aside", handler=handler, input=item.id, error=type(error).__name__)
        into.commit.set_aside.append(
            {
                "homeserver": self._homeserver,
                "input_id": item.id,
                "handler": handler,
                "error": type(error).__name__,
                "at_ms": self._clock.now_ms(),
            }
        )

    def _start(self, handled: _Handled) -> None:
        for effect, since in handled.effects:
            self._outbox.take((effect,), since)

    # -- waiting ones ----------------------------------------------------------------------------------------------

    def _enqueue(self, item: EventInput) -> None:
        self._queues.setdefault(item.lane, deque()).append(item)
        if item.lane not in self._workers:
            self._workers[item.lane] = asyncio.create_task(self._work(item.lane))

    async def _work(self, lane: Lane) -> None:
        queue = self._queues[lane]
        try:
            while queue:
                rows = await self._room_facts(lane.room_id, self._reads)
                batch = [queue[i] for i in range(min(len(queue), _BATCH))]
                handled = _Handled(rows)
                for item in batch:
                    self._attend(item, handled)
                handled.commit.handled += [(self._homeserver, item.id) for item in batch]
                await self._database.insist(handled.commit)
                self._start(handled)
                for _ in batch:
                    queue.popleft()
                self.text_purged()
        finally:
            del self._queues[lane]
            del self._workers[lane]

    async def _room_facts(self, room_id: str, slots: asyncio.Semaphore) -> Commit:
        """Make sure that the room is known; return the rows that say so."""
        pause = 0.5
        while not self._projection.knows(room_id):
            try:
                async with slots:
                    if self._projection.knows(room_id):
                        break
                    return await self.read_room(room_id)
            except Unreachable:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
        return Commit()

    async def read_room(self, room_id: str) -> Commit:
        """Read a room's state into the projection, one call; return the rows to commit. Raises `Unreachable`."""
        before = self._projection.written(room_id)
        try:
            state = await self._client.state(room_id, self._ghosts.guardian)
        except Rejected as error:
            if error.temporary:
                raise Unreachable(str(error)) from None
            self._projection.unmanaged(room_id)
            return Commit()
        return self._replaced(room_id, state, before)

    async def read_again(self, room_id: str) -> None:
        """Read a room anew as guardian, else as steward, whatever we thought of it, and write down what was found.

        Raises `Unreachable`, `StoreRefused`.
        """
        before = self._projection.written(room_id)
        for _ in range(TRIES):
            moves = self._projection.moves(room_id)
            state = await self._state(room_id)
            if moves == self._projection.moves(room_id):
                break
        else:
            return  # the stream moves it faster than it can be read, and so needs no help
        if state is None:
            rows = self._projection.vanish(room_id)
        else:
            known = self._projection.room(room_id)
            rows = self._replaced(room_id, state, before)
            as_known = known == self._projection.room(room_id) and self._projection.written(room_id) == before
            if room_id not in self._unwritten and as_known:
                return  # most readings tell nothing new, and need not be written down
        await self._commit(rows, {room_id})

    def _replaced(self, room_id: str, state: Sequence[Any], before: Mapping[StateKey, Written]) -> Commit:
        """Take what a reading showed, and have seen what moved since `before` without an event that told of it."""
        rows = self._projection.replace(room_id, [parse_event(raw, room_id) for raw in state])
        now = self._projection.written(room_id)
        moved = [key for key in now if now[key] != before.get(key)] if before else []
        if moved:
            rows.add(self.found_moved(room_id, moved))
        return rows

    async def _state(self, room_id: str) -> list[dict[str, Any]] | None:
        """A room's state as one of us may see it, None where none of us is in it."""
        for viewer in (self._ghosts.guardian, self._ghosts.steward):
            try:
                return await self._client.state(room_id, viewer)
            except Rejected as error:
                if error.temporary:
                    raise Unreachable(str(error)) from None
        return None

    async def learn_rooms(self, room_ids: Sequence[str]) -> int:
        """Read those rooms that are not known yet, side by side; return how many there were."""
        unknown = [room_id for room_id in room_ids if not self._projection.knows(room_id)]

        async def learn(room_id: str) -> None:
            commit = await self._room_facts(room_id, self._reads_behind)
            await self._database.insist(commit)

        await asyncio.gather(*(learn(room_id) for room_id in unknown))
        return len(unknown)

    # -- what others may ask and do --------------------------------------------------------------------------------------

    async def idle(self) -> None:
        """Return once no lane has anything waiting that was there when this was called."""
        if self._workers:
            await asyncio.wait(list(self._workers.values()))

    @property
    def waiting(self) -> int:
        return sum(len(queue) for queue in self._queues.values())

    async def close(self) -> None:
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


def _asks_us_in(ghosts: Ghosts, event: Event) -> bool:
    """Of rooms that are not ours, only an invite of one of us concerns us."""
    return event.state_key in ghosts and _is_invite(event)


def _is_invite(event: Event) -> bool:
    return event.type == "m.room.member" and event.content.get("membership") == "invite"


def _put_back(commit: Commit) -> None:
    for undo in reversed(commit.undo):
        undo()


def _switched_off(effect: Effect) -> bool:
    return bool(switches.OFF) and (switches.off(effect.type) or switches.off(getattr(effect, "text", "")))


def _begins_a_room_of(ghosts: Ghosts, item: EventInput) -> bool:
    event = item.event
    return (
        item.origin is Origin.PUSH
        and event.type == "m.room.create"
        and event.state_key == ""
        and event.sender in ghosts
    )
