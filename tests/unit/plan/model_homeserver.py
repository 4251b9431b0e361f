"""A homeserver in a few lines, for tests of plans: it makes changes as a real one would, refuses what that refuses, counts.

What it refuses is taken from Synapse 1.163.2: an address that is taken, an invite to somebody who is in the room or
banned, a level for a creator, state from somebody who is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

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
    filled,
)
from policies.desired import MANAGED_TYPE, DesiredCommunity
from policies.observed import Identities, Membership, Observed, ObservedRoom
from policies.plan import Plan
from policies.room_versions import MANAGED_ROOM_VERSION
from policies.succession import closed_for_good, earlier, followed, predecessor_of, unfinished, went_before


class Refused(AssertionError):
    """The homeserver would have said no: the plan was wrong."""


@dataclass
class ModelHomeserver:
    """All rooms by id, ours or not, and where addresses point.

    Whether a room is `listed` is known to an observer only if it asked (`look_at_list`): else by our mark.
    """

    identities: Identities
    rooms: dict[str, ObservedRoom] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    refused_addresses: set[str] = field(default_factory=set)
    calls: int = 0
    asked: dict[str, bool] = field(default_factory=dict)

    def look_at_list(self, room_ids: Iterable[str]) -> None:
        """Have the observer ask of these rooms whether the list shows them."""
        self.asked |= {room_id: bool(self.rooms[room_id].listed) for room_id in room_ids}

    def cut_off(self, change: SetListing, calls: int) -> None:
        """Make only the first calls of the three by which a room is listed, or not any more."""
        self._list(self.rooms[change.room_id], change, calls)

    def _list(self, room: ObservedRoom, change: SetListing, calls: int) -> None:
        self._require(room.state.get((MANAGED_TYPE, "")) == change.before, "is not marked so", change)
        mark = change.after if calls == 3 else change.between if calls else change.before
        if mark is not None:
            room = replace(room, state={**room.state, (MANAGED_TYPE, ""): mark})
        if calls >= 2:
            room = replace(room, listed=change.listed)
            self.asked.pop(room.room_id, None)
        self.rooms[room.room_id] = room

    def known(self, room: ObservedRoom) -> ObservedRoom:
        """The room as an observer sees it."""
        return replace(room, listed=self.asked.get(room.room_id))

    def apply(self, plan: Plan, upto: int | None = None) -> None:
        """Make the changes of a plan in their order, all or the first `upto`."""
        room_ids: dict[str, str] = {}
        for change in plan.changes[:upto]:
            made = self._make(filled(change, room_ids), plan.community)
            if made is not None:
                room_ids[change.room] = made

    def observe(self, community: DesiredCommunity) -> Observed:
        """What an observer makes of it: rooms by our mark, the best for each key; addresses where one is missing."""
        found: dict[str, ObservedRoom] = {}
        former: set[str] = set()
        ours = [self.known(room) for room in self.rooms.values() if _marked(room, community.id)]
        over = followed(ours, self.identities)
        for room in ours:
            before = found.get(room.key)
            better = before is None or self._rank(room, over) >= self._rank(before, over)
            keep, drop = (room, before) if better else (before, room)
            assert keep is not None
            found[room.key] = keep
            if drop is not None and drop.standing(self.identities) != "foreign":
                former.add(drop.room_id)
        predecessors = {}
        for key, room in found.items():
            old = self.rooms.get(predecessor_of(room) or "")
            if old is not None and unfinished(room, old, self.identities):
                predecessors[key] = self.known(old) if _marked(old, community.id) else old  # of others all is read
        addresses: dict[str, str | None] = {}
        for wanted in community.rooms:
            if not wanted.addressed and wanted.key not in predecessors:
                continue
            address = f"#{wanted.alias_localpart}:{community.server}"
            seen = found.get(wanted.key)
            standing = seen is not None and seen.standing(self.identities) == "governed"
            carried = seen.state.get(("m.room.canonical_alias", ""), {}).get("alias") if seen and standing else None
            if carried == address:
                continue
            if address in self.refused_addresses:
                addresses[address] = None
            elif address in self.addresses:
                addresses[address] = self.addresses[address]
        by_id = {room.room_id: room for room in ours}
        chains = {key: earlier(room, by_id.get) for key, room in found.items()}
        went = {key: went_before(chain) for key, chain in chains.items()}
        being_left = {key: room.room_id for key, room in predecessors.items()}
        over = {
            key: closed_for_good((one for one in chain if one.room_id != being_left.get(key)), self.identities)
            for key, chain in chains.items()
        }
        return Observed(found, True, addresses, predecessors, went, over, frozenset(former))

    def _rank(self, room: ObservedRoom, over: frozenset[str]) -> tuple[int, bool]:
        standings = ["foreign", "closed", "gone", "abandoned", "governed"]
        return standings.index(room.standing(self.identities)), room.room_id not in over

    def _make(self, change: Change, community: str) -> str | None:
        self.calls += change.calls
        if isinstance(change, CreateRoom):
            return self._create(change.body, change.room)
        room = self.rooms[change.room_id]
        actor = (
            self.identities.guardian if isinstance(change, Retire | SetListing) and change.by == "guardian" else None
        )
        if isinstance(change, Remove) and room.members.get(self.identities.steward) != "join":
            actor = self.identities.guardian
            self._require(actor in room.creators, "has no power there", change)
        if not isinstance(change, RemoveAddress | Unlist):
            self._require(room.members.get(actor or self.identities.steward) == "join", "is not there", change)
        match change:
            case SetState() | Retire():
                self._set_state(room, change)
            case BringOver(user_id=user_id):
                self._require(room.members.get(user_id) not in ("join", "ban"), "cannot be joined", change)
                self._put_member(room, user_id, "join")
            case KeepOut(user_id=user_id):
                self._require(user_id not in room.creators, "creators cannot be banned", change)
                self._put_member(room, user_id, "ban")
            case LeaveOld():
                self._put_member(room, self.identities.steward, "left")
            case SetListing():
                self._list(room, change, 3)
            case Unlist():
                self.asked.pop(room.room_id, None)
                self.rooms[room.room_id] = replace(room, listed=False)
            case RemoveAddress(address=address):
                self._require(self.addresses.get(address) == room.room_id, "leads elsewhere", change)
                del self.addresses[address]
                # What Synapse does where it may.
                kept = {key: one for key, one in room.state.items() if key != ("m.room.canonical_alias", "")}
                self.rooms[room.room_id] = replace(room, state=kept)
            case HideAddress(address=address):
                self.addresses.pop(address, None)
                self.rooms[room.room_id] = replace(room, state={**room.state, ("m.room.canonical_alias", ""): {}})
            case InviteGuardian(user_id=user_id) | Invite(user_id=user_id):
                self._require(room.members.get(user_id) not in ("join", "invite", "ban"), "cannot be invited", change)
                here = user_id.endswith(f":{self.identities.steward.partition(':')[2]}")
                leaves = room.create_content.get("m.federate", True) is not False
                self._require(here or leaves, "the room cannot reach their server", change)
                self._put_member(room, user_id, "invite")
            case JoinGuardian(user_id=user_id):
                self._require(room.members.get(user_id) == "invite", "was not invited", change)
                self._put_member(room, user_id, "join")
            case Remove(user_id=user_id, invited=invited):
                self._require(room.members.get(user_id) == ("invite" if invited else "join"), "is not there", change)
                self._require(user_id not in room.creators, "creators cannot be removed", change)
                self._put_member(room, user_id, None)
            case AddAddress(address=address):
                self._require(address not in self.addresses, "the address exists", change)
                self._require(address not in self.refused_addresses, "the address is not ours", change)
                self.addresses[address] = room.room_id
            case _:
                assert_never(change)
        return None

    def _create(self, body: Mapping[str, Any], key: str) -> str:
        room_id = f"!made-{len(self.rooms)}-{key}"
        creation = {**body["creation_content"], "room_version": body["room_version"]}
        creators = frozenset({self.identities.steward, *creation["additional_creators"]})
        state: dict[tuple[str, str], Mapping[str, object]] = {
            (event["type"], event["state_key"]): event["content"] for event in body["initial_state"]
        }
        # What Synapse adds of its own to a topic.
        state["m.room.topic", ""] = {"topic": body["topic"], "m.topic": {"m.text": [{"body": body["topic"]}]}}
        state["m.room.name", ""] = {"name": body["name"]}
        alias = body.get("room_alias_name")
        if alias is not None:
            address = f"#{alias}:{self.identities.steward.partition(':')[2]}"
            self._require(address not in self.addresses | dict.fromkeys(self.refused_addresses, ""), "taken", address)
            self.addresses[address] = room_id
            state["m.room.canonical_alias", ""] = {"alias": address}
        self._refuse_creators_with_levels(state["m.room.power_levels", ""], creators)
        members: dict[str, Membership] = {self.identities.steward: "join"}
        members |= dict.fromkeys(body["invite"], "invite")
        self.rooms[room_id] = ObservedRoom(room_id, key, body["room_version"], creators, creation, state, members)
        return room_id

    def _set_state(self, room: ObservedRoom, change: SetState | Retire) -> None:
        before = room.state.get((change.type, change.state_key))
        self._require(before == change.before, f"holds {before}", change)
        if change.type == "m.room.power_levels" and room.room_version == MANAGED_ROOM_VERSION.identifier:
            self._refuse_creators_with_levels(change.after, room.creators)
        if change.type == "m.room.canonical_alias" and change.after:
            self._require(self.addresses.get(str(change.after["alias"])) == room.room_id, "points elsewhere", change)
        room = replace(room, state={**room.state, (change.type, change.state_key): change.after})
        self.rooms[room.room_id] = replace(room, closed=room.closed or change.type == "m.room.tombstone")

    def _refuse_creators_with_levels(self, content: Mapping[str, Any], creators: frozenset[str]) -> None:
        self._require(creators.isdisjoint(content["users"]), "a creator is given a level", content)

    def _put_member(self, room: ObservedRoom, user_id: str, membership: Membership | None) -> None:
        members = {other: value for other, value in room.members.items() if other != user_id}
        self.rooms[room.room_id] = replace(room, members=members | ({user_id: membership} if membership else {}))

    def _require(self, condition: bool, why: str, what: object) -> None:
        if not condition:
            raise Refused(f"{why}: {what}")


def _marked(room: ObservedRoom, community: str) -> bool:
    mark = room.create_content.get(MANAGED_TYPE)
    return isinstance(mark, Mapping) and mark["community"] == community
