"""What Synapse must be told so that its public list of rooms shows what a policy lists, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.intent import publish_of
from policies.schema import Policy

__all__ = ["directory_settings", "lists_rooms"]


def lists_rooms(policy: Policy) -> bool:
    """Return whether a policy has any group in the public list of rooms."""
    return any(publish_of(policy, group) == "directory" for group in policy.groups.values())


def directory_settings(steward: str, *, listing: bool = True) -> Mapping[str, Any]:
    """Return the settings, key by key as in Synapse's configuration.

    steward: the only account (`@user:server`) that may put rooms into the list, if any may. Who is not signed in never
    sees it, nor do other servers: that is in `policies.federation`.
    """
    allowed = [{"action": "allow", "user_id": steward}] if listing else []
    return {
        "enable_room_list_search": listing,
        "allow_public_rooms_without_auth": False,
        "room_list_publication_rules": [*allowed, {"action": "deny"}],
    }
