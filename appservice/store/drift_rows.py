"""What was changed by hand, as rows."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from appservice.store.database import Database
from appservice.store.schema import drifts


async def read_drifts(database: Database, homeserver: str, *, since_ms: int, limit: int) -> list[dict[str, Any]]:
    """Return the rows of what somebody changed by hand since `since_ms`, newest first."""
    columns = [column for column in drifts.c if column.name != "homeserver"]
    statement = (
        select(*columns)
        .where(drifts.c.homeserver == homeserver, drifts.c.last_ms >= since_ms)
        .order_by(drifts.c.last_ms.desc(), drifts.c.event_id)
        .limit(limit)
    )
    names = [column.name for column in columns]
    return [dict(zip(names, row, strict=True)) for row in await database.fetch(statement)]
