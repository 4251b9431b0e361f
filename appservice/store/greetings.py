"""What people were told of groups that they came into, as it is stored."""

from __future__ import annotations

from sqlalchemy import select

from appservice.store.database import Database
from appservice.store.schema import greetings as table


async def greetings(database: Database, homeserver: str, since_ms: int) -> list[tuple[str, str, str, int]]:
    """Return (user id, group, hash of what was said, at ms) of what was said since `since_ms`. Raises `StoreRefused`."""
    columns = (table.c.user_id, table.c.grp, table.c.said, table.c.at_ms)
    statement = select(*columns).where(table.c.homeserver == homeserver, table.c.at_ms >= since_ms)
    return [(user, group, said, at) for user, group, said, at in await database.fetch(statement)]
