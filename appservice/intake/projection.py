"""The rooms as we know them: rebuilt from the store at start, moved on by state events in lane order.

Applying the same event twice changes nothing, so a commit that failed needs no undoing here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from appservice.flow import Cases, ConcernFact, Event, Facts, Ghosts, Place, Plans, RoomFacts, Rules, Turns, Written
from appservice.intake.written import emptied_by, pruned, written_from, written_of, written_record
from appservice.matrix import encode
from appservice.store import Commit, Questions
from policies.defaults import SHARED_SPACE

#: The state event by which a room of ours is recognised (never by its name or alias).
MARKER_TYPE = "org.inglenook.managed"
#: The field of a create event that says whose direct room it is.
FOR_FIELD = "org.inglenook.for"
#: Values of the marker's `group` that are not groups of members.
_SPECIAL = {
    "space": Place.SPACE,
    SHARED_SPACE: Place.SPACE,
    "moderators": Place.MODERATORS,
    "safeguarding": Place.SAFEGUARDING,
    "ops": Place.OPS,
    "direct": Place.DIRECT,
}
#: Memberships kept as they are. Who went or declined is kept as `left`, whom a person took out as `removed`: neither is
#: asked again by us.
_PRESENT = {"join", "invite", "knock", "ban"}
LEFT, REMOVED = "left", "removed"
#: Memberships of those who are not in a room and may come to be.
_ASKING = {"knock", "invite", "ban"}
#: How a person can be told something: in a room they are in, not before they answer an invite, not since they left or
#: while they refuse our invites or ignore us.
REACHED, INVITED, GONE, BLOCKED, IGNORED = "reached", "invited", "left", "blocked", "ignored"
#: State events of one room that are kept. Our rooms hold some twenty, a space one more for each group that it shows;
#: members may not write more.
_STATE_AT_MOST = 10_000


@dataclass(slots=True)
class _Room:
    facts: RoomFacts
    members: dict[str, str] = field(default_factory=dict)
    state: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    written: dict[tuple[str, str], Written] = field(default_factory=dict)
    taken_out: set[str] = field(default_factory=set)
    moves: int = 0


class Projection:
    """All rooms of one homeserver, in memory."""

    def __init__(self, homeserver: str, ghosts: Ghosts) -> None:
        self._homeserver = homeserver
        self._ghosts = ghosts
        self._rooms: dict[str, _Room] = {}
        self._places: dict[tuple[str, str], str] = {}
        self._direct: dict[str, str] = {}
        self._knocks: set[tuple[str, str]] = set()
        self._groups: dict[str, str] = {}
        self._removed_before: dict[str, set[str]] = {}
        self.direct_reach: dict[str, tuple[str, str]] = {}
        self.server_name = homeserver
        self.rules: Rules | None = None
        self.concerns: Mapping[str, Sequence[ConcernFact]] = {}
        self.cases: Cases | None = None
        self.plans: Plans | None = None
        self.removed: Collection[str] = ()
        self.quiet: Collection[str] = ()
        self.turns: Turns | None = None

    # -- reading ---------------------------------------------------------------------------------------------------

    def knows(self, room_id: str) -> bool:
        return room_id in self._rooms

    def room(self, room_id: str) -> RoomFacts | None:
        room = self._rooms.get(room_id)
        return room.facts if room else None

    def rooms(self) -> Iterable[RoomFacts]:
        return [room.facts for room in self._rooms.values()]

    def place(self, community: str, place: str) -> str | None:
        """Return the room id of a community's group or system room, None while there is none."""
        return self._places.get((community, place))

    def membership(self, room_id: str, user_id: str) -> str | None:
        room = self._rooms.get(room_id)
        return room.members.get(user_id) if room else None

    def moves(self, room_id: str) -> int:
        """Return how often a room has moved on: whoever reads it compares before and after."""
        room = self._rooms.get(room_id)
        return room.moves if room else 0

    def written(self, room_id: str) -> Mapping[tuple[str, str], Written]:
        """Return who made each piece of a room's state what it is, as far as that is known."""
        room = self._rooms.get(room_id)
        return dict(room.written) if room else {}

    def facts(self, room_id: str, now_ms: int, before: str | None = None) -> Facts:
        room = self._rooms.get(room_id)
        return Facts(
            now_ms=now_ms,
            room=room.facts if room else RoomFacts(room_id),
            ghosts=self._ghosts,
            server_name=self.server_name,
            direct_rooms=MappingProxyType(self._direct),
            rules=self.rules,
            before=before,
            knocks=self._knocks,
            room_of=self.room,
            groups=MappingProxyType(self._groups),
            known_people=self.direct_reach.keys(),
            concerns=self.concerns,
            cases=self.cases,
            plans=self.plans,
            removed=self.removed,
            quiet=self.quiet,
            turns=self.turns,
        )

    # -- loading ---------------------------------------------------------------------------------------------------

    async def load(self, questions: Questions) -> int:
        """Rebuild from the store; return how many rooms are known."""
        rooms = {room_id: _room_from(room_id, record) for room_id, record in (await questions.rooms()).items()}
        for room_id, user_id, membership in await questions.members():
            if room_id in rooms and membership != "leave":
                self._note(room_id, rooms[room_id], user_id, membership)
        for room in rooms.values():  # which of two rooms stands for a group depends on who is in it
            self._put(room)
        for user_id, (room_id, how) in (await questions.direct_rooms()).items():
            self.set_direct_room(user_id, room_id, how)
        return len(self._rooms)

    def direct_row(self, user_id: str, room_id: str, reach: str) -> Commit:
        """Return the rows that say where a person is told things; commit them before `set_direct_room`."""
        row = {"homeserver": self._homeserver, "user_id": user_id, "room_id": room_id, "reach": reach}
        return Commit(direct_rooms=[row])

    def set_direct_room(self, user_id: str, room_id: str, reach: str) -> None:
        """Note where a person is told things."""
        self.direct_reach[user_id] = (room_id, reach)
        if reach in {REACHED, IGNORED}:
            self._direct[user_id] = room_id
        else:
            self._direct.pop(user_id, None)

    def forget_direct_room(self, user_id: str) -> None:
        """The direct room of a person is gone; the next one overwrites its row."""
        self.direct_reach.pop(user_id, None)
        self._direct.pop(user_id, None)

    # -- moving on -------------------------------------------------------------------------------------------------

    def forget(self, room_id: str) -> None:
        """What we know of a room is doubtful: it is read anew before the next input of its lane."""
        removed = self._once_removed(room_id)
        if removed:
            self._removed_before[room_id] = removed
        self._rooms.pop(room_id, None)

    def forget_all(self) -> None:
        """The homeserver is not the one we knew: everything is read anew."""
        for room_id in list(self._rooms):
            self.forget(room_id)
        self._places.clear()
        self._groups.clear()
        self._knocks.clear()

    def unmanaged(self, room_id: str) -> None:
        """A room that is none of ours, or not yet: its events are journalled and nothing else."""
        self._put(_Room(RoomFacts(room_id)))

    def vanish(self, room_id: str) -> Commit:
        """The homeserver shows us a room no more: none of us is in it; return the rows to commit."""
        room = self._rooms.get(room_id)
        if room is None:
            return Commit()
        for ghost in (self._ghosts.steward, self._ghosts.guardian, self._ghosts.custodian):
            room.members.pop(ghost, None)
        self._put(room)
        return self.rows(room_id)

    def replace(self, room_id: str, events: Iterable[Event]) -> Commit:
        """Take a room's whole state as read from the homeserver; return the rows to commit."""
        room = _Room(RoomFacts(room_id), moves=self.moves(room_id) + 1)
        removed = self._once_removed(room_id)
        self._removed_before.pop(room_id, None)
        before = self._rooms[room_id].members if room_id in self._rooms else {}
        asking: list[str] = []  # of whom this room has not heard yet; our own invite is a person's yes
        for event in sorted(events, key=lambda one: one.type != "m.room.create"):
            if event.type == "m.room.member" and event.state_key:
                if event.state_key not in before and event.sender not in self._ghosts:
                    asking.append(event.state_key)
                self._note(room_id, room, event.state_key, self._membership(event, event.state_key in removed))
            else:
                self._move(room, event)
        known = self.written(room_id)
        for at, one in room.written.items():
            if not one.cause and (was := known.get(at)) is not None and was.event_id == one.event_id:
                room.written[at] = was  # the stream told of the redaction itself
        # A state tells of who knocks that they knock, and not that a person took them out before.
        room.taken_out |= {one for one in removed if room.members.get(one) in _ASKING}
        room.taken_out |= {
            one for one in asking if room.members.get(one) in _ASKING and self._removed_earlier(room, one)
        }
        self._put(room)
        person = room.facts.create.get(FOR_FIELD)
        if isinstance(person, str):
            self._reach(room, person)
        return self.rows(room_id)

    def heard_late(self, event: Event) -> Commit | None:
        """Take a member event of a room that was read since: that a person took somebody out is not seen in a state in
        which they knock again. Return the rows to commit."""
        room, user_id = self._rooms.get(event.room_id), event.state_key or ""
        if room is None or event.type != "m.room.member" or self._membership(event) != REMOVED:
            return None
        if room.members.get(user_id) not in _ASKING or user_id in room.taken_out or not room.facts.creator:
            return None
        room.taken_out.add(user_id)
        return Commit(rooms=[self._room_row(event.room_id)])

    def _once_removed(self, room_id: str) -> set[str]:
        """Whom a person took out, whatever they asked for since."""
        before, room = self._removed_before.get(room_id, set()), self._rooms.get(room_id)
        if room is None:
            return set(before)
        return before | room.taken_out | {one for one, membership in room.members.items() if membership == REMOVED}

    def _removed_earlier(self, room: _Room, user_id: str) -> bool:
        """Whether a person took somebody out of a room whose place this one takes: the last one that knows them says so."""
        seen = {room.facts.room_id}
        while (before := _predecessor(room)) is not None and before not in seen:
            seen.add(before)
            if (earlier := self._rooms.get(before)) is None:
                return False
            room = earlier
            if (membership := room.members.get(user_id)) is not None:
                return membership == REMOVED or user_id in room.taken_out
        return False

    def _reach(self, room: _Room, user_id: str) -> Commit:
        """In a person's direct room, their membership says whether they can be told something."""
        known = self.direct_reach.get(user_id)
        if known is None or known[0] != room.facts.room_id or room.facts.create.get(FOR_FIELD) != user_id:
            return Commit()
        how = {"join": REACHED, "invite": INVITED}.get(room.members.get(user_id, ""), GONE)
        if how == known[1] or (how == REACHED and known[1] == IGNORED) or (how == GONE and known[1] == BLOCKED):
            return Commit()
        self.set_direct_room(user_id, room.facts.room_id, how)
        return self.direct_row(user_id, room.facts.room_id, how)

    def rows(self, room_id: str) -> Commit:
        """Return the rows that say all we know of a room."""
        room = self._rooms.get(room_id)
        if room is None or not room.facts.creator:
            return Commit()
        rows = Commit(
            rooms=[self._room_row(room_id)],
            members_replaced=[(self._homeserver, room_id)],
            members=[self._member_row(room_id, user, membership) for user, membership in room.members.items()],
        )
        person = room.facts.create.get(FOR_FIELD)
        known = self.direct_reach.get(person) if isinstance(person, str) else None
        if isinstance(person, str) and known is not None and known[0] == room_id:
            rows.add(self.direct_row(person, *known))
        return rows

    def apply(self, event: Event) -> Commit | None:
        """Take one state event of a known room; return the rows to commit, None where nothing we keep changed."""
        room = self._rooms.get(event.room_id)
        if room is None or event.state_key is None:
            return None
        room.moves += 1
        if event.type == "m.room.member":
            return self._apply_member(room, event)
        if not room.facts.creator and event.type != "m.room.create":
            return None  # a room that is none of ours: nothing of it is kept
        before, known = room.facts, room.state.get((event.type, event.state_key))
        self._move(room, event)
        if room.facts == before and room.state.get((event.type, event.state_key)) == known:
            return None
        self._put(room)
        return Commit(rooms=[self._room_row(event.room_id)])

    def redact(self, redaction: Event) -> Commit | None:
        """Take a redaction: one of state that holds now empties it. Return the rows to commit, None where it did not."""
        room = self._rooms.get(redaction.room_id)
        if room is None or not room.facts.creator or redaction.redacts is None:
            return None
        key = next((key for key, one in room.written.items() if one.event_id == redaction.redacts), None)
        if key is None:
            return None
        room.moves += 1
        room.state[key] = pruned(key[0], room.state[key])
        room.written[key] = emptied_by(redaction, redaction.redacts)
        self._put(room)
        return Commit(rooms=[self._room_row(redaction.room_id)])

    def _apply_member(self, room: _Room, event: Event) -> Commit | None:
        user_id = event.state_key or ""
        known = room.members.get(user_id)
        removed = bool(room.facts.creator) and (known == REMOVED or user_id in room.taken_out)
        membership = self._membership(event, removed)
        if known is None and membership in _ASKING:
            removed = self._removed_earlier(room, user_id)
        if membership == known:
            return None
        self._note(event.room_id, room, user_id, membership)
        if user_id in self._ghosts:
            self._put(room)
        rows = self._reach(room, user_id)
        # Our own invite is a person's yes: we ask in nobody else whom a person took out.
        asking = membership in _ASKING and not (membership == "invite" and event.sender in self._ghosts)
        if (asking and removed) != (user_id in room.taken_out):
            room.taken_out ^= {user_id}
            rows.rooms.append(self._room_row(event.room_id))
        rows.members.append(self._member_row(event.room_id, user_id, membership or "leave"))
        return rows

    def _note(self, room_id: str, room: _Room, user_id: str, membership: str | None) -> None:
        if membership is None:
            room.members.pop(user_id, None)
        else:
            room.members[user_id] = membership
        if membership == "knock":
            self._knocks.add((room_id, user_id))
        else:
            self._knocks.discard((room_id, user_id))

    def _move(self, room: _Room, event: Event) -> None:
        """Move a room on by one state event. Only a marker set by us, in a room made by us, makes a room ours."""
        if event.state_key is None or (len(room.state) >= _STATE_AT_MOST and event.type != MARKER_TYPE):
            return
        if event.type == "m.room.create":
            room.facts = replace(room.facts, creator=event.sender)
        if event.type == MARKER_TYPE and event.state_key == "":
            if event.sender not in self._ghosts or room.facts.creator not in self._ghosts:
                return
            # What was said when the room was made holds for ever, whatever becomes of the mark.
            made = room.state.get(("m.room.create", ""), {}).get(MARKER_TYPE)
            said = made if isinstance(made, Mapping) else event.content
            community, group = said.get("community"), said.get("group")
            if isinstance(community, str) and isinstance(group, str):
                place = _SPECIAL.get(group, Place.GROUP)
                room.facts = replace(room.facts, place=place, community=community, group=group)
            else:
                room.facts = replace(room.facts, place=Place.UNMANAGED)
        room.state[(event.type, event.state_key)] = event.content
        room.written[(event.type, event.state_key)] = written_of(event)

    def _membership(self, event: Event, removed: bool = False) -> str | None:
        """What a member event makes of a person; None for who was taken out by us and may be asked again.

        removed: a person took them out before; taking a request back, or being told no, does not undo that.
        """
        membership = event.content.get("membership")
        if isinstance(membership, str) and membership in _PRESENT:
            return membership
        if membership == "leave" and removed:
            return REMOVED
        if membership != "leave" or event.sender in self._ghosts:
            return None
        return LEFT if event.sender == event.state_key else REMOVED

    def _put(self, room: _Room) -> None:
        members, state = MappingProxyType(room.members), MappingProxyType(dict(room.state))
        facts = replace(room.facts, members=members, state=state, taken_out=room.taken_out)
        room.facts = facts
        self._rooms[facts.room_id] = room
        for key in [key for key, room_id in self._places.items() if room_id == facts.room_id]:
            del self._places[key]
        self._groups.pop(facts.room_id, None)
        if facts.managed and facts.place is not Place.DIRECT and not facts.closed:
            self._groups[facts.room_id] = facts.group
            place = (facts.community, facts.group)
            # A room that was deleted, and whose last news comes late, does not take the place of its successor.
            stands = self._rooms.get(self._places.get(place, ""))
            if (self._holds(room) and not self._is_followed(room, stands)) or not self._holds(stands):
                self._places[place] = facts.room_id

    @staticmethod
    def _is_followed(room: _Room, by: _Room | None) -> bool:
        """Whether another room was made to take the place of this one, which is not closed yet."""
        return by is not None and _predecessor(by) == room.facts.room_id

    def _holds(self, room: _Room | None) -> bool:
        """Whether one of us is in a room, so that it can stand for something."""
        return room is not None and any(
            room.members.get(ghost) == "join" for ghost in (self._ghosts.guardian, self._ghosts.steward)
        )

    def _room_row(self, room_id: str) -> dict[str, Any]:
        facts = self._rooms[room_id].facts
        record = {
            "place": facts.place,
            "community": facts.community,
            "group": facts.group,
            "creator": facts.creator,
            "state": [
                [*at, content, *written_record(self._rooms[room_id].written.get(at))]
                for at, content in facts.state.items()
            ],
            "taken_out": sorted(self._rooms[room_id].taken_out),
        }
        return {"homeserver": self._homeserver, "room_id": room_id, "record": encode(record)}

    def _member_row(self, room_id: str, user_id: str, membership: str) -> dict[str, Any]:
        return {"homeserver": self._homeserver, "room_id": room_id, "user_id": user_id, "membership": membership}


def _predecessor(room: _Room) -> str | None:
    """The id of the room whose place this one was made to take."""
    said = room.state.get(("m.room.create", ""), {}).get("predecessor")
    found = said.get("room_id") if isinstance(said, Mapping) else None
    return found if isinstance(found, str) else None


def _room_from(room_id: str, record: Mapping[str, Any]) -> _Room:
    state = {(entry[0], entry[1]): entry[2] for entry in record["state"]}
    written = {(entry[0], entry[1]): one for entry in record["state"] if (one := written_from(entry)) is not None}
    facts = RoomFacts(room_id, Place(record["place"]), record["community"], record["group"], creator=record["creator"])
    taken_out = set(record.get("taken_out", ()))  # absent in rows of earlier versions
    return _Room(facts, state=state, written=written, taken_out=taken_out)
