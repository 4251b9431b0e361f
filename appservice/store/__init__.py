"""Schema, migrations and queries; the only room that knows SQL. One writer, group commit."""

from __future__ import annotations

from appservice.store.audit import Verification, anchor, verify
from appservice.store.commit import AuditLine, Commit
from appservice.store.database import Database, StoreRefused
from appservice.store.drift_rows import read_drifts
from appservice.store.greetings import greetings
from appservice.store.migrate import StoreTooNew, ensure_current
from appservice.store.newcomer_rows import read_held_words, read_newcomers, sealed_words
from appservice.store.proposals import proposals
from appservice.store.queries import Counts, OpenEffect, OpenInput, Questions, SettledEffect, StoredPolicy

__all__ = [
    "AuditLine",
    "Commit",
    "Counts",
    "Database",
    "OpenEffect",
    "OpenInput",
    "Questions",
    "SettledEffect",
    "StoreRefused",
    "StoreTooNew",
    "StoredPolicy",
    "Verification",
    "anchor",
    "ensure_current",
    "greetings",
    "proposals",
    "read_drifts",
    "read_held_words",
    "read_newcomers",
    "sealed_words",
    "verify",
]
