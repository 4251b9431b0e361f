"""Policies, people and observed worlds for tests of the planner, made from few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from policies.compile import compile_community
from policies.desired import MANAGED_TYPE, DesiredCommunity, DesiredRoom
from policies.load import load_policy
from policies.observed import Identities, Membership, Observed, ObservedRoom
from policies.people import People, Person
from policies.schema import Policy

SERVER = "chat.example"
IDENTITIES = Identities(*(f"@inglenook-{name}:{SERVER}" for name in ("steward", "guardian", "custodian")))
BASE = yaml.safe_load((Path(__file__).parent / "base.yaml").read_text(encoding="utf-8"))


def user(name: str) -> str:
    """The user id of an invented person, `name` or `name:server`; `steward`, `guardian` and `custodian` are our own."""
    if name in ("steward", "guardian", "custodian"):
        return str(getattr(IDENTITIES, name))
    return f"@{name}" if ":" in name else f"@{name}:{SERVER}"


def policy_with(groups: Mapping[str, Any], *, version: int = 1, **community: object) -> Policy:
    """The base policy with these groups, each `kind tier`, `kind tier,key=value` or keys and values (tier low), and other
    values in its `community`; None leaves a key out.

    A value that ends in `!` is one for which the deputy answers. A community that opens has a risk assessment.
    """
    if community.get("federation") not in (None, "closed"):
        community = {"risk_assessment": {"reviewed": "2026-09-01", "next": "2027-09-01", "by": "lead"}, **community}
    community = {name: value for name, value in community.items() if value is not None}
    made: dict[str, Any] = {}
    for group_id, words in groups.items():
        if isinstance(words, Mapping):
            made[group_id] = {"name": group_id.title(), "purpose": f"For {group_id}.", "tier": "low", **words}
            continue
        first, _, more = words.partition(",")
        kind, tier = first.split()
        made[group_id] = {"name": group_id.title(), "purpose": f"For {group_id}.", "kind": kind, "tier": tier}
        made[group_id] |= {key: _value(word) for key, word in (one.split("=") for one in more.split(",") if one)}
        if tier == "high":
            made[group_id]["accept_limits"] = {"because": "Board minute 4", "approved_by": "deputy"}
    text = yaml.safe_dump({**BASE, "schema": version, "community": {**BASE["community"], **community}, "groups": made})
    loaded = load_policy(text, "case")
    assert loaded.policy is not None, "\n".join(map(str, loaded.findings))
    return loaded.policy


def _value(word: str) -> object:
    if word.endswith("!"):
        return {"value": word[:-1], "because": "Board minute 4", "approved_by": "deputy"}
    return int(word) if word.isdigit() else word


def people_of(said: Mapping[str, str]) -> People:
    """People from `name: words`, each word a role or a group of the policy."""
    people = {}
    for name, words in said.items():
        roles = frozenset(words.split()) & frozenset(BASE["roles"])
        people[user(name)] = Person(user(name), roles, frozenset(words.split()) - roles)
    return People(people)


def community_with(groups: Mapping[str, str], people: People) -> DesiredCommunity:
    return compile_community(policy_with(groups), people)


def settled(community: DesiredCommunity, people: People) -> Observed:
    """A world in which everything is as it should be, and whoever is approved for a room is in it.

    It says nothing of how a plan gets there: rooms are called `!key`, and hold what was compiled.
    """
    room_ids = {room.key: f"!{room.key}" for room in community.rooms}
    rooms = {room.key: _settled_room(community, room, people, room_ids) for room in community.rooms}
    return Observed(rooms)


def _settled_room(
    community: DesiredCommunity, room: DesiredRoom, people: People, room_ids: Mapping[str, str]
) -> ObservedRoom:
    members: dict[str, Membership] = {IDENTITIES.steward: "join", IDENTITIES.guardian: "join"}
    if not room.membership.anyone:
        members |= {user_id: "join" for user_id, person in people.by_id.items() if room.membership.admits(person)}
    return ObservedRoom(
        room_id=room_ids[room.key],
        key=room.key,
        room_version=room.room_version,
        creators=frozenset(IDENTITIES),
        create_content={
            **room.creation_content,
            "room_version": room.room_version,
            "additional_creators": [IDENTITIES.guardian, IDENTITIES.custodian],
        },
        state=community.complete_state(room.key, room_ids),
        members=members,
    )


def under_policy(observed: Observed, digest: str) -> Observed:
    """The same world, marked as being under the policy with this digest."""

    def marked(room: ObservedRoom) -> ObservedRoom:
        mark = {**room.state[MANAGED_TYPE, ""], "policy": digest}
        return replace(room, state={**room.state, (MANAGED_TYPE, ""): mark})

    return replace(observed, rooms={key: marked(room) for key, room in observed.rooms.items()})


def edited(room: ObservedRoom, edit: Mapping[str, Any]) -> ObservedRoom:
    """A room with what somebody did to it: `set`, `unset` (state, as `type` or `type key`), `members`, `add` and so on."""
    state = dict(room.state)
    for place in edit.get("unset", ()):
        del state[_place(place)]
    for place, content in edit.get("set", {}).items():
        state[_place(place)] = content
    for place, content in edit.get("merge", {}).items():
        state[_place(place)] = _merged(state[_place(place)], content)
    members = dict(room.members)
    for name, membership in edit.get("members", {}).items():
        members.pop(user(name), None)
        if membership is not None:
            members[user(name)] = membership
    return replace(
        room,
        state=state,
        members=members,
        closed=edit.get("closed", room.closed),
        creators=frozenset(map(user, edit["creators"])) if "creators" in edit else room.creators,
        room_version=edit.get("version", room.room_version),
        create_content={**room.create_content, **edit.get("created", {})},
    )


def of_others(said: Mapping[str, Any]) -> ObservedRoom:
    """A room that pat made by hand, with what is `set` there (as in `edited`), and `members`."""
    room = ObservedRoom(
        room_id="!theirs",
        key="",
        room_version=said.get("version", "10"),
        creators=frozenset({user("pat")}),
        create_content={"creator": user("pat"), "room_version": said.get("version", "10")},
        state={},
        members={IDENTITIES.steward: "join", user("pat"): "join"},
        listed=said.get("listed", False),
    )
    powers = {"users": {user("pat"): 100, IDENTITIES.steward: 100}}
    return edited(room, {**said, "set": {"m.room.power_levels": powers, **said.get("set", {})}})


def without(observed: Observed, keys: Iterable[str]) -> Observed:
    """The same world without some rooms."""
    return replace(observed, rooms={key: room for key, room in observed.rooms.items() if key not in set(keys)})


def _place(words: str) -> tuple[str, str]:
    event_type, _, state_key = words.partition(" ")
    return event_type, state_key


def _merged(content: Any, more: Any) -> Any:
    if isinstance(content, Mapping) and isinstance(more, Mapping):
        kept = {name: value for name, value in content.items() if name not in more}
        return kept | {name: _merged(content.get(name), value) for name, value in more.items() if value is not None}
    return more
