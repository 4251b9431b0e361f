"""What one commit consists of, as plain rows. Everything in it becomes true together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line for the chain of `lane`. `person` is a user id, stored as a salted commitment that can be forgotten."""

    lane: str
    line: Mapping[str, Any]
    person: str | None = None


@dataclass(slots=True)
class Commit:
    """Rows to write, by table; written in the order of the fields. Lists may be appended to until it is committed."""

    #: journal rows; one whose id exists is ignored
    journal: list[dict[str, Any]] = field(default_factory=list)
    #: (homeserver, input id) of journal rows now handled: their text goes
    handled: list[tuple[str, str]] = field(default_factory=list)
    set_aside: list[dict[str, Any]] = field(default_factory=list)
    #: homeserver and input id of events that the homeserver lost when it was put back
    vanished: list[dict[str, Any]] = field(default_factory=list)
    #: outbox rows; one whose key exists is ignored
    outbox: list[dict[str, Any]] = field(default_factory=list)
    #: columns by key: what became of effects
    settled: list[dict[str, Any]] = field(default_factory=list)
    audit: list[AuditLine] = field(default_factory=list)
    rooms: list[dict[str, Any]] = field(default_factory=list)
    #: whole rooms whose members are replaced by those in `members`
    members_replaced: list[tuple[str, str]] = field(default_factory=list)
    members: list[dict[str, Any]] = field(default_factory=list)
    direct_rooms: list[dict[str, Any]] = field(default_factory=list)
    approvals: list[dict[str, Any]] = field(default_factory=list)
    #: a newer row of one person and group replaces the older one
    greetings: list[dict[str, Any]] = field(default_factory=list)
    concerns: list[dict[str, Any]] = field(default_factory=list)
    #: what rules in shadow would have removed
    shadowed: list[dict[str, Any]] = field(default_factory=list)
    #: a newer record of a case replaces the older one
    cases: list[dict[str, Any]] = field(default_factory=list)
    buttons: list[dict[str, Any]] = field(default_factory=list)
    #: sealed originals; the first of an event stays
    evidence: list[dict[str, Any]] = field(default_factory=list)
    evidence_reads: list[dict[str, Any]] = field(default_factory=list)
    in_force: list[dict[str, Any]] = field(default_factory=list)
    #: what a person applied, by number; a newer row of one number says only by which it was undone
    applied_plans: list[dict[str, Any]] = field(default_factory=list)
    #: plans proposed in rooms; a newer record of one replaces the older one
    proposals: list[dict[str, Any]] = field(default_factory=list)
    #: what somebody changed by hand; a newer row of one event says how often since, and what followed
    drifts: list[dict[str, Any]] = field(default_factory=list)
    newcomers: list[dict[str, Any]] = field(default_factory=list)
    #: what newcomers sent for reading; a newer row of one says only where it stands
    held_words: list[dict[str, Any]] = field(default_factory=list)
    #: homeserver and id of such words that are done with: they go
    words_gone: list[dict[str, Any]] = field(default_factory=list)
    positions: list[dict[str, Any]] = field(default_factory=list)
    #: puts memory back as it was before these rows, where they were refused; run in reverse
    undo: list[Callable[[], None]] = field(default_factory=list)
    #: journal and outbox rows settled before this time (ms), and what was seen before it, are deleted
    forget_before_ms: int | None = None
    #: evidence, readings of it, closed cases and applied plans from before this time (ms) are deleted
    evidence_before_ms: int | None = None

    def add(self, other: Commit) -> None:
        """Take in the rows of another commit, so that both become true together."""
        self.journal += other.journal
        self.handled += other.handled
        self.set_aside += other.set_aside
        self.vanished += other.vanished
        self.outbox += other.outbox
        self.settled += other.settled
        self.audit += other.audit
        self.rooms += other.rooms
        self.members_replaced += other.members_replaced
        self.members += other.members
        self.direct_rooms += other.direct_rooms
        self.approvals += other.approvals
        self.greetings += other.greetings
        self.concerns += other.concerns
        self.shadowed += other.shadowed
        self.cases += other.cases
        self.buttons += other.buttons
        self.evidence += other.evidence
        self.evidence_reads += other.evidence_reads
        self.in_force += other.in_force
        self.applied_plans += other.applied_plans
        self.proposals += other.proposals
        self.drifts += other.drifts
        self.newcomers += other.newcomers
        self.held_words += other.held_words
        self.words_gone += other.words_gone
        self.positions += other.positions
        self.undo += other.undo
        self.forget_before_ms = other.forget_before_ms or self.forget_before_ms
        self.evidence_before_ms = other.evidence_before_ms or self.evidence_before_ms

    @property
    def empty(self) -> bool:
        return not (
            self.journal
            or self.handled
            or self.set_aside
            or self.vanished
            or self.outbox
            or self.settled
            or self.audit
            or self.rooms
            or self.members_replaced
            or self.members
            or self.direct_rooms
            or self.approvals
            or self.greetings
            or self.concerns
            or self.shadowed
            or self.cases
            or self.buttons
            or self.evidence
            or self.evidence_reads
            or self.in_force
            or self.applied_plans
            or self.proposals
            or self.drifts
            or self.newcomers
            or self.held_words
            or self.words_gone
            or self.positions
            or self.forget_before_ms
            or self.evidence_before_ms
        )
