"""The people of the demo, each at a real Matrix client (matrix-nio): what they do, and what they get to see.

The only place that imports nio for this. Nothing here asks our service or its store: what a person sees came through
the homeserver's Client-Server API with that person's own password.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import nio  # type: ignore[import-untyped]  # it has hints, but no py.typed

from appservice.operations.errors import OperationFailed

Seen = TypeVar("Seen")

#: Seconds that anybody waits to see something: far above every promise, which benchmarks judge, not the demo.
PATIENCE = 30.0
_LONG_POLL_MS = 10_000
_LOGOUT_S = 3.0

# nio logs what it cannot parse; a person at a terminal can do nothing with it.
logging.getLogger("nio").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Part:
    """Somebody in the demo: short name, and who they are in plain words."""

    name: str
    who: str

    @property
    def called(self) -> str:
        """As in a sentence: `Amina`."""
        return self.name.capitalize()


CAST = (
    Part("amina", "leads the community and keeps people safe"),
    Part("dewi", "stands in for Amina"),
    Part("morgan", "is a moderator"),
    Part("kit", "keeps things running"),
    Part("rosa", "is a member, also of the closed room"),
    Part("sam", "is new: nobody knows Sam"),
)


class PeopleChanged(OperationFailed):
    """A person of the demo cannot do their part any more, e.g. has a new password or was banned."""


@dataclass(frozen=True)
class Glimpse:
    """An event as it reached a person: the raw event, its room, and when (`time.monotonic`, seconds)."""

    room_id: str
    event: Mapping[str, Any]
    at: float

    @property
    def content(self) -> Mapping[str, Any]:
        """The event's content, empty once it was taken away."""
        content = self.event.get("content")
        return content if isinstance(content, Mapping) else {}

    @property
    def body(self) -> str:
        """The words of a message; of an edit, those that now stand."""
        edited = self.content.get("m.new_content")
        return str((edited if isinstance(edited, Mapping) else self.content).get("body", ""))


class Person:
    """One signed-in person, whose client follows along until `leave`."""

    def __init__(self, part: Part, url: str, server_name: str) -> None:
        self.part = part
        self.user_id = f"@{part.name}:{server_name}"
        self.seen: list[Glimpse] = []
        # The same device each time: a person's list of devices does not grow with every start.
        self._client = nio.AsyncClient(
            url,
            self.user_id,
            device_id=f"DEMO-{part.name.upper()}",
            config=nio.AsyncClientConfig(encryption_enabled=False, max_timeouts=3, request_timeout=PATIENCE),
        )
        self._news = asyncio.Condition()
        self._following: asyncio.Task[None] | None = None

    @property
    def called(self) -> str:
        """As in a sentence: `Amina`."""
        return self.part.called

    async def arrive(self, password: str) -> None:
        """Sign in and follow along. Raises: `PeopleChanged` if the password is wrong, `OperationFailed`."""
        with self._plainly("sign in"):
            answer = await self._client.login(password, device_name="Demo")
        if isinstance(answer, nio.LoginError):
            raise self._refused("sign in", answer)
        await self._sync(0)
        self._following = asyncio.create_task(self._follow(), name=f"demo-{self.part.name}")

    async def leave(self) -> None:
        """Stop following and sign out, so that no forgotten device shows in their list."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        if self._client.access_token:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with asyncio.timeout(_LOGOUT_S):
                    await self._client.logout()
        await self._client.close()

    # -- what they do ----------------------------------------------------------------------------------------------

    async def join(self, room: str) -> str:
        """Join a room by id or address; return its id. Raises: `PeopleChanged` if refused."""
        with self._plainly("join a room"):
            answer = await self._client.join(room)
        if isinstance(answer, nio.JoinError):
            raise self._refused(f"join {room}", answer)
        return str(answer.room_id)

    async def refused_at(self, room: str) -> str | None:
        """Try to join; return the homeserver's words if it refuses, None if the door was open."""
        with self._plainly("join a room"):
            answer = await self._client.join(room)
        return (answer.message or "refused") if isinstance(answer, nio.JoinError) else None

    async def write(self, room_id: str, text: str) -> tuple[str, float]:
        """Send a message; return its event id, and when the homeserver had taken it (`time.monotonic`, seconds)."""
        content = {"msgtype": "m.text", "body": text, "m.mentions": {}}
        with self._plainly("write"):
            answer = await self._client.room_send(room_id, "m.room.message", content)
        at = time.monotonic()
        if isinstance(answer, nio.RoomSendError):
            raise self._refused("write", answer)
        return str(answer.event_id), at

    # -- what they see ---------------------------------------------------------------------------------------------

    async def sees(self, what: str, look: Callable[[Glimpse], bool]) -> Glimpse:
        """Wait for an event that `look` accepts, earlier ones too. Raises: `OperationFailed` naming `what` if it
        does not come in time."""
        return await self.finds(what, lambda: next((glimpse for glimpse in self.seen if look(glimpse)), None))

    async def finds(self, what: str, look: Callable[[], Seen | None]) -> Seen:
        """Wait until `look`, asked after each piece of news, finds something. Raises: `OperationFailed`."""
        try:
            async with asyncio.timeout(PATIENCE), self._news:
                while (found := look()) is None:
                    if self._following is None or self._following.done():
                        raise OperationFailed(f"{self.called}'s program lost the homeserver.")
                    await self._news.wait()
                return found
        except TimeoutError:
            raise OperationFailed(f"{self.called} did not see {what} within {PATIENCE:.0f} seconds.") from None

    async def reads(self, room_id: str, event_id: str) -> Mapping[str, Any]:
        """Fetch one event anew and return its content. Raises: `OperationFailed`."""
        with self._plainly("read a message again"):
            answer = await self._client.room_get_event(room_id, event_id)
        if isinstance(answer, nio.RoomGetEventError):
            raise self._refused("read a message again", answer)
        content = answer.event.source.get("content")
        return content if isinstance(content, Mapping) else {}

    async def members(self, room_id: str) -> set[str]:
        """Who is in a room, as user ids. Raises: `OperationFailed`."""
        with self._plainly("see who is in a room"):
            answer = await self._client.joined_members(room_id)
        if isinstance(answer, nio.JoinedMembersError):
            raise self._refused("see who is in a room", answer)
        return {member.user_id for member in answer.members}

    def rooms_with(self, *others: str) -> list[str]:
        """Rooms whose members, as this person's client knows them, are exactly this person and `others`."""
        wanted = {self.user_id, *others}
        return [room_id for room_id, room in self._client.rooms.items() if set(room.users) == wanted]

    def is_in(self, room_id: str) -> bool:
        """Whether this person's client has the room among those joined."""
        return room_id in self._client.rooms

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            while True:
                await self._sync(_LONG_POLL_MS)
        finally:
            # Whoever waits must learn that nothing will come any more.
            async with self._news:
                self._news.notify_all()

    async def _sync(self, timeout_ms: int) -> None:
        with self._plainly("follow along"):
            answer = await self._client.sync(timeout_ms, set_presence="offline")
        at = time.monotonic()
        if isinstance(answer, nio.SyncError):
            raise self._refused("follow along", answer)
        async with self._news:
            for room_id, room in answer.rooms.join.items():
                for event in (*room.state, *room.timeline.events):
                    self.seen.append(Glimpse(room_id, event.source, at))
            self._news.notify_all()

    @contextlib.contextmanager
    def _plainly(self, what: str) -> Iterator[None]:
        try:
            yield
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise OperationFailed(f"{self.called} could not {what}: the homeserver does not answer.") from error

    def _refused(self, what: str, answer: nio.ErrorResponse) -> PeopleChanged:
        return PeopleChanged(f"{self.called} could not {what}: {answer.message}")
