"""Brings a store to this version's schema. Alembic is loaded only when there is something to do, and then in a process
of its own: the service would carry its memory for ever."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

#: The newest migration's revision; a test compares it with Alembic's own head.
HEAD = "0014"


class StoreTooNew(Exception):
    """The file was written by a later version of Inglenook; nothing was touched."""


def revision(path: Path) -> str | None:
    """Return the schema revision of the file at `path`, None if it is new."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError:
            raise RuntimeError(f"{path.name} is not a store of Inglenook: put a copy of the store back") from None
    return str(row[0]) if row else None


def ensure_current(path: Path) -> None:
    """Migrate the file at `path` if it needs it. Raises `StoreTooNew`, or RuntimeError when a migration fails."""
    now = revision(path)
    if now == HEAD:
        return
    if now is not None and now > HEAD:
        raise StoreTooNew(f"the store has schema {now}, this version knows up to {HEAD}: install the newer version")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    done = subprocess.run(  # noqa: S603 - our own module, no shell
        [sys.executable, "-m", "appservice.store.migrate", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        raise RuntimeError(f"the store could not be migrated: {last[0]}")


def upgrade(path: Path) -> None:
    """Run all missing migrations on the file at `path`, in this process."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    path.touch(mode=0o600)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    engine.dispose()


if __name__ == "__main__":
    upgrade(Path(sys.argv[1]))
