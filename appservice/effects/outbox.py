"""The outbox: gives committed effects to executors until each is settled. Urgent ones leave at once, quiet ones merge."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
import structlog

from appservice.deathpoints import reach
from appservice.effects.entry import Entry
from appservice.effects.pace import Pace
from appservice.flow import (
    Attempt,
    Clock,
    Done,
    Effect,
    Executor,
    Postponed,
    Refused,
    Result,
    Urgency,
    effect_from_record,
)
from appservice.matrix import Rejected, Unreachable
from appservice.store import AuditLine, Commit, Database, Questions, StoreRefused

log = structlog.get_logger()

#: Requests in flight, by urgency. More redactions at once only queue inside the homeserver.
SLOTS = {Urgency.NOW: 16, Urgency.SOON: 4, Urgency.WHEN_QUIET: 2}
#: ms that a quiet effect waits for others to merge with, counted from its decision.
GATHER_MS = 400
#: ms of the first back-off and of the longest.
BACK_OFF_MS = 250
BACK_OFF_MOST_MS = 15_000
#: ms that a homeserver's wish to be left alone is honoured at most: a redaction is never parked for a day.
WAIT_MOST_MS = 120_000
#: Attempts that end in an unexpected exception before the effect is refused.
UNEXPECTED_AT_MOST = 5
#: ms after which the homeserver's memory of transaction ids (24 h) is not relied on any more.
REMEMBERED_MS = 12 * 3600 * 1000

#: Why an effect is void: what it would have told of did not happen; or it would correct somebody who is in distress now.
MOOT, IN_DISTRESS = "moot", "in_distress"


class Outbox:
    """Runs effects of one homeserver. `executors` maps an effect's type to who makes it true."""

    def __init__(
        self,
        homeserver: str,
        database: Database,
        questions: Questions,
        executors: Mapping[str, Executor],
        clock: Clock,
        pace: Pace,
    ) -> None:
        self._homeserver = homeserver
        self._database = database
        self._questions = questions
        self._executors = executors
        self._clock = clock
        self._pace = pace
        self._entries: dict[str, Entry] = {}
        self._quiet: dict[str, list[Entry]] = {}
        self._slots = {urgency: asyncio.Semaphore(count) for urgency, count in SLOTS.items()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._recovered = asyncio.Event()
        self._closing = False
        self._refused: set[str] = set()
        self._said_by: dict[str | None, str] = {}  # key of what was merged: key of what says it
        self.hold_back: Callable[[Effect], bool] = lambda _effect: False
        #: awaited before what was held back is settled, so that people hear of it
        self.held: Callable[[Effect], Awaitable[None]] | None = None
        self.moot: Callable[[Effect], Commit] = lambda _effect: Commit()
        self.settled = 0

    # -- taking ----------------------------------------------------------------------------------------------------

    def rows(self, effects: Iterable[Effect], created_ms: int) -> list[dict[str, Any]]:
        """Return the rows to commit with the input that decided `effects`."""
        return [
            {
                "key": effect.key,
                "homeserver": self._homeserver,
                "source": effect.source,
                "type": effect.type,
                "merge_key": effect.merge_key,
                "state": "queued",
                "record": orjson.dumps(effect.record()),
                "attempts": 0,
                "created_ms": created_ms,
            }
            for effect in effects
        ]

    def take(self, effects: Iterable[Effect], created_ms: int) -> None:
        """Start on effects whose rows are committed. One that is here already is not taken twice."""
        for effect in effects:
            self._admit(Entry(effect, created_ms))

    async def resume(self) -> int:
        """Take what an earlier life of ours left open; return how many. Each may have been sent already."""
        opened, count = await self._questions.open_effects(), 0
        before = [key for one in opened for field in ("after", "once") if (key := one.record.get(field))]
        reasons = await self._questions.effects_by_key(before)
        self._refused |= {key for key, state in reasons.items() if state in {"refused", "void"}}
        for open_effect in opened:
            effect = self._revive(open_effect.key, open_effect.record)
            if effect is None:
                continue
            merged = [one for record in open_effect.merged if (one := self._revive("", record)) is not None]
            # A quiet effect writes its attempts down before it is sent; an urgent one may have been sent.
            at_least = 0 if effect.urgency is Urgency.WHEN_QUIET else 1
            attempts = max(open_effect.attempts, at_least)
            self._said_by |= {one.key: effect.key for one in merged}
            self._admit(Entry(effect, open_effect.created_ms, attempts, merged=merged))
            count += 1
        return count

    async def again(self, key: str, record: Mapping[str, Any], stands: Callable[[Effect], Awaitable[bool]]) -> bool:
        """Make a settled effect true once more, since what it had become is gone; False if we no longer know how.

        Of what it also said, only that is said again whose reason `stands`. Raises `StoreRefused`.
        """
        effect = self._revive(key, record)
        if effect is None:
            return False
        row = {"key": key, "state": "queued", "event_id": None, "event_room": None, "settled_ms": None, "attempts": 0}
        line = {"became": "queued again", "key": key, "type": effect.type}
        await self._database.commit(Commit(settled=[row], audit=[AuditLine(str(effect.lane), line)]))
        merged = await self._questions.merged_into(key)
        others = [one for other in merged if (one := self._revive("", other)) is not None and await stands(one)]
        self._admit(Entry(effect, self._clock.now_ms(), merged=others))
        return True

    async def void(self, key: str) -> None:
        """Note that what an effect had become is gone, and its reason too."""
        await self._database.commit(Commit(settled=[{"key": key, "state": "void"}]))

    def _revive(self, key: str, record: Mapping[str, Any]) -> Effect | None:
        try:
            return effect_from_record(record)
        except (KeyError, TypeError, ValueError) as error:
            log.error("effect_unknown", key=key, error=type(error).__name__)
            return None

    def _admit(self, entry: Entry) -> None:
        effect = entry.effect
        if effect.key in self._entries or self._closing:
            return
        self._entries[effect.key] = entry
        if effect.urgency is Urgency.WHEN_QUIET:
            self._quiet.setdefault(effect.merge_key or effect.key, []).append(entry)
            self._wake.set()
        else:
            self._spawn(self._pursue(entry))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- what others may ask ---------------------------------------------------------------------------------------

    @property
    def waiting(self) -> dict[str, int]:
        """How many effects are open, by urgency; what is meant for later does not wait."""
        counts = dict.fromkeys((urgency.name.lower() for urgency in Urgency), 0)
        for entry in self._present():
            counts[entry.effect.urgency.name.lower()] += 1
        return counts

    @property
    def oldest_ms(self) -> int | None:
        """How long (ms) the oldest open effect has waited."""
        since = min((entry.created_ms for entry in self._present()), default=None)
        return None if since is None else self._clock.now_ms() - since

    def _present(self) -> list[Entry]:
        now = self._clock.now_ms()
        return [entry for entry in self._entries.values() if entry.wanted_at_ms <= now]

    def homeserver_is_back(self) -> None:
        """Whoever waits in back-off tries again now."""
        for entry in self._entries.values():
            entry.not_before_ms = 0
        self._recovered.set()
        self._recovered = asyncio.Event()
        self._wake.set()

    # -- urgent ones -----------------------------------------------------------------------------------------------

    async def _pursue(self, entry: Entry) -> None:
        while not self._closing:
            await self._until_allowed(entry)
            async with self._slots[entry.effect.urgency]:
                if self._closing or await self._try_safely(entry):
                    return

    async def _until_allowed(self, entry: Entry) -> None:
        while not self._closing:
            if self._waits(entry.effect):
                await asyncio.sleep(0.05)
                continue
            wait = max(entry.not_before_ms, entry.wanted_at_ms) - self._clock.now_ms()
            if wait <= 0:
                return
            recovered = self._recovered
            with suppress(TimeoutError):
                async with asyncio.timeout(min(wait, 1000) / 1000):
                    await recovered.wait()

    # -- quiet ones ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send quiet effects, oldest first, merged; run this for the life of the process."""
        while not self._closing:
            group = self._next_group()
            if group is None:
                self._wake.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._look_again_s()):
                        await self._wake.wait()
                continue
            slots = self._slots[Urgency.WHEN_QUIET]
            await slots.acquire()
            self._spawn(self._send_group(group))

    def _look_again_s(self) -> float | None:
        """Seconds until quiet effects are looked at again, None for when one comes: seldom while all are for later."""
        now = self._clock.now_ms()
        if any(group[0].wanted_at_ms - now < 1000 for group in self._quiet.values()):
            return 0.1
        return 1.0 if self._quiet else None

    def _next_group(self) -> list[Entry] | None:
        """Take the oldest group out that may leave now: entries of one merge key, whose reasons are settled."""
        now = self._clock.now_ms()
        best: tuple[str, list[Entry]] | None = None
        for key, group in self._quiet.items():
            first = group[0]
            early = max(first.not_before_ms, first.wanted_at_ms) > now or now - first.created_ms < GATHER_MS
            if early or self._waits(first.effect):
                continue
            if best is None or first.created_ms < best[1][0].created_ms:
                best = (key, group)
        if best is None or not self._pace.may_go((now - best[1][0].created_ms) / 1000):
            return None
        key, group = best
        if group[0].attempts:
            # It may stand in the room already, with its own words: the others need an event of their own.
            ready = group[:1]
        else:
            ready = [entry for entry in group if not self._waits(entry.effect) and not entry.attempts]
        rest = [entry for entry in group if entry not in ready]
        if rest:
            self._quiet[key] = rest
        else:
            del self._quiet[key]
        return ready

    async def _send_group(self, group: list[Entry]) -> None:
        try:
            for entry in [entry for entry in group if entry.effect.after in self._refused]:
                await self._settle(entry, Refused(MOOT))
                group.remove(entry)
            if not group:
                return
            lead, *others = group
            if not await self._write_attempt(lead, others):
                self._put_back(group)
            elif not await self._try_safely(lead):
                self._put_back([lead])
        finally:
            self._slots[Urgency.WHEN_QUIET].release()
            self._wake.set()

    def _waits(self, effect: Effect) -> bool:
        """Whether something is open that must be settled before: itself, or said by another one."""
        return any(
            key in self._entries or self._said_by.get(key) in self._entries for key in (effect.after, effect.once)
        )

    def _put_back(self, group: list[Entry]) -> None:
        key = group[0].effect.merge_key or group[0].effect.key
        self._quiet[key] = group + self._quiet.get(key, [])

    async def _write_attempt(self, lead: Entry, others: Sequence[Entry]) -> bool:
        """Write down that `lead` is about to be said, and `others` with it: a crash in between repeats nothing."""
        rows: list[dict[str, Any]] = [{"key": lead.effect.key, "attempts": lead.attempts + 1}]
        for entry in others:
            for effect in (entry.effect, *entry.merged):
                rows.append({"key": effect.key, "state": "merged", "merged_into": lead.effect.key, "settled_ms": None})
        try:
            await self._database.commit(Commit(settled=rows))
        except StoreRefused:
            lead.not_before_ms = self._clock.now_ms() + 1000
            return False
        for entry in others:
            lead.merged += [entry.effect, *entry.merged]
            self._said_by |= {one.key: lead.effect.key for one in lead.merged}
            self._entries.pop(entry.effect.key, None)
        return True

    # -- one attempt -----------------------------------------------------------------------------------------------

    async def _try_safely(self, entry: Entry) -> bool:
        """As `_try`; an error of ours outside the executor postpones the effect instead of losing sight of it."""
        try:
            return await self._try(entry)
        except Exception as error:
            log.error("effect_failed", type=entry.effect.type, key=entry.effect.key, error=type(error).__name__)
            entry.not_before_ms = self._clock.now_ms() + BACK_OFF_MOST_MS
            return False

    async def _try(self, entry: Entry) -> bool:
        """Attempt an effect once; return whether it is settled."""
        effect = entry.effect
        if entry.merged:
            effect = effect.joined(tuple(entry.merged))  # type: ignore[attr-defined]
        if effect.after in self._refused:
            await self._settle(entry, Refused(MOOT))
            return True
        if self.hold_back(effect):
            if self.held is not None:
                await self.held(effect)
            await self._settle(entry, Refused(IN_DISTRESS))
            return True
        entry.attempts += 1
        old = self._clock.now_ms() - entry.created_ms > REMEMBERED_MS
        reach("outbox-before-send")
        untold = any(one.once in self._refused for one in (entry.effect, *entry.merged))
        result = await self._execute(entry, effect, Attempt(entry.attempts, look_first=old, untold=untold))
        reach("outbox-after-send")
        if isinstance(result, Postponed):
            wait = result.after_ms
            if wait is None:
                wait = min(BACK_OFF_MS * 2 ** min(entry.attempts, 10), BACK_OFF_MOST_MS)
            entry.not_before_ms = self._clock.now_ms() + wait
            if entry.attempts in {5, 50, 500}:
                log.warning("effect_waits", type=effect.type, key=effect.key, attempts=entry.attempts, code=result.code)
            return False
        await self._settle(entry, result)
        return True

    async def _execute(self, entry: Entry, effect: Effect, attempt: Attempt) -> Result:
        executor = self._executors.get(effect.type)
        if executor is None:
            return Refused("no_executor")
        try:
            return await executor.execute(effect, attempt)
        except Unreachable:
            return Postponed("unreachable")
        except Rejected as error:
            if error.temporary:
                wait = error.retry_after_ms
                return Postponed(error.errcode or str(error.status), wait if wait is None else min(wait, WAIT_MOST_MS))
            return Refused(error.errcode or str(error.status))
        except StoreRefused:
            return Postponed("store", 1000)
        except Exception as error:
            entry.unexpected += 1
            log.error("effect_failed", type=effect.type, key=effect.key, error=type(error).__name__)
            return Refused("failed") if entry.unexpected >= UNEXPECTED_AT_MOST else Postponed("failed")

    async def _settle(self, entry: Entry, result: Done | Refused) -> None:
        effect, now, done = entry.effect, self._clock.now_ms(), isinstance(result, Done)
        moot = result == Refused(MOOT)
        if isinstance(result, Refused):
            self._refused |= {effect.key, *(one.key for one in entry.merged)}
            if not moot:
                log.warning("effect_refused", type=effect.type, key=effect.key, code=result.code)
        row: dict[str, Any] = {
            "key": effect.key,
            "state": "done" if done else "void" if moot else "refused",
            "attempts": entry.attempts,
            "settled_ms": now,
            "event_id": result.event_id if isinstance(result, Done) else None,
            "event_room": result.room_id if isinstance(result, Done) else None,
            "code": ("already" if result.already else None) if isinstance(result, Done) else result.code,
        }
        line = {"became": row["state"], "key": effect.key, "type": effect.type}
        line |= {name: row[name] for name in ("event_id", "code") if row[name]}
        commit = self.moot(effect) if moot else Commit()
        rows = [row, *({"key": one.key, "settled_ms": now} for one in entry.merged)]
        commit.add(Commit(settled=rows, audit=[AuditLine(str(effect.lane), line)]))
        await self._database.insist(commit)
        self._entries.pop(effect.key, None)
        for one in entry.merged:
            self._said_by.pop(one.key, None)
        self.settled += 1
        self._wake.set()
        reach("outbox-after-result")

    async def close(self, within_s: float = 5.0) -> None:
        """Stop taking and starting; give what is under way a moment to be written down."""
        self._closing = True
        self._recovered.set()
        self._wake.set()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
