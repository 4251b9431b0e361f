"""The changes that a plan is made of: values that know their phase, their class, their calls, and say what they mean.

Room ids may be placeholders (`{room:KEY}`) for rooms that the same plan makes; `filled` puts the ids in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final, Literal, get_args

from pydantic import TypeAdapter

from policies.creation import Body, body_with_ids, fill_id, key_of, with_ids
from policies.desired import Content, RoomKey
from policies.in_room import InRoom
from policies.listing import SetListing, Unlist
from policies.phases import CLASSES, PHASES, ChangeClass, Phase, class_of_state, phase_of_state
from policies.plain_words import entry_words, named, retired_words, state_words

__all__ = [
    "CLASSES",
    "PHASES",
    "AddAddress",
    "BringOver",
    "Change",
    "ChangeClass",
    "CreateRoom",
    "HideAddress",
    "Invite",
    "InviteGuardian",
    "JoinGuardian",
    "KeepOut",
    "LeaveOld",
    "Phase",
    "Remove",
    "RemoveAddress",
    "Retire",
    "SetListing",
    "SetState",
    "Unlist",
    "change_from_record",
    "change_record",
    "filled",
    "needs",
]


@dataclass(frozen=True, slots=True)
class CreateRoom(InRoom):
    """The steward makes a room, with the guardian invited. `body` is the whole body of createRoom.

    Safe: nobody is in it, and nothing was said there. But a room that can leave the homeserver is a choice of the policy
    that cannot be taken back: other servers get what is said there, and keep it.
    """

    do: ClassVar[str] = "create_room"
    _phase: ClassVar[Phase] = "create"

    body: Body

    @property
    def change_class(self) -> ChangeClass:
        return "exposing" if self.leaves else "safe"

    @property
    def leaves(self) -> bool:
        """Whether people of other servers can ever take part."""
        return self.body["creation_content"].get("m.federate", True) is not False

    def words(self) -> str:
        made = "The space" if self.body["creation_content"].get("type") == "m.space" else "The room"
        rules = [event["content"] for event in self.body["initial_state"] if event["type"] == "m.room.join_rules"]
        more = "" if "room_alias_name" in self.body else " It gets no address."
        if "predecessor" in self.body["creation_content"]:
            more = " It takes the place of the old one."
        leaves = " What is said there goes to the servers of all who take part." if self.leaves else ""
        return f"{made} is made. {entry_words(rules[0] if rules else None)}{leaves}{more}"


@dataclass(frozen=True, slots=True)
class InviteGuardian(InRoom):
    """The steward invites the guardian into a room that stands half made."""

    do: ClassVar[str] = "invite_guardian"
    _phase: ClassVar[Phase] = "create"

    user_id: str

    def words(self) -> str:
        return "The guardian, who looks after it, is asked in."


@dataclass(frozen=True, slots=True)
class JoinGuardian(InRoom):
    """The guardian joins a room that it was invited to."""

    do: ClassVar[str] = "join_guardian"
    _phase: ClassVar[Phase] = "create"

    user_id: str

    def words(self) -> str:
        return "The guardian, who looks after it, comes in."


@dataclass(frozen=True, slots=True)
class AddAddress(InRoom):
    """The address (`#alias:server`) is made to point at the room; `m.room.canonical_alias` follows as a `SetState`."""

    do: ClassVar[str] = "add_address"
    _phase: ClassVar[Phase] = "publish"

    address: str

    def words(self) -> str:
        return f"The address {named(self.address)} leads to it."


@dataclass(frozen=True, slots=True)
class HideAddress(InRoom):
    """The address leads nowhere any more, and the room no longer says that it has it."""

    do: ClassVar[str] = "hide_address"
    calls: ClassVar[int] = 2
    _phase: ClassVar[Phase] = "lock"

    address: str

    def words(self) -> str:
        return f"The address {named(self.address)} leads to it no longer: whoever guesses it could ask where it leads."


@dataclass(frozen=True, slots=True)
class SetState(InRoom):
    """The steward writes a state event.

    before: the content that holds now, None if there is no such event. subject: the name of the room that a link leads
    to, "" if there is none.
    """

    do: ClassVar[str] = "set_state"

    type: str
    state_key: str
    before: Content | None
    after: Content
    subject: str = ""

    @property
    def phase(self) -> Phase:
        return phase_of_state(self.type, self.before, self.after)

    @property
    def change_class(self) -> ChangeClass:
        stand = key_of(self.room_id) is None and key_of(self.state_key) is None
        if self.type == "m.space.child" and stand and _shows(self.after) and not _shows(self.before):
            return "exposing"  # a room with people in it is shown to others than before
        return class_of_state(self.type, self.before, self.after)

    def words(self) -> str:
        return state_words(self.type, self.before, self.after, self.subject)


@dataclass(frozen=True, slots=True)
class Invite(InRoom):
    """The steward invites a person who is approved; `asked` if the person has knocked, which this answers."""

    do: ClassVar[str] = "invite"
    _phase: ClassVar[Phase] = "add"

    user_id: str
    asked: bool = False

    def words(self) -> str:
        asked = ", who asked to come in," if self.asked else ""
        return f"{named(self.user_id)}{asked} is approved for it, and invited."


@dataclass(frozen=True, slots=True)
class Remove(InRoom):
    """The steward, or the guardian in a room that the steward is gone from, removes a person who may not be there, or
    withdraws an invite (`invited`): a kick either way.

    earlier: it is a closed room whose place another one took; what was said there can still be read.
    """

    do: ClassVar[str] = "remove"
    _phase: ClassVar[Phase] = "remove"
    _class: ClassVar[ChangeClass] = "disruptive"

    user_id: str
    invited: bool = False
    earlier: bool = False

    def words(self) -> str:
        if self.earlier:
            return f"{named(self.user_id)}, who is not approved for it, is taken out of the old room, too."
        if self.invited:
            return f"The invite of {named(self.user_id)}, who is not approved for it, is withdrawn."
        return f"{named(self.user_id)}, who is not approved for it, is removed."


@dataclass(frozen=True, slots=True)
class BringOver(InRoom):
    """A person of this homeserver who is in the old room is joined to the new one; who blocks invites, or ignores us, is
    invited instead."""

    do: ClassVar[str] = "bring_over"
    _phase: ClassVar[Phase] = "add"

    user_id: str

    def words(self) -> str:
        return f"{named(self.user_id)} comes along from the old room."


@dataclass(frozen=True, slots=True)
class KeepOut(InRoom):
    """The steward bans a person from the new room who is banned from the old one."""

    do: ClassVar[str] = "keep_out"
    _phase: ClassVar[Phase] = "lock"

    user_id: str

    def words(self) -> str:
        return f"{named(self.user_id)} is banned from the old room, and stays banned."


@dataclass(frozen=True, slots=True)
class RemoveAddress(InRoom):
    """The address stops leading to the old room (`room_id`), so that it can lead to the new one."""

    do: ClassVar[str] = "remove_address"
    _phase: ClassVar[Phase] = "publish"

    address: str

    def words(self) -> str:
        return f"The address {named(self.address)} no longer leads to the old room."


@dataclass(frozen=True, slots=True)
class Retire(InRoom):
    """A state event that closes an old room, or before that takes a link to it down; `by` which of us.

    room_id: the room that it is written in. subject: the name of what a link leads to.
    """

    do: ClassVar[str] = "retire"

    type: str
    state_key: str
    before: Content | None
    after: Content
    by: Literal["steward", "guardian"] = "steward"
    subject: str = ""

    @property
    def phase(self) -> Phase:
        return "withdraw" if self.type in ("m.space.child", "m.space.parent") else "close"

    @property
    def change_class(self) -> ChangeClass:
        # Who only leads on what somebody else has closed closes nothing.
        return "one_way" if self.type == "m.room.tombstone" and not self.before else "safe"

    def words(self) -> str:
        return retired_words(self.type, self.before, self.subject)


@dataclass(frozen=True, slots=True)
class LeaveOld(InRoom):
    """The steward leaves the old room, which others made: what is written there is no concern of ours any more."""

    do: ClassVar[str] = "leave_old"
    _phase: ClassVar[Phase] = "close"

    def words(self) -> str:
        return "The steward leaves the old room, which is none of ours."


Change = (
    CreateRoom
    | InviteGuardian
    | JoinGuardian
    | SetState
    | Invite
    | Remove
    | AddAddress
    | HideAddress
    | BringOver
    | KeepOut
    | RemoveAddress
    | SetListing
    | Unlist
    | Retire
    | LeaveOld
)

_ADAPTERS: Final[Mapping[str, TypeAdapter[Change]]] = {kind.do: TypeAdapter(kind) for kind in get_args(Change)}


def _shows(link: Content | None) -> bool:
    return bool(link and link.get("via"))


def needs(change: Change) -> frozenset[RoomKey]:
    """Return the keys of the rooms that must have been made before this change can be (not its own, if it makes one)."""
    asked: set[RoomKey] = set()

    def note(room_id: str) -> str:
        key = key_of(room_id)
        if key is not None:
            asked.add(key)
        return room_id

    _with_ids(change, note)
    return frozenset(asked)


def filled(change: Change, room_ids: Mapping[RoomKey, str]) -> Change:
    """Return the change with the ids of rooms for their placeholders. Raises KeyError for a room without an id."""
    return _with_ids(change, lambda room_id: fill_id(room_id, room_ids))


def _with_ids(change: Change, substitute: Callable[[str], str]) -> Change:
    if isinstance(change, CreateRoom):
        return replace(change, body=body_with_ids(change.body, substitute))
    room_id = substitute(change.room_id)
    if isinstance(change, SetState | Retire):
        state_key, after = with_ids(change.type, change.state_key, change.after, substitute)
        return replace(change, room_id=room_id, state_key=state_key, after=after)
    return replace(change, room_id=room_id)


def change_record(change: Change) -> dict[str, Any]:
    """Return a change as JSON values: `do` names its kind, the other keys are its fields."""
    return {"do": change.do, **{field.name: _plain(getattr(change, field.name)) for field in fields(change)}}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def change_from_record(record: object) -> Change:
    """Return the change that `change_record` wrote. Raises ValueError for anything else."""
    do = record.get("do") if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or not isinstance(do, str) or do not in _ADAPTERS:
        raise ValueError("this is not the record of a change")
    values = {name: value for name, value in record.items() if name != "do"}
    change = _ADAPTERS[do].validate_python(values, extra="forbid")
    try:
        needs(change)
        change.words()
    except (KeyError, TypeError, AttributeError) as wrong:
        raise ValueError(f"the record of a change ({do}) is damaged") from wrong
    return change
