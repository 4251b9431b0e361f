"""What was removed is opened for one person on request, in their direct room, and taken back after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from appservice.cases.around import Around, fitting
from appservice.cases.book import CaseBook
from appservice.effects import Speaker
from appservice.flow import (
    LATE_AFTER_MS,
    Attempt,
    Case,
    CaseEvent,
    Clock,
    Done,
    Effect,
    Item,
    Refused,
    Result,
    ShowEvidence,
    Track,
    Vault,
    VaultClosed,
    Withdraw,
    replaced,
)
from appservice.matrix import Rejected
from appservice.people import DirectRooms
from appservice.store import Questions

log = structlog.get_logger()

#: ms that what was shown stands in the direct room of who asked.
SHOWN_MS: Final = 10 * 60 * 1000
#: Characters of a removed message that are shown, and bytes that they take as body and HTML: an event holds 65,536.
_SHOWN_MOST: Final = 6_000
_BYTES_MOST: Final = 30_000

#: `whole(content)` is all that members could read in the content of a message.
Whole = Callable[[Mapping[str, Any]], str]


@dataclass(frozen=True)
class Showing:
    """What `show` needs of the house."""

    book: CaseBook
    questions: Questions
    vault: Callable[[], Vault | None]
    rooms: DirectRooms
    speaker: Speaker
    clock: Clock
    whole: Whole
    around: Around
    #: whether a room is one person's with us, where nobody else can read
    is_private: Callable[[str], bool]
    #: `is_hidden(room_id, user_id)`: whether somebody cannot read what stands in a room
    is_hidden: Callable[[str, str], bool]
    #: the content of a message of a case, as it stands now
    standing: Callable[[CaseEvent], Awaitable[Mapping[str, Any]]]


class ShowEvidenceExecutor:
    """Shows one removed message, privately, to one person who may see it at that moment; `enact` takes it back later.

    Whatever an earlier attempt may have shown is taken back too: it may have died before it could see to that.
    """

    def __init__(self, showing: Showing, enact: Callable[[list[Effect]], Awaitable[None]]) -> None:
        self._with = showing
        self._enact = enact

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, ShowEvidence)
        if attempt.perhaps_sent and (earlier := await self._shown_before(effect)) is not None:
            return earlier
        case = self._with.book.by_id(effect.case)
        if case is None or not self._with.book.may(case, effect.user_id):
            return Refused("not_theirs")
        text, items = await self._what(effect, case)

        async def say(room_id: str) -> Done:
            return await self._with.speaker.say(room_id, effect, text, items, attempt)

        done = await self._with.rooms.tell(effect.user_id, effect.key, say)
        if isinstance(done, Done) and done.event_id is not None and (text == "case.shown" or attempt.perhaps_sent):
            until = self._with.clock.now_ms() + SHOWN_MS
            await self._take_back(effect, done.room_id or "", done.event_id, until)
        return done

    async def _shown_before(self, effect: ShowEvidence) -> Done | None:
        """See to it that what an earlier attempt showed goes, whoever may see it now; None if it showed nothing."""
        known = self._with.rooms.reach(effect.user_id)
        if known is None:
            return None
        room_id, actor = known[0], self._with.speaker.actor(effect.identity)
        try:
            found = await self._with.speaker.find(room_id, effect.key, actor)
        except Rejected as error:
            if error.temporary:
                raise
            return None  # that room is gone, and what was said in it
        if found is None:
            return None
        await self._take_back(effect, room_id, found, effect.at_ms + SHOWN_MS)
        return Done(event_id=found, room_id=room_id, already=True)

    async def _take_back(self, effect: ShowEvidence, room_id: str, event_id: str, at_ms: int) -> None:
        withdraw = Withdraw(
            source=effect.key,
            rule=effect.rule,
            lane=effect.lane,
            room_id=room_id,
            event_id=event_id,
            reason="shown_long_enough",
            not_before_ms=at_ms,
        )
        await self._enact([withdraw])

    async def _what(self, effect: ShowEvidence, case: Case) -> tuple[str, tuple[Item, ...]]:
        item = {"person": effect.user_id, "reference": case.reference, "about": case.about, "item": str(effect.item)}
        if effect.at_ms and self._with.clock.now_ms() - effect.at_ms > LATE_AFTER_MS:
            return "case.show_too_late", (item,)
        count, event_id, sealed = await self._with.questions.evidence_of(case.id, effect.item)
        if sealed is None:
            return await self._standing(effect, case, item) or self._nothing(effect, case, item, count)
        event = await self._opened(sealed)
        if event is None:
            return "case.vault_closed", (item,)
        content = event.get("content")
        content = content if isinstance(content, dict) else {}
        words = self._with.whole(content)
        shown = fitting(words, _SHOWN_MOST, _BYTES_MOST)
        edited = replaced(content)
        room_id, edit = str(event.get("room_id", "")), edited is not None
        stood = await self._with.around.read(room_id, edited or event_id, with_itself=edit)
        first = item | {
            "of": str(count),
            "next": str(effect.item + 1) if effect.item < count else "",
            "edit": "yes" if edit else "no",
            "cut": "yes" if len(shown) < len(words) else "no",
            "words": shown,
            "around": "unread" if stood is None else "read",
        }
        return "case.shown", (first, *(stood or ()))

    async def _standing(
        self, effect: ShowEvidence, case: Case, item: dict[str, str]
    ) -> tuple[str, tuple[Item, ...]] | None:
        """What somebody in need wrote where who asks cannot read it: to the guardian alone, or in a group of others.

        Nothing of it is kept by us. The newest comes first: it is the one that the card speaks of.
        """
        written = [one for one in reversed(case.events) if self._with.is_hidden(one.room_id, effect.user_id)]
        if case.track is not Track.CONCERN or effect.item > len(written):
            return None
        event = written[effect.item - 1]
        try:
            content = await self._with.standing(event)
        except Rejected as error:
            if error.temporary:
                raise
            return None
        words = self._with.whole(content)
        shown = fitting(words, _SHOWN_MOST, _BYTES_MOST)
        first = item | {
            "of": str(len(written)),
            "next": str(effect.item + 1) if effect.item < len(written) else "",
            "edit": "alone" if self._with.is_private(event.room_id) else "stands",
            "cut": "yes" if len(shown) < len(words) else "no",
            "words": shown,
        }
        return "case.shown", (first,)

    async def _opened(self, sealed: bytes) -> dict[str, Any] | None:
        """Return the sealed event, None where it cannot be opened."""
        vault = self._with.vault()
        try:
            if vault is None:
                raise VaultClosed("no_key")
            event = orjson.loads(await asyncio.to_thread(vault.unseal, sealed))
        except (VaultClosed, orjson.JSONDecodeError) as error:
            log.error("evidence_not_opened", error=type(error).__name__)
            return None
        return event if isinstance(event, dict) else None

    def _nothing(
        self, effect: ShowEvidence, case: Case, item: dict[str, str], count: int
    ) -> tuple[str, tuple[Item, ...]]:
        """What is said where there is nothing to open. It links what who asks can read."""
        if count:
            return "case.no_such_item", (item | {"count": str(count)},)
        if case.track is Track.CONDUCT:
            return "case.no_copy", (item,)
        hidden = self._with.is_hidden
        newest = next((one for one in reversed(case.events) if not hidden(one.room_id, effect.user_id)), None)
        where = {"room": newest.room_id, "event": newest.event_id} if newest is not None else {}
        return "case.nothing_kept", (item | where,)
