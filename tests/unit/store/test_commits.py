"""Commits: all of one or nothing, many in one transaction, an unfit one alone."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.store import AuditLine, Commit, Database, Questions, StoreRefused, database
from tests.support.house import SERVER, fresh_store


def row(input_id: str, state: str = "done", body: bytes | None = None) -> dict[str, Any]:
    return {
        "homeserver": SERVER,
        "input_id": input_id,
        "room_id": "!room",
        "origin": "push",
        "state": state,
        "origin_ts": 1,
        "received_ms": 2,
        "body": body,
    }


def effect(key: str, **also: Any) -> dict[str, Any]:
    return {
        "key": key,
        "homeserver": SERVER,
        "source": "$1",
        "type": "redact",
        "merge_key": None,
        "state": "queued",
        "record": b"{}",
        "attempts": 0,
        "created_ms": 1,
        "settled_ms": None,
        **also,
    }


def position(name: str, value: str) -> dict[str, Any]:
    return {"homeserver": SERVER, "name": name, "value": value}


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(fresh_store(tmp_path), "normal")
    await made.open()
    yield made
    await made.close()


@pytest.fixture
def questions(store: Database) -> Questions:
    return Questions(store, SERVER)


def read(store: Database, sql: str) -> list[tuple[Any, ...]]:
    """Rows as another process sees them."""
    with closing(sqlite3.connect(store.path)) as connection:
        return connection.execute(sql).fetchall()


def has(store: Database, table: str) -> int:
    return int(read(store, f"SELECT count(*) FROM {table}")[0][0])


async def test_those_who_wait_together_share_a_transaction(store: Database) -> None:
    await asyncio.gather(*(store.commit(Commit(journal=[row(f"${n}")])) for n in range(200)))
    assert has(store, "journal") == 200
    assert store.commits <= 3


async def test_a_commit_is_on_disk_when_it_returns_and_not_only_in_memory(store: Database) -> None:
    await store.commit(Commit(journal=[row("$1")]))
    assert has(store, "journal") == 1


@pytest.mark.parametrize(("durability", "synchronous"), [("full", 2), ("normal", 1)])
async def test_the_disk_is_asked_for_as_much_safety_as_the_configuration_says(
    tmp_path: Path, durability: str, synchronous: int
) -> None:
    made = Database(fresh_store(tmp_path), durability)
    await made.open()
    try:
        for pragma, value in (("synchronous", synchronous), ("secure_delete", 1), ("journal_mode", "wal")):
            found = await made.run(lambda c, name=pragma: c.exec_driver_sql(f"PRAGMA {name}").scalar())  # type: ignore[misc]
            assert found == value
    finally:
        await made.close()


async def test_an_unfit_commit_fails_alone_and_those_beside_it_stand(store: Database) -> None:
    unfit = Commit(journal=[row("$unfit") | {"state": None}], positions=[position("also", "lost")])
    outcomes = await asyncio.gather(
        store.commit(Commit(journal=[row("$first")])),
        store.commit(Commit(journal=[row("$second")])),
        store.commit(unfit),
        store.commit(Commit(journal=[row("$third")])),
        return_exceptions=True,
    )
    assert [type(one) for one in outcomes] == [type(None), type(None), StoreRefused, type(None)]
    assert {one for (one,) in read(store, "SELECT input_id FROM journal")} == {"$first", "$second", "$third"}
    assert has(store, "positions") == 0


@pytest.mark.parametrize("unfit", ["\ud800", {"a": 1}, 2**70], ids=["surrogate", "a mapping", "too large a number"])
async def test_values_that_the_database_cannot_hold_refuse_their_commit_and_nothing_else(
    store: Database, unfit: Any
) -> None:
    with pytest.raises(StoreRefused):
        await store.commit(Commit(positions=[position("name", unfit)], journal=[row("$lost")]))
    await store.commit(Commit(positions=[position("name", "fit")]))
    assert read(store, "SELECT value FROM positions") == [("fit",)]
    assert has(store, "journal") == 0


async def test_a_commit_that_fails_late_writes_nothing_of_what_came_before(store: Database) -> None:
    commit = Commit(
        journal=[row("$1")],
        outbox=[effect("key")],
        audit=[AuditLine("lane", {"decided": "redact"}, "@sam:hearth.example")],
        positions=[position("name", "value") | {"value": None}],
    )
    with pytest.raises(StoreRefused):
        await store.commit(commit)
    assert [has(store, table) for table in ("journal", "outbox", "audit", "audit_names", "positions")] == [0] * 5


async def test_the_audit_goes_on_rightly_after_a_commit_that_was_rolled_back(store: Database) -> None:
    from appservice.store import verify

    await store.commit(Commit(audit=[AuditLine("lane", {"n": 1}, "@sam:hearth.example")]))
    with pytest.raises(StoreRefused):
        await store.commit(
            Commit(audit=[AuditLine("lane", {"n": 2}, "@new:hearth.example")], positions=[position("x", None)])  # type: ignore[arg-type]
        )
    await store.commit(Commit(audit=[AuditLine("lane", {"n": 3}, "@new:hearth.example")]))
    found = await store.run(verify)
    assert (found.lines, found.problems) == (2, ())
    assert has(store, "audit_names") == 2


async def test_an_input_that_is_known_is_not_journalled_again_and_keeps_its_state(store: Database) -> None:
    await store.commit(Commit(journal=[row("$1")]))
    await store.commit(Commit(journal=[row("$1", "pending", b"again"), row("$2")]))
    assert read(store, "SELECT input_id, state, body FROM journal ORDER BY seq") == [
        ("$1", "done", None),
        ("$2", "done", None),
    ]


async def test_the_same_id_on_another_homeserver_is_another_input(store: Database, questions: Questions) -> None:
    await store.commit(Commit(journal=[row("$1") | {"homeserver": "other.example"}]))
    assert await questions.known(["$1"]) == set()
    await store.commit(Commit(journal=[row("$1")]))
    assert has(store, "journal") == 2


async def test_an_effect_that_is_known_is_not_queued_again(store: Database) -> None:
    await store.commit(Commit(outbox=[effect("key")]))
    await store.commit(Commit(settled=[{"key": "key", "state": "done"}]))
    await store.commit(Commit(outbox=[effect("key")]))
    assert read(store, "SELECT state FROM outbox") == [("done",)]


async def test_known_finds_each_of_many_thousand_ids(store: Database, questions: Questions) -> None:
    await store.commit(Commit(journal=[row(f"${n}") for n in range(2500)]))
    asked = [f"${n}" for n in range(5000)]
    assert await questions.known(asked) == set(asked[:2500])


async def test_an_empty_commit_does_not_wait_for_the_disk(store: Database) -> None:
    await store.commit(Commit())
    assert store.commits == 0


async def test_what_was_handled_loses_its_text_in_the_same_transaction(store: Database) -> None:
    await store.commit(Commit(journal=[row("$1", "pending", b"Quillfeather")]))
    await store.commit(Commit(handled=[(SERVER, "$1")]))
    assert read(store, "SELECT state, body FROM journal") == [("done", None)]


async def test_old_rows_go_and_open_ones_stay(store: Database) -> None:
    old, new = {"received_ms": 10}, {"received_ms": 1000}
    await store.commit(
        Commit(
            journal=[row("$old") | old, row("$new") | new, row("$open", "pending", b"x") | old],
            outbox=[effect("old", settled_ms=10, state="done"), effect("open"), effect("new", settled_ms=1000)],
        )
    )
    await store.commit(Commit(forget_before_ms=500))
    assert {one for (one,) in read(store, "SELECT input_id FROM journal")} == {"$new", "$open"}
    assert {one for (one,) in read(store, "SELECT key FROM outbox")} == {"open", "new"}


async def test_a_waiter_who_gives_up_harms_nobody(store: Database) -> None:
    gone = asyncio.create_task(store.commit(Commit(journal=[row("$gone")])))
    stays = asyncio.create_task(store.commit(Commit(journal=[row("$stays")])))
    await asyncio.sleep(0)
    gone.cancel()
    await stays
    assert "$stays" in {one for (one,) in read(store, "SELECT input_id FROM journal")}


async def test_a_reader_of_the_file_refuses_to_write(store: Database) -> None:
    await store.commit(Commit(journal=[row("$1")]))
    reader = Database(store.path)
    await reader.open_to_read()
    try:
        assert (await Questions(reader, SERVER).counts()).journal == 1
        with pytest.raises(StoreRefused):
            await reader.commit(Commit(journal=[row("$2")]))
    finally:
        await reader.close()
    assert has(store, "journal") == 1


async def test_questions_before_opening_are_refused_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused):
        await Questions(Database(tmp_path / "x.db"), SERVER).known(["$1"])


async def test_a_locked_file_refuses_in_words_for_people_and_accepts_again(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.run(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout=50"))
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreRefused, match="database locked"):
            await store.commit(Commit(journal=[row("$1")]))
        assert store.refusing == "database locked"
        other.execute("ROLLBACK")
    await store.commit(Commit(journal=[row("$1")]))
    assert store.refusing is None
    assert has(store, "journal") == 1


async def test_a_full_disk_refuses_in_words_for_people_and_accepts_again(store: Database) -> None:
    await store.commit(Commit(journal=[row("$0")]))
    pages = read(store, "PRAGMA page_count")[0][0]
    await store.run(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}"))
    with pytest.raises(StoreRefused, match="disk full"):
        await store.commit(Commit(journal=[row("$1", "pending", b"x" * 100_000)]))
    assert store.refusing == "disk full"
    await store.run(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=1000000"))
    await store.commit(Commit(journal=[row("$1", "pending", b"x" * 100_000)]))
    assert store.refusing is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("database or disk is full", "disk full"),
        ("database is locked", "database locked"),
        ("attempt to write a readonly database", "read-only file"),
        ("disk I/O error", "disk error"),
        ("unable to open database file", "disk error"),
        ("UNIQUE constraint failed: audit.lane, audit.n", None),
        ("NOT NULL constraint failed: journal.state", None),
    ],
)
def test_what_may_pass_is_told_from_what_never_will(text: str, reason: str | None) -> None:
    from sqlalchemy.exc import DBAPIError

    assert database._reason(DBAPIError("INSERT", {}, sqlite3.OperationalError(text))) == reason
