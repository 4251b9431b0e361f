"""The transactions endpoint, listening on loopback with the lanes behind it, and what a test needs to knock."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiohttp import web

from appservice.flow import Effect, EventInput, Facts
from appservice.intake import Endpoint
from appservice.operations.processes import free_port, release_port
from tests.support.house import (
    GHOSTS,
    SERVER,
    House,
    RemovesBad,
    fresh_store,
    open_house,
)
from tests.support.waiting import eventually

TOKEN = "hs-token-of-this-test"
#: A word that stands in members' messages here and may stand nowhere else.
SECRET = "Quillfeather"


class Stumbles:
    """A handler that fails with the words of the message, as careless code would."""

    name = "test.stumbles"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        if "stumble" in str(item.event.content):
            raise ValueError(str(item.event.content))
        return ()


@dataclass
class Door:
    """The endpoint, listening, and what the test needs to knock."""

    house: House
    endpoint: Endpoint
    url: str
    session: aiohttp.ClientSession
    log: io.StringIO
    looked_for_gaps: list[str] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, data: bytes | None = None, token: str | None = TOKEN, **headers: str
    ) -> tuple[int, Any]:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(method, self.url + path, data=data, headers=headers) as answer:
            text = await answer.text()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, text

    async def push(self, transaction: str, body: Any) -> int:
        """Send a transaction; `body` is its events, or bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps({"events": body}).encode()
        status, _ = await self.ask("PUT", f"/_matrix/app/v1/transactions/{transaction}", raw)
        return status

    async def redacted(self) -> list[str]:
        """The events that something was decided about, once all lanes are empty."""

        async def empty() -> bool:
            return self.house.lanes.waiting == 0 and not self.house.lanes._workers

        await eventually(empty, "the lanes are empty", within=10, every=0.005)
        rows = await self.house.table("SELECT source FROM outbox WHERE type = 'redact' ORDER BY source")
        return [row[0] for row in rows]


@asynccontextmanager
async def open_door(tmp_path: Path) -> AsyncIterator[Door]:
    log = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log), cache_logger_on_first_use=False)
    port = free_port()
    async with open_house(fresh_store(tmp_path), handlers=(Stumbles(), RemovesBad())) as house:
        endpoint = Endpoint(SERVER, TOKEN, house.lanes, house.clock, GHOSTS.__contains__, lambda: {"ready": True})
        runner = web.AppRunner(endpoint.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            made = Door(house, endpoint, f"http://127.0.0.1:{port}", session, log)
            endpoint.passed_over = lambda: made.looked_for_gaps.append("soon")
            yield made
        await runner.cleanup()
    release_port(port)
    structlog.reset_defaults()
