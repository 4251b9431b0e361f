"""How far the homeserver is open to other servers, as far as it can be seen from here: its configuration is not ours."""

from __future__ import annotations

from typing import Any

from appservice.matrix import HomeserverClient, Rejected
from policies.observed import HomeserverReach

#: How many calls a look takes.
CALLS = 2
_LIST = "/_synapse/client/v1/config/federation_whitelist"
_VERSION = "/_matrix/federation/v1/version"

__all__ = ["CALLS", "openness"]


async def openness(client: HomeserverClient) -> HomeserverReach:
    """Ask the homeserver whom it talks to, and whether it answers other servers where we reach it.

    Raises `Unreachable`, and `Rejected` where it may answer otherwise later.
    """
    version, said = await _asked(client, _VERSION), await _asked(client, _LIST)
    answers = isinstance(version.get("server"), dict)
    listed = said.get("whitelist")
    if not isinstance(said.get("whitelist_enabled"), bool) or not isinstance(listed, list):
        return HomeserverReach(answers, told=False)
    servers = tuple(sorted(one for one in listed if isinstance(one, str))) if said["whitelist_enabled"] else None
    return HomeserverReach(answers, told=True, servers=servers)


async def _asked(client: HomeserverClient, path: str) -> dict[str, Any]:
    try:
        answer = await client.call("GET", path)
    except Rejected as error:
        if error.temporary:
            raise
        return {}
    return answer if isinstance(answer, dict) else {}
