"""Make every SQLite connection of this process use synchronous=NORMAL: commits survive a crash, not a power loss.

Synapse has no setting for it, so this folder is put on PYTHONPATH when a homeserver is asked not to be durable.
"""

from __future__ import annotations

import sqlite3
from typing import Any

_connect = sqlite3.connect


def connect(*args: Any, **kwargs: Any) -> sqlite3.Connection:
    """Like `sqlite3.connect`, with one pragma set on the new connection."""
    connection = _connect(*args, **kwargs)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


sqlite3.connect = connect
