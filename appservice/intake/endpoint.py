"""The application-service API that the homeserver calls: journal first, then 200.

A transaction that can never be taken must not wedge the stream behind it, since the homeserver repeats it for ever:
too large, it is read and thrown away, answered 200, and the gap check fetches its events; not decodable, it is refused
twice and the third time passed over in the same way. Either is counted in `status`.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import structlog
from aiohttp import web

from appservice.flow import Clock, EventInput, Origin
from appservice.intake.lanes import Lanes
from appservice.matrix import decode, parse_event
from appservice.store import StoreRefused

log = structlog.get_logger()

#: Bytes. Synapse packs at most 100 events and 100 to-device messages of 64 KiB each: 13 MB.
MAX_TRANSACTION = 16 * 1024 * 1024
#: How often an undecodable transaction is refused before it is passed over.
REFUSALS = 2

_NOT_OURS = {"errcode": "M_NOT_FOUND", "error": "Not found"}


#: Seconds that a push waits for what was said before it, after one of us was away.
_WAITS_S = 5.0
#: Seconds without a transaction after which the homeserver has nothing more that it kept for us.
_QUIET_S = 0.2


class Endpoint:
    """Builds the aiohttp application. `passed_over()` is called when a transaction was not read: look for its events."""

    def __init__(
        self,
        homeserver: str,
        token: str,
        lanes: Lanes,
        clock: Clock,
        own_users: Callable[[str], bool],
        status: Callable[[], Mapping[str, Any]],
    ) -> None:
        self._homeserver = homeserver
        self._token = token.encode()
        self._lanes = lanes
        self._clock = clock
        self._own_users = own_users
        self._status = status
        self._undecodable: dict[str, int] = {}
        self.passed_over: Callable[[], None] = lambda: None
        #: set while nothing older may be missing; a push waits for it, but not for long
        self.in_order: asyncio.Event | None = None
        self._under_way = 0
        self._answered_at = monotonic()
        self.transactions = 0
        self.oversized = 0
        self.undecodable = 0
        self.unauthorised = 0
        self.last_ms: int | None = None

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_TRANSACTION)
        for prefix in ("/_matrix/app/v1", ""):
            app.router.add_put(prefix + "/transactions/{transaction}", self._transaction)
            app.router.add_get(prefix + "/users/{user_id}", self._user)
            app.router.add_get(prefix + "/rooms/{alias}", self._nothing)
        app.router.add_post("/_matrix/app/v1/ping", self._ping)
        app.router.add_get("/_matrix/app/v1/thirdparty/{rest:.*}", self._nothing)
        app.router.add_get("/_inglenook/v1/status", self._state)
        return app

    def authorised(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "")
        scheme, _, token = given.partition(" ")
        good = hmac.compare_digest(token.strip().encode("utf-8", "replace"), self._token)
        if not (good and scheme.lower() == "bearer"):
            self.unauthorised += 1
            return False
        return True

    async def quiet(self) -> None:
        """Return once no transaction came for a moment: what the homeserver kept for us while we were away is here."""
        while self._under_way or monotonic() - self._answered_at < _QUIET_S:  # noqa: ASYNC110
            await asyncio.sleep(_QUIET_S / 4)

    async def _transaction(self, request: web.Request) -> web.Response:
        self._under_way += 1
        try:
            return await self._taken(request)
        finally:
            self._under_way -= 1
            self._answered_at = monotonic()

    async def _taken(self, request: web.Request) -> web.Response:
        if not self.authorised(request):
            return _refusal(request)
        body = await self._read(request)
        if body is None:
            self.oversized += 1
            log.error("transaction_too_large", limit=MAX_TRANSACTION)
            self.passed_over()
            return web.json_response({})
        transaction = request.match_info["transaction"][:255]
        try:
            decoded = decode(body)
        except (ValueError, RecursionError):
            return self._cannot_decode(transaction)
        events = decoded.get("events") if isinstance(decoded, dict) else None
        if not isinstance(decoded, dict) or not isinstance(events, list | None):
            return self._cannot_decode(transaction)
        now = self._clock.now_ms()
        inputs = [EventInput(self._homeserver, parse_event(raw), Origin.PUSH, now) for raw in events or ()]
        if self.in_order is not None and not self.in_order.is_set():
            try:
                async with asyncio.timeout(_WAITS_S):
                    await self.in_order.wait()
            except TimeoutError:
                self.in_order.set()  # order is worth a moment, once; somebody may be asking for help
        try:
            await self._lanes.accept(inputs)
        except StoreRefused:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "Not stored, send again"}, status=503)
        self._undecodable.pop(transaction, None)
        self.transactions += 1
        self.last_ms = now
        return web.json_response({})

    async def _read(self, request: web.Request) -> bytes | None:
        """Return the body, or None when it is too large; then it has been read to its end and dropped."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in request.content.iter_chunked(256 * 1024):
            size += len(chunk)
            if size <= MAX_TRANSACTION:
                chunks.append(chunk)
            else:
                chunks.clear()
        return None if size > MAX_TRANSACTION else b"".join(chunks)

    def _cannot_decode(self, transaction: str) -> web.Response:
        refused = self._undecodable.get(transaction, 0)
        if refused < REFUSALS:
            if len(self._undecodable) >= 1000:
                self._undecodable.clear()
            self._undecodable[transaction] = refused + 1
            return web.json_response({"errcode": "M_NOT_JSON", "error": "Not a transaction"}, status=400)
        self._undecodable.pop(transaction, None)
        self.undecodable += 1
        log.error("transaction_passed_over")
        self.passed_over()
        return web.json_response({})

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({}) if self.authorised(request) else _refusal(request)

    async def _user(self, request: web.Request) -> web.Response:
        if not self.authorised(request):
            return _refusal(request)
        if self._own_users(request.match_info["user_id"]):
            return web.json_response({})
        return web.json_response(_NOT_OURS, status=404)

    async def _nothing(self, request: web.Request) -> web.Response:
        return web.json_response(_NOT_OURS, status=404) if self.authorised(request) else _refusal(request)

    async def _state(self, request: web.Request) -> web.Response:
        if not self.authorised(request):
            return _refusal(request)
        return web.json_response(dict(self._status()))


def _refusal(request: web.Request) -> web.Response:
    """Answer a missing (401) or wrong (403) token, without reading the body."""
    if "Authorization" not in request.headers:
        return web.json_response({"errcode": "M_UNAUTHORIZED", "error": "Token needed"}, status=401)
    return web.json_response({"errcode": "M_FORBIDDEN", "error": "Wrong token"}, status=403)
