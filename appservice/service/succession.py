"""Which room a person wants to have followed by another: an old one of ours, or one that others made. Told if it cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from appservice.flow import Ghosts
from appservice.matrix import HomeserverClient, Rejected
from appservice.provisioning import Observer, Provisioner, TooLarge, identities_of
from policies.adoption import closes, is_there, not_there, why_never, why_not
from policies.desired import DesiredCommunity, DesiredRoom, RoomKey
from policies.fixed import fixed
from policies.observed import Observed, ObservedRoom
from policies.people import People
from policies.plan import Plan
from policies.succession import is_ours


class CannotFollow(Exception):
    """What a person asked for cannot be: the words say why, and what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person asks for: a new room for a `group`, in the place of its own or of `room` (id or address).

    anyway: although its own room is as it should be, or cases are open whose cards stand there.
    """

    group: RoomKey
    room: str = ""
    anyway: bool = False


class Successions:
    """Finds the rooms. `open_cases(room_id)` is how many cases have their cards in a room."""

    def __init__(
        self,
        client: HomeserverClient,
        observer: Observer,
        ghosts: Ghosts,
        open_cases: Callable[[str], int],
    ) -> None:
        self._client = client
        self._observer = observer
        self._steward = ghosts.steward
        self._identities = identities_of(ghosts)
        self._open_cases = open_cases

    async def plan(self, asked: Asked, community: DesiredCommunity, people: People, provisioner: Provisioner) -> Plan:
        """Return what is to be done so that a room takes the place of another one.

        Raises `CannotFollow`, and as `Provisioner.plan`.
        """
        found = dict[RoomKey, ObservedRoom]()

        async def find(observed: Observed) -> Mapping[RoomKey, ObservedRoom]:
            found.update(await self.find(asked, community, observed))
            return found

        planned = await provisioner.plan(community, people, find=find)
        for old in found.values():
            if not is_ours(old, self._identities) and not closes(planned.changes, old):
                # Taken over without that, it would be looked after by nobody, and people would go on there.
                raise CannotFollow("that room could not be closed, and people would go on there. Nothing was done")
        return planned

    async def find(
        self, asked: Asked, community: DesiredCommunity, observed: Observed
    ) -> Mapping[RoomKey, ObservedRoom]:
        """Return the room whose place is to be taken, by the group's key; nothing where that is under way already.

        Raises `CannotFollow`, `HomeserverError`.
        """
        room = next((one for one in community.rooms if one.key == asked.group), None)
        if room is None:
            known = ", ".join(one.key for one in community.rooms)
            raise CannotFollow(f"the policy in force has no group “{asked.group}”. It has: {known}")
        if asked.room:
            return await self._adopt(asked, room, observed)
        return self._upgrade(asked, room, observed)

    def _upgrade(self, asked: Asked, room: DesiredRoom, observed: Observed) -> Mapping[RoomKey, ObservedRoom]:
        present = observed.rooms.get(room.key)
        standing = present.standing(self._identities) if present is not None else "gone"
        if present is None or standing in ("gone", "foreign"):
            raise CannotFollow(f"“{room.key}” has no room of ours. `inglenook apply` makes one")
        if room.key in observed.predecessors or standing == "closed":
            return {}
        if asked.anyway:
            return {room.key: present}
        if standing == "governed" and not any(fixed(room, present, self._identities)):
            raise CannotFollow(
                f"a new room for “{room.key}” would be no better than the one it has, and people would have to "
                "find their way to it. With --anyway it is made all the same"
            )
        cases = self._open_cases(present.room_id)
        if cases:
            raise CannotFollow(
                f"{cases} open cases have their cards in that room, which nobody could answer any more. Close them "
                "first. With --anyway it is done all the same"
            )
        return {room.key: present}

    async def _adopt(self, asked: Asked, room: DesiredRoom, observed: Observed) -> Mapping[RoomKey, ObservedRoom]:
        if room.key in observed.predecessors:
            raise CannotFollow(f"the room of “{room.key}” is about to take the place of another one: let it end first")
        present = observed.rooms.get(room.key)
        if present is not None and present.standing(self._identities) == "abandoned":
            raise CannotFollow(
                f"the room of “{room.key}” has lost its steward: `inglenook upgrade {room.key}` gives it a new one"
            )
        room_id = await self._room_id(asked.room)
        try:
            old = await self._see(asked.room, room_id, room)
        except TooLarge:
            raise CannotFollow("that room is larger than any that this program looks after") from None
        refusal = why_not(old, room, self._identities, direct=self._observer.is_direct(room_id))
        if refusal is not None:
            raise CannotFollow(refusal)
        return {room.key: old}

    async def _see(self, asked: str, room_id: str, room: DesiredRoom) -> ObservedRoom:
        """Return a room as the steward sees it who is in it."""
        seen = await self._observer.read_elsewhere(room_id)
        if seen is not None and (is_there(seen, self._identities) or is_ours(seen, self._identities)):
            return seen
        try:
            old = await self._come_in(asked, room_id)
        except CannotFollow:
            # What was seen from outside, or before it left, may say more than that it is not let in.
            never = self._why_never(seen, room) if seen is not None else None
            if never is not None:
                raise CannotFollow(never) from None
            raise
        never = self._why_never(old, room)
        if never is not None:  # what is said there is none of ours
            await self._client.leave(room_id, self._steward)
            raise CannotFollow(never)
        return old

    def _why_never(self, seen: ObservedRoom, room: DesiredRoom) -> str | None:
        return why_never(seen, room, self._identities, direct=self._observer.is_direct(seen.room_id))

    async def _room_id(self, room: str) -> str:
        if not room.startswith("#"):
            return room
        try:
            return await self._client.resolve(room, self._steward)
        except Rejected as error:
            if error.temporary:
                raise
            raise CannotFollow(f"{room} leads to no room that this homeserver knows") from None

    async def _come_in(self, room: str, room_id: str) -> ObservedRoom:
        """Accept an invite that waits for the steward: what cannot be seen cannot be judged."""
        try:
            await self._client.join(room, self._steward)
        except Rejected as error:
            if error.temporary:
                raise
            raise CannotFollow(not_there(self._steward)) from None
        old = await self._observer.read_elsewhere(room_id)
        if old is None:
            raise CannotFollow("that room cannot be read, though the steward is in it")
        return old
