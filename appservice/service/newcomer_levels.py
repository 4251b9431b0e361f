"""Newcomers get the level of those who wait as soon as they come, and lose it when they need it no longer.

As drift, it is planned from what we know of one room, and made by one call. Only who waits is put right: whatever else
differs there is for the drift watch, or a plan.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Final

import structlog

from appservice.flow import RoomFacts
from appservice.service.governance import Governance
from policies.changes import SetState
from policies.desired import DesiredCommunity
from policies.newcomers import with_newcomers
from policies.plan import Plan

log = structlog.get_logger()

_POWERS: Final = "m.room.power_levels"
#: Seconds until what the homeserver did not take is tried again.
_AGAIN_S: Final = 15.0


class NewcomerLevels:
    """`room(room_id)` is what we know of a room, `beside(community)` a community with who waits, `rooms()` where they may."""

    def __init__(
        self,
        governance: Governance,
        room: Callable[[str], RoomFacts | None],
        beside: Callable[[DesiredCommunity], DesiredCommunity],
        rooms: Callable[[], Collection[str]],
    ) -> None:
        self._governance = governance
        self._room = room
        self._beside = beside
        self._rooms = rooms
        self._begun = False
        self._work: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()

    def begin(self) -> None:
        """Rooms are known, and as they should be: from now on see to them. What an earlier life left open is done."""
        self._begun = True
        for room_id in self._rooms():
            self.wake(room_id)

    def follow(self) -> None:
        """Another policy is in force."""
        if self._begun:
            self.begin()

    def wake(self, room_id: str) -> None:
        """Somebody waits in a room, or does not any more."""
        if not self._begun:
            return
        self._again.add(room_id)
        if room_id not in self._work:
            self._work[room_id] = asyncio.create_task(self._see_to(room_id))

    async def _see_to(self, room_id: str) -> None:
        try:
            while room_id in self._again:
                self._again.discard(room_id)
                try:
                    applied = await self._governance.repair(lambda: self._look(room_id))
                except Exception as error:  # one room's trouble must not end the others
                    log.error("newcomers_not_held", error=type(error).__name__)
                    applied, failed = None, True
                else:
                    failed = applied is not None and bool(applied.undone)
                if failed:
                    self._again.add(room_id)
                    await asyncio.sleep(_AGAIN_S)
        finally:
            del self._work[room_id]

    def _look(self, room_id: str) -> Plan:
        said, room = self._governance.said, self._room(room_id)
        assert said is not None  # nothing is repaired before
        community = said.community
        change = self._change(community, room) if room is not None and community.has(room.group) else None
        return Plan(community.id, community.policy_digest, (change,) if change is not None else ())

    def _change(self, community: DesiredCommunity, room: RoomFacts) -> SetState | None:
        wanted, present = community.room(room.group), room.power_levels
        if not wanted.first_messages or room.closed or not isinstance(present.get("users"), Mapping):
            return None  # emptied by hand, or not made yet: all of it is put right elsewhere
        waiting = self._beside(community).waiting.get(room.group, frozenset())
        after = with_newcomers(present, waiting)
        if after == present:
            return None
        return SetState(wanted.key, room.room_id, wanted.name, _POWERS, "", present, after)

    async def close(self) -> None:
        """Stop; it is looked at again at the next start."""
        work = list(self._work.values())
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
