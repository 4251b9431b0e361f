"""The policy in force, read from the store: also while no service runs."""

from __future__ import annotations

from appservice.operations.errors import OperationFailed
from appservice.service.config import Config
from appservice.store import Database, Questions
from policies.layers import Layer, layers_from_json


async def policy_in_force(config: Config) -> tuple[bytes, str, tuple[Layer, ...]]:
    """Return the policy that was applied last, as it was written, the name of its file, and what was set in rooms.

    Raises `OperationFailed`.
    """
    nothing = "There is no policy in force: `inglenook apply FILE` puts one in force."
    if not config.store.exists():
        raise OperationFailed(nothing)
    database = Database(config.store)
    try:
        await database.open_to_read()
        stored = await Questions(database, config.homeserver.name).in_force()
    except Exception as error:  # locked, damaged, of another version
        raise OperationFailed(f"The store cannot be read ({type(error).__name__}).") from error
    finally:
        await database.close()
    if stored is None:
        raise OperationFailed(nothing)
    return stored.policy, stored.policy_name, layers_from_json(stored.layers)
