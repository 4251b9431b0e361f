"""How the service is: asked of the running process, or read from its store where none runs."""

from __future__ import annotations

from typing import Any

import aiohttp
from pydantic import BaseModel

from appservice.service.config import Config, load_registration
from appservice.service.vault_key import misused
from appservice.store import Database, Questions


class Status(BaseModel):
    """`problems` is empty when all is well. `live` is what the process says of itself, None if none answers;
    `store` what the store holds, None if it could not be read."""

    running: bool
    problems: list[str]
    live: dict[str, Any] | None
    store: dict[str, Any] | None

    @property
    def well(self) -> bool:
        return not self.problems


async def read_status(config: Config) -> Status:
    """Return the status of the service that `config` describes. Raises `BadConfiguration`."""
    problems: list[str] = []
    live = await live_status(config)
    if live is None:
        problems.append("the service does not run (or does not answer)")
        if (problem := misused(config)) is not None:
            problems.append(problem)
    else:
        problems += [str(problem) for problem in live.get("problems", [])]
    store = await _store(config)
    if store is None:
        problems.append("there is no store yet" if not config.store.exists() else "the store cannot be read")
    elif store["set_aside"]:
        problems.append(f"{store['set_aside']} inputs could not be handled and are set aside")
    return Status(running=live is not None, problems=problems, live=live, store=store)


async def live_status(config: Config) -> dict[str, Any] | None:
    """Return what the running service says of itself, None if none answers."""
    token = load_registration(config.registration).hs_token
    url = f"http://{config.listen.host}:{config.listen.port}/_inglenook/v1/status"
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
                data = await answer.json()
                return data if answer.status == 200 and isinstance(data, dict) else None
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return None


async def _store(config: Config) -> dict[str, Any] | None:
    if not config.store.exists():
        return None
    database = Database(config.store)
    try:
        await database.open_to_read()
        counts = await Questions(database, config.homeserver.name).counts()
    except Exception:  # locked, damaged, of another version: the one word "unreadable" is what helps
        return None
    finally:
        await database.close()
    return {
        "pending": counts.pending,
        "set_aside": counts.set_aside,
        "queued": counts.queued,
        "oldest_queued_ms": counts.oldest_queued_ms,
        "refused": counts.refused,
        "journal": counts.journal,
    }
