"""Audit lines that come from outside a commit (an admin call, an operation) find their way into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from appservice.store import AuditLine, Commit, Database, StoreRefused

log = structlog.get_logger()


class Audit:
    """`flow.AuditSink` on a database; lines wait in memory while the database refuses, and are kept in order."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[AuditLine] = []
        self._task: asyncio.Task[None] | None = None

    def note(self, lane: str, line: Mapping[str, Any], person: str | None = None) -> None:
        self._waiting.append(AuditLine(lane, dict(line), person))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())

    async def flush(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _write(self) -> None:
        while self._waiting:
            lines, self._waiting = self._waiting, []
            try:
                await self._database.commit(Commit(audit=lines))
            except StoreRefused as error:
                log.error("audit_waits", lines=len(lines), reason=error.reason)
                self._waiting = lines + self._waiting
                await asyncio.sleep(1)
