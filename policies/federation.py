"""Of which servers people can take part: in the community, in a group, in each room; and what a homeserver is told of it.

A group takes part in what the community opens, or in less of it. A closed group never leaves its homeserver, nor does a
group of high risk, nor a room of the house.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from policies.defaults import FEDERATED_KINDS, FEDERATED_TIERS, Federation
from policies.schema import Group, Policy

__all__ = [
    "Reach",
    "homeserver_settings",
    "host_of",
    "reach_of_community",
    "reach_of_group",
    "same_server",
    "settings_for",
    "shared_groups",
    "stays_by_nature",
]


@dataclass(frozen=True, slots=True)
class Reach:
    """Of which servers people can be in a room: of `home` (a server's name), and by `mode` of others.

    servers: the partners, where `mode` is partners; deny: who is kept out, where it is open. Both are sorted.
    """

    home: str
    mode: Federation = "closed"
    servers: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()

    @property
    def federates(self) -> bool:
        """Whether people of any other server can take part."""
        return self.mode != "closed"

    def lets(self, user_id: str) -> bool:
        """Return whether a person (`@user:server`) may be there, as far as their server goes."""
        return self.admits(user_id.partition(":")[2])

    def admits(self, server: str) -> bool:
        """Return whether people of a server may be there, however its name is written (`same_server`)."""
        if server == self.home:
            return True
        if self.mode == "open":
            # A server list knows no ports, so neither does this: what is kept out is kept out on every port.
            return host_of(server) not in map(host_of, self.deny)
        return any(same_server(server, one) for one in self.servers)

    def covers(self, other: Reach) -> bool:
        """Return whether people of every server that `other` admits are admitted here."""
        if other.mode == "open":
            return self.mode == "open" and set(map(host_of, self.deny)) <= set(map(host_of, other.deny))
        return all(map(self.admits, other.servers))

    def server_acl(self) -> dict[str, object]:
        """Return the content of `m.room.server_acl`.

        Server lists are compared with names without their ports (specification, `m.room.server_acl`). Synapse itself
        looks for its own name with its port before it accepts a list.
        """
        own = list(dict.fromkeys((self.home, host_of(self.home))))
        if self.mode == "open":
            return {"allow": ["*"], "deny": sorted(set(map(host_of, self.deny))), "allow_ip_literals": False}
        others = sorted(set(map(host_of, self.servers)))
        return {"allow": [*own, *(one for one in others if one not in own)], "deny": [], "allow_ip_literals": False}


def reach_of_community(policy: Policy) -> Reach:
    """Return the widest reach of any room of a community."""
    said, home = policy.community.federation, policy.community.server
    if said is None:
        return Reach(home)
    return Reach(home, said.mode, _sorted(said.servers), _sorted(said.deny))


def stays_by_nature(group: Group) -> bool:
    """Return whether a group never leaves its homeserver, whatever a policy says."""
    return group.kind not in FEDERATED_KINDS or group.tier not in FEDERATED_TIERS


def reach_of_group(policy: Policy, group: Group) -> Reach:
    """Return of which servers people can be in a group: what the community lets in, or less where the group says so."""
    whole = reach_of_community(policy)
    if stays_by_nature(group) or not whole.federates:
        return Reach(whole.home)
    said = group.federation
    if said is None or said.mode == "open":
        return whole
    if said.mode == "closed":
        return Reach(whole.home)
    return Reach(whole.home, "partners", _sorted(said.servers) or whole.servers)


def shared_groups(policy: Policy) -> tuple[str, ...]:
    """Return the ids of the groups that leave the homeserver, sorted."""
    return tuple(
        group_id for group_id, group in sorted(policy.groups.items()) if reach_of_group(policy, group).federates
    )


def homeserver_settings(reach: Reach) -> Mapping[str, Any]:
    """Return what Synapse is told of a community's reach: key by key as in its configuration."""
    return settings_for(None if reach.mode == "open" else reach.servers)


def settings_for(servers: tuple[str, ...] | None) -> Mapping[str, Any]:
    """Return what Synapse is told so that it talks to these servers, None for any.

    Its list is compared with whole names, ports included. Who is signed in, and so the service, may read it.
    """
    return {
        "federation_domain_whitelist": None if servers is None else sorted(servers),
        "federation_whitelist_endpoint_enabled": True,
        **_NOTHING_ELSE,
    }


#: Stays so however far a community opens: nobody elsewhere looks up who is here, which devices they have, or which rooms.
_NOTHING_ELSE: Final[Mapping[str, Any]] = {
    "allow_profile_lookup_over_federation": False,
    "allow_device_name_lookup_over_federation": False,
    "allow_public_rooms_over_federation": False,
}


def host_of(server: str) -> str:
    """Return the host that a server's name leads to: one name for all its spellings, in capitals or with a last dot."""
    return server.partition(":")[0].rstrip(".").lower()


def same_server(one: str, other: str) -> bool:
    """Return whether two names lead to the same server; its port counts."""
    return host_of(one) == host_of(other) and one.partition(":")[2] == other.partition(":")[2]


def _sorted(servers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(servers)))
