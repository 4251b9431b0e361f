"""Evidence: a removed message is sealed in the commit that queues its removal, and opened for one person on request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from appservice.cases.book import CaseBook
from appservice.effects import Speaker
from appservice.flow import (
    Attempt,
    Case,
    Clock,
    Done,
    Effect,
    Event,
    EventInput,
    Item,
    NoteReading,
    OpenCase,
    Redact,
    Refused,
    Result,
    ShowEvidence,
    SweepEdits,
    Track,
    Vault,
    VaultClosed,
    Withdraw,
    replaced,
    transaction_id,
)
from appservice.matrix import Actor, HomeserverClient, parse_event
from appservice.people import DirectRooms
from appservice.store import Commit, Questions

log = structlog.get_logger()

#: ms in which edits of a removed message are removed as they come.
EDITS_FOR_MS: Final = 7 * 24 * 3600 * 1000
#: Ids of removed messages that are kept in memory.
_REMOVED_MOST: Final = 200_000
#: ms that what was shown stands in the direct room of who asked.
SHOWN_MS: Final = 10 * 60 * 1000
#: Characters of a removed message that are shown.
_SHOWN_MOST: Final = 6_000
#: Pages of edits that are swept.
_PAGES: Final = 5
#: How people are told of it: a reach at which a message can be read.
_READABLE: Final = {"reached", "invited"}


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
        return self.keep(item.event, effect.conduct_on or item.event.sender, effect.lane.room_id)

    def seal_standing(self, item: EventInput, effect: Effect) -> Commit:
        """Return the row that keeps a message which a case is about and nobody removed: its author may (CARE, rule 7)."""
        assert isinstance(effect, OpenCase)
        return self.keep(item.event, effect.about, effect.room_id, stands=True) if effect.stands else Commit()

    def keep(self, event: Event, about: str, room_id: str, *, stands: bool = False) -> Commit:
        """Return the row that keeps one message by `about`; of what `stands`, edits stand too."""
        if not stands:
            self.removed[event.event_id] = None
        if len(self.removed) > _REMOVED_MOST:
            del self.removed[next(iter(self.removed))]
        case = self._book.current(self._community(room_id), Track.CONDUCT, about)
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


@dataclass(frozen=True)
class Showing:
    """What `show` needs of the house."""

    book: CaseBook
    questions: Questions
    vault: Callable[[], Vault | None]
    rooms: DirectRooms
    speaker: Speaker
    clock: Clock


class ShowEvidenceExecutor:
    """Shows one removed message, privately, to one person who may see it at that moment; `enact` takes it back later."""

    def __init__(self, showing: Showing, enact: Callable[[list[Effect]], Awaitable[None]]) -> None:
        self._with = showing
        self._enact = enact

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, ShowEvidence)
        case = self._with.book.by_id(effect.case)
        if case is None or not self._with.book.may(case, effect.user_id):
            return Refused("not_theirs")
        room_id, how = await self._with.rooms.ensure(effect.user_id, effect.key)
        if how not in _READABLE:
            return Refused("not_reached")
        text, item = await self._what(effect, case)
        done = await self._with.speaker.say(room_id, effect, text, (item,), attempt)
        if text == "case.shown" and done.event_id is not None:
            await self._enact([self._withdrawal(effect, room_id, done.event_id)])
        return done

    async def _what(self, effect: ShowEvidence, case: Case) -> tuple[str, Item]:
        item = {"person": effect.user_id, "reference": case.reference, "about": case.about}
        found = await self._with.questions.evidence_of(case.id, effect.item)
        if found is None:
            newest = case.events[-1] if case.events else None
            where = {"room": newest.room_id, "event": newest.event_id} if newest is not None else {}
            return "case.nothing_kept", item | where
        count, event_id, sealed = found
        vault = self._with.vault()
        try:
            if vault is None:
                raise VaultClosed("no_key")
            event = orjson.loads(await asyncio.to_thread(vault.unseal, sealed))
        except (VaultClosed, orjson.JSONDecodeError) as error:
            log.error("evidence_not_opened", error=type(error).__name__)
            return "case.vault_closed", item
        content = event.get("content") if isinstance(event.get("content"), dict) else {}
        edit = replaced(content) is not None
        words = content.get("m.new_content", content) if edit else content
        body = words.get("body") if isinstance(words, dict) else None
        shown = body if isinstance(body, str) else ""
        return "case.shown", item | {
            "item": str(effect.item),
            "of": str(count),
            "room": str(event.get("room_id", "")),
            "event": event_id,
            "edit": "yes" if edit else "no",
            "cut": "yes" if len(shown) > _SHOWN_MOST else "no",
            "words": shown[:_SHOWN_MOST],
        }

    def _withdrawal(self, effect: ShowEvidence, room_id: str, event_id: str) -> Withdraw:
        return Withdraw(
            source=effect.key,
            rule=effect.rule,
            lane=effect.lane,
            room_id=room_id,
            event_id=event_id,
            reason="shown_long_enough",
            not_before_ms=self._with.clock.now_ms() + SHOWN_MS,
        )
