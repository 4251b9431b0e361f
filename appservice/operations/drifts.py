"""What was changed by hand, read from the store: also while no service runs."""

from __future__ import annotations

from typing import Any, Final

from appservice.operations.errors import OperationFailed
from appservice.service.config import Config
from appservice.store import Database, read_drifts

#: The newest ones that are shown.
SHOWN: Final = 100


async def list_drifts(config: Config) -> list[dict[str, Any]]:
    """Return what somebody changed by hand, newest first, as the store has it. Raises `OperationFailed`."""
    if not config.store.exists():
        return []
    database = Database(config.store)
    try:
        await database.open_to_read()
        return await read_drifts(database, config.homeserver.name, since_ms=0, limit=SHOWN)
    except Exception as error:  # locked, damaged, of another version
        raise OperationFailed(f"The store cannot be read ({type(error).__name__}).") from error
    finally:
        await database.close()
