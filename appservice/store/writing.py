"""The statements of a commit, in the order they are written. Prepared once, run with many rows at a time."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, delete, update
from sqlalchemy.dialects.sqlite import insert

from appservice.store.audit import Chains
from appservice.store.commit import Commit
from appservice.store.schema import (
    applied_plans,
    approvals,
    buttons,
    cases,
    concerns,
    direct_rooms,
    drifts,
    evidence,
    evidence_reads,
    greetings,
    held_words,
    in_force,
    journal,
    members,
    newcomers,
    outbox,
    positions,
    proposals,
    rooms,
    set_aside,
    shadowed,
)

_journal_new = insert(journal).on_conflict_do_nothing()
_journal_handled = (
    update(journal)
    .where(journal.c.homeserver == bindparam("h"), journal.c.input_id == bindparam("i"))
    .values(state="done", body=None)
)
_journal_forget = delete(journal).where(journal.c.state == "done", journal.c.received_ms < bindparam("before"))
_set_aside = insert(set_aside).on_conflict_do_nothing()
_journal_set_aside = (
    update(journal)
    .where(journal.c.homeserver == bindparam("h"), journal.c.input_id == bindparam("i"))
    .values(state="set_aside")
)
_journal_vanished = (
    update(journal)
    .where(journal.c.homeserver == bindparam("h"), journal.c.input_id == bindparam("i"))
    .values(origin="vanished")
)
_outbox_new = insert(outbox).on_conflict_do_nothing()
_outbox_forget = delete(outbox).where(outbox.c.settled_ms < bindparam("before"))


def _upsert(table: Any, *changing: str) -> Any:
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={column: statement.excluded[column] for column in changing},
    )


_rooms = _upsert(rooms, "record")
_members = _upsert(members, "membership")
_direct_rooms = _upsert(direct_rooms, "room_id", "reach")
_approvals = insert(approvals).on_conflict_do_nothing()
_greetings = _upsert(greetings, "said", "at_ms")
_greetings_forget = delete(greetings).where(greetings.c.at_ms < bindparam("before"))
_concerns = insert(concerns).on_conflict_do_nothing()
_concerns_forget = delete(concerns).where(concerns.c.at_ms < bindparam("before"))
_shadowed = insert(shadowed).on_conflict_do_nothing()
_shadowed_forget = delete(shadowed).where(shadowed.c.at_ms < bindparam("before"))
_cases = _upsert(cases, "record", "closed_ms")
_buttons = _upsert(buttons, "expires_ms", "used_by")
_evidence = insert(evidence).on_conflict_do_nothing()
_evidence_reads = insert(evidence_reads).on_conflict_do_nothing()
_evidence_forget = (
    delete(evidence).where(evidence.c.at_ms < bindparam("before")),
    delete(evidence_reads).where(evidence_reads.c.at_ms < bindparam("before")),
    delete(buttons).where(buttons.c.expires_ms < bindparam("before")),
    delete(cases).where(cases.c.closed_ms < bindparam("before")),
    delete(applied_plans).where(applied_plans.c.at_ms < bindparam("before")),
    delete(proposals).where(proposals.c.at_ms < bindparam("before")),
)
_in_force = _upsert(
    in_force, "policy", "policy_name", "people", "people_name", "settled", "since_ms", "unguarded", "layers"
)
_applied_plans = _upsert(applied_plans, "undone_by")
_proposals = _upsert(proposals, "record")
_drifts = _upsert(drifts, "last_ms", "times", "done")
_drifts_forget = delete(drifts).where(drifts.c.last_ms < bindparam("before"))
_newcomers = _upsert(newcomers, "record")
_held_words = _upsert(held_words, "state", "shown")
_words_gone = delete(held_words).where(
    held_words.c.homeserver == bindparam("gone_of"), held_words.c.id == bindparam("gone_id")
)
_forget_seen = (
    _journal_forget,
    _outbox_forget,
    _greetings_forget,
    _concerns_forget,
    _shadowed_forget,
    _drifts_forget,
)
_positions = _upsert(positions, "value")
_members_clear = delete(members).where(members.c.homeserver == bindparam("h"), members.c.room_id == bindparam("r"))
_settle: dict[frozenset[str], Any] = {}


def _settling(columns: frozenset[str]) -> Any:
    if columns not in _settle:
        _settle[columns] = (
            update(outbox)
            .where(outbox.c.key == bindparam("effect_key"))
            .values({column: bindparam(f"to_{column}") for column in columns})
        )
    return _settle[columns]


def write(connection: Connection, commit: Commit, chains: Chains, now_ms: int) -> None:
    """Write all rows of `commit` inside the transaction that is open on `connection`."""
    if commit.journal:
        connection.execute(_journal_new, commit.journal)
    if commit.handled:
        connection.execute(_journal_handled, [{"h": h, "i": i} for h, i in commit.handled])
    if commit.set_aside:
        connection.execute(_set_aside, commit.set_aside)
        connection.execute(
            _journal_set_aside, [{"h": row["homeserver"], "i": row["input_id"]} for row in commit.set_aside]
        )
    if commit.vanished:
        connection.execute(
            _journal_vanished, [{"h": row["homeserver"], "i": row["input_id"]} for row in commit.vanished]
        )
    if commit.outbox:
        connection.execute(_outbox_new, commit.outbox)
    _write_settled(connection, commit.settled)
    if commit.audit:
        chains.append(connection, commit.audit, now_ms)
    if commit.rooms:
        connection.execute(_rooms, commit.rooms)
    if commit.members_replaced:
        connection.execute(_members_clear, [{"h": h, "r": r} for h, r in commit.members_replaced])
    if commit.members:
        connection.execute(_members, commit.members)
    for statement, rows in (
        (_direct_rooms, commit.direct_rooms),
        (_approvals, commit.approvals),
        (_greetings, commit.greetings),
        (_concerns, commit.concerns),
        (_shadowed, commit.shadowed),
        (_cases, commit.cases),
        (_buttons, commit.buttons),
        (_evidence, commit.evidence),
        (_evidence_reads, commit.evidence_reads),
        (_in_force, commit.in_force),
        (_applied_plans, commit.applied_plans),
        (_proposals, commit.proposals),
        (_drifts, commit.drifts),
        (_newcomers, commit.newcomers),
        (_held_words, commit.held_words),
        (_words_gone, [{"gone_of": one["homeserver"], "gone_id": one["id"]} for one in commit.words_gone]),
        (_positions, commit.positions),
    ):
        if rows:
            connection.execute(statement, rows)
    _forget(connection, commit)


def _forget(connection: Connection, commit: Commit) -> None:
    if commit.forget_before_ms is not None:
        for statement in _forget_seen:
            connection.execute(statement, {"before": commit.forget_before_ms})
    if commit.evidence_before_ms is not None:
        for statement in _evidence_forget:
            connection.execute(statement, {"before": commit.evidence_before_ms})


def _write_settled(connection: Connection, settled: list[dict[str, Any]]) -> None:
    for row in settled:
        columns = frozenset(row) - {"key"}
        values = {f"to_{column}": row[column] for column in columns}
        connection.execute(_settling(columns), values | {"effect_key": row["key"]})
