"""The clock of the ladder: a case that nobody took in time is passed on, and in the end its person is told.

Deadlines are stored with their cases, so they survive everything; what is due is looked at every second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from appservice.cases.book import CaseBook
from appservice.cases.words import follow_up
from appservice.flow import Card, Case, Clock, Effect, Lane, Place, TouchCase, Track, UrgentMessage
from appservice.store import StoreRefused

log = structlog.get_logger()

_EVERY_S: Final = 1.0
_RULE: Final = "deadline"


class Deadlines:
    """Looks which cases are due; `enact(effects)` commits what follows and starts on it."""

    def __init__(
        self, homeserver: str, book: CaseBook, clock: Clock, enact: Callable[[list[Effect]], Awaitable[None]]
    ) -> None:
        self._homeserver = homeserver
        self._book = book
        self._clock = clock
        self._enact = enact

    async def run(self) -> None:
        """Look for the life of the process."""
        while True:
            await self.turn()
            await asyncio.sleep(_EVERY_S)

    async def turn(self) -> None:
        """Pass on what is due now."""
        now = self._clock.now_ms()
        for case in self._book.due(now):
            try:
                await self._enact(list(overdue(case, now, self._homeserver, last=self._book.ends(case))))
            except StoreRefused as error:
                log.warning("deadline_waits", reason=error.reason)
                return
            except Exception as error:  # a clock that stops is noticed by nobody
                log.error("deadline_failed", error=type(error).__name__)


def overdue(case: Case, now_ms: int, homeserver: str, *, last: bool) -> Iterable[Effect]:
    """Yield what follows when a case's time is over; `last`: nobody is left to ask. Case and rung give their keys."""
    room = case.events[-1].room_id if case.events else ""
    source, lane = f"timer/{case.id}/{case.rung}", Lane(homeserver, room)
    yield TouchCase(source=source, rule=_RULE, lane=lane, case=case.id, action="overdue", by="", at_ms=now_ms)
    yield from follow_up(source, _RULE, lane, case, passed_on=True)
    if not last:
        return
    # The ladder ends here. Those who run the server are told that something waits: not what, and not about whom.
    yield Card(
        source=source,
        rule=_RULE,
        lane=lane,
        community=case.community,
        place=Place.OPS,
        about="",
        text="card.unanswered",
    )
    if (case.track is Track.CONCERN and case.severity >= 3) or case.asked_ms is not None:
        yield UrgentMessage(
            source=source,
            rule=_RULE,
            lane=lane,
            user_id=case.about,
            text="care.nobody_yet" if case.track is Track.CONCERN else "direct.appeal_waits",
            items=({"person": case.about},),
        )
