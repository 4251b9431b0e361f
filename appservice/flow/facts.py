"""What a handler may know besides its input: read-only views of the present, as of the input's turn in its lane."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol

from appservice.flow.cases import Cases
from appservice.flow.newcomers import Newcomers
from appservice.flow.plans import Plans
from appservice.flow.ways import Turns

#: ms in which a concern keeps automatic corrections of a person waiting (CARE, rule 1).
DISTRESS_MS = 24 * 3600 * 1000
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NO_STATE: Mapping[tuple[str, str], Mapping[str, Any]] = MappingProxyType({})


class Place(StrEnum):
    """What a room is to us."""

    GROUP = "group"
    SPACE = "space"
    MODERATORS = "moderators"
    SAFEGUARDING = "safeguarding"
    OPS = "ops"
    DIRECT = "direct"
    UNMANAGED = "unmanaged"


@dataclass(frozen=True, slots=True)
class Written:
    """Who made a piece of state what it is, and when (ms since 1970). `event_id` is the state event; `cause` is the event
    to point at, the same one unless it was redacted since ("" if it is not known)."""

    event_id: str
    cause: str
    sender: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class RoomFacts:
    """One room as we know it.

    `community` and `group` come from the owner marker; `members` maps user ids to memberships: `join`, `invite`,
    `knock`, `ban`, `left` for who went or declined by themselves, or `removed` for whom a person took out (absent: never
    there, or taken out by us). `taken_out` are those of them who knock or are asked in now: they come back by a person's
    yes only. `state` holds the
    contents of all other state by (type, state key), as sent; power levels are read by `policies.power_levels` only.
    `creator` sent the create event. `closed` tells that a tombstone stands.
    """

    room_id: str
    place: Place = Place.UNMANAGED
    community: str = ""
    group: str = ""
    members: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    state: Mapping[tuple[str, str], Mapping[str, Any]] = field(default_factory=lambda: _NO_STATE)
    creator: str = ""
    taken_out: Collection[str] = ()

    @property
    def create(self) -> Mapping[str, Any]:
        return self.state.get(("m.room.create", ""), _NOTHING)

    @property
    def power_levels(self) -> Mapping[str, Any]:
        return self.state.get(("m.room.power_levels", ""), _NOTHING)

    @property
    def room_version(self) -> str:
        version = self.create.get("room_version")
        return version if isinstance(version, str) else "1"

    @property
    def closed(self) -> bool:
        return bool(self.state.get(("m.room.tombstone", "")))

    @property
    def managed(self) -> bool:
        return self.place is not Place.UNMANAGED


class Rules(Protocol):
    """Who may be where, and do what, as the policy, the people file and later approvals say."""

    def kind(self, community: str, group: str) -> str:
        """Return `open`, `hybrid`, `closed`, `announce`, `space` or `system`; "" for what the policy does not have."""
        ...

    def admits(self, community: str, group: str, user_id: str) -> bool:
        """Return whether this person may be in that room; False for anything unknown."""
        ...

    def can(self, community: str, user_id: str, duty: str) -> bool:
        """Return whether this person holds a role with that duty (`approve_join`, `moderate`, …)."""
        ...

    def may_change(self, community: str, user_id: str, group: str = "") -> bool:
        """Return whether this person may apply policies: all of them, or only what is about one group."""
        ...

    def approves(self, community: str, group: str, user_id: str) -> bool:
        """Return whether this person may answer requests to join that group."""
        ...

    def owners(self, community: str) -> tuple[str, ...]:
        """Return the user ids of those who answer for safeguarding: holders of the lead's role, then the deputy's."""
        ...

    def leads(self, community: str) -> tuple[str, ...]:
        """Return the user ids of those who hold the lead's role."""
        ...

    def holders(self, community: str, duty: str) -> tuple[str, ...]:
        """Return the user ids of those who hold a role with that duty."""
        ...

    def holding(self, community: str, name: str) -> tuple[str, ...]:
        """Return the user ids of those who hold a role, or an office: `safeguarding_lead` or `deputy`."""
        ...


@dataclass(frozen=True, slots=True)
class ConcernFact:
    """A concern for somebody: its kind, severity (1 to 4) and when it was seen, in ms since 1970.

    Or a note about them: that a person ended the pause of automatic rules (`RELEASED`), that a program wrote to them
    about a sign (`WROTE` and the sign's kind), that they wrote to it (`ANSWERED`), that it sent the numbers which it had
    promised (`SENT`), that what it wrote last could not be delivered (`UNSENT`).
    """

    kind: str
    severity: int
    at_ms: int

    @property
    def is_sign(self) -> bool:
        return not (self.kind in {RELEASED, ANSWERED, SENT, UNSENT} or self.kind.startswith(WROTE))

    @property
    def wrote_about(self) -> str:
        """The kind of sign that a program wrote about; "" for anything else."""
        return self.kind.removeprefix(WROTE) if self.kind.startswith(WROTE) else ""


RELEASED, ANSWERED, SENT, UNSENT, WROTE = "released", "answered", "sent", "unsent", "wrote."
#: Signs of which a program first asks whether it is safe to read, and promises numbers after a yes (CARE, rule 6).
ASKED_FIRST = frozenset({"disclosure", "domestic_abuse"})


def unanswered(concerns: Sequence[ConcernFact]) -> ConcernFact | None:
    """Return the newest note that a program wrote to somebody who did not write to it since (CARE, rule 9)."""
    for one in reversed(concerns):
        if one.kind == ANSWERED:
            return None
        if one.wrote_about:
            return one
    return None


def promised(concerns: Sequence[ConcernFact]) -> str:
    """Return the kind of sign for which a program promised somebody numbers that it has not sent; "" if there is none.

    A promise outlives what they write in between: "which numbers?" is no yes, and the yes may come after it.
    """
    for one in reversed(concerns):
        if one.kind == SENT:
            return ""
        if one.wrote_about in ASKED_FIRST:
            return one.wrote_about
    return ""


def in_distress(concerns: Sequence[ConcernFact], now_ms: int) -> bool:
    """Return whether one of a person's concerns (oldest first) is of the last day, and nobody ended its pause since."""
    for one in reversed(concerns):
        if one.kind == RELEASED:
            return False
        if one.is_sign and one.at_ms > now_ms - DISTRESS_MS:
            return True
    return False


#: What people see as the guardian's name. It tells nothing on a lock screen (CARE, rule 6).
GUARDIAN_NAME = "Helper (bot)"


@dataclass(frozen=True, slots=True)
class Ghosts:
    """The user ids we act as: never moderated, never greeted."""

    steward: str
    guardian: str
    custodian: str

    @property
    def all(self) -> tuple[str, str, str]:
        return (self.steward, self.guardian, self.custodian)

    def __contains__(self, user_id: object) -> bool:
        return user_id in self.all


@dataclass(frozen=True, slots=True)
class Greeted:
    """What somebody was told of a group: a hash of it, and when it left or leaves, in ms since 1970."""

    said: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts loaded for one input.

    `direct_rooms` maps user ids to their direct room with the guardian. `knocks` are the requests to join that wait, as
    (room id, user id); `groups` names the group of each managed room. `known_people` are those for whom a direct room
    was opened, whatever became of it. `concerns` are those seen for each person lately.
    `room_of(room_id)` is what we know of another room. `cases` are the cases, `plans` the proposed plans; `removed` are the messages that we decided to remove lately. `quiet` are those who asked a
    program not to write to them. `turns` says who wrote last when, `newcomers` whose first messages are read first.
    `greeted` maps people to what they were told lately of each group that they came into. `before` is the membership that the person of a member event had until then.
    `rules` is None only where no policy is loaded.
    """

    now_ms: int
    room: RoomFacts
    ghosts: Ghosts
    server_name: str
    direct_rooms: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    rules: Rules | None = None
    before: str | None = None
    knocks: Collection[tuple[str, str]] = ()
    groups: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    known_people: Collection[str] = ()
    concerns: Mapping[str, Sequence[ConcernFact]] = field(default_factory=lambda: _NOTHING)
    room_of: Callable[[str], RoomFacts | None] = lambda _room_id: None
    cases: Cases | None = None
    plans: Plans | None = None
    removed: Collection[str] = ()
    quiet: Collection[str] = ()
    turns: Turns | None = None
    newcomers: Newcomers | None = None
    greeted: Mapping[str, Mapping[str, Greeted]] = field(default_factory=lambda: _NOTHING)

    def in_distress(self, user_id: str) -> bool:
        """Return whether a concern for this person was seen in the last day: then programs do not correct them."""
        return in_distress(self.concerns.get(user_id, ()), self.now_ms)
