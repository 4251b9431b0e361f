"""What the homeserver holds of a community, as the planner wants to know it: from the stream, else by one read a room."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from appservice.flow import Ghosts, Place, RoomFacts
from appservice.intake import REMOVED, Lanes, Projection
from appservice.matrix import AdminCapability, HomeserverClient, Rejected
from appservice.provisioning.elsewhere import Elsewhere
from appservice.provisioning.openness import CALLS, openness
from policies.desired import MANAGED_TYPE, DesiredCommunity, RoomKey
from policies.drift import Deviation, deviations
from policies.notes import homeserver_notes
from policies.observed import HomeserverReach, Identities, Membership, Observed, ObservedRoom, Standing
from policies.succession import closed_for_good, earlier, followed, predecessor_of, unfinished, went_before

log = structlog.get_logger()

#: Rooms read at the same time in an audit: few, since nobody waits for it.
_READS_AT_ONCE: Final = 4
#: Of so many audits each room is read whole in one; in the others who is in it, and their powers, are compared.
WHOLE_IN_TURN: Final = 24
#: Of several rooms of ours with one key, the last in this order stands for it.
_RANKS: Final[Sequence[Standing]] = ("foreign", "closed", "gone", "abandoned", "governed")
_ALIAS: Final = ("m.room.canonical_alias", "")


class Observer:
    """Sees communities through the projection. `addresses` are the patterns of addresses that are ours to use."""

    def __init__(
        self,
        client: HomeserverClient,
        admin: AdminCapability,
        projection: Projection,
        lanes: Lanes,
        ghosts: Ghosts,
        addresses: Sequence[str],
    ) -> None:
        self._client = client
        self._admin = admin
        self._projection = projection
        self._lanes = lanes
        self._ghosts = ghosts
        self._identities = identities_of(ghosts)
        self._ours = [re.compile(pattern) for pattern in addresses]
        self._admin_capability: bool | None = None
        self._pointing: dict[str, str | None] = {}
        self._elsewhere = Elsewhere(client, ghosts)
        self._listed: dict[str, bool] = {}  # as the homeserver answered, until we change it
        #: whether the homeserver lets us put rooms into its public list, as far as it was tried
        self.may_list = True
        #: how far the homeserver is open to other servers, as last seen
        self.openness: HomeserverReach | None = None
        self.reads = 0
        #: how often something of the stream may have passed us: the next audit then reads every room whole
        self.missed: Callable[[], int] = lambda: 0
        self._missed_before = 0
        self._turn = 0

    async def made(self, community: str, key: RoomKey, old: str | None = None) -> str | None:
        """Return the id of a room that a createRoom without an answer may have made, to take the place of `old` if there
        is one. Raises `HomeserverError`."""
        await self.read_half_made()
        room = self._rooms(community)[0].get(key)
        if room is None or room.standing(self._identities) != "governed" or (old and predecessor_of(room) != old):
            return None
        return room.room_id

    def has_steward(self, room_id: str) -> bool:
        """Whether the steward is in a room, as far as is known."""
        return self._projection.membership(room_id, self._ghosts.steward) == "join"

    def present(self, community: DesiredCommunity) -> Observed:
        """Return what is known at this moment, without asking the homeserver anything."""
        best, former = self._rooms(community.id)
        predecessors, went, over = {}, {}, {}
        for key, room in best.items():
            before = predecessor_of(room)
            if before is None:
                continue
            old = self._room(before, key)
            if old is not None and unfinished(room, old, self._identities):
                predecessors[key] = old
            chain = earlier(room, partial(self._own, key))
            went[key] = went_before(chain)
            being_left = predecessors[key].room_id if key in predecessors else None
            over[key] = closed_for_good((one for one in chain if one.room_id != being_left), self._identities)
        return Observed(
            best,
            self._admin_capability is not False,
            dict(self._pointing),
            predecessors,
            went,
            over,
            frozenset(former),
            self.openness,
            self.may_list,
        )

    def _own(self, key: RoomKey, room_id: str) -> ObservedRoom | None:
        """What we know of a room that we made."""
        facts = self._projection.room(room_id)
        return self._seen(facts, key) if facts is not None and facts.creator in self._ghosts else None

    def _seen(self, facts: RoomFacts, key: RoomKey, only: Ghosts | None = None) -> ObservedRoom:
        return _observed(facts, key, only, listed=self._listed.get(facts.room_id))

    def _room(self, room_id: str, key: RoomKey) -> ObservedRoom | None:
        """What we know of a room that another one may follow: of those that others made, what was read last."""
        return self._own(key, room_id) or self._elsewhere.rooms.get(room_id)

    def _rooms(self, community: str) -> tuple[dict[RoomKey, ObservedRoom], set[str]]:
        """A community's rooms by key, and the ids of others that were made for one."""
        best: dict[RoomKey, ObservedRoom] = {}
        former: set[str] = set()
        found = [
            self._seen(facts, key)
            for facts in self._projection.rooms()
            if (key := _key_of(facts, community, self._ghosts)) is not None
        ]
        over = followed(found, self._identities)
        for room in found:
            other = best.get(room.key)
            better = other is None or self._rank(room, over) > self._rank(other, over)
            worse = other if better else room
            if better:
                best[room.key] = room
            if worse is not None and worse.standing(self._identities) != "foreign":
                former.add(worse.room_id)
        return best, former

    def deviations(self, community: DesiredCommunity, room_id: str) -> tuple[Deviation, ...]:
        """Return how one room's state differs from what `community` says, at this moment and without asking anybody.

        Costs about a millisecond for a thousand rooms: no other room is compared, and no members are.
        """
        facts = self._projection.room(room_id)
        key = _key_of(facts, community.id, self._ghosts) if facts is not None else None
        if facts is None or key is None or not community.has(key):
            return ()
        if self._projection.place(community.id, key) not in (None, room_id):
            return ()  # a former one
        room = community.room(key)
        linked = {key, *room.join_through, *([room.parent] if room.parent is not None else [])}
        if room.children:
            linked |= {other.key for other in community.rooms}
        rooms = {key: self._seen(facts, key, self._ghosts)}
        for other in linked - {key}:
            known = self._projection.room(self._projection.place(community.id, other) or "")
            if known is not None:
                rooms[other] = self._seen(known, other, self._ghosts)
        former: set[str] = set()
        if room.children:  # links to them are taken down
            used = {one.room_id for one in rooms.values()}
            former = {
                one.room_id
                for one in self._projection.rooms()
                if one.room_id not in used and _key_of(one, community.id, self._ghosts) is not None
            }
        return deviations(community, Observed(rooms, former_rooms=frozenset(former)), self._identities, key)

    async def look(self, community: DesiredCommunity) -> Observed:
        """Return what is there; asks the homeserver only where something is missing. Raises `HomeserverError`."""
        if self._admin_capability is None:
            self._admin_capability = await self._admin.probe()
            self.reads += 1
        if self.openness is None or homeserver_notes(community.reach, self.openness):
            await self.look_how_open()
        observed = self.present(community)
        governed = {key for key, room in observed.rooms.items() if room.standing(self._identities) == "governed"}
        if any(room.key not in governed for room in community.rooms):
            # An attempt that was cut off may have made it, and we were not told.
            await self.read_half_made()
            observed = self.present(community)
        await self._read_elsewhere(observed)
        # Put in place whole: an apply may be under way meanwhile, and an address that is missing counts as free.
        pointing: dict[str, str | None] = {}
        for room in community.rooms:
            if not room.addressed and room.key not in observed.predecessors:
                continue
            address = f"#{room.alias_localpart}:{community.server}"
            seen = observed.rooms.get(room.key)
            standing = seen is not None and seen.standing(self._identities) == "governed"
            if seen is not None and standing and seen.state.get(_ALIAS, {}).get("alias") == address:
                continue
            await self._look_where(address, pointing)
        self._pointing = pointing
        return self.present(community)

    async def look_how_open(self) -> None:
        """See anew how far the homeserver is open to other servers. Raises `HomeserverError`."""
        self.openness = await openness(self._client)
        self.reads += CALLS

    async def _look_where(self, address: str, into: dict[str, str | None]) -> None:
        if not any(pattern.match(address) for pattern in self._ours):
            into[address] = None
        elif (points_at := await self._points_at(address)) is not None:
            into[address] = points_at

    async def to_follow(
        self, community: DesiredCommunity, observed: Observed, asked: Mapping[RoomKey, ObservedRoom]
    ) -> Observed:
        """Return what is there with what a person asked for: rooms that are to get successors, or be adopted, by key.

        Raises `HomeserverError`.
        """
        for key in asked:
            await self._look_where(f"#{community.room(key).alias_localpart}:{community.server}", self._pointing)
        listed = {key: replace(old, listed=await self._is_listed(old.room_id)) for key, old in asked.items()}
        predecessors = {**observed.predecessors, **listed}
        return replace(observed, predecessors=predecessors, addresses=dict(self._pointing))

    async def _is_listed(self, room_id: str) -> bool:
        """Ask whether the public list shows a room; remembered until we change it. Raises `HomeserverError`."""
        self.reads += 1
        try:
            listed = await self._client.is_listed(room_id, self._ghosts.steward)
        except Rejected as error:
            if error.status != 404:  # a room that was deleted is in no list
                raise
            listed = False
        self._listed[room_id] = listed
        return listed

    def listing_moved(self, room_id: str, *, listed: bool) -> None:
        """We have put a room into the public list, or taken it out: from now on its mark says so."""
        self._listed.pop(room_id, None)
        self.may_list = self.may_list or listed

    async def _look_at_list(self, room_ids: Iterable[str]) -> None:
        slots = asyncio.Semaphore(_READS_AT_ONCE)

        async def one(room_id: str) -> None:
            async with slots:
                await self._is_listed(room_id)

        await asyncio.gather(*map(one, room_ids))

    async def read_elsewhere(self, room_id: str) -> ObservedRoom | None:
        """Read a room that others made and the steward is in, None if we may not. Raises `HomeserverError`."""
        self.reads += 1
        return await self._elsewhere.read(room_id)

    def is_direct(self, room_id: str) -> bool:
        """Whether a room that was read so is a conversation of two people."""
        return room_id in self._elsewhere.direct

    async def _read_elsewhere(self, observed: Observed) -> None:
        """Read the rooms of others whose place ours take, until that is done with."""
        for key, room in observed.rooms.items():
            before = predecessor_of(room)
            if before is None or self._own(key, before) is not None or room.standing(self._identities) != "governed":
                continue
            known = self._elsewhere.rooms.get(before)
            if known is None or unfinished(room, known, self._identities):
                await self.read_elsewhere(before)

    async def moved_on(self, community: DesiredCommunity) -> None:
        """What we did in rooms of others does not come back in the stream: read it. Raises `HomeserverError`."""
        await self._read_elsewhere(self.present(community))

    async def _points_at(self, address: str) -> str | None:
        self.reads += 1
        try:
            return await self._client.resolve(address, self._ghosts.steward)
        except Rejected as error:
            if error.status == 404:
                return None
            raise

    async def read_half_made(self) -> None:
        """Read the rooms that the steward is in and we know nothing of."""
        self.reads += 1
        joined = await self._client.joined_rooms(self._ghosts.steward)
        unknown = [room_id for room_id in joined if not ((room := self._projection.room(room_id)) and room.creator)]
        await self.read(unknown)

    async def read(self, room_ids: Iterable[str]) -> None:
        """Read rooms anew, one call each, a few side by side. Raises `HomeserverError`, `StoreRefused`."""
        slots = asyncio.Semaphore(_READS_AT_ONCE)

        async def one(room_id: str) -> None:
            async with slots:
                self.reads += 1
                await self._lanes.read_again(room_id)

        await asyncio.gather(*(one(room_id) for room_id in room_ids if room_id not in self._elsewhere.rooms))

    async def audit(self, community: DesiredCommunity) -> None:
        """Read every room of the community anew, and whether the public list shows it: two calls each.

        Raises `HomeserverError`, `StoreRefused`.
        """
        room_ids = self._of(community)
        await self.read(room_ids)
        await self._look_at_list(room_ids)

    async def glance(self, community: DesiredCommunity) -> None:
        """Compare who is in each room, and who has power there, with what we know; read whole where that differs.

        State of other kinds comes by the stream and its gap check. A part of the rooms is read whole each time, in turn,
        and all of them after something of the stream may have been missed; with them, whether the public list shows them,
        since somebody may have put them there by hand. Raises `HomeserverError`, `StoreRefused`.
        """
        missed, before = self.missed(), self._missed_before
        room_ids = self._of(community)
        turn, self._turn = self._turn, (self._turn + 1) % WHOLE_IN_TURN
        whole = room_ids if missed != before else room_ids[turn::WHOLE_IN_TURN]
        slots = asyncio.Semaphore(_READS_AT_ONCE)

        async def one(room_id: str) -> str | None:
            async with slots:
                return None if await self._is_as_known(room_id) else room_id

        others = await asyncio.gather(*(one(room_id) for room_id in set(room_ids).difference(whole)))
        await self.read([*whole, *(room_id for room_id in others if room_id is not None)])
        await self._look_at_list(whole)
        self._missed_before = missed

    def _of(self, community: DesiredCommunity) -> list[str]:
        return sorted(room.room_id for room in self.present(community).rooms.values())

    async def _is_as_known(self, room_id: str) -> bool:
        moves = self._projection.moves(room_id)
        viewer = self._ghosts.guardian
        self.reads += 2
        try:
            joined = await self._client.joined_members(room_id, viewer)
            powers = await self._client.state_event(room_id, "m.room.power_levels", "", viewer)
        except Rejected as error:
            if error.temporary:
                raise
            return False  # the guardian is not there any more, or there are no powers
        room = self._projection.room(room_id)
        if room is None or self._projection.moves(room_id) != moves:
            return False
        known = {user_id for user_id, membership in room.members.items() if membership == "join"}
        return known == joined and room.power_levels == powers

    async def notice_vanished(self) -> int:
        """Read anew the rooms that the guardian is not in any more, by one call for all; return how many. See, too, how far
        the homeserver is open to others."""
        joined = set(await self._client.joined_rooms(self._ghosts.guardian))
        self.reads += 1
        await self.look_how_open()
        lost = [
            room.room_id
            for room in self._projection.rooms()
            if room.managed
            and room.place is not Place.DIRECT
            and room.room_id not in joined
            and room.members.get(self._ghosts.guardian) == "join"
        ]
        if lost:
            log.warning("rooms_lost", rooms=len(lost))
            await self.read(lost)
        return len(lost)

    def _rank(self, room: ObservedRoom, over: frozenset[str]) -> tuple[int, bool, bool, bool, int, str]:
        return (
            _RANKS.index(room.standing(self._identities)),
            room.room_id not in over,
            (MANAGED_TYPE, "") in room.state,
            room.members.get(self._ghosts.guardian) == "join",
            len(room.members),
            room.room_id,
        )


def identities_of(ghosts: Ghosts) -> Identities:
    """Return our user ids as the planner knows them."""
    return Identities(ghosts.steward, ghosts.guardian, ghosts.custodian)


def _key_of(facts: RoomFacts, community: str, ghosts: Ghosts) -> RoomKey | None:
    """The key a room stands for, by the marker or else the create event; None for any other room, and direct ones."""
    if facts.creator not in ghosts:
        return None
    if facts.managed:
        return facts.group if facts.community == community and facts.place is not Place.DIRECT else None
    mark = facts.create.get(MANAGED_TYPE)
    if not isinstance(mark, Mapping) or mark.get("community") != community:
        return None
    key = mark.get("group")
    return key if isinstance(key, str) else None


def _observed(
    facts: RoomFacts, key: RoomKey, only: Ghosts | None = None, *, listed: bool | None = None
) -> ObservedRoom:
    """Return a room as the planner sees it; of its members those of `only`, if that is given."""
    more = facts.create.get("additional_creators")
    creators = {facts.creator, *(who for who in more if isinstance(who, str))} if isinstance(more, list) else set()
    wanted: Mapping[str, str] = facts.members
    if only is not None:
        wanted = {one: facts.members[one] for one in only.all if one in facts.members}
    members: dict[str, Membership] = dict(wanted)  # type: ignore[arg-type]  # the projection keeps only these
    if REMOVED in wanted.values():  # looked for first: there are hundreds of thousands of members, and few such ones
        gone: Membership = "left"
        members |= dict.fromkeys((one for one, membership in wanted.items() if membership == REMOVED), gone)
    # Whom a person took out comes back by a person's yes: that they knock does not make us ask them in.
    members |= dict.fromkeys((one for one in facts.taken_out if wanted.get(one) == "knock"), "left")
    return ObservedRoom(
        room_id=facts.room_id,
        key=key,
        room_version=facts.room_version,
        creators=frozenset(creators or {facts.creator}),
        create_content=facts.create,
        state=facts.state,
        members=members,
        closed=facts.closed,
        listed=listed,
    )
