"""What becomes of people, state and the old room itself when one room takes the place of another. Pure.

`succession` says which rooms these are; the planner puts these changes among the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from policies.changes import BringOver, Change, Invite, KeepOut, LeaveOld, Retire, SetListing, Unlist
from policies.desired import LEFT_TO_PEOPLE, MANAGED_TYPE, Content, DesiredRoom, StateKey
from policies.listing import listing_differs, plain_mark
from policies.movements import same
from policies.observed import Identities, Membership, ObservedRoom
from policies.succession import (
    CARRIED,
    JOIN_RULES,
    POWER_LEVELS,
    TOMBSTONE,
    closed_levels,
    closer,
    finished,
    is_ours,
    said_by_people,
)

_SAYS: Mapping[StateKey, str] = {key: key[0].rpartition(".")[2] for key in LEFT_TO_PEOPLE}  # m.room.name has a `name`

__all__ = ["Carried", "Way", "carried_state", "closing", "people", "says"]


@dataclass(frozen=True, slots=True)
class Way:
    """How people can come into a new room.

    admits: whether somebody may be there. server: whose people can be joined, where `joins` says that we may. open: whether
    people of other servers can come in at all.
    """

    admits: Callable[[str], bool]
    server: str
    joins: bool
    open: bool


@dataclass(slots=True)
class Carried:
    """Who does what: the changes, and who is left behind since they may not be there, cannot be, or wait for an answer."""

    changes: list[Change] = field(default_factory=list)
    not_admitted: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)

    @property
    def kept_out(self) -> frozenset[str]:
        """Whom a ban takes out."""
        return frozenset(change.user_id for change in self.changes if isinstance(change, KeepOut))


def people(
    room: DesiredRoom,
    room_id: str,
    old: ObservedRoom,
    members: Mapping[str, Membership],
    way: Way,
    identities: Identities,
) -> Carried:
    """Return how the people of the old room come into the new one, in which `members` are known already.

    Whoever is in it comes along if they may be there, whoever was asked in is asked again, whoever is banned stays so.
    """
    carried = Carried()
    for user_id, membership in sorted(old.members.items()):
        here = members.get(user_id, "knock")
        if user_id in identities:
            continue
        if membership == "ban":
            if here == "ban" or (here in ("join", "invite") and way.admits(user_id)):
                continue  # who is in the new room by right was let in since
            carried.changes.append(KeepOut(room.key, room_id, room.name, user_id))
        elif here not in ("knock", "invite"):
            continue
        elif membership == "knock":
            if here == "knock" and not way.admits(user_id):
                carried.waiting.append(user_id)
        elif membership in ("join", "invite"):
            local = user_id.partition(":")[2] == way.server
            if not way.admits(user_id):
                carried.not_admitted.append(user_id)
            elif not local and not way.open:
                carried.elsewhere.append(user_id)
            elif membership == "join" and local and way.joins:
                carried.changes.append(BringOver(room.key, room_id, room.name, user_id))
            elif here != "invite":
                carried.changes.append(Invite(room.key, room_id, room.name, user_id))
    return carried


def carried_state(room: DesiredRoom, old: ObservedRoom) -> dict[StateKey, Content]:
    """Return what people have set in the old room and no policy governs: name, topic, picture and pins."""
    state: dict[StateKey, Content] = {}
    for key, name in _SAYS.items():
        said = said_by_people(old, key[0], name)
        if said is not None and key in room.state:
            state[key] = {name: said}
    state |= {key: old.state[key] for key in CARRIED if old.state.get(key)}
    return state


def closing(
    room: DesiredRoom, new_id: str, old: ObservedRoom, mark: Content | None, identities: Identities
) -> Iterator[Change]:
    """Yield what closes the old room; its tombstone, by which it counts as closed, comes last.

    mark: our own one there, None where it says nothing that can be believed.
    """
    user_id = closer(old, identities)
    if user_id is None or finished(old, new_id, identities):
        return
    by: Literal["steward", "guardian"] = "steward" if user_id == identities.steward else "guardian"
    if not is_ours(old, identities):
        if old.listed:
            yield Unlist(room.key, old.room_id, room.name)
    elif listing_differs(old, mark, listed=False):
        before, after = old.state.get((MANAGED_TYPE, "")), plain_mark(mark or room.state[MANAGED_TYPE, ""])
        yield SetListing(room.key, old.room_id, room.name, False, before, after, over=True, by=by)
    rules = old.state.get(JOIN_RULES)
    if rules is None or rules.get("join_rule") != "invite":
        yield Retire(room.key, old.room_id, room.name, *JOIN_RULES, rules, {"join_rule": "invite"}, by)
    levels = old.state.get(POWER_LEVELS)
    if levels is None or not same(levels, closed_levels(old, user_id)):
        yield Retire(room.key, old.room_id, room.name, *POWER_LEVELS, levels, closed_levels(old, user_id), by)
    tombstone = old.state.get(TOMBSTONE)
    if not tombstone or tombstone.get("replacement_room") != new_id:
        after = {"replacement_room": new_id}
        yield Retire(room.key, old.room_id, room.name, *TOMBSTONE, tombstone, after, by)
    if not is_ours(old, identities):
        yield LeaveOld(room.key, old.room_id, room.name)


def says(before: Content | None, key: StateKey, content: Content) -> bool:
    """Whether a room says already what another one says; of a topic only the words are compared."""
    if before is None or key in CARRIED:
        return before is not None and same(before, content)
    return all(before.get(name) == value for name, value in content.items())
