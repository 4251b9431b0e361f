"""From what should be and what is to the changes between, in order. Pure; `plan` gives the result its form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from policies.changes import (
    PHASES,
    AddAddress,
    Change,
    CreateRoom,
    Invite,
    InviteGuardian,
    JoinGuardian,
    Remove,
    SetState,
)
from policies.creation import creation_body, placeholder
from policies.desired import (
    LEFT_TO_PEOPLE,
    MANAGED_TYPE,
    Content,
    DesiredCommunity,
    DesiredRoom,
    MembershipRule,
    StateKey,
)
from policies.movements import KEPT_FOR_EVER, kept_ms, same
from policies.notes import (
    Note,
    abandoned_room,
    banned_person,
    encrypted_room,
    full_room,
    no_address,
    no_admin,
    replaced_room,
    room_not_in_policy,
    unalterable,
    weakened,
)
from policies.observed import Identities, Observed, ObservedRoom
from policies.people import People
from policies.plain_words import named

_ADDRESS: Final[StateKey] = ("m.room.canonical_alias", "")
_MARK: Final[StateKey] = (MANAGED_TYPE, "")
_RETENTION: Final[StateKey] = ("m.room.retention", "")
# Within one room and phase; what is not named comes between, by type.
_FIRST: Final = (CreateRoom, InviteGuardian, JoinGuardian, AddAddress)
_LAST: Final = (MANAGED_TYPE,)  # says that the policy holds: true only once the rest is done

__all__ = ["Planner"]


class Planner:
    """Compares one community with what is observed of it.

    Raises ValueError if one of our identities is among the people: they are never invited, promoted or removed.
    """

    def __init__(self, community: DesiredCommunity, people: People, observed: Observed, identities: Identities) -> None:
        for user_id in identities:
            if user_id in people.by_id:
                raise ValueError(f"{user_id} is one of our own identities, and cannot be listed among the people")
        self._community = community
        self._approved = _Approved(people)
        self._observed = observed
        self._identities = identities
        self._changes: list[tuple[DesiredRoom, Change]] = []
        self._notes: list[Note] = []
        self._names = {room.key: room.name for room in community.rooms}
        self._standing = {key: room.standing(identities) for key, room in observed.rooms.items()}
        self._gone = sorted(observed.rooms.keys() - self._names.keys())  # from the policy
        # The rooms of which this or a later run makes something: the others are as good as not there.
        self._room_ids = {
            room.key: observed.rooms[room.key].room_id
            if self._standing.get(room.key) in ("governed", "abandoned")
            else placeholder(room.key)
            for room in community.rooms
        }
        ours = {room.room_id for key, room in observed.rooms.items() if self._standing[key] != "foreign"}
        self._ours = frozenset(ours | observed.former_rooms)
        self._key_of = {room_id: key for key, room_id in self._room_ids.items()}

    def decide(self) -> tuple[tuple[Change, ...], tuple[Note, ...]]:
        """Return the changes in the order in which they are to be made, and the notes."""
        if not self._observed.admin_capability:
            self._notes.append(no_admin())
        self._notes.extend(weakened(one, self._names) for one in self._community.weakenings)
        for room in self._community.rooms:
            standing = self._standing.get(room.key)
            if standing == "governed":
                self._keep(room, self._observed.rooms[room.key])
            elif standing == "abandoned":
                self._notes.append(abandoned_room(room))
            else:
                if standing is not None:
                    self._notes.append(replaced_room(room, standing))
                self._create(room)
        for key in self._gone:
            if self._standing[key] in ("governed", "abandoned"):
                self._notes.append(room_not_in_policy(self._observed.rooms[key]))
        return self._ordered(), tuple(self._notes)

    def _ordered(self) -> tuple[Change, ...]:
        places = {room.key: place for place, room in enumerate(self._community.rooms)}
        # Sorting is stable: what is equal here stays in the order in which it was found, which follows the policy.
        self._changes.sort(key=lambda found: (PHASES.index(found[1].phase), places[found[0].key], _step(found[1])))
        return tuple(change for _, change in self._changes)

    # -- rooms that are not there ----------------------------------------------------------------------------------

    def _create(self, room: DesiredRoom) -> None:
        wanted = self._community.complete_state(room.key, self._room_ids)
        room_id, guardian = placeholder(room.key), self._identities.guardian
        address = str(room.state[_ADDRESS]["alias"])
        free = address not in self._observed.addresses
        if not free:
            self._go_without(room, address)
        body = creation_body(room, wanted, self._identities, with_address=free)
        self._add(room, CreateRoom(room.key, room_id, room.name, body))
        self._add(room, JoinGuardian(room.key, room_id, room.name, guardian))
        for key, content in wanted.items():
            if key[0] == "m.space.child":
                self._add(room, self._state(room, room_id, key, None, content))
        self._ask_in(room, room_id, {})

    # -- rooms that are there --------------------------------------------------------------------------------------

    def _keep(self, room: DesiredRoom, present: ObservedRoom) -> None:
        wanted = self._community.complete_state(room.key, self._room_ids)
        half_made = self._guardian(room, present) or not _marked(present.state.get(_MARK), room)
        for key, content in wanted.items():
            before = present.state.get(key)
            if key in LEFT_TO_PEOPLE:
                if before is None and half_made:
                    self._add(room, self._state(room, present.room_id, key, None, content))
                continue
            if before is not None and same(before, content):
                continue
            if key != _ADDRESS or self._address(room, present, str(content["alias"])):
                self._add(room, self._state(room, present.room_id, key, before, content))
        for key in self._links_to_remove(present, wanted):
            self._add(room, self._state(room, present.room_id, key, present.state[key], {}))
        if _RETENTION not in wanted and kept_ms(present.state.get(_RETENTION)) != KEPT_FOR_EVER:
            # Only creators can have set it: the policy did, and says nothing of it any more. Synapse goes on with the
            # lifetime that it knows (1.163.2, until it starts again) where the new content names none.
            unbounded = {"max_lifetime": KEPT_FOR_EVER}
            self._add(room, self._state(room, present.room_id, _RETENTION, present.state[_RETENTION], unbounded))
        if not room.membership.anyone:
            self._ask_in(room, present.room_id, present.members)
            self._see_out(room, present)
        self._notes.extend(self._fixed(room, present))

    def _guardian(self, room: DesiredRoom, present: ObservedRoom) -> bool:
        """Have the guardian in the room; return whether it was missing."""
        guardian = self._identities.guardian
        membership = present.members.get(guardian)
        if membership == "join":
            return False
        if membership != "invite":
            self._add(room, InviteGuardian(room.key, present.room_id, room.name, guardian))
        self._add(room, JoinGuardian(room.key, present.room_id, room.name, guardian))
        return True

    def _address(self, room: DesiredRoom, present: ObservedRoom, address: str) -> bool:
        """Have the address point at the room; return whether the room may then carry it."""
        addresses = self._observed.addresses
        if address not in addresses:
            self._add(room, AddAddress(room.key, present.room_id, room.name, address))
        elif addresses[address] != present.room_id:
            self._go_without(room, address)
            return False
        return True

    def _go_without(self, room: DesiredRoom, address: str) -> None:
        points_at = self._observed.addresses[address]
        if points_at is None:
            self._notes.append(no_address(room, address, "refused"))
        else:
            self._notes.append(no_address(room, address, "former" if points_at in self._ours else "taken"))

    def _links_to_remove(self, present: ObservedRoom, wanted: Mapping[StateKey, Content]) -> Iterator[StateKey]:
        """Yield the links that lead where the policy does not: from a space to rooms of ours, and from rooms to spaces.

        A space may show rooms that are not ours; only creators can have put them there. Which space a room belongs to
        is for the policy alone to say.
        """
        for key, content in sorted(present.state.items()):
            shown_by_us = key[0] == "m.space.child" and key[1] in self._ours
            if (shown_by_us or key[0] == "m.space.parent") and content.get("via") and key not in wanted:
                yield key

    def _fixed(self, room: DesiredRoom, present: ObservedRoom) -> Iterator[Note]:
        """Yield notes on what cannot be changed in a room that exists."""
        created, wanted = present.create_content, room.creation_content
        if present.room_version != room.room_version:
            yield unalterable(room, f"It has room version {present.room_version} instead of {room.room_version}.")
        if created.get("m.federate", True) is not wanted.get("m.federate", True):
            reach = "reach" if wanted.get("m.federate", True) is False else "not reach"
            yield unalterable(room, f"It was made so that it can {reach} other servers, unlike the policy says.")
        if created.get("type") != wanted.get("type"):
            yield unalterable(room, "It is a space and should be a room, or the other way round.")
        for user_id in sorted(present.creators.difference(self._identities)):
            yield unalterable(room, f"{named(user_id)} is a creator of it, and can be neither removed nor limited.")
        for user_id in sorted(frozenset(self._identities).difference(present.creators)):
            yield unalterable(room, f"{named(user_id)} is no creator of it.")
        if ("m.room.encryption", "") in present.state and ("m.room.encryption", "") not in room.state:
            yield encrypted_room(room)

    # -- members ---------------------------------------------------------------------------------------------------

    def _ask_in(self, room: DesiredRoom, room_id: str, members: Mapping[str, str]) -> None:
        """Invite the approved who are not there. Who left by themselves is not asked again, and bans are people's."""
        if room.membership.anyone or room.join_through:
            return  # they come in by themselves
        absent: list[str] = []
        present = 0
        for user_id in self._approved.sorted_for(room.membership):
            membership = members.get(user_id)
            present += membership in ("join", "invite")
            if membership is None or membership == "knock":
                absent.append(user_id)
            elif membership == "ban":
                self._notes.append(banned_person(room, user_id))
        if absent and room.capacity is not None and present + len(absent) > room.capacity:
            self._notes.append(full_room(room, present, len(absent)))
            return
        for user_id in absent:
            asked = members.get(user_id) == "knock"
            self._add(room, Invite(room.key, room_id, room.name, user_id, asked=asked))

    def _see_out(self, room: DesiredRoom, present: ObservedRoom) -> None:
        """Remove those who are in the room, or invited, and not approved. A knock is a request, answered elsewhere."""
        strangers = present.members.keys() - self._approved.by(room.membership)
        for user_id in sorted(strangers.difference(self._identities)):
            membership = present.members[user_id]
            if membership in ("join", "invite"):
                invited = membership == "invite"
                self._add(room, Remove(room.key, present.room_id, room.name, user_id, invited=invited))

    # -- ------------------------------------------------------------------------------------------------------------

    def _add(self, room: DesiredRoom, change: Change) -> None:
        self._changes.append((room, change))

    def _state(
        self, room: DesiredRoom, room_id: str, key: StateKey, before: Content | None, after: Content
    ) -> SetState:
        subject = self._subject(key[1]) if key[0] in ("m.space.child", "m.space.parent") else ""
        return SetState(room.key, room_id, room.name, key[0], key[1], before, after, subject)

    def _subject(self, room_id: str) -> str:
        """Return how a room is called that a link leads to; "" for one that stands for nothing any more."""
        key = self._key_of.get(room_id)
        if key is not None:
            return self._names[key]
        return next((key for key in self._gone if self._observed.rooms[key].room_id == room_id), "")


class _Approved:
    """Who may be in a room, by its rule: found by group and role, so that no room asks every person."""

    def __init__(self, people: People) -> None:
        self._groups: defaultdict[str, set[str]] = defaultdict(set)
        self._roles: defaultdict[str, set[str]] = defaultdict(set)
        self._found: dict[MembershipRule, frozenset[str]] = {}
        self._sorted: dict[MembershipRule, list[str]] = {}
        for user_id, person in people.by_id.items():
            for group in person.groups:
                self._groups[group].add(user_id)
            for role in person.roles:
                self._roles[role].add(user_id)

    def by(self, rule: MembershipRule) -> Collection[str]:
        """Return the people that a rule (not one for anyone) admits."""
        if rule not in self._found:
            sets = [self._groups.get(group, set()) for group in rule.groups]
            sets += [self._roles.get(role, set()) for role in rule.roles]
            self._found[rule] = frozenset().union(*sets)
        return self._found[rule]

    def sorted_for(self, rule: MembershipRule) -> list[str]:
        """Return the same in the order of user ids."""
        if rule not in self._sorted:
            self._sorted[rule] = sorted(self.by(rule))
        return self._sorted[rule]


def _marked(mark: Content | None, room: DesiredRoom) -> bool:
    wanted = room.state[_MARK]
    return mark is not None and mark.get("community") == wanted["community"] and mark.get("group") == wanted["group"]


def _step(change: Change) -> tuple[int, str]:
    if isinstance(change, SetState):
        # Names before the guardian comes; the mark last.
        early = 0 if (change.type, "") in LEFT_TO_PEOPLE else len(_FIRST)
        return (len(_FIRST) + 1 if change.type in _LAST else early, change.type)
    return (_FIRST.index(type(change)) if type(change) in _FIRST else len(_FIRST), "")
