"""The calls by which one change is made. That it was made already, and not told us, is seen in the answer or by one read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final

import stamina
import structlog

from appservice.flow import Ghosts
from appservice.matrix import Actor, AdminCapability, Attitude, HomeserverClient, Rejected, Unreachable
from appservice.provisioning.observe import Observer
from policies.changes import (
    AddAddress,
    BringOver,
    Change,
    CreateRoom,
    HideAddress,
    Invite,
    InviteGuardian,
    JoinGuardian,
    KeepOut,
    LeaveOld,
    Remove,
    RemoveAddress,
    Retire,
    SetListing,
    SetState,
    Unlist,
)

log = structlog.get_logger()

#: Seconds that one change waits for a homeserver that is away or busy, before it counts as failed.
PATIENCE_S: Final = 60.0
_NO_ADDRESS: Final = frozenset({"M_ROOM_IN_USE", "M_EXCLUSIVE"})


class Calls:
    """Makes changes, and counts: `made` are the calls that change something, `looked` those that only ask."""

    def __init__(
        self,
        client: HomeserverClient,
        admin: AdminCapability,
        observer: Observer,
        ghosts: Ghosts,
        guardian: Actor,
        farewell: Callable[[], str],
    ) -> None:
        self._client = client
        self._admin = admin
        self._observer = observer
        self._steward = ghosts.steward
        self._guardian = guardian
        self._farewell = farewell
        self.made = 0
        self.looked = 0

    async def make(self, change: Change, community: str) -> str | None:
        """Make one change; return the id of the room that it made, if any.

        Raises `HomeserverError` where it cannot be made, or not within `PATIENCE_S`.
        """
        match change:
            case CreateRoom():
                return await self._create(change, community)
            case InviteGuardian(user_id=user_id) | Invite(user_id=user_id):
                await self._call(
                    lambda: self._client.invite(change.room_id, user_id, self._steward),
                    lambda: self._membership(change.room_id, user_id, ("join", "invite")),
                )
            case JoinGuardian():
                await self._call(lambda: self._client.join(change.room_id, self._guardian))
            case Remove(user_id=user_id):
                code = "invite_withdrawn" if change.invited else "not_admitted"
                # An old room may have lost its steward, and still be closed and emptied by the guardian.
                by = self._steward if self._observer.has_steward(change.room_id) else self._guardian
                await self._call(
                    lambda: self._client.kick(change.room_id, user_id, code, by),
                    lambda: self._membership(change.room_id, user_id, ("", "leave", "ban")),
                )
            case AddAddress(address=address):
                await self._call(
                    lambda: self._client.add_address(address, change.room_id, self._steward),
                    lambda: self._leads_to(address, change.room_id),
                )
            case RemoveAddress() | HideAddress():
                await self._take_address(change)
            case SetState():
                await self._write(change, change.after, self._steward)
            case BringOver(user_id=user_id):
                await self._bring_over(change.room_id, user_id)
            case KeepOut(user_id=user_id):
                await self._call(
                    lambda: self._client.ban(change.room_id, user_id, "banned_before", self._steward),
                    lambda: self._membership(change.room_id, user_id, ("ban",)),
                )
            case Retire():
                await self._retire(change)
            case Unlist() | SetListing():
                await self._list(change)
            case LeaveOld():
                await self._call(
                    lambda: self._client.leave(change.room_id, self._steward),
                    lambda: self._membership(change.room_id, self._steward, ("", "leave", "ban")),
                )
        return None

    async def _bring_over(self, room_id: str, user_id: str) -> None:
        """Join somebody of this homeserver to a room; who refuses invites, or ignores us, is asked instead."""

        async def there() -> bool:
            return await self._membership(room_id, user_id, ("join", "invite"))

        if await self._attitude(user_id) == "open":
            try:
                await self._call(lambda: self._admin.join(room_id, user_id), there)
                return
            except Rejected as error:
                log.info(
                    "not_joined", error=error.errcode
                )  # an account that was closed, or is held: asked, if it can be
        await self._call(lambda: self._client.invite(room_id, user_id, self._steward), there)

    async def _attitude(self, user_id: str) -> Attitude:
        """How somebody stands towards us; where it cannot be found out, they are not joined."""
        found: Attitude = "blocks"
        try:
            async for attempt in _patiently():
                with attempt:
                    self.looked += 1
                    found = await self._admin.attitude(user_id, (self._steward, self._guardian.user_id))
        except Rejected:
            return "blocks"
        return found

    async def _retire(self, change: Retire) -> None:
        content = dict(change.after)
        if change.type == "m.room.tombstone":
            content["body"] = self._farewell()
        await self._write(change, content, self._actor(change))

    def _actor(self, change: Retire | SetListing) -> Actor | str:
        return self._guardian if change.by == "guardian" else self._steward

    async def _write(
        self, change: SetState | Retire | SetListing, content: Mapping[str, object], actor: Actor | str
    ) -> None:
        await self._call(lambda: self._client.set_state(change.room_id, change.type, change.state_key, content, actor))

    async def _list(self, change: SetListing | Unlist) -> None:
        """Between the two marks nothing is believed: whatever cuts it off, the next plan makes it again."""
        marked = change if isinstance(change, SetListing) else None
        actor, listed = (self._actor(marked), marked.listed) if marked is not None else (self._steward, False)
        if marked is not None:
            await self._write(marked, marked.between, actor)
        try:
            await self._call(lambda: self._client.set_listed(change.room_id, actor, listed=listed))
        except Rejected as error:
            if listed and error.status == 403:
                self._observer.may_list = False
            raise
        self._observer.listing_moved(change.room_id, listed=listed)
        if marked is not None:
            await self._write(marked, marked.after, actor)

    async def _call(
        self, call: Callable[[], Awaitable[object]], already: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """Call until there is an answer. A refusal is asked after: an answer may have been lost on the way here."""
        try:
            async for attempt in _patiently():
                with attempt:
                    self.made += 1
                    await call()
        except Rejected:
            if already is None or not await already():
                raise

    async def _create(self, change: CreateRoom, community: str) -> str:
        """Make a room. Whether an attempt without an answer made it is looked up before the next."""
        body = change.body
        old = body["creation_content"].get("predecessor", {}).get("room_id")
        first = True
        async for attempt in _patiently():
            with attempt:
                if not first and (made := await self._observer.made(community, change.room, old)):
                    return made
                first = False
                self.made += 1
                try:
                    return await self._client.create_room(body, self._steward)
                except Rejected as error:
                    if error.errcode not in _NO_ADDRESS or "room_alias_name" not in body:
                        raise
                # Somebody took the address since it was looked up: the room goes without; the next plan says so.
                body = {name: value for name, value in body.items() if name != "room_alias_name"}
                self.made += 1
                return await self._client.create_room(body, self._steward)
        raise Unreachable("no attempt was made")

    async def _membership(self, room_id: str, user_id: str, wanted: tuple[str, ...]) -> bool:
        self.looked += 1
        try:
            content: Mapping[str, object] = await self._client.state_event(
                room_id, "m.room.member", user_id, self._steward
            )
        except Rejected as error:
            if error.status != 404:
                raise
            content = {}
        return str(content.get("membership", "")) in wanted

    async def _take_address(self, change: RemoveAddress | HideAddress) -> None:
        await self._call(
            lambda: self._client.remove_address(change.address, self._steward),
            lambda: self._leads_elsewhere(change.address, change.room_id),
        )
        if isinstance(change, HideAddress):
            # Synapse does not do that by itself for an application service (1.163.2).
            nowhere: Mapping[str, object] = {}
            await self._call(
                lambda: self._client.set_state(change.room_id, "m.room.canonical_alias", "", nowhere, self._steward)
            )

    async def _leads_to(self, address: str, room_id: str) -> bool:
        self.looked += 1
        try:
            return await self._client.resolve(address, self._steward) == room_id
        except Rejected as error:
            if error.status == 404:
                return False
            raise

    async def _leads_elsewhere(self, address: str, room_id: str) -> bool:
        return not await self._leads_to(address, room_id)


def _may_pass(error: Exception) -> bool | float:
    """Whether to try again, or after how many seconds the homeserver asked us to."""
    if isinstance(error, Rejected):
        if not error.temporary:
            return False
        return True if error.retry_after_ms is None else min(error.retry_after_ms / 1000, PATIENCE_S)
    return isinstance(error, Unreachable)


def _patiently() -> AsyncIterator[stamina.Attempt]:
    return stamina.retry_context(on=_may_pass, attempts=None, timeout=PATIENCE_S, wait_initial=0.2, wait_max=5.0)
