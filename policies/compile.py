"""A policy and its people to what the homeserver should hold. Pure, and the same for every order of keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Final

from policies.defaults import (
    DRIFT,
    FEDERATED_HISTORY,
    KINDS,
    MODERATION_LEVEL,
    ROOM_VERSION,
    SHARED_SPACE,
    SPACE_EVENTS_DEFAULT,
    SPACES,
    SYSTEM_ROOMS,
    TIERS,
    HistoryVisibility,
    JoinRule,
    SystemRoom,
    Tier,
)
from policies.desired import (
    MANAGED_TYPE,
    Content,
    DesiredCommunity,
    DesiredRoom,
    MembershipRule,
    RoomKey,
    RoomKind,
    SpaceChild,
    StateKey,
)
from policies.duties import duties_of
from policies.federation import Reach, reach_of_community, reach_of_group
from policies.governed_rooms import GOVERNED_LEVEL, governed_power_levels
from policies.intent import (
    drift_choices,
    first_messages_of,
    history_of,
    join_rule_of,
    pins_level_of,
    posting_level_of,
    publish_of,
    roles_in,
    weakenings,
    words_only,
)
from policies.keeping import kept
from policies.limits import Limits
from policies.listing import listed_mark
from policies.newcomers import TAKE_BACK
from policies.people import People, Person
from policies.schema import Group, Policy
from policies.times import Lifetime

_LATER_KEYS: Final = frozenset(
    {
        "code_of_conduct",
        "risk_assessment",
        "limits",
        "history",
        "posting",
        "pins",
        "capacity",
        "retention",
        "welcome",
        "escalation",
        "hours",
        "media",
        "membership",
        "join",
        "federation",
        "publish",
    }
)
"""Keys that came into the language after the first policies were in force, and may be left out."""

_FOR_EVER: Final = Lifetime(None)

__all__ = ["compile_community", "policy_digest"]


def policy_digest(policy: Policy) -> str:
    """Return `sha256:` and the hex digest of what the policy says.

    The same for any order of keys, spacing or comments, and for the same policy in another version of the language: a
    room of which nothing changes is not marked anew.
    """
    said = policy.model_dump(mode="json", by_alias=True)
    said["schema"] = 1
    del said["include"]  # in how many files it is written means nothing
    for group_id, group in policy.groups.items():
        lifetime = kept(group)
        said["groups"][group_id]["retention"] = str(lifetime) if lifetime != _FOR_EVER else None
    for role in said["roles"].values():
        role["can"] = sorted(role["can"])
    said["community"]["allowed_contacts"] = sorted(said["community"]["allowed_contacts"])
    for block in (said["community"], *said["groups"].values()):
        _sort_servers(block["federation"])
    if not said["rules"]:
        del said["rules"]  # who says nothing of them has the digest from before they could be named
    said["drift"] = {name: one for name, one in said["drift"].items() if one is not None}
    if not said["drift"]:
        del said["drift"]  # the same
    for block in (said, said["community"], *said["groups"].values()):
        for name in _LATER_KEYS & block.keys():
            if block[name] is None:
                del block[name]  # the same
    for group in said["groups"].values():
        for block in (group.get("membership"), group.get("join")):
            for name, roles in (block or {}).items():
                block[name] = sorted(roles)
        if isinstance(posting := group.get("posting"), dict):
            written = {name: value for name, value in posting.items() if value is not None}
            group["posting"] = written["who"] if written.keys() == {"who"} else written  # once it was only a word
    canonical = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"


def _sort_servers(federation: dict[str, list[str]] | None) -> None:
    for name in {"servers", "deny"} & (federation or {}).keys():
        assert federation is not None
        federation[name] = sorted(federation[name])


def compile_community(policy: Policy, people: People) -> DesiredCommunity:
    """Return the rooms that a policy wants, with the powers of the people who may be in them.

    The space is public if any group is open, else by invite for those approved for a group that it shows. It shows
    neither groups of tier high, nor closed ones if it is public: `children_state` of a public space gives a stranger
    their ids. What leaves the homeserver is shown by a second space, made likewise, which shows nothing else; the first
    one shows that space, never leaves, and is named in no room that does. Where a community federates, what nobody may
    learn of has no address: servers answer others what an address leads to, whatever the room says. People must have been checked against the policy (`load_people`): roles that it lacks carry no power.
    """
    return _Compiler(policy, people).community()


class _Compiler:
    def __init__(self, policy: Policy, people: People) -> None:
        self.policy = policy
        self.people = people
        self.digest = policy_digest(policy)
        self.groups = dict(sorted(policy.groups.items()))
        self.whole = reach_of_community(policy)
        self.reaches = {group_id: reach_of_group(policy, group) for group_id, group in self.groups.items()}
        self.space_is_public = any(group.kind == "open" for group in self.groups.values())
        # Few people have power, many are members: no room looks at all of them.
        self.powerful = tuple(
            (user_id, person, level)
            for user_id, person in sorted(people.by_id.items())
            if (level := self.level(person))
        )
        self.drift = {choice.aspect: choice.answer for choice in drift_choices(policy)}
        # Shown to partners is only what all of them may enter.
        self.shared = tuple(key for key, reach in self.reaches.items() if reach.federates and reach.covers(self.whole))
        self.shared_is_public = any(self.groups[key].kind == "open" for key in self.shared)
        self.federates = any(reach.federates for reach in self.reaches.values())
        self.shown = tuple(key for key, group in self.groups.items() if key not in self.shared and self.in_space(group))

    def community(self) -> DesiredCommunity:
        return DesiredCommunity(
            id=self.policy.community.id,
            name=self.policy.community.name,
            server=self.policy.community.server,
            policy_digest=self.digest,
            reach=self.whole,
            rooms=(
                self.space(),
                *([self.shared_space()] if self.federates else []),
                *(self.group(group_id, group) for group_id, group in self.groups.items()),
                *(self.system_room(room) for room in SYSTEM_ROOMS),
            ),
            weakenings=tuple(weakenings(self.policy)),
            drift=self.drift,
            limits=Limits.of_policy(self.policy),
            # Whoever of a partner is in it when a community closes must not go on being shown rooms.
            retired=() if self.federates else (self.shared_space(),),
        )

    def in_space(self, group: Group) -> bool:
        return TIERS[group.tier].in_space and (KINDS[group.kind].in_open_space or not self.space_is_public)

    def space_membership(self) -> MembershipRule:
        reach = Reach(self.whole.home)
        if self.space_is_public:
            return MembershipRule(anyone=True, reach=reach)
        roles = tuple(sorted(self.policy.roles))
        return MembershipRule(groups=(*self.shown, *self.shared), roles=roles, reach=reach)

    def shared_membership(self, reach: Reach) -> MembershipRule:
        if self.shared_is_public:
            return MembershipRule(anyone=True, reach=reach)
        federated = tuple(key for key, one in self.reaches.items() if one.federates)
        return MembershipRule(groups=federated, roles=tuple(sorted(self.policy.roles)), reach=reach)

    def space(self) -> DesiredRoom:
        community, defaults = self.policy.community, SPACES[self.space_is_public]
        return self.room(
            "space",
            name=community.name,
            topic=f"{community.purpose} {community.not_for}",
            kind="space",
            membership=self.space_membership(),
            join_rule=defaults.join_rule,
            history_visibility=defaults.history_visibility,
            events_default=SPACE_EVENTS_DEFAULT,
            children=_children(*([SHARED_SPACE] if self.federates else []), *self.shown),
        )

    def shared_space(self) -> DesiredRoom:
        """What shows the groups that leave; where none does, an empty space that people of this server may stay in."""
        community = self.policy.community
        membership = self.shared_membership(self.whole)
        if not self.federates:
            membership = MembershipRule(anyone=True, reach=Reach(community.server))
        return self.room(
            SHARED_SPACE,
            name=f"{community.name}: shared",
            topic=f"{community.purpose} {community.not_for}",
            kind="space",
            membership=membership,
            join_rule=SPACES[self.shared_is_public].join_rule,
            history_visibility=FEDERATED_HISTORY,
            events_default=SPACE_EVENTS_DEFAULT,
            children=_children(*self.shared),
            addressed=self.federates,
        )

    def group(self, group_id: str, group: Group) -> DesiredRoom:
        reach = self.reaches[group_id]
        if group.kind == "open":
            membership = MembershipRule(anyone=True, reach=reach)
        elif group.kind == "announce":
            membership = self.shared_membership(reach) if reach.federates else self.space_membership()
        else:
            membership = MembershipRule(groups=(group_id,), roles=roles_in(group), reach=reach)
        return self.room(
            group_id,
            name=group.name,
            topic=group.purpose,
            kind=group.kind,
            tier=group.tier,
            membership=membership,
            join_rule=join_rule_of(group),
            history_visibility=history_of(group, federated=reach.federates),
            events_default=posting_level_of(group),
            pins_level=pins_level_of(group),
            words_only=words_only(group),
            retention=kept(group),
            capacity=group.capacity,
            first_messages=first_messages_of(group),
            parent=self.parent(group_id, group),
            addressed=publish_of(self.policy, group) != "nothing",
            listed=publish_of(self.policy, group) == "directory",
        )

    def parent(self, group_id: str, group: Group) -> RoomKey | None:
        """Which space a group says that it belongs to. What leaves the homeserver does not name the space that stays."""
        if self.reaches[group_id].federates:
            return SHARED_SPACE if group_id in self.shared else None
        return "space" if group_id in self.shown else None

    def system_room(self, room: SystemRoom) -> DesiredRoom:
        holders = {role_id for role_id in self.policy.roles if room.duty in duties_of(self.policy, role_id)}
        return self.room(
            room.key,
            name=f"{self.policy.community.name}: {room.name}",
            topic=room.topic,
            kind="system",
            membership=MembershipRule(roles=tuple(sorted(holders)), reach=Reach(self.whole.home)),
            join_rule="invite",
            history_visibility="joined",
            events_default=0,
            addressed=not self.whole.federates,
        )

    def room(
        self,
        key: RoomKey,
        *,
        name: str,
        topic: str,
        kind: RoomKind,
        membership: MembershipRule,
        join_rule: JoinRule,
        history_visibility: HistoryVisibility,
        events_default: int,
        pins_level: int = MODERATION_LEVEL,
        words_only: bool = False,
        retention: Lifetime = _FOR_EVER,
        capacity: int | None = None,
        first_messages: int = 0,
        tier: Tier | None = None,
        parent: RoomKey | None = None,
        children: Iterable[SpaceChild] = (),
        addressed: bool = True,
        listed: bool = False,
    ) -> DesiredRoom:
        community = self.policy.community
        reach = membership.reach or Reach(community.server)
        alias_localpart = f"{community.id}-{key}"
        mark = {"community": community.id, "group": key}
        under: Content = {**mark, "policy": self.digest}
        rules: dict[str, object] = {"join_rule": join_rule}
        if join_rule == "restricted":
            rules["allow"] = []  # nobody without an invite, until the space's id is known
        state: dict[StateKey, Content] = {
            ("m.room.name", ""): {"name": name},
            ("m.room.topic", ""): {"topic": topic},
            ("m.room.join_rules", ""): rules,
            ("m.room.history_visibility", ""): {"history_visibility": history_visibility},
            # The preset for private rooms would let guests in.
            ("m.room.guest_access", ""): {"guest_access": "forbidden"},
            # Binds only servers that honour it; `m.federate: false` binds all, but only from the room's creation on.
            ("m.room.server_acl", ""): reach.server_acl(),
            ("m.room.power_levels", ""): governed_power_levels(
                self.powers(membership),
                events_default=events_default,
                # Stickers are events of a type of their own; all other media are messages, and taken away.
                events={"m.room.pinned_events": pins_level}
                | ({"m.sticker": MODERATION_LEVEL} if words_only else {})
                | (dict(TAKE_BACK) if first_messages else {})
                | self.look_levels(),
            ),
            (MANAGED_TYPE, ""): listed_mark(under) if listed else under,
        }
        if addressed:
            state["m.room.canonical_alias", ""] = {"alias": f"#{alias_localpart}:{community.server}"}
        if retention.ms is not None:
            state["m.room.retention", ""] = {"max_lifetime": retention.ms}
        space = kind == "space"
        return DesiredRoom(
            key=key,
            name=name,
            topic=topic,
            kind=kind,
            tier=tier,
            room_type="m.space" if space else None,
            room_version=ROOM_VERSION,
            alias_localpart=alias_localpart,
            creation_content={
                "m.federate": reach.federates,
                MANAGED_TYPE: mark,
                **({"type": "m.space"} if space else {}),
            },
            state=state,
            membership=membership,
            parent=parent,
            children=tuple(children),
            join_through=((SHARED_SPACE if reach.federates else "space"),) if join_rule == "restricted" else (),
            capacity=capacity,
            addressed=addressed,
            listed=listed,
            first_messages=first_messages,
        )

    def powers(self, membership: MembershipRule) -> dict[str, int]:
        """Return the level of each person who has one and may be in the room: nobody keeps power where they may not be."""
        return {user_id: level for user_id, person, level in self.powerful if membership.admits(person)}

    def look_levels(self) -> dict[str, int]:
        """Return what is prevented by power: name and purpose, where they are not left to people."""
        return dict.fromkeys(DRIFT["look"].types, GOVERNED_LEVEL) if self.drift["look"] == "enforce" else {}

    def level(self, person: Person) -> int:
        """Return the highest level of the roles that a person holds, 0 without one."""
        return max((self.policy.roles[role].level for role in person.roles if role in self.policy.roles), default=0)


def _children(*keys: RoomKey) -> tuple[SpaceChild, ...]:
    # Padded, since `order` is compared as text; by id, since the order of keys in a file means nothing.
    return tuple(SpaceChild(key, f"{10 * n:05d}") for n, key in enumerate(keys, start=1))
