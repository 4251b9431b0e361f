"""A homeserver for unit tests that is told what to answer: over loopback HTTP, or scripted inside the process."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web

from appservice.matrix import Actor, HomeserverClient, Rejected
from appservice.operations.processes import free_port, release_port

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Request:
    """One request as the stub received it; `target` is path and query exactly as they stood on the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class StubHomeserver:
    """Listens on a loopback port and answers everything with `answer`, `{}` at first; remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Answer = self.nothing
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> StubHomeserver:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        self.port = free_port()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        release_port(self.port)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(Request(request.method, request.raw_path, dict(request.headers), await request.read()))
        return await self.answer(request)

    @staticmethod
    async def nothing(_request: web.Request) -> web.StreamResponse:
        return web.json_response({})

    def always(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Answer everything alike; `body` is JSON, or bytes as they are."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)

        async def answer(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=status, body=raw, headers=headers, content_type="application/json")

        self.answer = answer


@dataclass(frozen=True)
class Call:
    """One call that the scripted homeserver was asked to make."""

    method: str
    path: str
    body: Mapping[str, Any] | None
    actor: str | None
    query: Mapping[str, str] | None = None


@dataclass
class Script:
    """What the scripted homeserver does: `first` answers before anything else if it returns something but None."""

    first: Callable[[Call], Awaitable[Any]] | None = None
    state: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)
    sync: list[dict[str, Any]] = field(default_factory=list)
    pages: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


_STATE = re.compile(r"/_matrix/client/v3/rooms/([^/]+)/state$")
_SEND = re.compile(r"/_matrix/client/v3/rooms/([^/]+)/(?:send/[^/]+|redact/[^/]+)/([^/]+)$")
_MESSAGES = re.compile(r"/_matrix/client/v3/rooms/([^/]+)/messages$")


class ScriptedHomeserver(HomeserverClient):
    """The client with its one way out replaced: no network, the same answers every time.

    Sends and redactions are remembered by transaction id and actor, as Synapse does: a repeated one gives the first
    one's event and changes nothing.
    """

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:9", "a token that goes nowhere")
        self.script = Script()
        self.calls: list[Call] = []
        self.sent: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        actor: Actor | str | None = None,
        query: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
        comparable: bool = False,
    ) -> Any:
        path = path.replace("%21", "!").replace("%3A", ":").replace("%40", "@").replace("%24", "$")
        who = actor.user_id if isinstance(actor, Actor) else actor
        call = Call(method, path, body, who, query)
        self.calls.append(call)
        if self.script.first is not None:
            answer = await self.script.first(call)
            if answer is not None:
                return answer
        if match := _STATE.search(path):
            if match[1] not in self.script.state:
                raise Rejected(403, "M_FORBIDDEN")
            return self.script.state[match[1]]
        if match := _SEND.search(path):
            known = self.sent.setdefault((who or "", match[2]), (f"$sent-{len(self.sent)}", dict(body or {})))
            return {"event_id": known[0]}
        if match := _MESSAGES.search(path):
            pages = self.script.pages.get(match[1], [])
            return pages.pop(0) if pages else {"chunk": []}
        if path.endswith("/sync"):
            return self.script.sync.pop(0) if self.script.sync else {"next_batch": "s-end"}
        if path.endswith("/joined_rooms"):
            return {"joined_rooms": list(self.script.joined)}
        if path.endswith("/filter"):
            return {"filter_id": "1"}
        return {}
