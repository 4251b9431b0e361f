"""From what should be and what is to the changes between, in order. Pure; `plan` gives the result its form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from policies.approved import Approved
from policies.called import called_otherwise
from policies.carrying import Way, carried_state, closing, people, says
from policies.changes import (
    PHASES,
    AddAddress,
    Change,
    CreateRoom,
    HideAddress,
    Invite,
    InviteGuardian,
    JoinGuardian,
    LeaveOld,
    Remove,
    RemoveAddress,
    Retire,
    SetListing,
    SetState,
)
from policies.creation import creation_body, placeholder
from policies.desired import (
    LEFT_TO_PEOPLE,
    MANAGED_TYPE,
    PREDECESSOR_TYPE,
    Content,
    DesiredCommunity,
    DesiredRoom,
    RoomKey,
    StateKey,
)
from policies.fixed import fixed, leaves
from policies.listing import is_marked, listing_differs, plain_mark, uncertain_mark
from policies.movements import KEPT_FOR_EVER, kept_ms, same
from policies.notes import (
    Note,
    abandoned_room,
    banned_person,
    crowd_of_newcomers,
    full_room,
    homeserver_notes,
    no_address,
    no_admin,
    not_listed,
    replaced_room,
    room_not_in_policy,
    weakened,
)
from policies.observed import Identities, Membership, Observed, ObservedRoom
from policies.people import People
from policies.succession import (
    CARRIED,
    closer,
    is_ours,
    predecessor_of,
)
from policies.succession_notes import closed_by_others, left_behind, taken_over

_ADDRESS: Final[StateKey] = ("m.room.canonical_alias", "")
_MARK: Final[StateKey] = (MANAGED_TYPE, "")
_RETENTION: Final[StateKey] = ("m.room.retention", "")
# Within one room and phase; what is not named comes between, by type.
_FIRST: Final = (CreateRoom, InviteGuardian, JoinGuardian, HideAddress, RemoveAddress, AddAddress)
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
        self._approved = Approved(people, community.server)
        self._observed = observed
        self._identities = identities
        self._changes: list[tuple[RoomKey, Change]] = []
        self._notes: list[Note] = []
        self._left_to_people = LEFT_TO_PEOPLE if community.drift["look"] == "ignore" else frozenset()
        self._standing = {key: room.standing(identities) for key, room in observed.rooms.items()}
        retired = (room for room in community.retired if self._standing.get(room.key) == "governed")
        self._rooms = (*community.rooms, *retired)
        self._names = {room.key: room.name for room in self._rooms}
        self._old = dict(self._followed())
        self._gone = sorted(observed.rooms.keys() - self._names.keys())  # from the policy
        # The rooms of which this or a later run makes something: the others are as good as not there.
        self._room_ids = {
            room.key: observed.rooms[room.key].room_id
            if self._standing.get(room.key) in ("governed", "abandoned") and not self._is_followed(room.key)
            else placeholder(room.key)
            for room in self._rooms
        }
        ours = {room.room_id for key, room in observed.rooms.items() if self._standing[key] != "foreign"}
        self._ours = frozenset(ours | observed.former_rooms)
        self._key_of = {room_id: key for key, room_id in self._room_ids.items()}
        self._leaving = {old.room_id: self._names[key] for key, old in self._old.items() if key in self._names}

    def decide(self) -> tuple[tuple[Change, ...], tuple[Note, ...]]:
        """Return the changes in the order in which they are to be made, and the notes."""
        if not self._observed.admin_capability:
            self._notes.append(no_admin())
        if self._observed.homeserver is not None:
            self._notes += homeserver_notes(self._community.reach, self._observed.homeserver)
        self._notes.extend(weakened(one, self._names) for one in self._community.weakenings)
        self._notes.extend(crowd_of_newcomers(room, count) for room, count in self._community.beyond())
        for room in self._rooms:
            standing, old = self._standing.get(room.key), self._old.get(room.key)
            if old is not None and (self._is_followed(room.key) or standing not in ("governed", "abandoned")):
                if standing == "closed":
                    self._notes.append(closed_by_others(room, old))
                self._create(room, old)
            elif standing == "governed":
                self._keep(room, self._observed.rooms[room.key], old)
            elif standing == "abandoned":
                self._notes.append(abandoned_room(room))
            else:
                if standing is not None:
                    self._notes.append(replaced_room(room, standing))
                self._create(room, None)
        for key in self._gone:
            if self._standing[key] in ("governed", "abandoned"):
                self._leave_standing(self._observed.rooms[key])
        if not self._observed.may_list and any(room.listed for room in self._rooms):
            self._notes.append(not_listed())
        return self._ordered(), tuple(self._notes)

    def _followed(self) -> Iterator[tuple[RoomKey, ObservedRoom]]:
        """Yield the rooms whose place others take, by key. What others have closed of ours is one without being asked."""
        for key, room in self._observed.rooms.items():
            if self._standing[key] == "closed" and closer(room, self._identities) is not None:
                yield key, room
        yield from self._observed.predecessors.items()

    def _is_followed(self, key: RoomKey) -> bool:
        """Whether the room with this key is itself one whose place another one takes."""
        old, present = self._old.get(key), self._observed.rooms.get(key)
        return old is not None and present is not None and old.room_id == present.room_id

    def keep_state(self, key: RoomKey) -> tuple[SetState | SetListing, ...]:
        """Return what would put the state of one room right; nothing for a room that we do not govern.

        Who is in it is not looked at, and no other room but those that it links to need be observed.
        """
        # What takes the place of another room is for a whole plan.
        if self._standing.get(key) == "governed" and key not in self._old:
            self._keep(self._community.room(key), self._observed.rooms[key], None)
        return tuple(change for change in self._ordered() if isinstance(change, SetState | SetListing))

    def _ordered(self) -> tuple[Change, ...]:
        places = {key: place for place, key in enumerate((*self._names, *self._gone))}
        # Sorting is stable: what is equal here stays in the order in which it was found, which follows the policy.
        self._changes.sort(key=lambda found: (PHASES.index(found[1].phase), places[found[0]], _step(found[1])))
        return tuple(change for _, change in self._changes)

    # -- rooms that are not there ----------------------------------------------------------------------------------

    def _create(self, room: DesiredRoom, old: ObservedRoom | None) -> None:
        wanted = self._wanted(room, old)
        if room.listed:
            wanted[_MARK] = uncertain_mark(wanted[_MARK])
        room_id, guardian = placeholder(room.key), self._identities.guardian
        address = str(room.state[_ADDRESS]["alias"]) if room.addressed else None
        points_at = self._points_at(address) if address is not None else None
        moved = old is not None and points_at == old.room_id
        if address is not None and points_at != "" and not moved:
            self._go_without(room, address)
        body = creation_body(
            room,
            wanted,
            self._identities,
            with_address=points_at == "",
            predecessor=old.room_id if old is not None else None,
        )
        self._add(room, CreateRoom(room.key, room_id, room.name, body))
        if room.listed:
            self._add(room, SetListing(room.key, room_id, room.name, True, wanted[_MARK], room.state[_MARK]))
        self._add(room, JoinGuardian(room.key, room_id, room.name, guardian))
        if address is None and old is not None:
            self._hide_address(room, old)
        if address is not None and moved and self._address(room, room_id, address, old):
            self._add(room, self._state(room, room_id, _ADDRESS, None, room.state[_ADDRESS]))
        for key, content in wanted.items():
            if key[0] == "m.space.child":
                self._add(room, self._state(room, room_id, key, None, content))
        self._follow(room, room_id, {}, old, room.creation_content)
        if old is not None:
            self._see_out_before(room)

    def _wanted(self, room: DesiredRoom, old: ObservedRoom | None) -> dict[StateKey, Content]:
        """Return all state that a room should hold, with what people have set in the one whose place it takes."""
        wanted = self._community.complete_state(room.key, self._room_ids)
        if old is None:
            return wanted
        wanted |= carried_state(room, old)
        if is_ours(old, self._identities):
            # A space may show rooms that are not ours; what others made it show is looked at by a person.
            wanted |= {
                key: content
                for key, content in sorted(old.state.items())
                if key[0] == "m.space.child" and content.get("via") and key[1] not in self._ours and key not in wanted
            }
        return wanted

    def _follow(
        self,
        room: DesiredRoom,
        room_id: str,
        members: Mapping[str, Membership],
        old: ObservedRoom | None,
        created: Content,
    ) -> frozenset[str]:
        """Have the people in the room: those of the old one, and those approved. Then the old one is closed.

        Return whom that bans.
        """
        went: Mapping[str, Membership] = dict.fromkeys(self._observed.went_before.get(room.key, ()), "left")
        if old is None:
            self._ask_in(room, room_id, {**went, **members} if went else members, leaves=leaves(created))
            return frozenset()
        anyone = room.membership.anyone
        approved = frozenset() if anyone else frozenset(self._approved.by(room.membership))
        way = Way(
            lambda user_id: room.membership.lets(user_id) and (anyone or user_id in approved),
            self._community.server,
            self._observed.admin_capability,
            leaves(created),
        )
        carried = people(room, room_id, old, members, way, self._identities)
        for change in carried.changes:
            self._add(room, change)
        before = {user_id: found for user_id, found in old.members.items() if user_id not in self._identities}
        self._ask_in(room, room_id, {**went, **before, **members}, leaves=leaves(created))
        ours = is_ours(old, self._identities)
        if ours:
            self._see_out(room, old)
        for change in closing(room, room_id, old, self._mark_of(old), self._identities):
            self._add(room, change)
        self._notes.extend(left_behind(room, carried, ours=ours))
        if not ours:
            self._notes.extend(taken_over(room, old))
        return carried.kept_out

    # -- rooms that are there --------------------------------------------------------------------------------------

    def _keep(self, room: DesiredRoom, present: ObservedRoom, old: ObservedRoom | None) -> None:
        wanted = self._wanted(room, old)
        adopting = old is not None and not is_ours(old, self._identities) and self._adopt(room, present, old)
        half_made = self._guardian(room, present) or self._mark_of(present) is None
        for key, content in wanted.items():
            before = present.state.get(key)
            if key in self._left_to_people or key in CARRIED:
                if adopting and not says(before, key, content):
                    self._add(room, self._state(room, present.room_id, key, before, content))
                elif before is None and half_made and not adopting:
                    self._add(room, self._state(room, present.room_id, key, None, content))
                continue
            if key == _MARK:
                before = self._list(room, present, content)
            if before is not None and same(before, content):
                continue
            if key != _ADDRESS or self._address(room, present.room_id, str(content["alias"]), old):
                self._add(room, self._state(room, present.room_id, key, before, content))
        self._take_links_down(room, present, wanted)
        if _RETENTION not in wanted and kept_ms(present.state.get(_RETENTION)) != KEPT_FOR_EVER:
            # Only creators can have set it: the policy did, and says nothing of it any more. Synapse goes on with the
            # lifetime that it knows (1.163.2, until it starts again) where the new content names none.
            unbounded = {"max_lifetime": KEPT_FOR_EVER}
            self._add(room, self._state(room, present.room_id, _RETENTION, present.state[_RETENTION], unbounded))
        if not room.addressed:
            self._hide_addresses(room, present, old)
        banned = self._follow(room, present.room_id, present.members, old, present.create_content)
        self._see_out(room, present, banned)
        self._see_out_before(room)
        if room not in self._community.retired:
            self._notes.extend(fixed(room, present, self._identities))
            if self._left_to_people and old is None and not half_made:
                self._notes.extend(called_otherwise(room, present))

    def _take_links_down(self, room: DesiredRoom, present: ObservedRoom, wanted: Mapping[StateKey, Content]) -> None:
        for key in self._links_to_remove(present, wanted):
            before = present.state[key]
            if key[1] in self._leaving:  # once the new room is shown instead
                subject = self._leaving[key[1]]
                self._add(room, Retire(room.key, present.room_id, room.name, *key, before, {}, subject=subject))
            else:
                self._add(room, self._state(room, present.room_id, key, before, {}))

    def _list(self, room: DesiredRoom, present: ObservedRoom, wanted: Content) -> Content | None:
        """Have the homeserver's list show the room, or not; return the mark that it has then."""
        before, mark = present.state.get(_MARK), self._mark_of(present)
        if not listing_differs(present, mark, listed=room.listed):
            return before
        if not room.listed:
            after = wanted if mark is None else plain_mark(mark)
            self._add(room, SetListing(room.key, present.room_id, room.name, False, before, after))
            return after
        if mark is None:  # by which the room is known as ours: at once, and not only when it can be shown
            self._add(room, self._state(room, present.room_id, _MARK, before, uncertain_mark(wanted)))
            before = uncertain_mark(wanted)
        self._add(room, SetListing(room.key, present.room_id, room.name, True, before, wanted))
        return wanted

    def _leave_standing(self, present: ObservedRoom) -> None:
        """A room whose group is gone from the policy: nothing is done to it, but nobody goes on showing it to strangers."""
        mark, governed = self._mark_of(present), self._standing[present.key] == "governed"
        listed = (
            governed and (mark is not None or bool(present.listed)) and listing_differs(present, mark, listed=False)
        )
        if listed:
            after = plain_mark(mark or {"community": self._community.id, "group": present.key})
            before = present.state.get(_MARK)
            change = SetListing(present.key, present.room_id, present.key, False, before, after)
            self._changes.append((present.key, change))
        self._notes.append(room_not_in_policy(present, unlisted=listed))

    def _mark_of(self, present: ObservedRoom) -> Content | None:
        """Return our mark in a room; None for one that says nothing, or something else."""
        mark = present.state.get(_MARK)
        return mark if is_marked(mark, self._community.id, present.key) else None

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

    def _adopt(self, room: DesiredRoom, present: ObservedRoom, old: ObservedRoom) -> bool:
        """Have a room of ours take the place of one that others made; return whether it takes its name and picture, too:
        while nobody has come in who may stay."""
        if predecessor_of(present) != old.room_id:
            key, content = (PREDECESSOR_TYPE, ""), {"predecessor_room_id": old.room_id}
            self._add(room, self._state(room, present.room_id, key, present.state.get(key), content))
        elif (PREDECESSOR_TYPE, "") not in present.state:
            return False  # made for it
        there = {user_id for user_id, is_in in present.members.items() if is_in == "join"}.difference(self._identities)
        return not (there if room.membership.anyone else there.intersection(self._approved.by(room.membership)))

    def _points_at(self, address: str) -> str | None:
        """Return where an address leads to, "" for nowhere, None if the homeserver does not let us use it."""
        return self._observed.addresses.get(address, "")

    def _address(self, room: DesiredRoom, room_id: str, address: str, old: ObservedRoom | None) -> bool:
        """Have the address point at the room; return whether the room may then carry it."""
        points_at = self._points_at(address)
        if old is not None and points_at == old.room_id:
            self._add(room, RemoveAddress(room.key, old.room_id, room.name, address))
            points_at = ""
        if points_at == "":
            self._add(room, AddAddress(room.key, room_id, room.name, address))
        elif points_at != room_id:
            self._go_without(room, address)
            return False
        return True

    def _hide_addresses(self, room: DesiredRoom, present: ObservedRoom, old: ObservedRoom | None) -> None:
        self._hide_address(room, present)
        if old is not None and is_ours(old, self._identities):  # an upgrade that was cut off before
            self._hide_address(room, old)

    def _hide_address(self, room: DesiredRoom, present: ObservedRoom) -> None:
        """Have no address lead to a room that nobody elsewhere may learn of: servers tell each other where one leads."""
        own = f"#{room.alias_localpart}:{self._community.server}"
        before = present.state.get(_ADDRESS, {})
        if before.get("alias") == own or self._points_at(own) == present.room_id:
            self._add(room, HideAddress(room.key, present.room_id, room.name, own))
        elif before.get("alias") is not None:
            self._add(room, self._state(room, present.room_id, _ADDRESS, before, {}))

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
            shown_by_us = key[0] == "m.space.child" and (key[1] in self._ours or key[1] in self._leaving)
            if (shown_by_us or key[0] == "m.space.parent") and content.get("via") and key not in wanted:
                yield key

    # -- members ---------------------------------------------------------------------------------------------------

    def _ask_in(self, room: DesiredRoom, room_id: str, members: Mapping[str, str], *, leaves: bool) -> None:
        """Invite the approved who are not there. Who left by themselves is not asked again, and bans are people's.

        leaves: whether the room was made so that people of other servers can come in.
        """
        if room.membership.anyone or room.join_through:
            return  # they come in by themselves
        absent: list[str] = []
        present = 0
        for user_id in self._approved.sorted_for(room.membership):
            if not leaves and self._approved.is_elsewhere(user_id):
                continue
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

    def _see_out(
        self, room: DesiredRoom, present: ObservedRoom, banned: frozenset[str] = frozenset(), *, earlier: bool = False
    ) -> None:
        """Remove those who are in the room, or invited, and not approved. A knock is a request, answered elsewhere."""
        strangers = self._approved.strangers(room.membership, present.members)
        for user_id in sorted(strangers.difference(self._identities, banned)):
            membership = present.members[user_id]
            if membership in ("join", "invite"):
                invited = membership == "invite"
                self._add(room, Remove(room.key, present.room_id, room.name, user_id, invited, earlier))

    def _see_out_before(self, room: DesiredRoom) -> None:
        """Have nobody stay in the closed rooms before this one who may not be in it: what was said there can be read."""
        for past in self._observed.earlier.get(room.key, ()):
            self._see_out(room, past, earlier=True)

    # -- ------------------------------------------------------------------------------------------------------------

    def _add(self, room: DesiredRoom, change: Change) -> None:
        self._changes.append((room.key, change))

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


def _step(change: Change) -> tuple[int, str]:
    if isinstance(change, LeaveOld):
        return len(_FIRST) + 2, ""
    if isinstance(change, SetListing):
        return len(_FIRST) + 1, ""  # it writes the mark, too
    if isinstance(change, Retire):
        return len(_FIRST) + 1, change.type  # the tombstone after rules and powers
    if isinstance(change, SetState):
        # Names before the guardian comes; the mark last.
        early = 0 if (change.type, "") in LEFT_TO_PEOPLE else len(_FIRST)
        return (len(_FIRST) + 1 if change.type in _LAST else early, change.type)
    return (_FIRST.index(type(change)) if type(change) in _FIRST else len(_FIRST), "")
