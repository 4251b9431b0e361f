"""Makes the changes of a plan, one call each: phase by phase, rooms side by side, one change after another in a room.

What is refused is told and costs only what rests on it. A change may be made again after any interruption: that it was
made already is seen in the homeserver's answer or by one read.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import stamina
import structlog

from appservice import switches
from appservice.flow import AuditSink, Ghosts
from appservice.matrix import Actor, HomeserverClient, HomeserverError, Rejected, Unreachable
from appservice.provisioning.observe import Observer
from policies.changes import (
    PHASES,
    AddAddress,
    Change,
    CreateRoom,
    Invite,
    InviteGuardian,
    JoinGuardian,
    Phase,
    Remove,
    SetState,
    filled,
    needs,
)
from policies.plan import Plan

log = structlog.get_logger()

#: Rooms that are worked on at the same time.
ROOMS_AT_ONCE: Final = 4
#: Seconds that one change waits for a homeserver that is away or busy, before it counts as failed.
PATIENCE_S: Final = 60.0
#: A change of these phases that failed keeps what would expose or advertise its room from being done.
_GUARDING: Final[frozenset[Phase]] = frozenset({"create", "lock", "demote", "remove"})
_NO_ADDRESS: Final = frozenset({"M_ROOM_IN_USE", "M_EXCLUSIVE"})

Outcome = Literal["done", "failed", "held"]


@dataclass(frozen=True, slots=True)
class Made:
    """What became of one change: `done`, `failed` (`why` says what the homeserver answered), or `held` back because of
    a failure before it."""

    change: Change
    outcome: Outcome
    why: str = ""


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
    """Applies plans as steward (and, to join, as guardian). One at a time."""

    def __init__(
        self, client: HomeserverClient, observer: Observer, ghosts: Ghosts, guardian: Actor, audit: AuditSink
    ) -> None:
        self._client = client
        self._observer = observer
        self._steward = ghosts.steward
        self._guardian = guardian
        self._audit = audit

    async def apply(self, plan: Plan, progress: Progress | None = None) -> Applied:
        """Make all changes of `plan`; never raises for what a homeserver refuses or for its absence."""
        work = _Work(self._client, self._observer, self._steward, self._guardian, self._audit, plan, progress)
        for phase in PHASES:
            await work.phase([change for change in plan.changes if change.phase == phase])
        return work.applied


class _Work:
    """One application of one plan."""

    def __init__(
        self,
        client: HomeserverClient,
        observer: Observer,
        steward: str,
        guardian: Actor,
        audit: AuditSink,
        plan: Plan,
        progress: Progress | None,
    ) -> None:
        self._client = client
        self._observer = observer
        self._steward = steward
        self._guardian = guardian
        self._audit = audit
        self._community = plan.community
        self._lane = f"provisioning {plan.community}"
        self._progress = progress
        self._slots = asyncio.Semaphore(ROOMS_AT_ONCE)
        self._broken: set[str] = set()  # rooms in which something failed that guards them
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
            await self._make(filled(change, self.applied.rooms))
        except Unreachable:
            return Made(change, "failed", "the homeserver did not answer")
        except HomeserverError as error:
            return Made(change, "failed", f"the homeserver refused: {error}")
        return Made(change, "done")

    def _held(self, change: Change) -> bool:
        if change.phase != "publish":
            return False
        shown = change.state_key if isinstance(change, SetState) and change.type == "m.space.child" else ""
        broken_ids = {self.applied.rooms.get(key, key) for key in self._broken}
        return change.room in self._broken or shown in broken_ids

    def _note(self, made: Made) -> None:
        change = made.change
        if made.outcome != "done" and change.phase in _GUARDING:
            self._broken |= {change.room, change.room_id}
        self.applied.made.append(made)
        line = {"change": change.do, "room": change.room, "class": change.change_class, "outcome": made.outcome}
        if isinstance(change, SetState):
            line["state"] = change.type
        self._audit.note(self._lane, line, change.user_id if isinstance(change, Invite | Remove) else None)
        if made.outcome != "done":
            log.warning("change_not_made", change=change.do, group=change.room, outcome=made.outcome, why=made.why)
        if self._progress is not None:
            self._progress(made)

    # -- calls -----------------------------------------------------------------------------------------------------

    async def _make(self, change: Change) -> None:
        """Make one change. Raises `HomeserverError` where it cannot be made, or not within `PATIENCE_S`."""
        match change:
            case CreateRoom():
                self.applied.rooms[change.room] = await self._create(change)
            case InviteGuardian(user_id=user_id) | Invite(user_id=user_id):
                await self._call(
                    lambda: self._client.invite(change.room_id, user_id, self._steward),
                    lambda: self._membership(change.room_id, user_id, ("join", "invite")),
                )
            case JoinGuardian():
                await self._call(lambda: self._client.join(change.room_id, self._guardian))
            case Remove(user_id=user_id):
                code = "invite_withdrawn" if change.invited else "not_admitted"
                await self._call(
                    lambda: self._client.kick(change.room_id, user_id, code, self._steward),
                    lambda: self._membership(change.room_id, user_id, ("", "leave", "ban")),
                )
            case AddAddress(address=address):
                await self._call(
                    lambda: self._client.add_address(address, change.room_id, self._steward),
                    lambda: self._leads_to(address, change.room_id),
                )
            case SetState():
                await self._call(
                    lambda: self._client.set_state(
                        change.room_id, change.type, change.state_key, change.after, self._steward
                    )
                )

    async def _call(
        self, call: Callable[[], Awaitable[object]], already: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """Call until there is an answer. A refusal is asked after: an answer may have been lost on the way here."""
        try:
            async for attempt in _patiently():
                with attempt:
                    self.applied.calls += 1
                    await call()
        except Rejected:
            if already is None or not await already():
                raise

    async def _create(self, change: CreateRoom) -> str:
        """Make a room. Whether an attempt without an answer made it is looked up before the next."""
        body = change.body
        first = True
        async for attempt in _patiently():
            with attempt:
                if not first and (made := await self._observer.made(self._community, change.room)):
                    return made
                first = False
                self.applied.calls += 1
                try:
                    return await self._client.create_room(body, self._steward)
                except Rejected as error:
                    if error.errcode not in _NO_ADDRESS or "room_alias_name" not in body:
                        raise
                # Somebody took the address since it was looked up: the room goes without; the next plan says so.
                body = {name: value for name, value in body.items() if name != "room_alias_name"}
                self.applied.calls += 1
                return await self._client.create_room(body, self._steward)
        raise Unreachable("no attempt was made")

    async def _membership(self, room_id: str, user_id: str, wanted: tuple[str, ...]) -> bool:
        self.applied.reads += 1
        try:
            content: Mapping[str, object] = await self._client.state_event(
                room_id, "m.room.member", user_id, self._steward
            )
        except Rejected as error:
            if error.status != 404:
                raise
            content = {}
        return str(content.get("membership", "")) in wanted

    async def _leads_to(self, address: str, room_id: str) -> bool:
        self.applied.reads += 1
        try:
            return await self._client.resolve(address, self._steward) == room_id
        except Rejected as error:
            if error.status == 404:
                return False
            raise


async def _side_by_side(work: Iterable[Coroutine[None, None, None]]) -> None:
    """Await all; if one fails in a way that nobody foresaw, none goes on behind the caller's back."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _may_pass(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds the homeserver asked us to."""
    if isinstance(error, Rejected):
        if not error.temporary:
            return False
        return True if error.retry_after_ms is None else min(error.retry_after_ms / 1000, PATIENCE_S)
    return isinstance(error, Unreachable)


def _patiently() -> AsyncIterator[stamina.Attempt]:
    return stamina.retry_context(on=_may_pass, attempts=None, timeout=PATIENCE_S, wait_initial=0.2, wait_max=5.0)
