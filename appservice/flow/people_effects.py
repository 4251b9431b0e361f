"""Effects about people: where they may be, how they can be told something, and how they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from appservice.flow.effects import DirectMessage, Effect, Urgency
from appservice.flow.facts import ConcernFact


@dataclass(frozen=True, kw_only=True)
class Concerned(Effect):
    """Note that somebody is in distress, as a rule saw it (`kind`, `severity` 1 to 4), or what was done about that
    (`flow.ConcernFact`). True as soon as it is decided."""

    type: ClassVar[str] = "concerned"
    urgency: ClassVar[Urgency] = Urgency.NOW

    user_id: str
    kind: str
    severity: int
    at_ms: int

    @property
    def target(self) -> str:
        return self.user_id

    @property
    def person(self) -> str:
        return self.user_id

    @property
    def is_sign(self) -> bool:
        return ConcernFact(self.kind, self.severity, self.at_ms).is_sign

    def describe(self) -> str:
        return f"note a concern for one person ({self.kind}, {self.severity})"


@dataclass(frozen=True, kw_only=True)
class BeQuiet(Effect):
    """Write nothing to one person that they did not ask for, until they say otherwise (CARE, rule 6). `quiet` False
    ends it. True as soon as it is decided."""

    type: ClassVar[str] = "be_quiet"
    urgency: ClassVar[Urgency] = Urgency.NOW

    user_id: str
    quiet: bool

    @property
    def target(self) -> str:
        return self.user_id

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return "write nothing more to one person" if self.quiet else "write to one person again"


@dataclass(frozen=True, kw_only=True)
class NoteGreeting(Effect):
    """Note what one person is told of a group that they came into: `said` is a hash of it, `at_ms` when it leaves. True as
    soon as it is decided."""

    type: ClassVar[str] = "note_greeting"
    urgency: ClassVar[Urgency] = Urgency.NOW

    group: str
    user_id: str
    said: str
    at_ms: int

    @property
    def target(self) -> str:
        return f"{self.group} {self.user_id}"

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return f"note that one person is told what the group {self.group} tells newcomers"


@dataclass(frozen=True, kw_only=True)
class Greeting(DirectMessage):
    """Tell one person what the groups tell newcomers that they came into. `not_before_ms` lets those of a while be told in
    one message."""

    type: ClassVar[str] = "greeting"

    not_before_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class EnsureDirectRoom(Effect):
    """Let one person and the guardian share a direct room, found or made once."""

    type: ClassVar[str] = "ensure_direct_room"
    urgency: ClassVar[Urgency] = Urgency.SOON

    user_id: str

    @property
    def target(self) -> str:
        return self.user_id

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return "open the direct room with one person"


@dataclass(frozen=True, kw_only=True)
class Remove(Effect):
    """Take somebody out of a room who may not be there, or take back an invite; `code` says why, in one word."""

    type: ClassVar[str] = "remove"
    urgency: ClassVar[Urgency] = Urgency.NOW

    room_id: str
    user_id: str
    code: str

    @property
    def target(self) -> str:
        return f"{self.room_id} {self.user_id}"

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return f"take one person out of the room {self.room_id} ({self.code})"


@dataclass(frozen=True, kw_only=True)
class Invite(Effect):
    """Ask somebody in who may be there."""

    type: ClassVar[str] = "invite"
    urgency: ClassVar[Urgency] = Urgency.SOON

    room_id: str
    user_id: str

    @property
    def target(self) -> str:
        return f"{self.room_id} {self.user_id}"

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return f"invite one person to the room {self.room_id}"


@dataclass(frozen=True, kw_only=True)
class AnswerInvite(Effect):
    """Answer somebody who asked one of us into a room: `kindly` by pointing to our own direct room, else by leaving."""

    type: ClassVar[str] = "answer_invite"
    urgency: ClassVar[Urgency] = Urgency.SOON

    room_id: str
    user_id: str
    by: str
    kindly: bool

    @property
    def target(self) -> str:
        return f"{self.room_id} {self.user_id}"

    @property
    def person(self) -> str:
        return self.by

    def describe(self) -> str:
        return f"answer one person's invite to the room {self.room_id}" + (" and show the way" if self.kindly else "")


@dataclass(frozen=True, kw_only=True)
class Approve(Effect):
    """Note that somebody may be in a group, as decided by a person whose role may. True as soon as it is decided."""

    type: ClassVar[str] = "approve"
    urgency: ClassVar[Urgency] = Urgency.NOW

    community: str
    group: str
    user_id: str
    by: str

    @property
    def target(self) -> str:
        return f"{self.community}/{self.group} {self.user_id}"

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return f"let one person into the group {self.group} of {self.community}"
