"""The plans that were proposed in rooms, as they are stored."""

from __future__ import annotations

from sqlalchemy import select

from appservice.store.database import Database
from appservice.store.schema import proposals as table


async def proposals(database: Database, homeserver: str) -> list[bytes]:
    """Return the records of all proposed plans of a homeserver, oldest first. Raises `StoreRefused`."""
    statement = select(table.c.record).where(table.c.homeserver == homeserver).order_by(table.c.number)
    return [row[0] for row in await database.fetch(statement)]
