"""The guardian's gap check: what the homeserver has and did not push.

An ordinary restart of Synapse loses queued transactions. One incremental /sync, without waiting, covers all rooms in
stream order; what it brings goes through the same lanes, and its token is stored after it, in the same commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

import structlog

from appservice import switches
from appservice.deathpoints import reach
from appservice.flow import Clock, Event, EventInput, Origin
from appservice.intake.lanes import Lanes
from appservice.intake.restored import RestoreCheck
from appservice.matrix import Actor, HomeserverClient, HomeserverError, Rejected, Unreachable, parse_event
from appservice.store import Commit, Questions, StoreRefused

log = structlog.get_logger()

#: Seconds between checks. The promise is 10 s for an event whose push was lost.
INTERVAL_S = 5.0
#: … and while checks are slow because the homeserver is busy; a restart is noticed by its broken connections.
INTERVAL_BUSY_S = 8.0
#: Seconds a check takes when the homeserver is busy.
_SLOW_S = 0.3
#: Events of one room in one answer; beyond this it is `limited` and the rest is paged.
_TIMELINE = 500
#: Pages of 100 events read back in one limited room before we say that something may be missing.
_PAGES = 100
_POSITION = "sync_token"

_FILTER: dict[str, Any] = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "include_leave": False,
        "ephemeral": {"types": []},
        "account_data": {"types": []},
        "state": {"types": [], "lazy_load_members": True},
        "timeline": {"limit": _TIMELINE, "lazy_load_members": True},
    },
}
#: A first token costs an initial sync of all rooms, unless one asks for none of them.
_FILTER_FIRST: dict[str, Any] = {"presence": {"types": []}, "account_data": {"types": []}, "room": {"rooms": []}}


class GapCheck:
    """Checks at start, after each reconnection, and every few seconds; run `run()` for the life of the process."""

    def __init__(
        self,
        homeserver: str,
        client: HomeserverClient,
        guardian: Actor,
        lanes: Lanes,
        questions: Questions,
        restore_check: RestoreCheck,
        clock: Clock,
    ) -> None:
        self._homeserver = homeserver
        self._client = client
        self._guardian = guardian
        self._lanes = lanes
        self._questions = questions
        self._clock = clock
        self._restore_check = restore_check
        self._doubt = True
        self._now = asyncio.Event()
        #: whether what was not pushed is known; until then newer pushes wait, so that each room keeps its order
        self.caught_up = asyncio.Event()
        self._token: str | None = None
        self._filters: tuple[str, str] | None = None
        self.checks = 0
        self.last_ok_ms: int | None = None
        self.incomplete = 0
        self.failures = 0

    def soon(self) -> None:
        """Check at once instead of at the next turn."""
        self._now.set()

    def doubt(self) -> None:
        """The homeserver was away: before the next check, see whether it is the one we knew."""
        self._doubt = True
        if self._token is not None:
            self.caught_up.clear()
        self._now.set()

    def forget_token(self) -> None:
        """Our token is of another past: begin at the present, and look back in every room."""
        self._token = None
        self._filters = None

    async def start(self) -> None:
        """Read the stored token. Without one, the present is where we begin."""
        self._token = await self._questions.position(_POSITION)
        if self._token is None:
            self.caught_up.set()

    async def run(self) -> None:
        while True:
            self._now.clear()
            started = monotonic()
            try:
                if self._doubt:
                    self._doubt = False
                    await self._restore_check.look()
                if not switches.off("gap_check"):
                    await self.check()
            except Unreachable:
                self._doubt = True
            except (HomeserverError, StoreRefused) as error:
                self._doubt = True
                log.warning("gap_check_failed", error=str(error))
            except Exception as error:  # a check that ends for good would leave lost events lost, and nobody told
                self._doubt = True
                self.failures += 1
                log.error("gap_check_failed", error=type(error).__name__)
            if not self._doubt:
                self.caught_up.set()
            took = monotonic() - started
            # Not `wait_for`: in Python 3.11 it may lose a cancellation that comes with the event, and we would never end.
            with suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_BUSY_S if took > _SLOW_S else INTERVAL_S):
                    await self._now.wait()

    async def check(self) -> int:
        """Fetch and accept what is new to us; return how many inputs that were. Raises `HomeserverError`,
        `StoreRefused`: then the token has not moved."""
        regular, first = await self._filter_ids()
        if self._token is None:
            answer = await self._client.sync(self._guardian, since=None, filter_id=first)
            return await self._take(await self._look_back(), answer)
        answer = await self._client.sync(self._guardian, since=self._token, filter_id=regular)
        inputs: list[EventInput] = []
        for room_id, room in _joined(answer).items():
            inputs += await self._room(room_id, room)
        return await self._take(inputs, answer)

    async def _take(self, inputs: Sequence[EventInput], answer: dict[str, Any]) -> int:
        token = answer.get("next_batch")
        if not isinstance(token, str):
            raise Rejected(502, "INGLENOOK_BAD_ANSWER")
        also = Commit()
        if token != self._token:
            also.positions.append({"homeserver": self._homeserver, "name": _POSITION, "value": token})
        reach("gap-before-token")
        new = await self._lanes.accept(inputs, also)
        self._token = token
        reach("gap-after-token")
        self.checks += 1
        self.last_ok_ms = self._clock.now_ms()
        return new

    async def _look_back(self) -> list[EventInput]:
        """Read back in every room in which we know something, to the newest thing known."""
        inputs: list[EventInput] = []
        known = await self._questions.rooms_with_events()
        if not known:
            return inputs
        for room_id in await self._client.joined_rooms(self._guardian):
            if room_id in known:
                inputs += self._inputs(await self.backwards(room_id, None))
        return inputs

    async def _room(self, room_id: str, room: dict[str, Any]) -> list[EventInput]:
        timeline = room.get("timeline")
        timeline = timeline if isinstance(timeline, dict) else {}
        raw = timeline.get("events")
        events = [parse_event(one, room_id) for one in raw] if isinstance(raw, list) else []
        if timeline.get("limited") is True and isinstance(timeline.get("prev_batch"), str):
            events = await self.backwards(room_id, timeline["prev_batch"]) + events
        return self._inputs(events)

    async def backwards(self, room_id: str, start: str | None) -> list[Event]:
        """Return a room's events before `start` (None: the present), oldest first, back to one we know."""
        found: list[Event] = []
        for _ in range(_PAGES):
            page = await self._client.messages(room_id, self._guardian, start=start)
            chunk = page.get("chunk")
            events = [parse_event(one, room_id) for one in chunk] if isinstance(chunk, list) else []
            known = await self._questions.known([event.event_id for event in events])
            found += [event for event in events if event.event_id not in known]
            end = page.get("end")
            if not events or events[-1].event_id in known or not isinstance(end, str):
                return found[::-1]
            start = end
        self.incomplete += 1
        log.error("gap_too_wide", pages=_PAGES)
        return found[::-1]

    def _inputs(self, events: Sequence[Event]) -> list[EventInput]:
        now = self._clock.now_ms()
        return [EventInput(self._homeserver, event, Origin.GAP, now) for event in events]

    async def _filter_ids(self) -> tuple[str, str]:
        if self._filters is None:
            self._filters = (
                await self._client.put_filter(self._guardian, _FILTER),
                await self._client.put_filter(self._guardian, _FILTER_FIRST),
            )
        return self._filters


def _joined(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    rooms = answer.get("rooms")
    joined = rooms.get("join") if isinstance(rooms, dict) else None
    if not isinstance(joined, dict):
        return {}
    return {room_id: room for room_id, room in joined.items() if isinstance(room_id, str) and isinstance(room, dict)}
