"""Checks the audit of a store, beside a running service or without one."""

from __future__ import annotations

from appservice.operations.errors import OperationFailed
from appservice.service.config import Config
from appservice.store import Database, StoreRefused, Verification, verify


async def verify_audit(config: Config) -> Verification:
    """Return what recomputing all chains found. Raises `OperationFailed` where there is no readable store."""
    if not config.store.exists():
        raise OperationFailed(f"{config.store} does not exist: the service has not run with this configuration yet.")
    database = Database(config.store)
    try:
        await database.open_to_read()
        return await database.run(verify)
    except StoreRefused as error:
        raise OperationFailed(f"{config.store} cannot be read ({error.reason}).") from None
    finally:
        await database.close()
