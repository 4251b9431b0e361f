"""What must happen now and then: purged text leaves the disk, audit heads are anchored, old rows go."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from appservice.flow import Clock
from appservice.store import Commit, Database, StoreRefused, anchor

log = structlog.get_logger()

#: Seconds between looks; text that was purged is off the disk within a minute.
_EVERY_S = 30.0
#: Seconds between anchors of the audit.
_ANCHOR_S = 3600.0
#: ms that ids of handled inputs and settled effects are kept to recognise repetitions.
KEPT_MS = 60 * 24 * 3600 * 1000
#: ms that evidence is kept, and a case after it was closed: the texts say “one year”.
EVIDENCE_KEPT_MS = 365 * 24 * 3600 * 1000


class Upkeep:
    """Runs beside the service; every step may fail and is tried again at the next turn."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._purged = True  # an earlier life may have left text in the log file
        self._anchored_at = 0.0

    def text_was_purged(self) -> None:
        self._purged = True

    async def run(self) -> None:
        while True:
            await self.turn()
            await asyncio.sleep(_EVERY_S)

    async def turn(self) -> None:
        if self._purged:
            self._purged = False
            if not await self._database.truncate_log():
                self._purged = True
        now = self._clock.now_ms()
        if self._database.refusing is not None:
            with suppress(StoreRefused):  # whether the disk has room again is told by writing to it
                await self._database.commit(Commit(forget_before_ms=now - KEPT_MS))
        if now / 1000 - self._anchored_at >= _ANCHOR_S:
            try:
                root = await self._database.run(lambda connection: anchor(connection, now))
                old = Commit(forget_before_ms=now - KEPT_MS, evidence_before_ms=now - EVIDENCE_KEPT_MS)
                await self._database.commit(old)
            except StoreRefused as error:
                log.error("upkeep_waits", reason=error.reason)
                return
            self._anchored_at = now / 1000
            if root is not None:
                log.info("audit_anchored", root=root)
