"""Effects that move cases. The first three are true as soon as they are decided: memory at once, rows in the commit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from appservice.flow.effects import Effect, Redact, Urgency


@dataclass(frozen=True, kw_only=True)
class OpenCase(Effect):
    """Something happened that people must look at: it joins the open case about this person, or opens one.

    `asked`: the person themselves asks for somebody (of a concern), or for a second look (of conduct). `stands`: a message
    about conduct that was not removed. `unwritten`: they would be written to about it, but for their wish.
    """

    type: ClassVar[str] = "open_case"
    urgency: ClassVar[Urgency] = Urgency.NOW

    community: str
    track: str
    kind: str
    severity: int
    about: str
    room_id: str
    event_id: str
    contact: bool = False
    late: bool = False
    asked: bool = False
    stands: bool = False
    unwritten: bool = False

    @property
    def target(self) -> str:
        return f"{self.community}/{self.track}/{self.about}"

    @property
    def person(self) -> str:
        return self.about

    def describe(self) -> str:
        return f"open a case about one person ({self.kind}, {self.severity})"


@dataclass(frozen=True, kw_only=True)
class TouchCase(Effect):
    """Somebody took a case (`ack`), passed it on (`escalate`), closed it (`close`, with `outcome`) or ended the pause of
    automatic rules for its person (`release`); `overdue`: nobody did, and it is passed on by itself.

    `button` names the card and the key that was tapped.
    """

    type: ClassVar[str] = "touch_case"
    urgency: ClassVar[Urgency] = Urgency.NOW

    case: str
    action: str
    by: str
    at_ms: int
    outcome: str = ""
    button: tuple[str, str, str] | None = None

    @property
    def target(self) -> str:
        return f"{self.case} {self.action}"

    @property
    def person(self) -> str | None:
        return self.by or None

    def describe(self) -> str:
        return f"{self.action} the case {self.case}"


@dataclass(frozen=True, kw_only=True)
class NoteReading(Effect):
    """Write down that somebody asked to see what was removed, and why. `reason` is sealed, and never in an outbox."""

    type: ClassVar[str] = "note_reading"
    urgency: ClassVar[Urgency] = Urgency.NOW

    case: str
    by: str
    at_ms: int
    reason: str

    @property
    def target(self) -> str:
        return self.case

    @property
    def person(self) -> str:
        return self.by

    def describe(self) -> str:
        return f"note that one person asked to see the evidence of {self.case}"


@dataclass(frozen=True, kw_only=True)
class ShowEvidence(Effect):
    """Show one removed message of a case (the `item`-th, from 1) to one person, in their direct room.

    `at_ms` is when it was decided: much later the person may have put the device down.
    """

    type: ClassVar[str] = "show_evidence"
    urgency: ClassVar[Urgency] = Urgency.NOW

    case: str
    item: int
    user_id: str
    at_ms: int = 0

    @property
    def target(self) -> str:
        return f"{self.case}/{self.item} {self.user_id}"

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return f"show one person a removed message of the case {self.case}"


@dataclass(frozen=True, kw_only=True)
class SweepEdits(Effect):
    """Remove the edits of a removed message that came before it reached us; each is sealed first."""

    type: ClassVar[str] = "sweep_edits"
    urgency: ClassVar[Urgency] = Urgency.NOW

    room_id: str
    event_id: str
    about: str

    @property
    def target(self) -> str:
        return self.event_id

    @property
    def person(self) -> str:
        return self.about

    def describe(self) -> str:
        return f"remove the edits of the message {self.event_id}"


@dataclass(frozen=True, kw_only=True)
class NoteShadow(Effect):
    """Count that `rule` would have removed a message of `about`, and did not since it is in shadow."""

    type: ClassVar[str] = "note_shadow"
    urgency: ClassVar[Urgency] = Urgency.NOW

    community: str
    room_id: str
    event_id: str
    about: str
    at_ms: int

    @property
    def target(self) -> str:
        return self.event_id

    @property
    def person(self) -> str:
        return self.about

    def describe(self) -> str:
        return f"count that the message {self.event_id} would have been removed ({self.rule})"


@dataclass(frozen=True, kw_only=True)
class ShowShadow(Effect):
    """Tell one person, in their direct room, what rules in shadow would have done lately."""

    type: ClassVar[str] = "show_shadow"
    urgency: ClassVar[Urgency] = Urgency.NOW

    community: str
    user_id: str

    @property
    def target(self) -> str:
        return f"{self.community} {self.user_id}"

    @property
    def person(self) -> str:
        return self.user_id

    def describe(self) -> str:
        return "tell one person what rules in shadow would have done"


@dataclass(frozen=True, kw_only=True)
class Withdraw(Redact):
    """Take back what we showed, not before `not_before_ms`."""

    type: ClassVar[str] = "withdraw"

    not_before_ms: int

    def describe(self) -> str:
        return f"take back what was shown ({self.event_id})"
