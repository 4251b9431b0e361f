"""What a policy wants a homeserver to hold: communities, rooms and who may be in them, as values without room ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from policies.defaults import DRIFT, DriftAnswer, DriftAspect, Kind, SystemRoomKey, Tier
from policies.federation import Reach
from policies.intent import Weakening
from policies.limits import Limits
from policies.newcomers import held, with_newcomers
from policies.people import Person

MANAGED_TYPE: Final = "org.inglenook.managed"
"""State event (state key "") that marks a room as ours, and key in `m.room.create` by which a half-made room is found."""

PREDECESSOR_TYPE: Final = "org.matrix.msc3946.room_predecessor"
"""State event (state key "") by which a room that is there already takes the place of an older one (MSC3946)."""

RoomKind = Literal["space", "system"] | Kind
RoomKey = str
"""`space`, `shared-space`, `moderators`, `safeguarding`, `ops`, or the id of a group."""
StateKey = tuple[str, str]
Content = Mapping[str, object]

LEFT_TO_PEOPLE: Final[frozenset[StateKey]] = frozenset({("m.room.name", ""), ("m.room.topic", "")})
"""State that is written when a room is made, and belongs to its moderators afterwards unless the policy says otherwise."""

__all__ = [
    "LEFT_TO_PEOPLE",
    "MANAGED_TYPE",
    "PREDECESSOR_TYPE",
    "Content",
    "DesiredCommunity",
    "DesiredRoom",
    "MembershipRule",
    "RoomKey",
    "RoomKind",
    "SpaceChild",
    "StateKey",
    "SystemRoomKey",
]


@dataclass(frozen=True, slots=True)
class MembershipRule:
    """Who may be in a room: of the servers that `reach` admits (None: of any), anyone, or else those approved for one of
    `groups` or holding one of `roles`."""

    anyone: bool = False
    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    reach: Reach | None = None

    def lets(self, user_id: str) -> bool:
        """Return whether somebody of this person's server may be in the room."""
        return self.reach is None or self.reach.lets(user_id)

    def admits(self, person: Person) -> bool:
        """Return whether this person may be in the room."""
        if not self.lets(person.user_id):
            return False
        return self.anyone or not (person.groups.isdisjoint(self.groups) and person.roles.isdisjoint(self.roles))


@dataclass(frozen=True, slots=True)
class SpaceChild:
    """A room that a space shows, and its place among the others (`order` sorts as text)."""

    key: RoomKey
    order: str


@dataclass(frozen=True, slots=True)
class DesiredRoom:
    """One room as it should be.

    `state` is the wanted content by event type and state key, complete but for what needs room ids; that is named by
    room keys in `parent`, `children` and `join_through` (spaces whose members may join a restricted room), and filled
    in by `DesiredCommunity.complete_state`. Until then nobody can join a restricted room without an invite.
    `capacity` is how many people can be in it, ours not counted; None for any number.
    `first_messages` is how many messages of somebody new are read before everybody sees them; 0 for none.
    `addressed` is whether it has its address (`alias_localpart`): who knows or guesses one gets the room's id, from
    other servers too. `listed` is whether the homeserver's public list shows it to who has an account there.
    `creation_content` is that of `m.room.create`; whoever creates the room adds the other creators.
    """

    key: RoomKey
    name: str
    topic: str
    kind: RoomKind
    tier: Tier | None
    room_type: Literal["m.space"] | None
    room_version: str
    alias_localpart: str
    creation_content: Content
    state: Mapping[StateKey, Content]
    membership: MembershipRule
    parent: RoomKey | None = None
    children: tuple[SpaceChild, ...] = ()
    join_through: tuple[RoomKey, ...] = ()
    capacity: int | None = None
    addressed: bool = True
    listed: bool = False
    first_messages: int = 0


@dataclass(frozen=True, slots=True)
class DesiredCommunity:
    """A community as it should be: the space first, then the shared space if there is one, groups by id, and system
    rooms, always in that order.

    reach: of which servers people can take part somewhere in it.
    retired: rooms that are not made, and are kept closed where they were made once.
    waiting: who is new at this moment, by room: of these people the first messages are read (`newcomers`).
    weakenings: what is weaker than its default, for people to know. drift: what follows when somebody changes an aspect
    by hand. limits: how much may be taken from people at once.
    """

    id: str
    name: str
    server: str
    policy_digest: str
    reach: Reach
    rooms: tuple[DesiredRoom, ...]
    weakenings: tuple[Weakening, ...] = ()
    drift: Mapping[DriftAspect, DriftAnswer] = field(
        default_factory=lambda: {aspect: default.answer for aspect, default in DRIFT.items()}
    )
    limits: Limits = field(default_factory=Limits)
    retired: tuple[DesiredRoom, ...] = ()
    waiting: Mapping[RoomKey, frozenset[str]] = field(default_factory=dict)
    _by_key: Mapping[RoomKey, DesiredRoom] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_key", {room.key: room for room in (*self.rooms, *self.retired)})

    def room(self, key: RoomKey) -> DesiredRoom:
        """Return the room with this key. Raises KeyError."""
        return self._by_key[key]

    def has(self, key: RoomKey) -> bool:
        """Return whether there is a room with this key."""
        return key in self._by_key

    def judged_by(self, limits: Limits) -> DesiredCommunity:
        """Return the same community, whose plans are refused by its own limits and by these."""
        return replace(self, limits=self.limits.stricter(limits))

    def beyond(self) -> Iterator[tuple[DesiredRoom, int]]:
        """Yield the rooms in which more people wait as newcomers than can be held back by power, and how many more."""
        for key, waiting in sorted(self.waiting.items()):
            if key in self._by_key and self._by_key[key].first_messages:
                powers = self._by_key[key].state["m.room.power_levels", ""]["users"]
                assert isinstance(powers, Mapping)
                if more := len(waiting.difference(powers)) - len(held(waiting, powers)):
                    yield self._by_key[key], more

    def complete_state(self, key: RoomKey, room_ids: Mapping[RoomKey, str]) -> dict[StateKey, Content]:
        """Return all state that the room `key` should hold, given the ids of the rooms that exist so far.

        Links to rooms without an id are left out, and come when they have one. Version 12 ids name no server, so each
        link carries `via`. Raises KeyError if there is no such room.
        """
        room = self.room(key)
        state = dict(room.state)
        if room.first_messages and (waiting := self.waiting.get(key)):
            state["m.room.power_levels", ""] = with_newcomers(state["m.room.power_levels", ""], waiting)
        through = [room_ids[other] for other in room.join_through if other in room_ids]
        if through:
            allow = [{"type": "m.room_membership", "room_id": room_id} for room_id in through]
            state["m.room.join_rules", ""] = {**state["m.room.join_rules", ""], "allow": allow}
        if room.parent is not None and room.parent in room_ids:
            state["m.space.parent", room_ids[room.parent]] = {"via": [self.server], "canonical": True}
        for child in room.children:
            if child.key in room_ids:
                state["m.space.child", room_ids[child.key]] = {"via": [self.server], "order": child.order}
        return state
