"""Makes the changes of a plan, one call each: phase by phase, rooms side by side, one change after another in a room.

What is refused is told and costs only what rests on it. A change may be made again after any interruption: that it was
made already is seen in the homeserver's answer or by one read.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import structlog

from appservice import switches
from appservice.flow import AuditSink, Ghosts
from appservice.matrix import Actor, AdminCapability, HomeserverClient, HomeserverError, Unreachable
from appservice.provisioning.calls import Calls
from appservice.provisioning.observe import Observer
from policies.changes import (
    PHASES,
    BringOver,
    Change,
    Invite,
    KeepOut,
    Phase,
    Remove,
    Retire,
    SetListing,
    SetState,
    filled,
    needs,
)
from policies.notes import NOT_LISTED
from policies.plan import Plan

log = structlog.get_logger()

#: Rooms that are worked on at the same time.
ROOMS_AT_ONCE: Final = 4
#: A change of these phases that failed keeps what would expose or advertise its room from being done.
_GUARDING: Final[frozenset[Phase]] = frozenset({"create", "lock", "demote", "remove"})
#: Changes of these phases are made only where everything before them was.
_AT_LAST: Final[frozenset[Phase]] = frozenset({"withdraw", "close"})

Outcome = Literal["done", "failed", "held"]


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one change: `done`, `failed` (`why` says what the homeserver answered, `refused` that it did), or
    `held` back because of a failure before it."""

    change: Change
    outcome: Outcome
    why: str = ""
    refused: bool = False


@dataclass(slots=True)
class Applied:
    """What applying a plan came to. `calls` were made to change something, `reads` to look; `rooms` are ids by key."""

    made: list[Made] = field(default_factory=list)
    calls: int = 0
    reads: int = 0
    rooms: dict[str, str] = field(default_factory=dict)

    @property
    def undone(self) -> list[Made]:
        """What failed or was held back."""
        return [one for one in self.made if one.outcome != "done"]


Progress = Callable[[Made], None]


class Applier:
    """Applies plans as steward (and, to join, as guardian). One at a time.

    farewell: what is said to the people of a room when it is closed.
    """

    def __init__(
        self,
        client: HomeserverClient,
        admin: AdminCapability,
        observer: Observer,
        ghosts: Ghosts,
        guardian: Actor,
        audit: AuditSink,
        farewell: Callable[[], str] = str,
    ) -> None:
        self._client = client
        self._admin = admin
        self._observer = observer
        self._ghosts = ghosts
        self._guardian = guardian
        self._audit = audit
        self._farewell = farewell

    async def apply(self, plan: Plan, progress: Progress | None = None) -> Applied:
        """Make all changes of `plan`; never raises for what a homeserver refuses or for its absence."""
        calls = Calls(self._client, self._admin, self._observer, self._ghosts, self._guardian, self._farewell)
        work = _Work(calls, self._audit, plan, progress)
        for phase in PHASES:
            await work.phase([change for change in plan.changes if change.phase == phase])
        work.applied.calls, work.applied.reads = calls.made, calls.looked
        return work.applied


class _Work:
    """One application of one plan."""

    def __init__(
        self,
        calls: Calls,
        audit: AuditSink,
        plan: Plan,
        progress: Progress | None,
    ) -> None:
        self._calls = calls
        self._audit = audit
        self._lane = f"provisioning {plan.community}"
        self._community = plan.community
        self._progress = progress
        self._slots = asyncio.Semaphore(ROOMS_AT_ONCE)
        self._broken: set[str] = set()  # rooms in which something failed that guards them
        self._unfinished: set[str] = set()  # rooms in which something was not done that may still be
        self.applied = Applied()

    # -- order -----------------------------------------------------------------------------------------------------

    async def phase(self, changes: Sequence[Change]) -> None:
        """Make the changes of one phase: first those rooms for which nothing else has to be made."""
        rooms: dict[str, list[Change]] = defaultdict(list)
        for change in changes:
            rooms[change.room].append(change)
        while rooms:
            ready = {key: todo for key, todo in rooms.items() if not self._awaited(key, todo)}
            if not ready:  # what they wait for has failed
                ready = dict(rooms)
            await _side_by_side(self._room(todo) for todo in ready.values())
            for key in ready:
                del rooms[key]

    def _awaited(self, room: str, changes: Iterable[Change]) -> set[str]:
        asked = {key for change in changes for key in needs(change)} - {room}
        return {key for key in asked if key not in self.applied.rooms and key not in self._broken}

    async def _room(self, changes: Sequence[Change]) -> None:
        async with self._slots:
            for change in changes:
                self._note(await self._one(change))

    async def _one(self, change: Change) -> Made:
        missing = [key for key in needs(change) if key not in self.applied.rooms]
        if missing:
            return Made(change, "held", f"the room {missing[0]} was not made")
        if isinstance(change, SetState) and change.type == "m.space.child" and switches.off("space_links"):
            return Made(change, "held", "switched off")
        if self._held(change):
            return Made(change, "held", "something before it failed, and would leave the room less safe")
        try:
            made = await self._calls.make(filled(change, self.applied.rooms), self._community)
        except Unreachable:
            return Made(change, "failed", "the homeserver did not answer")
        except HomeserverError as error:
            why = f"the homeserver refused: {error}"
            if _shows(change):
                why = f"{why}. {NOT_LISTED}"
            return Made(change, "failed", why, refused=True)
        if made is not None:
            self.applied.rooms[change.room] = made
        return Made(change, "done")

    def _held(self, change: Change) -> bool:
        if change.phase in _AT_LAST:
            return change.room in self._broken or change.room in self._unfinished
        if change.phase != "publish":
            return False
        shown = change.state_key if isinstance(change, SetState) and change.type == "m.space.child" else ""
        broken_ids = {self.applied.rooms.get(key, key) for key in self._broken}
        return change.room in self._broken or shown in broken_ids

    def _note(self, made: Made) -> None:
        change = made.change
        if made.outcome != "done" and change.phase in _GUARDING:
            self._broken |= {change.room, change.room_id}
        # Whom the homeserver does not let in, or what it does not show, must not keep an old room open for ever.
        if made.outcome != "done" and not (made.refused and (change.phase == "add" or _shows(change))):
            self._unfinished.add(change.room)
        self.applied.made.append(made)
        line: dict[str, object] = {
            "change": change.do,
            "room": change.room,
            "class": change.change_class,
            "outcome": made.outcome,
        }
        if isinstance(change, SetState | Retire):
            line["state"] = change.type
        if isinstance(change, SetListing):
            line["listed"] = change.listed
        people = Invite | Remove | BringOver | KeepOut
        self._audit.note(self._lane, line, change.user_id if isinstance(change, people) else None)
        if made.outcome != "done":
            log.warning("change_not_made", change=change.do, group=change.room, outcome=made.outcome, why=made.why)
        if self._progress is not None:
            self._progress(made)


def _shows(change: Change) -> bool:
    return isinstance(change, SetListing) and change.listed


async def _side_by_side(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Await all; if one fails in a way that nobody foresaw, none goes on behind the caller's back."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
