"""Plans against what is observed, applies, and looks whether it holds: the whole of provisioning, one at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from appservice.flow import Ghosts
from appservice.provisioning.apply import Applied, Applier, Made, Progress
from appservice.provisioning.observe import Observer, identities_of
from policies.changes import BringOver, Change, Invite, KeepOut, Remove, Retire, SetListing, SetState
from policies.desired import DesiredCommunity, RoomKey
from policies.notes import Note, homeserver_notes
from policies.observed import Observed, ObservedRoom
from policies.people import People
from policies.plan import Plan, plan

log = structlog.get_logger()

#: How often what somebody changed by hand meanwhile is put right in one apply.
ROUNDS: Final = 3
#: Seconds until what we did must have come back to us in the stream; after that the rooms are read.
_STREAM_S: Final = 5.0

#: Which changes are not made now, though the policy asks for them.
Leave = Callable[[Change], bool]
#: Who may be there at this moment: the people file's people, with what was approved since.
Standing = Callable[[], People]
#: Which rooms are to get successors, or be adopted, by key: what is there is given.
Find = Callable[[Observed], Awaitable[Mapping[RoomKey, ObservedRoom]]]


@dataclass(slots=True)
class Reconciled:
    """What an apply came to, over all rounds.

    planned: the calls that the first plan announced; calls: those made, which are more only if something moved
    meanwhile. undone: changes that failed or were held back. remaining: changes that a further plan would still make.
    """

    planned: int
    rounds: int = 0
    done: int = 0
    calls: int = 0
    reads: int = 0
    undone: list[Made] = field(default_factory=list)
    remaining: int = 0
    notes: tuple[Note, ...] = ()
    rooms: dict[str, str] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        """Whether nothing is left to do."""
        return not self.undone and not self.remaining

    def take(self, applied: Applied) -> None:
        """Add what one round came to."""
        self.rounds += 1
        self.done += len(applied.made) - len(applied.undone)
        self.calls += applied.calls
        self.reads += applied.reads
        self.undone = applied.undone


class Provisioner:
    """Makes communities be what their policies say."""

    def __init__(self, observer: Observer, applier: Applier, ghosts: Ghosts) -> None:
        self._observer = observer
        self._applier = applier
        self._identities = identities_of(ghosts)
        self._busy = asyncio.Lock()
        #: whether a whole plan is being applied, so that what comes back to us may be of our own doing
        self.applying = False

    async def plan(
        self,
        community: DesiredCommunity,
        people: People,
        *,
        audit: bool = False,
        find: Find | None = None,
        leave: Leave = lambda _change: False,
    ) -> Plan:
        """Return what is to be done, but for what is to be left; with `audit`, every room is read first.

        find: says, by what is there, which rooms a person wants to have followed. Raises `HomeserverError`,
        `StoreRefused`, and what `find` raises.
        """
        if audit:
            await self._observer.audit(community)
        observed = await self._observer.look(community)
        if find is not None:
            observed = await self._observer.to_follow(community, observed, await find(observed))
        return plan(community, people, observed, self._identities, leave)

    def present(self, community: DesiredCommunity, people: People) -> Plan:
        """Return what is to be done as far as we know at this moment, without asking the homeserver anything."""
        return plan(community, people, self._observer.present(community), self._identities)

    async def apply(
        self,
        community: DesiredCommunity,
        standing: Standing,
        *,
        first: Plan | None = None,
        progress: Progress | None = None,
        leave: Leave = lambda _change: False,
    ) -> Reconciled:
        """Make `community` true, starting with the plan `first` if there is one, but for what is to be left.

        What is refused is reported and keeps nothing else from being done. Raises `HomeserverError`, `StoreRefused`
        where nothing could be seen or planned; call it again.
        """
        async with self._busy:
            self.applying = True
            try:
                return await self._apply(community, standing, first, progress, leave)
            finally:
                self.applying = False

    async def repair(self, look: Callable[[], Plan]) -> Applied:
        """Make the plan that `look` returns when nothing else is being done. Nothing is read, nothing is looked at again."""
        async with self._busy:
            return await self._applier.apply(look())

    async def _apply(
        self,
        community: DesiredCommunity,
        standing: Standing,
        first: Plan | None,
        progress: Progress | None,
        leave: Leave,
    ) -> Reconciled:
        todo = first if first is not None else await self.plan(community, standing())
        todo = _but(todo, leave)
        result = Reconciled(planned=todo.calls)
        while not todo.empty and result.rounds < ROUNDS:
            applied = await self._applier.apply(todo, progress)
            result.take(applied)
            await self._observer.moved_on(community)
            left = await self._left(community, standing, applied, leave)
            if not left:
                break
            log.info("moved_meanwhile", changes=len(left))
            await self._observer.read({change.room_id for change in left if change.room_id.startswith("!")})
            todo = _without(_but(await self.plan(community, standing()), leave), applied)
        now = _but(self.present(community, standing()), leave)
        result.remaining = len(_without(now, None, result.undone).changes)
        result.notes = now.notes
        result.rooms = {key: room.room_id for key, room in self._observer.present(community).rooms.items()}
        return result

    async def _left(
        self, community: DesiredCommunity, standing: Standing, applied: Applied, leave: Leave
    ) -> tuple[Change, ...]:
        """What is left to do, beside what failed, when all that we did has come back to us in the stream."""
        until = time.monotonic() + _STREAM_S
        while True:
            began = time.monotonic()
            left = _without(_but(self.present(community, standing()), leave), applied).changes
            if not left or began > until:
                return left
            await asyncio.sleep(max(0.02, 4 * (time.monotonic() - began)))

    async def audit(self, community: DesiredCommunity) -> None:
        """Read every room of the community anew. Raises `HomeserverError`, `StoreRefused`."""
        await self._observer.audit(community)

    async def glance(self, community: DesiredCommunity) -> None:
        """Look at every room at the cost of who is in it and who has power. Raises as `audit`."""
        await self._observer.glance(community)

    def homeserver_notes(self, community: DesiredCommunity) -> tuple[Note, ...]:
        """Return what the homeserver does otherwise than the policy says of other servers, as far as we have seen."""
        seen = self._observer.openness
        return homeserver_notes(community.reach, seen) if seen is not None else ()

    async def notice_vanished(self) -> int:
        """Look which rooms the homeserver has no more; return how many were lost. Raises as `audit`."""
        return await self._observer.notice_vanished()


def _without(planned: Plan, applied: Applied | None, undone: Iterable[Made] = ()) -> Plan:
    """Return the plan without what was just tried in vain."""
    tried = {_aim(made.change) for made in (applied.undone if applied is not None else undone)}
    left = tuple(change for change in planned.changes if _aim(change) not in tried)
    return Plan(planned.community, planned.policy, left, planned.notes)


def _but(planned: Plan, leave: Leave) -> Plan:
    """Return the plan without what is to be left."""
    left = tuple(change for change in planned.changes if not leave(change))
    return planned if len(left) == len(planned.changes) else replace(planned, changes=left)


def _aim(change: Change) -> tuple[str, ...]:
    """What a change is about, whatever it found before."""
    if isinstance(change, SetState | Retire):
        # A link's key is the id of a room, which may have been a placeholder.
        return change.do, change.room, change.type, change.subject or change.state_key
    if isinstance(change, Invite | Remove | BringOver | KeepOut):
        return change.do, change.room, change.user_id
    if isinstance(change, SetListing):  # of a room and of the one whose place it takes
        return change.do, change.room, str(change.over)
    return change.do, change.room
