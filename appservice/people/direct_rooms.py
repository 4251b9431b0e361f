"""The direct room between one person and the guardian: found or made once, joined where that is allowed.

The steward makes it, since only a member who is server admin may join a local person (an administrator's join needs
that), with the guardian as co-creator; then the steward leaves, and two remain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from appservice.effects import KEY_FIELD, Speaker
from appservice.flow import (
    Attempt,
    DirectMessage,
    Done,
    Effect,
    EnsureDirectRoom,
    Ghosts,
    Place,
    Refused,
    Result,
    Urgency,
)
from appservice.intake import (
    BLOCKED,
    FOR_FIELD,
    GONE,
    IGNORED,
    INVITED,
    LEFT,
    MARKER_TYPE,
    REACHED,
    REMOVED,
    Projection,
)
from appservice.matrix import Actor, AdminCapability, Attitude, HomeserverClient, Rejected, parse_event
from appservice.store import Commit, Database
from policies.federation import Reach

#: Seconds after which a person is asked again, by their account's settings, whether they ignore or block us.
_ASK_AGAIN_S = 600.0
#: How somebody is reached who can read what we say: it waits for whoever has not answered the invite.
READABLE = frozenset({REACHED, INVITED})
#: What a person's membership in their direct room means, where only that is known.
_ADOPTED = {"join": REACHED, "invite": INVITED, LEFT: GONE, REMOVED: GONE, "ban": GONE}


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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._client = client
        self._admin = admin
        self._projection = projection
        self._database = database
        self._ghosts = ghosts
        self._guardian = guardian
        self.community = community
        #: whether people of a server are let in anywhere, and so may be written to; else those of this one alone
        self.reaches: Callable[[str], bool] = self._is_local
        self._all_known = asyncio.Event()
        self._busy: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._asked_at: dict[str, float] = {}
        #: who wants nothing written to them: not reached by anything they did not ask for
        self.quiet: Collection[str] = ()
        self._lost: set[str] = set()  # rooms that the guardian is not in any more, as the homeserver said

    async def adopt(self) -> None:
        """Every room of ours is known now: note whose direct rooms are among them, without asking the homeserver.

        Raises `StoreRefused`.
        """
        rows = Commit()
        for facts in self._projection.rooms():
            person = facts.create.get(FOR_FIELD)
            if facts.place is not Place.DIRECT or facts.community != self.community or not isinstance(person, str):
                continue
            how = _ADOPTED.get(facts.members.get(person, ""))  # none: half made, and finished when it is needed
            if how is None or facts.members.get(self._ghosts.guardian) != "join" or self.reach(person) is not None:
                continue
            rows.add(self._projection.direct_row(person, facts.room_id, how))
            self._projection.set_direct_room(person, facts.room_id, how)
        await self._database.commit(rows)
        self._all_known.set()

    def all_are_known(self) -> None:
        """The store knew every room of ours already."""
        self._all_known.set()

    def reach(self, user_id: str) -> tuple[str, str] | None:
        """Return (room id, reach) of a person, None while there is no room."""
        return self._projection.direct_reach.get(user_id)

    def is_reached(self, user_id: str) -> bool:
        """Whether a person can read what we say to them: an invite that nobody answered is not enough, and who asked us
        to be quiet is not written to, nor is anybody on a server that is not let in (any more)."""
        known = self.reach(user_id)
        reached = known is not None and known[1] == REACHED and not self._is_lost(known[0])
        return reached and user_id not in self.quiet and self.reaches(user_id)

    def forget_vanished(self, rooms: Iterable[str]) -> None:
        """After a homeserver was put back to an older copy: what is not among `rooms` does not exist any more."""
        standing = set(rooms)
        for user_id, (room_id, _) in list(self._projection.direct_reach.items()):
            if room_id not in standing:
                self._projection.forget_direct_room(user_id)

    async def ensure(self, user_id: str, key: str, *, ask_again: bool = False) -> tuple[str, str]:
        """Return (room id, reach), making the room if there is none; `key` marks it, so that a half-made one is found.

        ask_again: invite a person who left it, or who refused our invites when it was made. Raises `HomeserverError` and
        `StoreRefused`; call it again.
        """
        lock = self._busy.setdefault(user_id, asyncio.Lock())  # held by all who wait, gone with the last
        await self._all_known.wait()
        async with lock:
            known = self.reach(user_id)
            asks_only = False
            if known is not None and self._is_lost(known[0]):
                # A deletion takes the person out too, as if they had left: then they are asked, and not joined.
                asks_only = known[1] not in {REACHED, IGNORED}
                await self._forget(user_id, known[0])
                known = None
            if known is not None:
                return await self._asked_again(user_id, known) if ask_again else known
            room_id = await self._find(user_id) or await self._make(user_id, key)
            return await self._note(user_id, room_id, await self._admit(room_id, user_id, asks_only=asks_only))

    async def tell(
        self, user_id: str, key: str, say: Callable[[str], Awaitable[Done]], *, look: bool = False
    ) -> Done | Refused:
        """Let `say(room_id)` say something where a person can read it; in another room if theirs turns out to be gone.

        look: ask their account now whether they ignore us. Raises as `ensure`.
        """
        if not self.reaches(user_id):
            return Refused("not_reached")
        room_id, how = await self.reachable(user_id, key, look=look)
        if how in READABLE:
            try:
                return await say(room_id)
            except Rejected as error:
                if error.temporary or not await self._found_lost(room_id):
                    raise
            room_id, how = await self.reachable(user_id, key, look=look)
        return await say(room_id) if how in READABLE else Refused("not_reached")

    async def _found_lost(self, room_id: str) -> bool:
        """Whether the homeserver says that the guardian is not in a room: it was deleted, or somebody took us out."""
        if await self._membership(room_id, self._ghosts.guardian) == "join":
            return False
        self._lost.add(room_id)
        return True

    def _is_lost(self, room_id: str) -> bool:
        """Whether the guardian is out of a direct room. It was asked in before its person: where news of the person came
        and it is not there, it went."""
        room = self._projection.room(room_id)
        if room is None or room_id in self._lost:
            return room_id in self._lost
        person = room.create.get(FOR_FIELD)
        known = isinstance(person, str) and person in room.members
        return known and room.members.get(self._ghosts.guardian) not in {"join", "invite"}

    async def _forget(self, user_id: str, room_id: str) -> None:
        await self._database.commit(self._projection.vanish(room_id))
        self._lost.add(room_id)
        self._projection.forget_direct_room(user_id)

    async def _note(self, user_id: str, room_id: str, how: str) -> tuple[str, str]:
        while True:
            await self._database.commit(self._projection.direct_row(user_id, room_id, how))
            seen = self._as_seen(user_id, room_id, how)
            if seen == how:
                self._projection.set_direct_room(user_id, room_id, how)
                return room_id, how
            how = seen  # they came or went while it was written down

    def _as_seen(self, user_id: str, room_id: str, how: str) -> str:
        """What becomes of a reach by what the stream brought meanwhile: a quick yes, or a quick goodbye."""
        seen = _ADOPTED.get(self._projection.membership(room_id, user_id) or "")
        return seen if seen is not None and (how, seen) in {(INVITED, REACHED), (REACHED, GONE)} else how

    async def _asked_again(self, user_id: str, known: tuple[str, str]) -> tuple[str, str]:
        room_id, how = known
        if how not in {GONE, BLOCKED} or await self._attitude(user_id) in {"blocks", "ignores"}:
            return known
        if not await self._done(self._client.invite(room_id, user_id, self._guardian)):
            return known
        return await self._note(user_id, room_id, INVITED)

    async def reachable(self, user_id: str, key: str, *, look: bool = False) -> tuple[str, str]:
        """As `ensure`, for what is to be said now: whether they ignore us is asked again, after a while or at once."""
        room_id, how = await self.ensure(user_id, key)
        if how not in {REACHED, IGNORED} or not self._is_local(user_id):
            return room_id, how
        if not look and self._monotonic() - self._asked_at.get(user_id, -_ASK_AGAIN_S) < _ASK_AGAIN_S:
            return room_id, how
        attitude = await self._attitude(user_id)
        if attitude is None:
            return room_id, how
        now = IGNORED if attitude == "ignores" else REACHED
        return (room_id, how) if now == how else await self._note(user_id, room_id, now)

    async def _find(self, user_id: str) -> str | None:
        """Return a room of ours made for this person by an attempt that did not live to write it down."""
        for facts in self._projection.rooms():
            ours = facts.community == self.community and facts.create.get(FOR_FIELD) == user_id
            if ours and not self._is_lost(facts.room_id):
                return facts.room_id
        for ghost in (self._ghosts.guardian, self._ghosts.steward):
            for room_id in await self._client.joined_rooms(ghost):
                if self._projection.knows(room_id):
                    continue
                for raw in await self._client.state(room_id, ghost):
                    event = parse_event(raw, room_id)
                    ours = event.type == "m.room.create" and event.sender in self._ghosts
                    if ours and event.content.get(FOR_FIELD) == user_id:
                        return room_id
        return None

    async def _make(self, user_id: str, key: str) -> str:
        return await self._client.create_room(
            direct_room_body(user_id, key, self.community, self._ghosts, self._projection.server_name),
            self._ghosts.steward,
        )

    async def _admit(self, room_id: str, user_id: str, *, asks_only: bool = False) -> str:
        """Bring guardian and person in; return the person's reach. Every step may have been done before."""
        await self._client.join(room_id, self._guardian)
        attitude = await self._attitude(user_id)
        joins = attitude == "open" and self._is_local(user_id) and not asks_only
        if await self._membership(room_id, user_id) == "join" or (
            joins and await self._done(self._admin.join(room_id, user_id))
        ):
            how = REACHED
        elif attitude in {"blocks", "ignores"}:
            how = BLOCKED
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

    def _is_local(self, user_id: str) -> bool:
        return user_id.partition(":")[2] == self._projection.server_name

    async def _attitude(self, user_id: str) -> Attitude | None:
        """How a person stands towards us; None where we are not told."""
        if not self._is_local(user_id):
            return "open"
        found: Attitude | None
        try:
            found = await self._admin.attitude(user_id, (self._ghosts.guardian, self._ghosts.steward))
        except Rejected as error:
            if error.temporary:
                raise
            found = None
        self._asked_at[user_id] = self._monotonic()
        return found

    async def _done(self, call: Coroutine[Any, Any, None]) -> bool:
        """Return whether a call succeeded, False where the homeserver said no for good."""
        try:
            await call
        except Rejected as error:
            if error.temporary:
                raise
            return False
        return True


def direct_room_body(user_id: str, key: str, community: str, ghosts: Ghosts, home: str) -> Mapping[str, Any]:
    """Return the createRoom body of a direct room: nobody but the two, and the person cannot lock us out.

    It leaves this server (`home`) only where its person has their account elsewhere, and goes nowhere but there.
    """
    server = user_id.partition(":")[2]
    leaves = server != home
    return {
        "preset": "private_chat",
        "room_version": "12",
        "is_direct": True,
        "name": "Private messages",
        "invite": [ghosts.guardian],
        "creation_content": {
            "additional_creators": [ghosts.guardian, ghosts.custodian],
            "m.federate": leaves,
            KEY_FIELD: key,
            FOR_FIELD: user_id,
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
            # What is said while an invite waits can be read once it is answered.
            {"type": "m.room.history_visibility", "state_key": "", "content": {"history_visibility": "invited"}},
            {"type": "m.room.guest_access", "state_key": "", "content": {"guest_access": "forbidden"}},
            {
                "type": "m.room.server_acl",
                "state_key": "",
                "content": Reach(home, "partners", (server,) if leaves else ()).server_acl(),
            },
        ],
    }


class EnsureDirectRoomExecutor:
    """Makes the direct room exist. Level-triggered: an existing one is found, a half-made one finished."""

    def __init__(self, rooms: DirectRooms) -> None:
        self._rooms = rooms

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, EnsureDirectRoom)
        if not self._rooms.reaches(effect.user_id):
            return Refused("not_reached")
        already = self._rooms.reach(effect.user_id) is not None
        room_id, _ = await self._rooms.ensure(effect.user_id, effect.key, ask_again=True)
        return Done(room_id=room_id, already=already)


class DirectMessageExecutor:
    """Says something to one person, where they can read it, and if they want it: `wants` tells. `not_reached` is told
    where they cannot."""

    def __init__(
        self,
        rooms: DirectRooms,
        speaker: Speaker,
        wants: Callable[[DirectMessage], bool] = lambda _effect: True,
        not_reached: Callable[[Effect], Awaitable[None]] | None = None,
    ) -> None:
        self._rooms = rooms
        self._speaker = speaker
        self._wants = wants
        self._not_reached = not_reached

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        assert isinstance(effect, DirectMessage)
        if not self._wants(effect):
            return Refused("wants_quiet")

        async def say(room_id: str) -> Done:
            return await self._speaker.say(room_id, effect, effect.text, effect.items, attempt)

        # What cannot wait is not claimed to have been read by somebody who has begun to ignore us.
        look = effect.urgency is Urgency.NOW
        result = await self._rooms.tell(effect.user_id, effect.key, say, look=look)
        if isinstance(result, Refused) and self._not_reached is not None:
            await self._not_reached(effect)
        return result
