"""The audit: hash chains that can forget people without breaking."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

import orjson
from sqlalchemy import Connection, insert, select

from appservice.store.commit import AuditLine
from appservice.store.schema import audit, audit_anchors, audit_names

_GENESIS = b"\x00" * 32
#: Names kept in memory with their commitments; beyond this the oldest are looked up again.
_NAMES_KEPT = 10_000


def line_hash(previous: bytes, at_ms: int, line: bytes) -> bytes:
    """The hash of a line (or of an anchor's heads) written at `at_ms` after the one whose hash is `previous`."""
    return sha256(previous + at_ms.to_bytes(8, "big", signed=True) + line).digest()


def commitment(salt: bytes, name: str) -> str:
    return sha256(salt + name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Chains:
    """Appends lines to the chains of all lanes. Belongs to the writer's thread; knows the heads."""

    def __init__(self) -> None:
        self._heads: dict[str, tuple[int, bytes]] = {}
        self._commitments: dict[str, str] = {}

    def forget_cached(self) -> None:
        """After a rollback: what was cached may not be in the database."""
        self._heads.clear()
        self._commitments.clear()

    def append(self, connection: Connection, lines: Iterable[AuditLine], now_ms: int) -> None:
        rows = []
        for entry in lines:
            line = dict(entry.line)
            if entry.person is not None:
                line["person"] = self._commit_to(connection, entry.person)
            encoded = orjson.dumps(line, option=orjson.OPT_SORT_KEYS)
            n, previous = self._head(connection, entry.lane)
            head = (n + 1, line_hash(previous, now_ms, encoded))
            self._heads[entry.lane] = head
            rows.append({"lane": entry.lane, "n": head[0], "at_ms": now_ms, "line": encoded, "hash": head[1]})
        if rows:
            connection.execute(insert(audit), rows)

    def _head(self, connection: Connection, lane: str) -> tuple[int, bytes]:
        if lane not in self._heads:
            row = connection.execute(
                select(audit.c.n, audit.c.hash).where(audit.c.lane == lane).order_by(audit.c.n.desc()).limit(1)
            ).first()
            self._heads[lane] = (row.n, row.hash) if row else (0, _GENESIS)
        return self._heads[lane]

    def _commit_to(self, connection: Connection, name: str) -> str:
        if name not in self._commitments:
            if len(self._commitments) >= _NAMES_KEPT:
                self._commitments.clear()
            found = connection.execute(select(audit_names.c.commitment).where(audit_names.c.name == name)).scalar()
            if found is None:
                salt = secrets.token_bytes(16)
                found = commitment(salt, name)
                connection.execute(insert(audit_names), {"commitment": found, "name": name, "salt": salt})
            self._commitments[name] = found
        return self._commitments[name]


def anchor(connection: Connection, now_ms: int) -> str | None:
    """Chain the heads that moved since the last anchor; return the root as hex for the log, None if nothing moved."""
    last = connection.execute(select(audit_anchors).order_by(audit_anchors.c.n.desc()).limit(1)).first()
    known: dict[str, int] = {}
    for row in connection.execute(select(audit_anchors.c.heads).order_by(audit_anchors.c.n)):
        known |= {lane: n for lane, (n, _) in orjson.loads(row.heads).items()}
    heads = {}
    for row in connection.execute(select(audit.c.lane, audit.c.n, audit.c.hash).order_by(audit.c.lane, audit.c.n)):
        if row.n > known.get(row.lane, 0):
            heads[row.lane] = [row.n, row.hash.hex()]
    if not heads:
        return None
    encoded = orjson.dumps(heads, option=orjson.OPT_SORT_KEYS)
    root = line_hash(last.root if last else _GENESIS, now_ms, encoded)
    connection.execute(
        insert(audit_anchors), {"n": (last.n if last else 0) + 1, "at_ms": now_ms, "heads": encoded, "root": root}
    )
    return root.hex()


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found: how many lanes and lines are sound, and what is not, in words."""

    lanes: int
    lines: int
    anchors: int
    problems: tuple[str, ...]


def verify(connection: Connection) -> Verification:
    """Recompute every chain and anchor. Reads only."""
    problems: list[str] = []
    wanted: dict[tuple[str, int], str] = {}
    root, anchors = _GENESIS, 0
    for row in connection.execute(select(audit_anchors).order_by(audit_anchors.c.n)):
        anchors += 1
        expected = _hash_of(root, row.at_ms, row.heads)
        if row.n != anchors or expected is None or expected != row.root:
            problems.append(f"anchor {row.n} was changed, or one before it is missing")
        else:
            wanted |= {(lane, n): value for lane, (n, value) in orjson.loads(row.heads).items()}
        root = row.root if isinstance(row.root, bytes) else _GENESIS
    at: dict[str, tuple[int, bytes]] = {}
    hashes: dict[tuple[str, int], str] = {}
    lines = 0
    for row in connection.execute(select(audit).order_by(audit.c.lane, audit.c.n)):
        n, previous = at.get(row.lane, (0, _GENESIS))
        lines += 1
        expected = _hash_of(previous, row.at_ms, row.line)
        if row.n != n + 1:
            problems.append(f"lane {row.lane}: line {n + 1} is missing")
        elif expected is None or expected != row.hash:
            problems.append(f"lane {row.lane}: line {row.n} was changed")
        at[row.lane] = (row.n, row.hash if isinstance(row.hash, bytes) else _GENESIS)
        if (row.lane, row.n) in wanted and isinstance(row.hash, bytes):
            hashes[(row.lane, row.n)] = row.hash.hex()
    for (lane, n), value in sorted(wanted.items()):
        if hashes.get((lane, n)) != value:
            problems.append(f"lane {lane}: line {n} does not match its anchor")
    return Verification(len(at), lines, anchors, tuple(problems))


def _hash_of(previous: bytes, at_ms: object, line: object) -> bytes | None:
    """The hash that these values have, None if one of them is not even of its type."""
    if isinstance(at_ms, int) and isinstance(line, bytes) and -(2**63) <= at_ms < 2**63:
        return line_hash(previous, at_ms, line)
    return None
