"""Pure words shared by all rooms: inputs, effects, keys, facts and the protocols between them. No I/O, no libraries."""

from __future__ import annotations

from appservice.flow.effects import (
    AnswerInvite,
    Approve,
    Card,
    Concerned,
    DirectMessage,
    Effect,
    EnsureDirectRoom,
    Identity,
    Invite,
    Item,
    Notice,
    Redact,
    Remove,
    Urgency,
    UrgentCard,
    UrgentMessage,
    effect_from_record,
)
from appservice.flow.events import Event
from appservice.flow.facts import DISTRESS_MS, ConcernFact, Facts, Ghosts, Place, RoomFacts, Rules
from appservice.flow.inputs import LATE_AFTER_MS, EventInput, Lane, Origin
from appservice.flow.keys import effect_key, transaction_id
from appservice.flow.protocols import AuditSink, Clock, Executor, Handler, Rendered, Wording
from appservice.flow.results import Attempt, Done, Postponed, Refused, Result

__all__ = [
    "DISTRESS_MS",
    "LATE_AFTER_MS",
    "AnswerInvite",
    "Approve",
    "Attempt",
    "AuditSink",
    "Card",
    "Clock",
    "ConcernFact",
    "Concerned",
    "DirectMessage",
    "Done",
    "Effect",
    "EnsureDirectRoom",
    "Event",
    "EventInput",
    "Executor",
    "Facts",
    "Ghosts",
    "Handler",
    "Identity",
    "Invite",
    "Item",
    "Lane",
    "Notice",
    "Origin",
    "Place",
    "Postponed",
    "Redact",
    "Refused",
    "Remove",
    "Rendered",
    "Result",
    "RoomFacts",
    "Rules",
    "Urgency",
    "UrgentCard",
    "UrgentMessage",
    "Wording",
    "effect_from_record",
    "effect_key",
    "transaction_id",
]
