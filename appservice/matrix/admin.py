"""The power of a server administrator, as one object with a short list of what it may be used for.

The application service's token is server admin (DESIGN, decision 11). Nothing else in the house builds an admin path;
each call leaves an audit line, before it is made.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal
from urllib.parse import quote

from appservice.flow import AuditSink
from appservice.matrix.client import HomeserverClient
from appservice.matrix.errors import Rejected

Attitude = Literal["open", "blocks", "ignores"]
#: The lane of the audit chain that admin calls are written to.
AUDIT_LANE = "admin"


class AdminCapability:
    """Admin calls, allow-listed: each public method is one entry of the list.

    `steward` acts. Raises `Unreachable` and `Rejected` like the client.
    """

    def __init__(self, client: HomeserverClient, steward: str, audit: AuditSink) -> None:
        self._client = client
        self._steward = steward
        self._audit = audit

    async def probe(self) -> bool:
        """Return whether the homeserver grants us the capability at all (under other account systems it does not).

        Asked with something that only an administrator is told: the version of the server Synapse tells everybody.
        """
        try:
            await self._call("GET", "/_synapse/admin/v1/background_updates/enabled", None)
        except Rejected as error:
            if error.status in {401, 403, 404}:
                return False
            raise
        return True

    async def join(self, room_id: str, user_id: str) -> None:
        """Join a local person to a room the steward is in. Who refuses us or left before must not be joined: the caller
        asks `attitude` first, since an administrator's invite passes a person's block."""
        await self._call("POST", f"/_synapse/admin/v1/join/{quote(room_id, safe='')}", {"user_id": user_id}, user_id)

    async def attitude(self, user_id: str, us: Collection[str]) -> Attitude:
        """Return how a local person stands towards `us` (user ids): `ignores` one of us, `blocks` invites (MSC4380,
        MSC4155), or neither (`open`)."""
        path = f"/_synapse/admin/v1/users/{quote(user_id, safe='')}/accountdata"
        answer = await self._call("GET", path, None, user_id)
        account_data = answer.get("account_data") if isinstance(answer, dict) else None
        entries = account_data.get("global") if isinstance(account_data, dict) else None
        if not isinstance(entries, dict):
            return "open"
        ignoring = entries.get("m.ignored_user_list")
        ignored = ignoring.get("ignored_users") if isinstance(ignoring, dict) else None
        if isinstance(ignored, dict) and any(one in ignored for one in us):
            return "ignores"
        simple = entries.get("m.invite_permission_config") or entries.get("org.matrix.msc4380.invite_permission_config")
        if isinstance(simple, dict) and simple.get("default_action") == "block":
            return "blocks"
        lists = entries.get("org.matrix.msc4155.invite_permission_config")
        blocking = isinstance(lists, dict) and bool(lists.get("blocked_users") or lists.get("blocked_servers"))
        return "blocks" if blocking else "open"

    async def _call(self, method: str, path: str, body: dict[str, Any] | None, person: str | None = None) -> Any:
        self._audit.note(AUDIT_LANE, {"admin": f"{method} {_shape(path)}"}, person)
        return await self._client.call(method, path, body, actor=self._steward)


def _shape(path: str) -> str:
    """The path without the identifiers in it: a name in a log is a name leaked."""
    return "/".join("*" if part.startswith(("%", "!", "@")) else part for part in path.split("/"))
