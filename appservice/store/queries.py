"""Every question the house asks its store, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import func, or_, select

from appservice.store.database import Database
from appservice.store.schema import (
    applied_plans,
    approvals,
    audit,
    buttons,
    cases,
    concerns,
    direct_rooms,
    evidence,
    in_force,
    journal,
    members,
    outbox,
    positions,
    rooms,
    set_aside,
    shadowed,
)

#: Ids asked about in one statement; SQLite allows 32,766 parameters.
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class OpenInput:
    """A journalled input that is not handled yet."""

    input_id: str
    room_id: str
    origin: str
    received_ms: int
    body: bytes


@dataclass(frozen=True, slots=True)
class OpenEffect:
    """A decided effect that has not become true yet."""

    key: str
    record: dict[str, Any]
    created_ms: int
    attempts: int
    merged: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class SettledEffect:
    """An effect that became an event."""

    key: str
    record: dict[str, Any]
    event_id: str
    event_room: str
    source: str


@dataclass(frozen=True, slots=True)
class Counts:
    """How much stands where, for `status`."""

    pending: int
    set_aside: int
    queued: int
    oldest_queued_ms: int | None
    refused: int
    journal: int


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """The policy in force and its people, as they were written, and what the files were called."""

    policy: bytes
    policy_name: str
    people: bytes
    people_name: str
    settled: bool
    unguarded: bool
    layers: bytes | None = None


class Questions:
    """Reads of one homeserver's part of the store."""

    def __init__(self, database: Database, homeserver: str) -> None:
        self._database = database
        self._homeserver = self.homeserver = homeserver

    async def known(self, ids: Sequence[str]) -> set[str]:
        """Return those of `ids` that are in the journal already."""
        found: set[str] = set()
        for start in range(0, len(ids), _IDS_AT_ONCE):
            part = list(ids[start : start + _IDS_AT_ONCE])
            statement = select(journal.c.input_id).where(
                journal.c.homeserver == self._homeserver, journal.c.input_id.in_(part)
            )
            found.update(row[0] for row in await self._database.fetch(statement))
        return found

    async def open_inputs(self) -> list[OpenInput]:
        """Return what was journalled and not handled, oldest first."""
        columns = (journal.c.input_id, journal.c.room_id, journal.c.origin, journal.c.received_ms, journal.c.body)
        statement = (
            select(*columns)
            .where(journal.c.homeserver == self._homeserver, journal.c.state != "done", journal.c.state == "pending")
            .order_by(journal.c.seq)
        )
        return [OpenInput(*row) for row in await self._database.fetch(statement)]

    async def open_effects(self) -> list[OpenEffect]:
        """Return what was decided and has not become true, oldest first, each with what was merged into it."""
        columns = (outbox.c.key, outbox.c.record, outbox.c.created_ms, outbox.c.attempts)
        queued = await self._database.fetch(
            select(*columns)
            .where(outbox.c.homeserver == self._homeserver, outbox.c.state == "queued")
            .order_by(outbox.c.created_ms, outbox.c.key)
        )
        keys = [row[0] for row in queued]
        merged: dict[str, list[dict[str, Any]]] = {}
        for start in range(0, len(keys), _IDS_AT_ONCE):
            rows = await self._database.fetch(
                select(outbox.c.merged_into, outbox.c.record)
                .where(outbox.c.merged_into.in_(keys[start : start + _IDS_AT_ONCE]))
                .order_by(outbox.c.created_ms, outbox.c.key)
            )
            for into, record in rows:
                merged.setdefault(into, []).append(orjson.loads(record))
        return [
            OpenEffect(key, orjson.loads(record), created, attempts, tuple(merged.get(key, ())))
            for key, record, created, attempts in queued
        ]

    async def merged_into(self, key: str) -> list[dict[str, Any]]:
        """Return the records of the effects that were said by the effect `key`, oldest first."""
        statement = (
            select(outbox.c.record)
            .where(outbox.c.merged_into == key, outbox.c.merged_into.is_not(None))
            .order_by(outbox.c.created_ms, outbox.c.key)
        )
        return [orjson.loads(row[0]) for row in await self._database.fetch(statement)]

    async def effects_by_key(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the states of those of `keys` that the outbox has."""
        found: dict[str, str] = {}
        for start in range(0, len(keys), _IDS_AT_ONCE):
            statement = select(outbox.c.key, outbox.c.state).where(outbox.c.key.in_(keys[start : start + _IDS_AT_ONCE]))
            found.update(dict(await self._database.fetch(statement)))
        return found

    async def newest_events(self, limit: int) -> list[tuple[str, str, int]]:
        """Return (room id, event id, received ms) of the newest events not known to be lost, newest first."""
        statement = (
            select(journal.c.room_id, journal.c.input_id, journal.c.received_ms)
            .where(
                journal.c.homeserver == self._homeserver,
                journal.c.input_id.like("$%"),
                journal.c.room_id != "",
                journal.c.origin != "vanished",
            )
            .order_by(journal.c.seq.desc())
            .limit(limit)
        )
        return [(room, event, at) for room, event, at in await self._database.fetch(statement)]

    async def rooms_with_events(self) -> set[str]:
        """Return the rooms that the journal has an input of."""
        statement = select(journal.c.room_id).where(journal.c.homeserver == self._homeserver).distinct()
        return {row[0] for row in await self._database.fetch(statement)}

    async def settled_since(self, since_ms: int) -> list[SettledEffect]:
        """Return the effects that became events since `since_ms`, newest first."""
        columns = (outbox.c.key, outbox.c.record, outbox.c.event_id, outbox.c.event_room, outbox.c.source)
        statement = (
            select(*columns)
            .where(
                outbox.c.homeserver == self._homeserver,
                outbox.c.state == "done",
                outbox.c.event_id.is_not(None),
                outbox.c.settled_ms >= since_ms,
            )
            .order_by(outbox.c.settled_ms.desc())
        )
        return [
            SettledEffect(key, orjson.loads(record), event_id, room or "", source)
            for key, record, event_id, room, source in await self._database.fetch(statement)
        ]

    async def rooms(self) -> dict[str, dict[str, Any]]:
        """Return the projection's room records by room id."""
        statement = select(rooms.c.room_id, rooms.c.record).where(rooms.c.homeserver == self._homeserver)
        return {room: orjson.loads(record) for room, record in await self._database.fetch(statement)}

    async def members(self) -> list[tuple[str, str, str]]:
        """Return the projection's (room id, user id, membership)."""
        statement = select(members.c.room_id, members.c.user_id, members.c.membership).where(
            members.c.homeserver == self._homeserver
        )
        return [(room, user, membership) for room, user, membership in await self._database.fetch(statement)]

    async def direct_rooms(self) -> dict[str, tuple[str, str]]:
        """Return (room id, reach) by user id."""
        columns = (direct_rooms.c.user_id, direct_rooms.c.room_id, direct_rooms.c.reach)
        statement = select(*columns).where(direct_rooms.c.homeserver == self._homeserver)
        return {user: (room, how) for user, room, how in await self._database.fetch(statement)}

    async def approvals(self) -> list[tuple[str, str, str]]:
        """Return (community, group, user id) of everybody whom a person let in."""
        columns = (approvals.c.community, approvals.c.grp, approvals.c.user_id)
        statement = select(*columns).where(approvals.c.homeserver == self._homeserver)
        return [(community, group, user) for community, group, user in await self._database.fetch(statement)]

    async def concerns(self, since_ms: int) -> list[tuple[str, str, int, int]]:
        """Return (user id, kind, severity, at ms) of concerns since `since_ms`, oldest first."""
        columns = (concerns.c.user_id, concerns.c.kind, concerns.c.severity, concerns.c.at_ms)
        statement = (
            select(*columns)
            .where(concerns.c.homeserver == self._homeserver, concerns.c.at_ms >= since_ms)
            .order_by(concerns.c.at_ms)
        )
        return [(user, kind, severity, at) for user, kind, severity, at in await self._database.fetch(statement)]

    async def shadowed(self, since_ms: int) -> list[tuple[str, str, str, str, str, int]]:
        """Return (rule, community, room id, event id, author, at ms) of what was counted since `since_ms`, oldest first."""
        columns = (
            shadowed.c.rule,
            shadowed.c.community,
            shadowed.c.room_id,
            shadowed.c.event_id,
            shadowed.c.about,
            shadowed.c.at_ms,
        )
        statement = (
            select(*columns)
            .where(shadowed.c.homeserver == self._homeserver, shadowed.c.at_ms >= since_ms)
            .order_by(shadowed.c.at_ms)
        )
        return [tuple(row) for row in await self._database.fetch(statement)]

    async def cases(self, since_ms: int) -> list[dict[str, Any]]:
        """Return the records of the cases that are open, or were closed since `since_ms`, oldest first."""
        statement = (
            select(cases.c.record)
            .where(cases.c.homeserver == self._homeserver)
            .where(or_(cases.c.closed_ms.is_(None), cases.c.closed_ms >= since_ms))
            .order_by(cases.c.opened_ms)
        )
        return [orjson.loads(row[0]) for row in await self._database.fetch(statement)]

    async def last_case_numbers(self) -> list[dict[str, Any]]:
        """Return the records of the newest thousand cases, so that numbers go on."""
        statement = (
            select(cases.c.record)
            .where(cases.c.homeserver == self._homeserver)
            .order_by(cases.c.opened_ms.desc())
            .limit(1000)
        )
        return [orjson.loads(row[0]) for row in await self._database.fetch(statement)]

    async def buttons(self, now_ms: int) -> list[tuple[str, str, str, str, str, str, int, str]]:
        """Return room, event, key, case, action, duty, expiry and user of the buttons that have not expired long ago."""
        columns = (
            buttons.c.room_id,
            buttons.c.event_id,
            buttons.c.key,
            buttons.c.case_id,
            buttons.c.action,
            buttons.c.duty,
            buttons.c.expires_ms,
            buttons.c.used_by,
        )
        statement = select(*columns).where(
            buttons.c.homeserver == self._homeserver, buttons.c.expires_ms > now_ms - 30 * 24 * 3600 * 1000
        )
        return [tuple(row) for row in await self._database.fetch(statement)]

    async def removed_since(self, since_ms: int) -> list[str]:
        """Return the ids of messages of cases that we decided to remove since `since_ms`, oldest first."""
        statement = (
            select(evidence.c.event_id)
            .where(evidence.c.homeserver == self._homeserver, evidence.c.at_ms >= since_ms)
            .where(evidence.c.stands.is_not(True), evidence.c.case_id != "")
            .order_by(evidence.c.at_ms)
        )
        return [row[0] for row in await self._database.fetch(statement)]

    async def evidence_of(self, case_id: str, item: int) -> tuple[int, str, bytes | None]:
        """Return (how many there are, event id, sealed) for the `item`-th (from 1) removed message of a case; of none
        the id is "" and what is sealed None.
        """
        where = (evidence.c.homeserver == self._homeserver, evidence.c.case_id == case_id)
        count = (await self._database.fetch(select(func.count()).select_from(evidence).where(*where)))[0][0]
        statement = (
            select(evidence.c.event_id, evidence.c.sealed)
            .where(*where)
            .order_by(evidence.c.at_ms, evidence.c.event_id)
            .limit(1)
            .offset(item - 1)
        )
        rows = await self._database.fetch(statement)
        return (int(count), rows[0][0], rows[0][1]) if rows else (int(count), "", None)

    async def kept(self, event_id: str) -> bytes | None:
        """Return one removed message as it was sealed, None if no copy is kept."""
        where = evidence.c.homeserver == self._homeserver, evidence.c.event_id == event_id
        rows = await self._database.fetch(select(evidence.c.sealed).where(*where))
        return rows[0][0] if rows else None

    async def removed_edits(self, event_ids: Sequence[str]) -> set[str]:
        """Return which of these messages were edits that we removed: once empty, nothing else tells."""
        found: set[str] = set()
        for start in range(0, len(event_ids), _IDS_AT_ONCE):
            some = event_ids[start : start + _IDS_AT_ONCE]
            statement = select(evidence.c.event_id).where(
                evidence.c.homeserver == self._homeserver, evidence.c.event_id.in_(some), evidence.c.of_event != ""
            )
            found |= {row[0] for row in await self._database.fetch(statement)}
        return found

    async def in_force(self) -> StoredPolicy | None:
        """Return the policy that was applied last, None if none ever was."""
        columns = (in_force.c.policy, in_force.c.policy_name, in_force.c.people, in_force.c.people_name)
        statement = select(*columns, in_force.c.settled, in_force.c.unguarded, in_force.c.layers)
        rows = await self._database.fetch(statement.where(in_force.c.homeserver == self._homeserver))
        if not rows:
            return None
        policy, policy_name, people, people_name, settled, unguarded, layers = rows[0]
        return StoredPolicy(policy, policy_name, people, people_name, bool(settled), bool(unguarded), layers)

    async def applied_plans(self, community: str) -> list[dict[str, Any]]:
        """Return the rows of what was applied to a community, oldest first, without plans and policies."""
        shown = ("number", "at_ms", "summary", "after", "undoes", "undone_by")
        columns = [*(applied_plans.c[name] for name in shown), applied_plans.c.policy.is_not(None)]
        statement = (
            select(*columns)
            .where(applied_plans.c.homeserver == self._homeserver, applied_plans.c.community == community)
            .order_by(applied_plans.c.at_ms, applied_plans.c.number)
        )
        rows = await self._database.fetch(statement)
        return [dict(zip((*shown, "follows"), row, strict=True)) for row in rows]

    async def applied_plan(self, community: str, number: int) -> dict[str, Any]:
        """Return the whole row of one that is there."""
        statement = select(applied_plans).where(
            applied_plans.c.homeserver == self._homeserver,
            applied_plans.c.community == community,
            applied_plans.c.number == number,
        )
        rows = await self._database.fetch(statement)
        return dict(zip(applied_plans.c.keys(), rows[0], strict=True))

    async def position(self, name: str) -> str | None:
        statement = select(positions.c.value).where(
            positions.c.homeserver == self._homeserver, positions.c.name == name
        )
        rows = await self._database.fetch(statement)
        return rows[0][0] if rows else None

    async def positions_below(self, prefix: str) -> list[tuple[str, str]]:
        """Return (name, value) of all words that were kept under names that begin like this."""
        statement = select(positions.c.name, positions.c.value).where(
            positions.c.homeserver == self._homeserver, positions.c.name.startswith(prefix, autoescape=True)
        )
        return [(name, value) for name, value in await self._database.fetch(statement)]

    async def counts(self) -> Counts:
        states = dict(
            await self._database.fetch(
                select(journal.c.state, func.count()).where(journal.c.state != "done").group_by(journal.c.state)
            )
        )
        aside = await self._database.fetch(select(func.count(func.distinct(set_aside.c.input_id))))
        queued = await self._database.fetch(
            select(func.count(), func.min(outbox.c.created_ms)).where(outbox.c.state == "queued")
        )
        refused = await self._database.fetch(select(func.count()).where(outbox.c.state == "refused"))
        total = await self._database.fetch(select(func.max(journal.c.seq)))
        return Counts(
            pending=states.get("pending", 0),
            set_aside=aside[0][0],
            queued=queued[0][0],
            oldest_queued_ms=queued[0][1],
            refused=refused[0][0],
            journal=total[0][0] or 0,
        )

    async def audit_lines(self, lane: str) -> list[tuple[int, int, dict[str, Any]]]:
        """Return (n, at ms, line) of one lane's audit chain."""
        statement = select(audit.c.n, audit.c.at_ms, audit.c.line).where(audit.c.lane == lane).order_by(audit.c.n)
        return [(n, at, orjson.loads(line)) for n, at, line in await self._database.fetch(statement)]
