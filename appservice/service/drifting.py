"""Drift, from the event that brings it to what follows: put back at once, or told, as the policy says.

It is planned from what we know of one room, so that nothing is read on the way, and made by the same applier as every
plan. What is seen shares the commit of the event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import structlog

from appservice import switches
from appservice.flow import Card, Clock, EventInput, Lane, Place
from appservice.provisioning import Applied, DriftBook, Episode, Observer
from appservice.store import Commit, StoreRefused
from policies.changes import Change, SetListing, SetState
from policies.desired import DesiredCommunity, StateKey
from policies.drift import GOVERNED_TYPES, Deviation, is_left_alone
from policies.plan import Plan

if TYPE_CHECKING:
    from appservice.service.core import Core

log = structlog.get_logger()

_RULE = "drift"
#: Seconds until what could not be written down, or made, is tried again.
_AGAIN_S = 15.0


class DriftWatch:
    """Watches the rooms of the community in force."""

    def __init__(self, core: Core, observer: Observer, clock: Clock) -> None:
        self._homeserver = core.config.homeserver.name
        self._ghosts = core.ghosts
        self._projection = core.projection
        self._observer = observer
        self._provisioner = core.provisioner
        self._governance = core.governance
        self._lanes = core.lanes
        self._begun = False
        self._community: DesiredCommunity | None = None
        self._work: dict[str, asyncio.Task[None]] = {}
        self._woken: dict[str, asyncio.Event] = {}
        self.book = DriftBook(self._homeserver, clock)
        #: who waits as a newcomer in a room differs from what its powers say, which is no drift
        self.newcomers_moved: Callable[[str], None] = lambda _room_id: None
        observer.missed = lambda: core.gap.incomplete + core.gap.failures
        core.lanes.moved = self.moved
        core.lanes.found_moved = self.found_moved
        core.governance.left_alone = self.left_alone

    def follow(self, community: DesiredCommunity) -> None:
        """From now on this is what rooms are compared with; what stands is looked at again."""
        self._community = community
        if self._begun:
            self.begin()

    def begin(self) -> None:
        """All is known and as it should be: look at what an earlier life, or another policy, left open."""
        self._begun = True
        for room_id in self.book.open_rooms():
            self._wake(room_id)

    def left_alone(self, change: Change) -> bool:
        """Whether a change would put back what somebody did by hand, and the policy says to leave it.

        While an apply that was cut off is still to be finished, only what was seen to be done by hand is.
        """
        if self._community is None or not is_left_alone(self._community, change):
            return False
        if self._governance.settled or not isinstance(change, SetState):
            return self._governance.settled
        return self.book.stands(change.room_id, (change.type, change.state_key))

    # -- seen --------------------------------------------------------------------------------------------------------

    def moved(self, item: EventInput) -> Commit:
        """Take an event that moved state, or emptied some; return the rows that say so if the policy says otherwise."""
        event = item.event
        keys = [
            key
            for key, one in self._projection.written(event.room_id).items()
            if key[0] in GOVERNED_TYPES and one.cause == event.event_id
        ]
        if self._provisioner.applying and event.sender in self._ghosts:
            # Our own doing. Whoever acts with our token meanwhile is put right by the apply itself.
            keys = [key for key in keys if self.book.stands(event.room_id, key)]
        return self._compare(event.room_id, keys)

    def found_moved(self, room_id: str, keys: Collection[StateKey]) -> Commit:
        """Take what a reading of a room showed to be new to us; return the rows as `moved` does."""
        written = self._projection.written(room_id)
        ours = self._provisioner.applying
        return self._compare(
            room_id,
            [key for key in keys if key[0] in GOVERNED_TYPES and not (ours and written[key].sender in self._ghosts)],
        )

    def _compare(self, room_id: str, keys: Collection[StateKey]) -> Commit:
        rows = Commit()
        if not keys or self._community is None:
            return rows
        written, room = self._projection.written(room_id), self._projection.room(room_id)
        wanted = self._governance.with_newcomers(self._community)
        found = {one.key: one for one in self._observer.deviations(wanted, room_id)}
        for key in keys:
            if key in found and found[key].of_newcomers:
                self.newcomers_moved(room_id)
                rows.add(self.book.no_longer(room_id, key))
            elif key not in found and self._is_our_repair(room_id, key):
                self._wake(room_id)  # settled together with the card that tells of it
            elif key not in found:
                rows.add(self.book.no_longer(room_id, key))
            elif room is not None and key in written:
                rows.add(self.book.seen(room_id, self._community.id, room.group, found[key], written[key]))
                self._wake(room_id)
        return rows

    def _is_our_repair(self, room_id: str, key: StateKey) -> bool:
        """Whether what is as it should be came so while we were putting right this room, and no whole plan was applied."""
        return room_id in self._work and not self._provisioner.applying and self._is_ours(room_id, key)

    def _is_ours(self, room_id: str, key: StateKey) -> bool:
        written = self._projection.written(room_id).get(key)
        return written is not None and written.sender in self._ghosts

    # -- what follows ------------------------------------------------------------------------------------------------

    def _wake(self, room_id: str) -> None:
        if not self._begun:
            return  # first what was cut off is finished; `begin` looks at all that is open
        if room_id in self._work:
            self._woken[room_id].set()
            return
        self._woken[room_id] = asyncio.Event()
        self._work[room_id] = asyncio.create_task(self._follow_up(room_id))

    async def _follow_up(self, room_id: str) -> None:
        """See to one room until nothing is left to do there now."""
        woken = self._woken[room_id]
        try:
            pause: float | None = 0.0
            while pause is not None or woken.is_set():
                woken.clear()
                try:
                    pause = await self._see_to(room_id)
                except StoreRefused as error:
                    log.warning("drift_waits", reason=error.reason)
                    pause = _AGAIN_S
                except Exception as error:  # one room's trouble must not end the watch
                    log.error("drift_failed", error=type(error).__name__)
                    pause = _AGAIN_S
                if pause is not None:
                    await _either(woken, pause)
        finally:
            del self._work[room_id], self._woken[room_id]

    async def _see_to(self, room_id: str) -> float | None:
        """Put right what is to be put right, tell what is to be told; return seconds until there is more to do, if so."""
        if self._community is None:
            return None
        found: dict[StateKey, Deviation] = {}
        seen: list[Episode] = []  # what we do may have come back to us before it is answered

        def look() -> Plan:
            community = self._community  # as it holds when it is our turn: another may have been applied till then
            assert community is not None
            seen.extend(self.book.open_in(room_id))
            wanted = self._governance.with_newcomers(community)
            found.update({one.key: one for one in self._observer.deviations(wanted, room_id)})
            due = [
                one.change
                for one in found.values()
                if one.change is not None and self._is_due(room_id, one) and self.book.stands(room_id, one.key)
            ]
            return Plan(community.id, community.policy_digest, tuple(due))

        applied = await self._governance.repair(look)
        if applied is None:
            return None  # a person has to look at the policy first; then all of it is done at once
        rows, cards = self._outcome(room_id, seen, found, applied)
        await self._lanes.enact(cards, beside=rows)  # together: nobody would be told of what is seen to already
        waits = [
            self.book.wait_ms(one.place) / 1000 or _AGAIN_S
            for one in self.book.open_in(room_id)
            if one.done in ("seen", "failed")
        ]
        return min(waits, default=None)

    def _is_due(self, room_id: str, deviation: Deviation) -> bool:
        if self._answer(deviation) != "enforce" or switches.off("put_back"):
            return False
        return self.book.wait_ms((room_id, deviation.aspect)) == 0

    def _answer(self, deviation: Deviation) -> str:
        """What follows: what would expose people is not put back while that waits for a risk assessment."""
        waits = deviation.change is not None and self._governance.waits(deviation.change)
        return "warn" if waits and deviation.answer == "enforce" else deviation.answer

    def _outcome(
        self, room_id: str, seen: Collection[Episode], found: dict[StateKey, Deviation], applied: Applied
    ) -> tuple[Commit, list[Card]]:
        made = {
            (one.change.type, one.change.state_key): one.outcome
            for one in applied.made
            if isinstance(one.change, SetState | SetListing)
        }
        rows, cards = Commit(), []
        tried = {(room_id, found[key].aspect) for key in made if key in found}
        for place in tried:
            self.book.note_put_right(place)
        for episode in seen:
            deviation = found.get(episode.key)
            if deviation is None or made.get(episode.key) == "done":
                ours = episode.key in made or self._is_ours(room_id, episode.key)  # perhaps in a life that ended then
                told = "put_back" if ours else ""
                rows.add(self.book.settle(episode, "put_back"))
            elif deviation.change is None:
                told = "final"
                rows.add(self.book.settle(episode, "final"))
            elif (answer := self._answer(deviation)) != "enforce":
                told = "stands" if answer == "warn" else ""
                rows.add(self.book.settle(episode, "stands" if answer == "warn" else "ignored"))
            elif episode.key in made:
                told = "failed"
                rows.add(self.book.settle(episode, "failed"))
            else:
                told = "contested"
            if told and episode.done == "seen":
                may, noted = self.book.may_tell(episode.place, told)
                rows.add(noted)
                cards += [self._card(episode, told)] if may else []
        return rows, cards

    def _card(self, episode: Episode, told: str) -> Card:
        """Tell those who run the server, or of names those who moderate: what and where, and not who did it."""
        item = {
            "room": episode.room_id,
            "aspect": episode.aspect,
            "count": str(self.book.times_put_right(episode.place)),
        }
        return Card(
            source=f"{episode.event_id}/{told}/{episode.times}",
            rule=_RULE,
            lane=Lane(self._homeserver, episode.room_id),
            community=episode.community,
            place=Place.MODERATORS if episode.aspect == "look" else Place.OPS,
            about="",
            text=f"card.drift.{told}",
            items=(item,),
        )

    async def close(self) -> None:
        """Stop; what is open is looked at again at the next start."""
        work = list(self._work.values())
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)


async def _either(woken: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await woken.wait()
    except TimeoutError:
        return
