"""The direct room between one person and the guardian: found or made once, joined where that is allowed.

The steward makes it, since only a member who is server admin may join a local person (an administrator's join needs
that), with the guardian as co-creator; then the steward leaves, and two remain.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from appservice.effects import KEY_FIELD, Speaker
from appservice.flow import Attempt, DirectMessage, Done, Effect, EnsureDirectRoom, Ghosts, Place, Refused, Result
from appservice.intake import MARKER_TYPE, Projection
from appservice.matrix import Actor, AdminCapability, HomeserverClient, Rejected, parse_event
from appservice.store import Commit, Database

#: `reach` of a person: we can be read, an invite waits, they refuse invites.
REACHED, INVITED, BLOCKED = "reached", "invited", "blocked"


class DirectRooms:
    """Finds and makes direct rooms. One person is dealt with at a time; different people side by side."""

    def __init__(
        self,
        client: HomeserverClient,
        admin: AdminCapability,
        projection: Projection,
        database: Database,
        ghosts: Ghosts,
        guardian: Actor,
        community: str,
    ) -> None:
        self._client = client
        self._admin = admin
        self._projection = projection
        self._database = database
        self._ghosts = ghosts
        self._guardian = guardian
        self.community = community
        self._all_known = asyncio.Event()
        self._busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def adopt(self) -> None:
        """Every room of ours is known now: note whose direct rooms are among them, without asking the homeserver.

        Raises `StoreRefused`.
        """
        rows = Commit()
        for facts in self._projection.rooms():
            person = facts.create.get("org.inglenook.for")
            if facts.place is not Place.DIRECT or facts.community != self.community or not isinstance(person, str):
                continue
            joined = facts.members.get(person) == "join"
            if facts.members.get(self._ghosts.guardian) == "join" and joined and self.reach(person) is None:
                rows.add(self._projection.direct_row(person, facts.room_id, REACHED))
                self._projection.set_direct_room(person, facts.room_id, REACHED)
        await self._database.commit(rows)
        self._all_known.set()

    def all_are_known(self) -> None:
        """The store knew every room of ours already."""
        self._all_known.set()

    def reach(self, user_id: str) -> tuple[str, str] | None:
        """Return (room id, reach) of a person, None while there is no room."""
        return self._projection.direct_reach.get(user_id)

    def is_reached(self, user_id: str) -> bool:
        """Whether a person can read what we say to them: an invite that nobody answered is not enough."""
        known = self.reach(user_id)
        return known is not None and known[1] == REACHED

    def forget_vanished(self, rooms: Iterable[str]) -> None:
        """After a homeserver was put back to an older copy: what is not among `rooms` does not exist any more."""
        standing = set(rooms)
        for user_id, (room_id, _) in list(self._projection.direct_reach.items()):
            if room_id not in standing:
                self._projection.forget_direct_room(user_id)

    async def ensure(self, user_id: str, key: str) -> tuple[str, str]:
        """Return (room id, reach), making the room if there is none; `key` marks it, so that a half-made one is found.

        Raises `HomeserverError` and `StoreRefused`; call it again.
        """
        lock = self._busy.setdefault(user_id, asyncio.Lock())  # held by all who wait, gone with the last
        await self._all_known.wait()
        async with lock:
            known = self.reach(user_id)
            if known is not None:
                return known
            room_id = await self._find(user_id) or await self._make(user_id, key)
            how = await self._admit(room_id, user_id)
            await self._database.commit(self._projection.direct_row(user_id, room_id, how))
            self._projection.set_direct_room(user_id, room_id, how)
            return room_id, how

    async def _find(self, user_id: str) -> str | None:
        """Return a room of ours made for this person by an attempt that did not live to write it down."""
        for facts in self._projection.rooms():
            if facts.community == self.community and facts.create.get("org.inglenook.for") == user_id:
                return facts.room_id
        for ghost in (self._ghosts.guardian, self._ghosts.steward):
            for room_id in await self._client.joined_rooms(ghost):
                if self._projection.knows(room_id):
                    continue
                for raw in await self._client.state(room_id, ghost):
                    event = parse_event(raw, room_id)
                    ours = event.type == "m.room.create" and event.sender in self._ghosts
                    if ours and event.content.get("org.inglenook.for") == user_id:
                        return room_id
        return None

    async def _make(self, user_id: str, key: str) -> str:
        return await self._client.create_room(
            direct_room_body(user_id, key, self.community, self._ghosts), self._ghosts.steward
        )

    async def _admit(self, room_id: str, user_id: str) -> str:
        """Bring guardian and person in; return the person's reach. Every step may have been done before."""
        await self._client.join(room_id, self._guardian)
        if await self._membership(room_id, user_id) == "join" or (
            await self._may_join(user_id) and await self._done(self._admin.join(room_id, user_id))
        ):
            how = REACHED
        elif await self._done(self._client.invite(room_id, user_id, self._guardian)):
            how = INVITED
        else:
            how = BLOCKED
        await self._done(self._client.leave(room_id, self._ghosts.steward))
        return how

    async def _membership(self, room_id: str, user_id: str) -> str:
        try:
            content = await self._client.state_event(room_id, "m.room.member", user_id, self._guardian)
        except Rejected as error:
            if error.temporary:
                raise
            return ""
        return str(content.get("membership", ""))

    async def _may_join(self, user_id: str) -> bool:
        """Whether we can and may bring this person in: local, and not somebody who blocks invites."""
        if user_id.partition(":")[2] != self._projection.server_name:
            return False
        try:
            return not await self._admin.blocks_invites(user_id)
        except Rejected as error:
            if error.temporary:
                raise
            return False

    async def _done(self, call: Coroutine[Any, Any, None]) -> bool:
        """Return whether a call succeeded, False where the homeserver said no for good."""
        try:
            await call
        except Rejected as error:
            if error.temporary:
                raise
            return False
        return True


def direct_room_body(user_id: str, key: str, community: str, ghosts: Ghosts) -> Mapping[str, Any]:
    """Return the createRoom body of a direct room: nobody but the two, and the person cannot lock us out."""
    return {
        "preset": "private_chat",
        "room_version": "12",
        "is_direct": True,
        "name": "Private messages",
        "invite": [ghosts.guardian],
        "creation_content": {
            "additional_creators": [ghosts.guardian, ghosts.custodian],
            "m.federate": True,
            KEY_FIELD: key,
            "org.inglenook.for": user_id,
        },
        "power_level_content_override": {
            "users": {},
            "users_default": 0,
            "events_default": 0,
            "state_default": 150,
            "invite": 150,
            "kick": 150,
            "ban": 150,
            "redact": 150,
            "events": {"m.reaction": 0, "m.room.redaction": 0},
        },
        "initial_state": [
            {"type": MARKER_TYPE, "state_key": "", "content": {"community": community, "group": "direct"}},
            {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "joined"}},
            {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
        ],
    }


class EnsureDirectRoomExecutor:
    """Makes the direct room exist. Level-triggered: an existing one is found, a half-made one finished."""

    def __init__(self, rooms: DirectRooms) -> None:
        self._rooms = rooms

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, EnsureDirectRoom)
        already = self._rooms.reach(effect.user_id) is not None
        room_id, _ = await self._rooms.ensure(effect.user_id, effect.key)
        return Done(room_id=room_id, already=already)


class DirectMessageExecutor:
    """Says something to one person, where they can read it."""

    def __init__(self, rooms: DirectRooms, speaker: Speaker) -> None:
        self._rooms = rooms
        self._speaker = speaker

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, DirectMessage)
        room_id, how = await self._rooms.ensure(effect.user_id, effect.key)
        if how == BLOCKED:
            return Refused("not_reached")
        return await self._speaker.say(room_id, effect, effect.text, effect.items, attempt)
