"""`flow.Rules` from a compiled policy, its people file, and the approvals given since."""

from __future__ import annotations

from appservice.flow import Approve, Effect
from appservice.store import Commit
from policies.defaults import ROOM_ADMIN_LEVEL
from policies.desired import DesiredCommunity
from policies.duties import duties_of
from policies.intent import approvers_of
from policies.ladders import DEPUTY, LEAD
from policies.people import People, Person
from policies.schema import Policy


class Standing:
    """Who may be where and do what in one community. Approvals are remembered in memory at once and in the store."""

    def __init__(self, homeserver: str, policy: Policy, community: DesiredCommunity, people: People) -> None:
        self._homeserver = homeserver
        self._policy = policy
        self._rooms = {room.key: room for room in community.rooms}
        self._community = community.id
        self._people = people
        self._approved: dict[str, set[str]] = {}

    def load(self, approvals: list[tuple[str, str, str]]) -> None:
        """Take (community, group, user id) of approvals given earlier."""
        for community, group, user_id in approvals:
            if community == self._community:
                self._approved.setdefault(user_id, set()).add(group)

    def approvals(self) -> list[tuple[str, str, str]]:
        """Return (community, group, user id) of all approvals, for a successor to `load`."""
        return [(self._community, group, user_id) for user_id, groups in self._approved.items() for group in groups]

    def people(self) -> People:
        """Return the people file's people with what was approved since: what a plan is made from."""
        merged = dict(self._people.by_id)
        for user_id, groups in self._approved.items():
            person = self._people.get(user_id)
            known = {group for group in groups if group in self._policy.groups}
            if known:
                merged[user_id] = Person(user_id, person.roles, person.groups | known)
        return People(merged)

    def approve(self, effect: Effect) -> Commit:
        """Note an approval; return its row."""
        assert isinstance(effect, Approve)
        self._approved.setdefault(effect.user_id, set()).add(effect.group)
        row = {
            "homeserver": self._homeserver,
            "community": effect.community,
            "grp": effect.group,
            "user_id": effect.user_id,
            "approved_by": effect.by,
            "source": effect.source,
        }
        return Commit(approvals=[row])

    # -- flow.Rules ------------------------------------------------------------------------------------------------

    def kind(self, community: str, group: str) -> str:
        room = self._rooms.get(group)
        return str(room.kind) if room is not None and community == self._community else ""

    def admits(self, community: str, group: str, user_id: str) -> bool:
        room = self._rooms.get(group)
        if room is None or community != self._community or not room.membership.lets(user_id):
            return False  # an approval opens no room to a server that the policy keeps out of it
        if room.membership.admits(self._people.get(user_id)):
            return True
        approved = self._approved.get(user_id, set())
        return not approved.isdisjoint(room.membership.groups)

    def can(self, community: str, user_id: str, duty: str) -> bool:
        if community != self._community:
            return False
        roles = self._people.get(user_id).roles
        return any(duty in duties_of(self._policy, role) for role in roles)

    def may_change(self, community: str, user_id: str, group: str = "") -> bool:
        """Who answers for safeguarding or runs the server may apply every policy; who looks after a group from level
        `ROOM_ADMIN_LEVEL` on may set what is set there."""
        if any(self.can(community, user_id, duty) for duty in ("operate", "safeguard")):
            return True
        if not group or not self.admits(community, group, user_id):
            return False
        held = self._people.get(user_id).roles
        roles = [self._policy.roles[name] for name in held if name in self._policy.roles]
        return any("moderate" in role.can and role.level >= ROOM_ADMIN_LEVEL for role in roles)

    def approves(self, community: str, group: str, user_id: str) -> bool:
        found = self._policy.groups.get(group)
        if community != self._community or found is None:
            return False
        return not self._people.get(user_id).roles.isdisjoint(approvers_of(self._policy, found))

    def owners(self, community: str) -> tuple[str, ...]:
        if community != self._community:
            return ()
        owners = self._policy.community.owners
        found = [*self._people.holders(owners.safeguarding_lead), *self._people.holders(owners.deputy)]
        return tuple(dict.fromkeys(found))

    def leads(self, community: str) -> tuple[str, ...]:
        lead = self._policy.community.owners.safeguarding_lead
        return self._people.holders(lead) if community == self._community else ()

    def holders(self, community: str, duty: str) -> tuple[str, ...]:
        if community != self._community:
            return ()
        roles = [name for name in self._policy.roles if duty in duties_of(self._policy, name)]
        return tuple(dict.fromkeys(user_id for role in roles for user_id in self._people.holders(role)))

    def holding(self, community: str, name: str) -> tuple[str, ...]:
        owners = self._policy.community.owners
        role = {LEAD: owners.safeguarding_lead, DEPUTY: owners.deputy}.get(name, name)
        return self._people.holders(role) if community == self._community else ()
