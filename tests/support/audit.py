"""What a service wrote into its audit, read beside it."""

from __future__ import annotations

from appservice.flow import Lane
from appservice.service.config import Config
from appservice.store import Database, Questions


async def decided(config: Config, room_id: str, effect_type: str) -> list[str]:
    """The inputs for which an effect of a type was decided in one room's lane, in the order of the audit."""
    database = Database(config.store)
    try:
        await database.open_to_read()
        name = config.homeserver.name
        lines = await Questions(database, name).audit_lines(str(Lane(name, room_id)))
        return [line["input"] for _, _, line in lines if line.get("decided") == effect_type]
    finally:
        await database.close()
