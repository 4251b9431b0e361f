"""A thin client for the Client-Server API as an application service uses it: one session, one place for tokens,
deadlines and errors. Every call names who acts; sends carry `user_id` and `device_id`, since only then does Synapse
remember their transaction ids over a restart (shared fact: measured)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson
import structlog
from yarl import URL

from appservice.matrix.errors import Rejected, Unreachable
from appservice.matrix.json import encode

log = structlog.get_logger()

#: Seconds until an ordinary call counts as unanswered. Synapse under load answers within a few seconds.
DEADLINE_S = 30.0
#: Bytes of the largest answer we read; an initial /sync of hundreds of rooms is some MB.
MAX_ANSWER = 64 * 1024 * 1024
#: Connections kept open to one homeserver: redactions in flight, quiet writes, the gap check.
CONNECTIONS = 24


@dataclass(frozen=True, slots=True)
class Actor:
    """A user id we may act as, with the device whose transaction ids the homeserver remembers."""

    user_id: str
    device_id: str


class HomeserverClient:
    """Calls one homeserver with the application service's token.

    `url` is its base (`http://127.0.0.1:8008`). `observe(ms)` is told how long each message and redaction took, `reconnected()` that a
    call succeeded after one had found nobody there. Raises `Unreachable` and `Rejected`.
    """

    def __init__(self, url: str, token: str, *, deadline_s: float = DEADLINE_S) -> None:
        self._base = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._timeout = aiohttp.ClientTimeout(total=deadline_s)
        self._session: aiohttp.ClientSession | None = None
        self.observe: Callable[[float], None] = lambda _ms: None
        self.reconnected: Callable[[], None] = lambda: None
        self.reachable: bool | None = None

    async def __aenter__(self) -> HomeserverClient:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers, timeout=self._timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- the one way out -------------------------------------------------------------------------------------------

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
        """Return the decoded answer of one request. `path` starts with `/` and is quoted already.

        `actor` is an `Actor` (user and device) or a bare user id; None acts as the sender without device. `comparable`
        writes cost the homeserver about the same, so that their time tells how busy it is.
        """
        if self._session is None:
            raise Unreachable("the client is closed")
        params = dict(query or {})
        if isinstance(actor, Actor):
            params |= {"user_id": actor.user_id, "device_id": actor.device_id}
        elif actor is not None:
            params["user_id"] = actor
        started = monotonic()
        try:
            async with self._session.request(
                method,
                URL(self._base + path, encoded=True),
                params=params,
                data=None if body is None else encode(body),
                timeout=self._timeout if deadline_s is None else aiohttp.ClientTimeout(total=deadline_s),
            ) as answer:
                data = await _read_limited(answer)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._lost()
            raise Unreachable(type(error).__name__) from None
        if comparable:
            self.observe((monotonic() - started) * 1000)
        self._found()
        decoded = _decode(data)
        if status >= 300:
            raise _rejection(status, decoded)
        return decoded

    def _lost(self) -> None:
        if self.reachable is not False:
            log.warning("homeserver_unreachable")
        self.reachable = False

    def _found(self) -> None:
        came_back = self.reachable is False
        self.reachable = True
        if came_back:
            log.info("homeserver_reachable")
            self.reconnected()

    # -- events ----------------------------------------------------------------------------------------------------

    async def send(
        self, room_id: str, event_type: str, content: Mapping[str, Any], transaction: str, actor: Actor
    ) -> str:
        """Send a message event; return its event id. The same `transaction` and actor give the same event."""
        path = f"/_matrix/client/v3/rooms/{_q(room_id)}/send/{_q(event_type)}/{_q(transaction)}"
        return _string(await self.call("PUT", path, content, actor=actor, comparable=True), "event_id")

    async def redact(self, room_id: str, event_id: str, reason: str, transaction: str, actor: Actor) -> str:
        """Redact an event; return the redaction's event id."""
        path = f"/_matrix/client/v3/rooms/{_q(room_id)}/redact/{_q(event_id)}/{_q(transaction)}"
        return _string(await self.call("PUT", path, {"reason": reason}, actor=actor, comparable=True), "event_id")

    async def event(self, room_id: str, event_id: str, actor: Actor | str) -> dict[str, Any]:
        """Return one event as `actor` may see it. Rejected(404) where the homeserver does not have it."""
        return _object(
            await self.call("GET", f"/_matrix/client/v3/rooms/{_q(room_id)}/event/{_q(event_id)}", actor=actor)
        )

    async def messages(
        self, room_id: str, actor: Actor | str, *, start: str | None = None, limit: int = 100
    ) -> dict[str, Any]:
        """Return one page of a room's timeline, newest first."""
        query = {"dir": "b", "limit": str(limit)} | ({"from": start} if start else {})
        return _object(
            await self.call("GET", f"/_matrix/client/v3/rooms/{_q(room_id)}/messages", actor=actor, query=query)
        )

    async def edits(self, room_id: str, event_id: str, actor: Actor | str, start: str | None = None) -> dict[str, Any]:
        """Return a page (100) of the events that replace one, newest first: `chunk`, and `next_batch` if there are more."""
        path = f"/_matrix/client/v1/rooms/{_q(room_id)}/relations/{_q(event_id)}/m.replace"
        query = {"limit": "100"} | ({"from": start} if start is not None else {})
        return _object(await self.call("GET", path, actor=actor, query=query))

    async def context(
        self, room_id: str, event_id: str, actor: Actor | str, *, limit: int, types: Sequence[str]
    ) -> dict[str, Any]:
        """Return what stands around an event: `events_before` (newest first), `event`, `events_after`; at most `limit`."""
        path = f"/_matrix/client/v3/rooms/{_q(room_id)}/context/{_q(event_id)}"
        wanted = encode({"types": list(types), "lazy_load_members": True}).decode()
        return _object(await self.call("GET", path, actor=actor, query={"limit": str(limit), "filter": wanted}))

    async def sync(
        self, actor: Actor, *, since: str | None, filter_id: str, deadline_s: float = DEADLINE_S
    ) -> dict[str, Any]:
        """Return what happened since a token, without waiting for more."""
        query = {"timeout": "0", "filter": filter_id, "set_presence": "offline"} | ({"since": since} if since else {})
        return _object(
            await self.call("GET", "/_matrix/client/v3/sync", actor=actor, query=query, deadline_s=deadline_s)
        )

    async def put_filter(self, actor: Actor, definition: Mapping[str, Any]) -> str:
        path = f"/_matrix/client/v3/user/{_q(actor.user_id)}/filter"
        return _string(await self.call("POST", path, definition, actor=actor), "filter_id")

    # -- rooms -----------------------------------------------------------------------------------------------------

    async def create_room(self, body: Mapping[str, Any], actor: Actor | str) -> str:
        return _string(await self.call("POST", "/_matrix/client/v3/createRoom", body, actor=actor), "room_id")

    async def state(self, room_id: str, actor: Actor | str) -> list[dict[str, Any]]:
        """Return the whole current state of a room: one call, 4-15 ms of the homeserver."""
        answer = await self.call("GET", f"/_matrix/client/v3/rooms/{_q(room_id)}/state", actor=actor)
        return [event for event in answer if isinstance(event, dict)] if isinstance(answer, list) else []

    async def joined_members(self, room_id: str, actor: Actor | str) -> set[str]:
        """Return who is in a room: of 200 people a sixth of the work that their member events in `state` are."""
        answer = _object(await self.call("GET", f"/_matrix/client/v3/rooms/{_q(room_id)}/joined_members", actor=actor))
        joined = answer.get("joined")
        return set(joined) if isinstance(joined, dict) else set()

    async def state_event(self, room_id: str, event_type: str, state_key: str, actor: Actor | str) -> dict[str, Any]:
        path = f"/_matrix/client/v3/rooms/{_q(room_id)}/state/{_q(event_type)}/{_q(state_key)}"
        return _object(await self.call("GET", path, actor=actor))

    async def set_state(
        self, room_id: str, event_type: str, state_key: str, content: Mapping[str, Any], actor: Actor | str
    ) -> str:
        path = f"/_matrix/client/v3/rooms/{_q(room_id)}/state/{_q(event_type)}/{_q(state_key)}"
        return _string(await self.call("PUT", path, content, actor=actor), "event_id")

    async def joined_rooms(self, actor: Actor | str) -> list[str]:
        answer = _object(await self.call("GET", "/_matrix/client/v3/joined_rooms", actor=actor))
        rooms = answer.get("joined_rooms")
        return [room for room in rooms if isinstance(room, str)] if isinstance(rooms, list) else []

    async def join(self, room_id: str, actor: Actor | str) -> None:
        await self.call("POST", f"/_matrix/client/v3/join/{_q(room_id)}", {}, actor=actor)

    async def leave(self, room_id: str, actor: Actor | str) -> None:
        await self.call("POST", f"/_matrix/client/v3/rooms/{_q(room_id)}/leave", {}, actor=actor)

    async def invite(self, room_id: str, user_id: str, actor: Actor | str) -> None:
        await self.call("POST", f"/_matrix/client/v3/rooms/{_q(room_id)}/invite", {"user_id": user_id}, actor=actor)

    async def kick(self, room_id: str, user_id: str, reason: str, actor: Actor | str) -> None:
        """Take somebody out; of an invited or asking person it withdraws that. `reason` is a code: all can read it."""
        body = {"user_id": user_id, "reason": reason}
        await self.call("POST", f"/_matrix/client/v3/rooms/{_q(room_id)}/kick", body, actor=actor)

    async def ban(self, room_id: str, user_id: str, reason: str, actor: Actor | str) -> None:
        """Take somebody out for good. `reason` is a code: all can read it."""
        body = {"user_id": user_id, "reason": reason}
        await self.call("POST", f"/_matrix/client/v3/rooms/{_q(room_id)}/ban", body, actor=actor)

    async def resolve(self, address: str, actor: Actor | str) -> str:
        """Return the id of the room that an address (`#alias:server`) leads to; Rejected(404) where there is none."""
        path = f"/_matrix/client/v3/directory/room/{_q(address)}"
        return _string(await self.call("GET", path, actor=actor), "room_id")

    async def add_address(self, address: str, room_id: str, actor: Actor | str) -> None:
        """Make an address lead to a room; Rejected(409) where it leads somewhere already."""
        path = f"/_matrix/client/v3/directory/room/{_q(address)}"
        await self.call("PUT", path, {"room_id": room_id}, actor=actor)

    async def remove_address(self, address: str, actor: Actor | str) -> None:
        """Make an address lead nowhere; Rejected(404) where it does not lead anywhere."""
        await self.call("DELETE", f"/_matrix/client/v3/directory/room/{_q(address)}", actor=actor)

    async def is_listed(self, room_id: str, actor: Actor | str) -> bool:
        """Return whether the homeserver's public list shows a room."""
        answer = _object(await self.call("GET", f"/_matrix/client/v3/directory/list/room/{_q(room_id)}", actor=actor))
        return answer.get("visibility") == "public"

    async def set_listed(self, room_id: str, actor: Actor | str, *, listed: bool) -> None:
        """Put a room into the homeserver's public list, or take it out; harmless if it is so already.

        Rejected(403) where its `room_list_publication_rules` do not let this account put it there.
        """
        path = f"/_matrix/client/v3/directory/list/room/{_q(room_id)}"
        await self.call("PUT", path, {"visibility": "public" if listed else "private"}, actor=actor)

    # -- ourselves -------------------------------------------------------------------------------------------------

    async def register(self, localpart: str) -> None:
        """Make a ghost of our namespace exist; harmless if it does."""
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            await self.call("POST", "/_matrix/client/v3/register", body)
        except Rejected as error:
            if error.errcode != "M_USER_IN_USE":
                raise

    async def put_device(self, actor: Actor, display_name: str) -> None:
        """Make the device exist whose transaction ids the homeserver remembers."""
        path = f"/_matrix/client/v3/devices/{_q(actor.device_id)}"
        await self.call("PUT", path, {"display_name": display_name}, actor=actor.user_id)

    async def set_display_name(self, actor: Actor, name: str) -> None:
        path = f"/_matrix/client/v3/profile/{_q(actor.user_id)}/displayname"
        await self.call("PUT", path, {"displayname": name}, actor=actor)

    async def ping(self, appservice_id: str) -> None:
        """Ask the homeserver to call us: it then retries at once what waits in its back-off (up to 512 s otherwise)."""
        await self.call("POST", f"/_matrix/client/v1/appservice/{_q(appservice_id)}/ping", {})

    async def versions(self) -> dict[str, Any]:
        return _object(await self.call("GET", "/_matrix/client/versions"))


async def _read_limited(answer: aiohttp.ClientResponse) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in answer.content.iter_chunked(256 * 1024):
        size += len(chunk)
        if size > MAX_ANSWER:
            raise aiohttp.ClientPayloadError("answer too large")
        chunks.append(chunk)
    return b"".join(chunks)


def _decode(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except ValueError:
        return None


def _rejection(status: int, decoded: Any) -> Rejected:
    fields = decoded if isinstance(decoded, dict) else {}
    errcode = fields.get("errcode")
    wait = fields.get("retry_after_ms")
    return Rejected(
        status,
        errcode if isinstance(errcode, str) and len(errcode) < 100 else "",
        wait if isinstance(wait, int) and wait >= 0 else None,
    )


def _object(answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise Rejected(502, "INGLENOOK_BAD_ANSWER")
    return answer


def _string(answer: Any, field: str) -> str:
    value = answer.get(field) if isinstance(answer, dict) else None
    if not isinstance(value, str):
        raise Rejected(502, "INGLENOOK_BAD_ANSWER")
    return value


def _q(part: str) -> str:
    """One segment of a path, also when it is `.` or `..`."""
    return quote(part, safe="") if part.strip(".") else part.replace(".", "%2E")


async def wait_until_up(client: HomeserverClient, *, pause_s: float = 0.5) -> None:
    """Return as soon as the homeserver answers at all."""
    while True:
        try:
            await client.versions()
        except Unreachable:
            await asyncio.sleep(pause_s)
        except Rejected:
            return
        else:
            return
