"""The changes that a plan is made of: values that know their phase, their class, their calls, and say what they mean.

Room ids may be placeholders (`{room:KEY}`) for rooms that the same plan makes; `filled` puts the ids in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final, Literal, get_args

from pydantic import TypeAdapter

from policies.creation import Body, body_with_ids, fill_id, key_of, with_ids
from policies.desired import LEFT_TO_PEOPLE, MANAGED_TYPE, Content, RoomKey
from policies.movements import movement, power_movement
from policies.plain_words import entry_words, named, quoted, state_words

Phase = Literal["create", "lock", "add", "demote", "remove", "publish"]
ChangeClass = Literal["safe", "disruptive", "exposing", "one_way"]

PHASES: Final[tuple[Phase, ...]] = get_args(Phase)
"""In this order, and each for all rooms before the next: demote and remove before exposing, add before advertising."""
CLASSES: Final[tuple[ChangeClass, ...]] = get_args(ChangeClass)

_ONE_WAY: Final = frozenset({"m.room.encryption", "m.room.tombstone"})

__all__ = [
    "CLASSES",
    "PHASES",
    "AddAddress",
    "Change",
    "ChangeClass",
    "CreateRoom",
    "Invite",
    "InviteGuardian",
    "JoinGuardian",
    "Phase",
    "Remove",
    "SetState",
    "change_from_record",
    "change_record",
    "filled",
    "needs",
]


@dataclass(frozen=True, slots=True)
class _InRoom:
    """What every change has.

    room: the key of the room; room_id: its id, or the placeholder `{room:KEY}`; name: as the policy calls it.
    `calls`: how many calls to the homeserver making it takes.
    """

    do: ClassVar[str]
    calls: ClassVar[int] = 1
    _phase: ClassVar[Phase]
    _class: ClassVar[ChangeClass] = "safe"

    room: RoomKey
    room_id: str
    name: str

    @property
    def phase(self) -> Phase:
        """The phase in which it is made."""
        return self._phase

    @property
    def change_class(self) -> ChangeClass:
        """How much care it asks for."""
        return self._class

    def describe(self) -> str:
        """Return what the change means, in a line of plain words that begins with the room's name."""
        return f"{quoted(self.name)}: {self.words()}"

    def words(self) -> str:
        """Return what the change means, in sentences about the room."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class CreateRoom(_InRoom):
    """The steward makes a room, with the guardian invited. `body` is the whole body of createRoom.

    Safe: nobody is in it, and nothing was said there. What cannot be changed later (creators, version, federation) is
    the same for every room, and no choice of a plan.
    """

    do: ClassVar[str] = "create_room"
    _phase: ClassVar[Phase] = "create"

    body: Body

    def words(self) -> str:
        made = "The space" if self.body["creation_content"].get("type") == "m.space" else "The room"
        rules = [event["content"] for event in self.body["initial_state"] if event["type"] == "m.room.join_rules"]
        address = "" if "room_alias_name" in self.body else " It gets no address."
        return f"{made} is made. {entry_words(rules[0] if rules else None)}{address}"


@dataclass(frozen=True, slots=True)
class InviteGuardian(_InRoom):
    """The steward invites the guardian into a room that stands half made."""

    do: ClassVar[str] = "invite_guardian"
    _phase: ClassVar[Phase] = "create"

    user_id: str

    def words(self) -> str:
        return "The guardian, who looks after it, is asked in."


@dataclass(frozen=True, slots=True)
class JoinGuardian(_InRoom):
    """The guardian joins a room that it was invited to."""

    do: ClassVar[str] = "join_guardian"
    _phase: ClassVar[Phase] = "create"

    user_id: str

    def words(self) -> str:
        return "The guardian, who looks after it, comes in."


@dataclass(frozen=True, slots=True)
class AddAddress(_InRoom):
    """The address (`#alias:server`) is made to point at the room; `m.room.canonical_alias` follows as a `SetState`."""

    do: ClassVar[str] = "add_address"
    _phase: ClassVar[Phase] = "publish"

    address: str

    def words(self) -> str:
        return f"The address {named(self.address)} leads to it."


@dataclass(frozen=True, slots=True)
class SetState(_InRoom):
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
        return _phase_of_state(self.type, self.before, self.after)

    @property
    def change_class(self) -> ChangeClass:
        return _class_of_state(self.type, self.before, self.after)

    def words(self) -> str:
        return state_words(self.type, self.before, self.after, self.subject)


@dataclass(frozen=True, slots=True)
class Invite(_InRoom):
    """The steward invites a person who is approved; `asked` if the person has knocked, which this answers."""

    do: ClassVar[str] = "invite"
    _phase: ClassVar[Phase] = "add"

    user_id: str
    asked: bool = False

    def words(self) -> str:
        asked = ", who asked to come in," if self.asked else ""
        return f"{named(self.user_id)}{asked} is approved for it, and invited."


@dataclass(frozen=True, slots=True)
class Remove(_InRoom):
    """The steward removes a person who may not be there, or withdraws an invite (`invited`): a kick either way."""

    do: ClassVar[str] = "remove"
    _phase: ClassVar[Phase] = "remove"
    _class: ClassVar[ChangeClass] = "disruptive"

    user_id: str
    invited: bool = False

    def words(self) -> str:
        if self.invited:
            return f"The invite of {named(self.user_id)}, who is not approved for it, is withdrawn."
        return f"{named(self.user_id)}, who is not approved for it, is removed."


Change = CreateRoom | InviteGuardian | JoinGuardian | SetState | Invite | Remove | AddAddress

_ADAPTERS: Final[Mapping[str, TypeAdapter[Change]]] = {kind.do: TypeAdapter(kind) for kind in get_args(Change)}


def _phase_of_state(event_type: str, before: Content | None, after: Content) -> Phase:
    if (event_type, "") in LEFT_TO_PEOPLE:
        return "create"  # only to finish a room: before the guardian comes, by whose absence it is known as half made
    if event_type == "m.room.power_levels":
        return _phase_of_powers(before, after)
    if event_type == "m.room.canonical_alias":
        return "publish"
    if event_type in ("m.space.child", "m.space.parent"):
        return "publish" if after.get("via") else "lock"
    if event_type == MANAGED_TYPE:
        # The mark itself at once; that another policy holds, when it does.
        marked = before is not None and all(before.get(name) == after.get(name) for name in ("community", "group"))
        return "publish" if marked else "lock"
    return "publish" if movement(event_type, before, after).widens else "lock"


def _phase_of_powers(before: Content | None, after: Content) -> Phase:
    moved = power_movement(before, after)
    if moved.first:
        return "lock"
    if moved.lowered or (moved.tightened and moved.widened):
        return "demote"
    if moved.widened:
        return "publish"
    return "add" if moved.raised and not moved.tightened else "lock"


def _class_of_state(event_type: str, before: Content | None, after: Content) -> ChangeClass:
    if event_type in _ONE_WAY:
        return "one_way"
    if event_type == "m.room.power_levels":
        powers = power_movement(before, after)
        silenced = "events_default" in powers.tightened and not powers.first
        return "disruptive" if powers.lowered or silenced else "safe"
    moved = movement(event_type, before, after)
    if event_type == "m.room.retention" and moved.tightens:
        return "one_way"  # what is older is deleted
    return "exposing" if moved.widens else "safe"


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
    if isinstance(change, SetState):
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
