"""What newcomers send for reading, from the card to the group or back: composed here, with the book of who waits.

Words are opened only to be shown to somebody who may read them, to be posted, or to be given back. Each is done once,
whatever dies on the way: its row goes with what it became.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import structlog

from appservice.cases import SHOWN_MS
from appservice.conversation import TAPS, give_back
from appservice.effects import Speaker
from appservice.flow import (
    LATE_AFTER_MS,
    Attempt,
    Audience,
    Clock,
    DecideWords,
    Done,
    Effect,
    Executor,
    Identity,
    Item,
    Lane,
    Newcomer,
    NewcomerCard,
    Postponed,
    PostWords,
    Refused,
    Result,
    ReturnWords,
    RoomFacts,
    ShowWords,
    Track,
    VaultClosed,
    Withdraw,
    Words,
    transaction_id,
)
from appservice.matrix import Rejected
from appservice.membership import KEPT_MS, NewcomerBook, reference_of
from appservice.people import READABLE
from appservice.service.governance import Governance
from appservice.service.newcomer_levels import NewcomerLevels
from appservice.store import StoreRefused, sealed_words
from policies.desired import DesiredCommunity

if TYPE_CHECKING:
    from appservice.service.core import Core

log = structlog.get_logger()

#: Seconds between two looks at what nobody decided about.
_EVERY_S: Final = 5.0
#: ms until we look again for a room in which a card can stand.
_NO_ROOM_MS: Final = 2_000


class Reading:
    """The newcomers of one running service, and what they send for reading."""

    def __init__(self, core: Core, clock: Clock, speaker: Speaker) -> None:
        self._core = core
        self._clock = clock
        self._speaker = speaker
        self._name = core.config.homeserver.name
        self.book = NewcomerBook(
            self._name, core.casework.the_vault, self._room_of, core.projection.room, self._may, core.ghosts
        )
        core.projection.newcomers = self.book
        self._cards = asyncio.Lock()
        self.executors: dict[str, Executor] = {
            "show_words": _Calls(self._show),
            "post_words": _Calls(self._post),
            "newcomer_card": _Calls(self._card),
        }
        self.recorders = {
            "hold_words": self.book.hold,
            "drop_words": self.book.drop,
            "decide_words": self.book.decide,
        }

    def returning(self, says: Executor) -> Executor:
        """Return what gives words back, by what tells people things."""

        async def execute(effect: Effect, attempt: Attempt) -> Result:
            return await self._return(says, effect, attempt)

        return _Calls(execute)

    def hold(self, governance: Governance) -> None:
        """See to levels by this governance, and have its plans know who waits."""
        self.levels = NewcomerLevels(governance, self._core.projection.room, self.book.beside, self.book.rooms)
        self.book.changed = self.levels.wake
        governance.with_newcomers, governance.brought = self.book.beside, self.book.brought

    def follow(self, community: DesiredCommunity) -> None:
        """From now on this policy says whose messages are read first."""
        self.book.follow(community)
        self.levels.follow()

    def begin(self) -> None:
        """All is known and as it should be: see to who waits, from now on at once."""
        self.levels.begin()

    async def close(self) -> None:
        """Stop; what is open is seen to at the next start."""
        await self.levels.close()

    async def load(self) -> None:
        """Take up what an earlier life knew. Raises `StoreRefused`."""
        await self.book.load(self._core.database)

    async def run(self) -> None:
        """Give back what nobody decided about, for the life of the process."""
        while True:
            await self.turn()
            await asyncio.sleep(_EVERY_S)

    async def turn(self) -> None:
        """Give back what is over now."""
        for words, why in self.book.stale(self._clock.now_ms()):
            if self.book.words(words.id) != words:
                continue  # somebody decided, or took it back, while others were given back
            source, ids = f"timer/{words.id}/{why}", (words.id,)
            common: dict[str, Any] = {"source": source, "rule": "words_over", "lane": Lane(self._name, "")}
            of: dict[str, Any] = {"community": words.community, "group": words.group, "user_id": words.user_id}
            room = self._room_of(words.group)
            back = give_back(common, words.user_id, room.room_id if room is not None else "", [words], why)
            try:
                await self._core.lanes.enact(
                    [DecideWords(**common, **of, words=ids, posts=False, by=""), back, NewcomerCard(**common, **of)]
                )
            except StoreRefused as error:
                log.warning("words_wait", reason=error.reason)
                return

    # -- who -----------------------------------------------------------------------------------------------------------

    def _room_of(self, group: str) -> RoomFacts | None:
        projection = self._core.projection
        room_id = projection.place(self._core.direct_rooms.community, group)
        return projection.room(room_id) if room_id is not None else None

    def _may(self, newcomer: Newcomer, user_id: str) -> bool:
        """Whether somebody moderates that group, or answers for safeguarding, and has no open case of their own."""
        rules, community = self._core.projection.rules, newcomer.community
        if rules is None or self._has_case(community, user_id):
            return False
        moderates = rules.can(community, user_id, "moderate") and rules.admits(community, newcomer.group, user_id)
        return moderates or rules.can(community, user_id, "safeguard")

    def _has_case(self, community: str, user_id: str) -> bool:
        book = self._core.casework.book
        return any((case := book.current(community, track, user_id)) is not None and case.open for track in Track)

    # -- showing -------------------------------------------------------------------------------------------------------

    async def _show(self, effect: Effect, attempt: Attempt) -> Result:
        """Show somebody what waits, in their direct room; from then on they may decide. It is taken back after a while."""
        assert isinstance(effect, ShowWords)
        if attempt.perhaps_sent and (earlier := await self._shown_before(effect)) is not None:
            return earlier
        newcomer = self.book.person(effect.group, effect.user_id)
        if newcomer is None or not self.book.may(newcomer, effect.to):
            return Refused("not_theirs")
        if self._clock.now_ms() - effect.at_ms > LATE_AFTER_MS:
            return Refused("late")  # whoever asked may have put the device down
        waiting = [one for one in self.book.waiting(effect.group, effect.user_id) if one.id in effect.words]
        opened = [(one, text) for one in waiting if (text := await self._opened(one)) is not None]
        if not waiting:
            return Refused("nothing_waits")
        room = self._room_of(effect.group)
        first = {"person": effect.to, "about": effect.user_id, "reference": reference_of(newcomer)}
        first["room"] = room.room_id if room is not None else ""
        items = tuple({**first, "words": text} for _, text in opened) or (first,)
        text = "first.shown" if opened else "case.vault_closed"

        async def say(room_id: str) -> Done:
            return await self._speaker.say(room_id, effect, text, items, attempt)

        done = await self._core.direct_rooms.tell(effect.to, effect.key, say)
        if opened and isinstance(done, Done) and done.event_id is not None:
            await self._take_back(effect, done.room_id or "", done.event_id, self._clock.now_ms() + SHOWN_MS)
            await self._core.database.insist(self.book.showed([one.id for one, _ in opened], effect.to))
        return done

    async def _shown_before(self, effect: ShowWords) -> Done | None:
        """See to it that what an attempt showed that was cut off goes, whoever may see it now; None if it showed nothing.

        Nobody may decide by it: who asks once more is shown it once more.
        """
        known = self._core.direct_rooms.reach(effect.to)
        if known is None:
            return None
        try:
            found = await self._speaker.find(known[0], effect.key, self._speaker.actor(effect.identity))
        except Rejected as error:
            if error.temporary:
                raise
            return None  # that room is gone, and what was said in it
        if found is None:
            return None
        await self._take_back(effect, known[0], found, effect.at_ms + SHOWN_MS)
        return Done(event_id=found, room_id=known[0], already=True)

    async def _take_back(self, effect: Effect, room_id: str, event_id: str, at_ms: int) -> None:
        withdraw = Withdraw(
            source=effect.key,
            rule=effect.rule,
            lane=effect.lane,
            room_id=room_id,
            event_id=event_id,
            reason="shown_long_enough",
            not_before_ms=at_ms,
        )
        await self._core.lanes.enact([withdraw])

    async def _opened(self, words: Words) -> str | None:
        sealed, vault = await sealed_words(self._core.database, self._name, words.id), self._core.casework.the_vault()
        try:
            if not sealed or vault is None:
                raise VaultClosed("no_key")
            return (await asyncio.to_thread(vault.unseal, sealed)).decode()
        except (VaultClosed, UnicodeDecodeError):
            log.error("words_not_opened")
            return None

    # -- into the group, or back ---------------------------------------------------------------------------------------

    async def _post(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, PostWords)
        words = self.book.words(effect.words_id)
        if words is None:
            return Done(already=True)  # it was posted, and counted
        room = self._room_of(effect.group)
        if room is None and self._clock.now_ms() - words.at_ms < KEPT_MS:
            return Postponed("no_room", _NO_ROOM_MS)  # it is read anew: whether they are in it is known after that
        text = await self._opened(words)
        if room is None or room.members.get(effect.user_id) != "join" or text is None:
            return await self._not_posted(effect, words, "gone" if text is not None else "failed")
        item = {"about": effect.user_id, "words": text}
        try:
            done = await self._speaker.say(room.room_id, effect, "first.message", (item,), attempt)
        except Rejected as error:
            if error.temporary:
                raise
            return await self._not_posted(effect, words, "failed")
        await self._core.database.insist(self.book.posted(words))
        return done

    async def _not_posted(self, effect: PostWords, words: Words, why: str) -> Result:
        common: dict[str, Any] = {"source": effect.key, "rule": effect.rule, "lane": effect.lane}
        room = self._room_of(words.group)
        room_id = room.room_id if room is not None else ""
        await self._core.lanes.enact([give_back(common, words.user_id, room_id, [words], why)])
        return Refused("not_posted")

    async def _return(self, says: Executor, effect: Effect, attempt: Attempt) -> Result:
        """Give words back, once; then they are gone, also where nobody is left to be told."""
        assert isinstance(effect, ReturnWords)
        items: list[Item] = []
        for item in effect.items:
            words = self.book.words(item.get("id", ""))
            text = await self._opened(words) if words is not None else None
            items.append({**item, "words": text} if text is not None else item)
        try:
            result = await says.execute(replace(effect, items=tuple(items)), attempt)
        except Rejected as error:
            if error.temporary:
                raise
            result = Refused(error.errcode)
        if not isinstance(result, Postponed):
            for item in effect.items:
                await self._core.database.insist(self.book.done_with(item.get("id", "")))
            self._core.lanes.text_purged()
        return result

    # -- cards ---------------------------------------------------------------------------------------------------------

    async def _card(self, effect: Effect, attempt: Attempt) -> Result:
        """Have one card say what waits of a newcomer, where those sit who may read it and not the newcomer (CARE, 4)."""
        assert isinstance(effect, NewcomerCard)
        async with self._cards:
            newcomer = self.book.person(effect.group, effect.user_id)
            if newcomer is None:
                return Done(already=True)
            count = len(self.book.waiting(effect.group, effect.user_id))
            if not count:
                return await self._close(effect, newcomer, attempt)
            rooms = await self._rooms(effect)
            if not rooms:
                return Postponed("no_room", _NO_ROOM_MS)
            done = Done(already=True)
            for room_id in rooms:
                newcomer = self.book.person(effect.group, effect.user_id) or newcomer
                card = next((one for one in newcomer.cards if one[0] == room_id), None)
                if card is None:
                    done = await self._new(effect, newcomer, room_id, count, attempt)
                else:
                    await self._edit(effect, newcomer, card, count, attempt)
            return done

    async def _rooms(self, effect: NewcomerCard) -> list[str]:
        book, community = self._core.casework.book, effect.community
        place = book.instead(Audience.MODERATORS, community, effect.user_id)
        if place is not Audience.PRIVATE:
            return [one for one in [self._core.projection.place(community, place)] if one is not None]
        people = book.others(community, effect.user_id)
        found = [await self._core.direct_rooms.reachable(one, effect.key) for one in people]
        return [room_id for room_id, how in found if how in READABLE]

    async def _new(self, effect: Effect, newcomer: Newcomer, room_id: str, count: int, attempt: Attempt) -> Done:
        items = (self._says(newcomer, count),)
        done = await self._speaker.say(room_id, effect, "first.card", items, attempt, part=f"card/{room_id}")
        assert done.event_id is not None
        now = self.book.person(*newcomer.key) or newcomer
        card = (room_id, done.event_id)
        await self._core.database.insist(self.book.carded(now, tuple(dict.fromkeys((*now.cards, card)))))
        actor = self._speaker.actor(Identity.GUARDIAN)
        for key in TAPS:
            content = {"m.relates_to": {"rel_type": "m.annotation", "event_id": done.event_id, "key": key}}
            transaction = transaction_id(effect.key, f"{TAPS[key]}/{room_id}")
            try:
                await self._core.client.send(room_id, "m.reaction", content, transaction, actor)
            except Rejected as error:
                if error.temporary:
                    raise
                # It stands there already, or may not: the word on the card does the same.
        return done

    async def _close(self, effect: Effect, newcomer: Newcomer, attempt: Attempt) -> Result:
        for card in newcomer.cards:
            await self._edit(effect, newcomer, card, 0, attempt)
        now = self.book.person(*newcomer.key) or newcomer
        await self._core.database.insist(self.book.carded(now, ()))
        return Done(already=True)

    async def _edit(
        self, effect: Effect, newcomer: Newcomer, card: tuple[str, str], count: int, attempt: Attempt
    ) -> None:
        room_id, event_id = card
        if self._core.projection.membership(room_id, newcomer.user_id) in {"join", "invite"}:
            return  # they came in after the card: nothing more of it is said there (CARE, rule 4)
        items, part = (self._says(newcomer, count),), f"{count}/{event_id}"
        try:
            await self._speaker.say(room_id, effect, "first.card", items, attempt, replaces=event_id, part=part)
        except Rejected as error:
            if error.temporary:
                raise  # else that room is closed, or gone

    def _says(self, newcomer: Newcomer, count: int) -> Item:
        room = self._room_of(newcomer.group)
        return {
            "person": newcomer.user_id,
            "room": room.room_id if room is not None else "",
            "reference": reference_of(newcomer),
            "count": str(max(1, count)),
            "state": "open" if count else "closed",
        }


class _Calls:
    """An executor that is one function."""

    def __init__(self, execute: Callable[[Effect, Attempt], Awaitable[Result]]) -> None:
        self._execute = execute

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        return await self._execute(effect, attempt)
