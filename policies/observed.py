"""What a homeserver holds of one community, as values: its rooms, their state, who is in them. Observed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from policies.desired import Content, RoomKey, StateKey

Membership = Literal["join", "invite", "knock", "ban", "left"]
"""`left`: went, or declined, by themselves. Who was never there, or was removed by us, is absent instead."""

Standing = Literal["governed", "foreign", "closed", "gone", "abandoned"]

__all__ = ["HomeserverReach", "Identities", "Membership", "Observed", "ObservedRoom", "Standing"]


@dataclass(frozen=True, slots=True)
class Identities:
    """The user ids that we act as, `@user:server`: creators of every managed room, never treated as people."""

    steward: str
    guardian: str
    custodian: str

    def __iter__(self) -> Iterator[str]:
        return iter((self.steward, self.guardian, self.custodian))

    def __contains__(self, user_id: object) -> bool:
        return user_id in (self.steward, self.guardian, self.custodian)


@dataclass(frozen=True, slots=True)
class ObservedRoom:
    """One room as read.

    creators: the sender of `m.room.create` and its `additional_creators`; create_content: that event's content.
    state: content by event type and state key; `m.room.create` and `m.room.member` may be among it, and are not looked
        at. A half-made room simply lacks some of it.
    members: by user id, our own identities included.
    closed: whether the room has a tombstone.
    listed: whether the homeserver's public list shows it, as far as that was asked.
    """

    room_id: str
    key: RoomKey
    room_version: str
    creators: frozenset[str]
    create_content: Content
    state: Mapping[StateKey, Content]
    members: Mapping[str, Membership]
    closed: bool = False
    listed: bool = False

    def standing(self, identities: Identities) -> Standing:
        """Return how we stand in the room.

        `foreign`: it carries our mark, but the steward is no creator of it. `closed`: it has a tombstone. `gone`: neither
        steward nor guardian is in it; they cannot be removed by people, so the homeserver's administrator deleted it.
        `abandoned`: the guardian is in it and the steward, who writes, is not. Else `governed`.
        """
        if identities.steward not in self.creators:
            return "foreign"
        if self.closed:
            return "closed"
        if self.members.get(identities.steward) == "join":
            return "governed"
        return "abandoned" if self.members.get(identities.guardian) == "join" else "gone"


@dataclass(frozen=True, slots=True)
class HomeserverReach:
    """How far a homeserver is open to other servers, as far as it can be seen.

    answers: whether it answers other servers where we reach it; elsewhere it may. told: whether it says whom it talks to:
    `servers`, or any if that is None.
    """

    answers: bool
    told: bool
    servers: tuple[str, ...] | None = ()


@dataclass(frozen=True, slots=True)
class Observed:
    """What was observed of one community; rooms that are not ours do not occur, and so cannot be touched.

    rooms: one for each key, found by owner marker or creation content.
    admin_capability: whether we may act as administrator of the homeserver.
    addresses: where addresses (`#alias:server`) that were asked for point: a room id, or None where the homeserver does
        not let us use it. Ask for those of rooms that are missing or lack `m.room.canonical_alias`; one that is not in
        here counts as free.
    predecessors: by key, the room whose place the room with this key takes, until all is carried over and it is closed.
        Or that whose place one is to take since a person has asked for it: then it is the key's room itself, which gets
        a successor, or one that others made (`policies.succession`).
    went_before: by key, who left an earlier room by themselves, and did not come back.
    earlier: by key, the closed rooms of ours whose place its room took: who may not be in it does not stay in them either.
    former_rooms: ids of further rooms of ours that stand for no key any more: closed ones, and a second one that an
        interrupted attempt left. Links to them are taken down.
    homeserver: how far it is open to other servers; None where nobody has looked.
    """

    rooms: Mapping[RoomKey, ObservedRoom]
    admin_capability: bool = True
    addresses: Mapping[str, str | None] = field(default_factory=lambda: MappingProxyType({}))
    predecessors: Mapping[RoomKey, ObservedRoom] = field(default_factory=lambda: MappingProxyType({}))
    went_before: Mapping[RoomKey, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    earlier: Mapping[RoomKey, tuple[ObservedRoom, ...]] = field(default_factory=lambda: MappingProxyType({}))
    former_rooms: frozenset[str] = frozenset()
    homeserver: HomeserverReach | None = None
