"""Newcomers, and the words that they sent for reading, as they are stored."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from appservice.store.database import Database
from appservice.store.schema import held_words, newcomers


async def read_newcomers(database: Database, homeserver: str) -> list[bytes]:
    """Return the records of all who were new to a group. Raises `StoreRefused`."""
    statement = select(newcomers.c.record).where(newcomers.c.homeserver == homeserver)
    return [row[0] for row in await database.fetch(statement)]


async def read_held_words(database: Database, homeserver: str) -> list[dict[str, Any]]:
    """Return what waits, or goes somewhere, oldest first; not the words. Raises `StoreRefused`."""
    columns = [one for one in held_words.c if one.name not in ("homeserver", "sealed")]
    statement = select(*columns).where(held_words.c.homeserver == homeserver).order_by(held_words.c.at_ms)
    names = [one.name for one in columns]
    return [dict(zip(names, row, strict=True)) for row in await database.fetch(statement)]


async def sealed_words(database: Database, homeserver: str, words_id: str) -> bytes | None:
    """Return words as they are sealed, None once they are done with. Raises `StoreRefused`."""
    statement = select(held_words.c.sealed).where(held_words.c.homeserver == homeserver, held_words.c.id == words_id)
    rows = await database.fetch(statement)
    return rows[0][0] if rows else None
