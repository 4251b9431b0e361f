"""One SQLite file, one writer thread with group commit, many readers.

Whoever commits waits for the disk; all who wait share the next transaction. Reads go through aiosqlite on a
connection of their own, which WAL keeps out of the writer's way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite
import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool
from sqlalchemy.sql import Executable

from appservice.deathpoints import reach
from appservice.store import audit
from appservice.store.commit import Commit
from appservice.store.writing import write

log = structlog.get_logger()
T = TypeVar("T")

#: Seconds until a refused commit that must be made is tried again.
_AGAIN_S = 1.0
#: ms that a statement waits for a lock held by somebody else before the commit is refused.
BUSY_TIMEOUT_MS = 2000
_DIALECT = sqlite.dialect(paramstyle="qmark")


class StoreRefused(Exception):
    """The database could not take a commit: nothing of it is written. `reason` is for people: `disk full`, …"""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Database:
    """Opens the file at `path` (which must be migrated). `durability` is `full` (survives power loss) or `normal`
    (survives our death, for demos). Close it with `close()`."""

    def __init__(self, path: Path, durability: str = "full") -> None:
        self.path = path
        self._durability = durability
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-writer")
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._waiting: list[tuple[Commit, asyncio.Future[None]]] = []
        self._draining: asyncio.Task[None] | None = None
        self._chains = audit.Chains()
        self.refusing: str | None = None
        self.commits = 0

    async def open(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open, False)
        await self._open_reader()

    async def open_to_read(self) -> None:
        """Open a file that another process may be writing; every commit is refused."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._open, True)
        await self._open_reader()

    async def _open_reader(self) -> None:
        self._reader = await aiosqlite.connect(f"file:{self.path}?mode=ro", uri=True)
        await self._reader.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")

    async def close(self) -> None:
        if self._draining is not None:
            await asyncio.wait([self._draining])
        if self._reader is not None:
            await self._reader.close()
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    # -- writing ---------------------------------------------------------------------------------------------------

    async def commit(self, commit: Commit) -> None:
        """Return when `commit` is on disk. Raises `StoreRefused`: then nothing of it is."""
        if commit.empty:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((commit, done))
        if self._draining is None:
            self._draining = asyncio.create_task(self._drain())
        await done

    async def insist(self, commit: Commit) -> None:
        """Commit, again and again while that is refused: for what has happened already and must not be forgotten."""
        while True:
            try:
                await self.commit(commit)
            except StoreRefused:
                await asyncio.sleep(_AGAIN_S)
            else:
                return

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                try:
                    await loop.run_in_executor(self._thread, self._write, [commit for commit, _ in batch])
                except StoreRefused as error:
                    for _, done in batch:
                        if not done.done():
                            done.set_exception(error)
                except Exception:
                    await self._one_by_one(batch)
                else:
                    for _, done in batch:
                        if not done.done():
                            done.set_result(None)
        finally:
            self._draining = None

    async def _one_by_one(self, batch: Sequence[tuple[Commit, asyncio.Future[None]]]) -> None:
        """One commit's rows were unfit: it alone must fail, not those who shared its transaction."""
        loop = asyncio.get_running_loop()
        for commit, done in batch:
            try:
                await loop.run_in_executor(self._thread, self._write, [commit])
            except StoreRefused as error:
                outcome: Exception | None = error
            except Exception as error:
                log.error("commit_unfit", error=type(error).__name__)
                outcome = StoreRefused("unfit rows")
            else:
                outcome = None
            if not done.done():
                if outcome is None:
                    done.set_result(None)
                else:
                    done.set_exception(outcome)

    def _write(self, commits: Sequence[Commit]) -> None:
        connection = self._writer()
        try:
            with connection.begin():
                for commit in commits:
                    write(connection, commit, self._chains, time.time_ns() // 1_000_000)
                reach("journal-before-commit")
        except DBAPIError as error:
            self._chains.forget_cached()
            reason = _reason(error)
            if reason is None:
                raise
            if self.refusing != reason:
                log.error("store_refuses", reason=reason)
            self.refusing = reason
            raise StoreRefused(reason) from None
        except BaseException:
            self._chains.forget_cached()
            raise
        self.commits += 1
        if self.refusing is not None:
            log.info("store_accepts_again")
            self.refusing = None
        reach("journal-after-commit")

    # -- reading ---------------------------------------------------------------------------------------------------

    async def fetch(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the rows (as tuples) of a Core select, read beside the writer."""
        if self._reader is None:
            raise StoreRefused("closed")
        sql, parameters = _compiled(statement, values or {})
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except aiosqlite.Error as error:
            raise StoreRefused(type(error).__name__) from None

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on the writer's thread in a transaction of its own; for rare, larger work."""

        def in_transaction() -> T:
            connection = self._writer()
            with connection.begin():
                return work(connection)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, in_transaction)
        except SQLAlchemyError as error:
            raise StoreRefused(type(error).__name__) from None

    async def truncate_log(self) -> bool:
        """Bring the WAL into the file and cut it, so that purged text is on no disk block of ours; say if it worked."""

        def checkpoint() -> bool:
            raw = self._writer().connection.dbapi_connection
            if raw is None:
                return False
            busy = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return bool(busy and busy[0] == 0)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, checkpoint)
        except Exception as error:  # a reader in the way, a full disk: the next turn does it
            log.warning("log_not_truncated", error=type(error).__name__)
            return False

    # -- the writer's thread ---------------------------------------------------------------------------------------

    def _open(self, read_only: bool) -> None:
        location = f"file:{self.path}?mode=ro&uri=true" if read_only else str(self.path)
        engine = create_engine(f"sqlite:///{location}", poolclass=StaticPool, connect_args={"check_same_thread": False})

        @event.listens_for(engine, "connect")
        def prepare(raw: Any, _record: object) -> None:
            raw.isolation_level = None  # we begin transactions ourselves, below
            if read_only:
                return
            cursor = raw.cursor()
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute(f"PRAGMA synchronous={'FULL' if self._durability == 'full' else 'NORMAL'}")
            cursor.execute("PRAGMA secure_delete=ON")
            cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            cursor.execute("PRAGMA journal_size_limit=67108864")
            cursor.close()

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

        self._engine = engine
        self._connection = engine.connect()

    def _writer(self) -> Connection:
        if self._connection is None:
            raise StoreRefused("closed")
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None


def _compiled(statement: Executable, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    compiled = statement.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})  # type: ignore[attr-defined]
    parameters = compiled.construct_params(dict(values))
    return compiled.string, [parameters[name] for name in compiled.positiontup or ()]


def _reason(error: DBAPIError) -> str | None:
    """The words for a refusal that may pass, None for an error in the rows themselves."""
    text = str(error.orig).lower()
    if "full" in text:
        return "disk full"
    if "locked" in text or "busy" in text:
        return "database locked"
    if "readonly" in text or "read-only" in text:
        return "read-only file"
    if "i/o" in text or "unable to open" in text:
        return "disk error"
    return None
