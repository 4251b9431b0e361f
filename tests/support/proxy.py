"""A loopback proxy between a homeserver and the service: records transactions, makes them slow, loses or repeats them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from appservice.operations.processes import free_port
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeCommunity
    from tests.support.community import Community

#: Headers of one hop only, and those that aiohttp sets itself.
_NOT_PASSED_ON = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@dataclass(frozen=True)
class Transaction:
    """One PUT as the homeserver sent it; `answer` is the status it got, 0 if it got none."""

    id: str
    body: Mapping[str, Any]
    answer: int

    @property
    def event_ids(self) -> list[str]:
        return [event["event_id"] for event in self.body.get("events", ())]


class TransactionProxy:
    """Listens on `port` and passes on to `target` (`http://127.0.0.1:…`).

    `delay_s` is waited before a transaction is passed on; while `refusing`, transactions are answered 502 and not
    passed on.
    """

    def __init__(self, port: int, target: str) -> None:
        self._port = port
        self._target = target
        self._runner: web.AppRunner | None = None
        self._session: aiohttp.ClientSession | None = None
        self.delay_s = 0.0
        self.refusing = False
        self.transactions: list[Transaction] = []
        #: Transactions that have arrived, answered or not.
        self.arrived = 0

    @classmethod
    async def between(cls, make_community: MakeCommunity) -> tuple[Community, TransactionProxy]:
        """Make a community (not started) whose homeserver sends its transactions to a proxy (not started)."""
        port = free_port()
        community = await make_community(start=False, appservice_port=port)
        return community, cls(port, f"http://127.0.0.1:{community.service.config.listen.port}")

    async def caught_up(self, event_id: str) -> None:
        """Wait until the service has taken a transaction with this event."""

        async def taken() -> bool:
            return any(one.answer == 200 and event_id in one.event_ids for one in self.transactions)

        await eventually(taken, f"{event_id} pushed")

    async def __aenter__(self) -> TransactionProxy:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        # A hop that waits must not hold up the end of a test; handlers are cancelled when their client goes.
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        _, is_transaction, transaction = request.path.rpartition("/transactions/")
        if not is_transaction:
            status, answer = await self._forward(request, body)
            return web.Response(status=status, body=answer, content_type="application/json")
        self.arrived += 1
        status, answer = 0, b"{}"
        try:
            if self.refusing:
                status = 502
            else:
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                status, answer = await self._forward(request, body)
        finally:
            self.transactions.append(Transaction(transaction, json.loads(body), status))
        return web.Response(status=status, body=answer, content_type="application/json")

    async def _forward(self, request: web.Request, body: bytes) -> tuple[int, bytes]:
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON}
        url = self._target + request.path_qs
        try:
            async with self._session.request(request.method, url, data=body, headers=headers) as response:
                return response.status, await response.read()
        except aiohttp.ClientError:
            return 502, b"{}"
