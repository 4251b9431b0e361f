"""Migrations: they end where the tables say, the service knows their newest, and a newer store is left alone."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from appservice.store import StoreTooNew, ensure_current, migrate
from appservice.store.migrate import HEAD, revision, upgrade
from appservice.store.schema import metadata


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def schema_of(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
        )
        return {(name, " ".join(sql.replace('"', "").split())) for name, sql in rows}


def test_the_migrations_end_in_exactly_the_tables_of_the_schema(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    upgrade(path)
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_migrated_store_has_the_partial_indexes_and_constraints_of_a_new_one(tmp_path: Path) -> None:
    """Alembic compares neither the condition of an index nor constraints on SQLite: the SQL itself is compared."""
    migrated, made = tmp_path / "migrated.db", tmp_path / "made.db"
    upgrade(migrated)
    engine = create_engine(f"sqlite:///{made}")
    metadata.create_all(engine)
    engine.dispose()
    indexes = {name for name, sql in schema_of(made) if sql.startswith("CREATE INDEX")}
    assert {one for one in schema_of(migrated) if one[0] in indexes} == {
        one for one in schema_of(made) if one[0] in indexes
    }
    assert {name for name, _ in schema_of(migrated)} == {name for name, _ in schema_of(made)}


def test_the_newest_migration_is_the_one_that_the_service_asks_for() -> None:
    assert scripts().get_current_head() == HEAD


def test_migrations_are_one_line_without_branches() -> None:
    assert len(scripts().get_heads()) == 1
    assert [one.revision for one in scripts().walk_revisions()][-1] == "0001"


def test_a_new_store_is_made_by_a_child_process_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "inglenook.db"
    program = (
        "import sys; from pathlib import Path; from appservice.store import ensure_current;"
        "ensure_current(Path(sys.argv[1])); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False", "the service must not carry Alembic"
    assert revision(path) == HEAD
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_current_store_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    upgrade(path)
    before = path.stat().st_mtime_ns
    ensure_current(path)
    assert path.stat().st_mtime_ns == before


def test_a_store_of_a_later_version_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    upgrade(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    before = path.read_bytes()
    with pytest.raises(StoreTooNew, match="install the newer version"):
        ensure_current(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_an_error_in_words(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"this is a letter and no database at all" * 100)
    with pytest.raises((RuntimeError, OSError)):
        ensure_current(path)
    assert path.read_bytes().startswith(b"this is a letter")


def test_a_migration_that_fails_says_why(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE journal (mine TEXT)")
    with pytest.raises(RuntimeError, match="could not be migrated"):
        ensure_current(path)
    assert revision(path) is None
