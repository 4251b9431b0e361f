"""Evidence: a removed message is sealed in the commit that queues its removal, and its edits with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import orjson
import structlog

from appservice.cases.book import CaseBook
from appservice.flow import (
    WAYS,
    Attempt,
    Clock,
    Done,
    Effect,
    Event,
    EventInput,
    NoteReading,
    OpenCase,
    Redact,
    Result,
    SweepEdits,
    Track,
    Vault,
    transaction_id,
)
from appservice.matrix import Actor, HomeserverClient, parse_event
from appservice.store import Commit, Questions

log = structlog.get_logger()

#: ms in which edits of a removed message are removed as they come.
EDITS_FOR_MS: Final = 7 * 24 * 3600 * 1000
#: Ids of removed messages that are kept in memory.
_REMOVED_MOST: Final = 200_000
#: Pages of edits that are swept.
_PAGES: Final = 5


class Evidence:
    """Seals, and knows which messages were removed lately. `community(room_id)` tells whose a room is.

    `seal` never stops a removal: what cannot be sealed is counted.
    """

    def __init__(
        self,
        homeserver: str,
        vault: Callable[[], Vault | None],
        book: CaseBook,
        clock: Clock,
        community: Callable[[str], str],
    ) -> None:
        self._community = community
        self._homeserver = homeserver
        self._vault = vault
        self._book = book
        self._clock = clock
        self.removed: dict[str, None] = {}
        self.failures = 0

    async def load(self, questions: Questions) -> None:
        """Take up what an earlier life of ours removed. Raises `StoreRefused`."""
        since = self._clock.now_ms() - EDITS_FOR_MS
        self.removed.update(dict.fromkeys(await questions.removed_since(since)))

    def seal(self, item: EventInput, effect: Effect) -> Commit:
        """Return the row that keeps the message of `item`, which `effect` removes."""
        assert isinstance(effect, Redact)
        if effect.event_id != item.event.event_id:
            return Commit()
        by = effect.conduct_on or item.event.sender
        return self.keep(item.event, by, effect.lane.room_id, of_way=effect.rule in WAYS)

    def seal_standing(self, item: EventInput, effect: Effect) -> Commit:
        """Return the row that keeps a message which a case is about and nobody removed: its author may (CARE, rule 7)."""
        assert isinstance(effect, OpenCase)
        return self.keep(item.event, effect.about, effect.room_id, stands=True) if effect.stands else Commit()

    def keep(self, event: Event, about: str, room_id: str, *, stands: bool = False, of_way: bool = False) -> Commit:
        """Return the row that keeps one message by `about`; of what `stands`, edits stand too.

        of_way: it was taken away for its time or form, belongs to no case, and is kept to be given back.
        """
        if not stands and not of_way:
            self.removed[event.event_id] = None
        if len(self.removed) > _REMOVED_MOST:
            del self.removed[next(iter(self.removed))]
        case = None if of_way else self._book.current(self._community(room_id), Track.CONDUCT, about)
        vault = self._vault()
        if vault is None:
            self.failures += 1
            return Commit()
        plain = {
            "event_id": event.event_id,
            "room_id": room_id,
            "sender": event.sender,
            "type": event.type,
            "origin_server_ts": event.origin_server_ts,
            "content": dict(event.content),
        }
        try:
            sealed = vault.seal(orjson.dumps(plain))
        except Exception as error:  # a harmful message must go, also where no copy of it can be kept
            self.failures += 1
            log.error("evidence_not_sealed", error=type(error).__name__)
            return Commit()
        row = {
            "homeserver": self._homeserver,
            "event_id": event.event_id,
            "room_id": room_id,
            "of_event": event.replaces or "",
            "case_id": case.id if case is not None else "",
            "at_ms": self._clock.now_ms(),
            "sealed": sealed,
            "stands": stands,
        }
        return Commit(evidence=[row])

    def note_reading(self, effect: Effect) -> Commit:
        """Write down who asked to see evidence, and why: sealed like the evidence itself."""
        assert isinstance(effect, NoteReading)
        vault = self._vault()
        row = {
            "homeserver": self._homeserver,
            "source": effect.source,
            "case_id": effect.case,
            "user_id": effect.by,
            "at_ms": effect.at_ms,
            "reason": vault.seal(effect.reason.encode("utf-8", "replace")) if vault is not None else b"",
        }
        return Commit(evidence_reads=[row])


class SweepEditsExecutor:
    """Removes edits that stood before the original reached us; sealed first, each by a redaction of its own."""

    def __init__(
        self, client: HomeserverClient, guardian: Actor, evidence: Evidence, insist: Callable[[Commit], Awaitable[None]]
    ) -> None:
        self._client = client
        self._guardian = guardian
        self._evidence = evidence
        self._insist = insist

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, SweepEdits)
        start: str | None = None
        for _ in range(_PAGES):
            page = await self._client.edits(effect.room_id, effect.event_id, self._guardian, start)
            chunk = page.get("chunk")
            for raw in chunk if isinstance(chunk, list) else []:
                event = parse_event(raw, effect.room_id)
                if event.redacted or event.sender != effect.about or not event.event_id:
                    continue
                await self._insist(self._evidence.keep(event, effect.about, effect.room_id))
                transaction = transaction_id(effect.key, event.event_id)
                await self._client.redact(effect.room_id, event.event_id, effect.rule, transaction, self._guardian)
            start = page.get("next_batch") if isinstance(page.get("next_batch"), str) else None
            if start is None:
                break
        return Done()
