"""The audit: what was changed, removed or cut off is found; who was forgotten is forgotten, and the chain is whole."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import Connection

from appservice.store import AuditLine, Commit, Database, Verification, anchor, verify
from tests.support.house import fresh_store

SAM = "@sam:hearth.example"


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(fresh_store(tmp_path), "normal")
    await made.open()
    for n in range(4):
        await made.commit(Commit(audit=[AuditLine("room a", {"decided": n}, SAM), AuditLine("room b", {"decided": n})]))
    yield made
    await made.close()


async def do(store: Database, sql: str) -> None:
    await store.run(lambda connection: connection.exec_driver_sql(sql))


async def verified(store: Database) -> Verification:
    return await store.run(verify)


async def test_untouched_chains_are_whole(store: Database) -> None:
    await store.run(lambda connection: anchor(connection, 1))
    found = await verified(store)
    assert found == Verification(lanes=2, lines=8, anchors=1, problems=())


TAMPERING = {
    "a line was changed": "UPDATE audit SET line = CAST('{\"decided\":9}' AS BLOB) WHERE lane = 'room a' AND n = 2",
    "a line was changed by hand, as text": "UPDATE audit SET line = '{}' WHERE lane = 'room a' AND n = 2",
    "a line was changed, and its hash": "UPDATE audit SET hash = zeroblob(32) WHERE lane = 'room a' AND n = 2",
    "the last line was changed": "UPDATE audit SET line = x'7b7d' WHERE lane = 'room a' AND n = 4",
    "the first line is missing": "DELETE FROM audit WHERE lane = 'room a' AND n = 1",
    "a line in the middle is missing": "DELETE FROM audit WHERE lane = 'room a' AND n = 2",
    "the end was cut off": "DELETE FROM audit WHERE lane = 'room a' AND n >= 3",
    "a whole chain is missing": "DELETE FROM audit WHERE lane = 'room b'",
    "a chain was given to another room": "UPDATE audit SET lane = 'room c' WHERE lane = 'room b'",
    "the time of a line was changed": "UPDATE audit SET at_ms = 5 WHERE lane = 'room a' AND n = 2",
    "an anchor was changed": "UPDATE audit_anchors SET heads = x'7b7d' WHERE n = 1",
    "an anchor was made unreadable": "UPDATE audit_anchors SET heads = x'00' WHERE n = 1",
    "the root of an anchor was changed": "UPDATE audit_anchors SET root = zeroblob(32) WHERE n = 1",
}


@pytest.mark.parametrize("sql", TAMPERING.values(), ids=TAMPERING)
async def test_tampering_is_found(store: Database, sql: str) -> None:
    await store.run(lambda connection: anchor(connection, 1))
    assert (await verified(store)).problems == ()
    await do(store, sql)
    assert (await verified(store)).problems != ()


async def test_a_line_that_was_removed_with_the_others_renumbered_is_found(store: Database) -> None:
    await do(store, "DELETE FROM audit WHERE lane = 'room a' AND n = 2")
    await do(store, "UPDATE audit SET n = 2 WHERE lane = 'room a' AND n = 3")
    await do(store, "UPDATE audit SET n = 3 WHERE lane = 'room a' AND n = 4")
    assert (await verified(store)).problems != ()


async def test_a_problem_names_its_chain_and_its_line(store: Database) -> None:
    await do(store, TAMPERING["a line was changed"])
    (problem,) = (await verified(store)).problems
    assert "room a" in problem
    assert "2" in problem


async def test_who_was_forgotten_is_forgotten_and_the_chain_is_whole(store: Database) -> None:
    await store.run(lambda connection: anchor(connection, 1))

    def named(connection: Connection) -> list[str]:
        return [row[0] for row in connection.exec_driver_sql("SELECT name FROM audit_names")]

    assert await store.run(named) == [SAM]
    await do(store, "DELETE FROM audit_names")
    assert (await verified(store)).problems == ()
    lines = await store.run(lambda c: c.exec_driver_sql("SELECT line FROM audit").fetchall())
    assert all(b"sam" not in bytes(line[0]) for line in lines)


async def test_one_person_has_one_commitment_and_it_cannot_be_guessed_from_the_name(tmp_path: Path) -> None:
    commitments = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        made = Database(fresh_store(tmp_path / folder), "normal")
        await made.open()
        for _ in range(2):
            await made.commit(Commit(audit=[AuditLine("lane", {"x": 1}, SAM)]))
        rows = await made.run(lambda c: c.exec_driver_sql("SELECT commitment FROM audit_names").fetchall())
        assert len(rows) == 1
        commitments.append(rows[0][0])
        await made.close()
    assert commitments[0] != commitments[1]


async def test_chains_go_on_over_a_restart(store: Database, tmp_path: Path) -> None:
    again = Database(store.path, "normal")
    await again.open()
    try:
        await again.commit(Commit(audit=[AuditLine("room a", {"decided": "later"}, SAM)]))
        found = await again.run(verify)
        assert (found.lines, found.problems) == (9, ())
    finally:
        await again.close()


async def test_only_heads_that_moved_are_anchored_and_nothing_is_said_twice(store: Database) -> None:
    first = await store.run(lambda connection: anchor(connection, 1))
    assert first is not None
    assert await store.run(lambda connection: anchor(connection, 2)) is None
    await store.commit(Commit(audit=[AuditLine("room b", {"decided": "later"})]))
    second = await store.run(lambda connection: anchor(connection, 3))
    assert second not in (None, first)
    heads = await store.run(lambda c: c.exec_driver_sql("SELECT heads FROM audit_anchors WHERE n = 2").scalar())
    assert heads is not None
    assert b"room a" not in heads
    assert (await verified(store)).anchors == 2
