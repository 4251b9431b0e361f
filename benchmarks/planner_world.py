"""A large community as values, planned in a process of its own: `python -m benchmarks.planner_world ROOMS MEMBERS`."""

from __future__ import annotations

import json
import resource
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from time import process_time
from typing import Any

import yaml

from policies.compile import compile_community
from policies.desired import DesiredCommunity
from policies.load import load_policy
from policies.observed import Identities, Membership, Observed, ObservedRoom
from policies.people import People, Person
from policies.plan import plan
from policies.schema import Policy

SERVER = "bench.example"
IDENTITIES = Identities(*(f"@inglenook-{name}:{SERVER}" for name in ("steward", "guardian", "custodian")))
#: Groups that each person is in.
GROUPS_EACH = 10
REPETITIONS = 5
LEADS = {"amina": "lead", "dewi": "deputy"}


def policy_text(rooms: int) -> str:
    """Return a policy with `rooms` groups that one must be approved for: the dearest kind to plan."""
    groups = {
        f"g{n:04d}": {"name": f"Group {n}", "purpose": "Talk.", "kind": ("hybrid", "closed")[n % 2], "tier": "medium"}
        for n in range(rooms)
    }
    policy = {
        "schema": 1,
        "community": {
            "id": "bench",
            "name": "Bench",
            "purpose": "An invented community.",
            "not_for": "Not a crisis service: in danger call 999.",
            "server": SERVER,
            "owners": {"safeguarding_lead": "lead", "deputy": "deputy"},
            "hours": "Mon-Fri 09:00-17:00 Europe/London",
        },
        "roles": {
            "lead": {"level": 75, "can": ["moderate", "approve_join", "safeguard", "operate"]},
            "deputy": {"level": 75, "can": ["moderate", "approve_join", "safeguard"]},
        },
        "groups": groups,
    }
    return yaml.safe_dump(policy, sort_keys=False)


def policy_with(rooms: int) -> Policy:
    loaded = load_policy(policy_text(rooms), "bench.yaml")
    assert loaded.policy is not None, loaded.findings
    return loaded.policy


def groups_of(number: int, rooms: int) -> frozenset[str]:
    """Return the groups of the person with this number."""
    return frozenset(f"g{(number * GROUPS_EACH + k) % rooms:04d}" for k in range(min(GROUPS_EACH, rooms)))


def people_with(rooms: int, members: int) -> People:
    """Return as many people as it takes for `members` in each group, and the two who answer for it."""
    count = rooms * members // GROUPS_EACH
    everybody = {
        f"@p{n:05d}:{SERVER}": Person(f"@p{n:05d}:{SERVER}", frozenset(), groups_of(n, rooms)) for n in range(count)
    }
    return People(
        everybody | {f"@{n}:{SERVER}": Person(f"@{n}:{SERVER}", frozenset({role})) for n, role in LEADS.items()}
    )


def members_by_room(community: DesiredCommunity, people: People) -> Mapping[str, dict[str, Membership]]:
    """Return who is in each room when all is well."""
    by_group: defaultdict[str, list[str]] = defaultdict(list)
    for user_id, person in people.by_id.items():
        for group in person.groups:
            by_group[group].append(user_id)
    found: dict[str, dict[str, Membership]] = {}
    for room in community.rooms:
        members: dict[str, Membership] = {IDENTITIES.steward: "join", IDENTITIES.guardian: "join"}
        if room.kind in ("hybrid", "closed"):
            members |= dict.fromkeys(by_group[room.key], "join")
        elif not room.membership.anyone:
            members |= {one: "join" for one, person in people.by_id.items() if room.membership.admits(person)}
        found[room.key] = members
    return found


def world(community: DesiredCommunity, people: People) -> Observed:
    """Return the rooms as they are when all is well."""
    ids = {room.key: f"!{room.key}" for room in community.rooms}
    members = members_by_room(community, people)
    more = {"additional_creators": [IDENTITIES.guardian, IDENTITIES.custodian]}
    return Observed(
        {
            room.key: ObservedRoom(
                ids[room.key],
                room.key,
                room.room_version,
                frozenset(IDENTITIES),
                {**room.creation_content, "room_version": room.room_version, **more},
                community.complete_state(room.key, ids),
                members[room.key],
            )
            for room in community.rooms
        }
    )


def changed(observed: Observed) -> Observed:
    """Return the world with one room in a hundred opened by hand, and one membership in a hundred another one."""
    rooms = dict(observed.rooms)
    for number, (key, room) in enumerate(observed.rooms.items()):
        members = dict(room.members)
        for place, user_id in enumerate(room.members):
            if place % 200 == 3:
                del members[user_id]
            elif place % 200 == 4:
                members[f"@stranger-{key}-{place}:{SERVER}"] = "join"
        state = dict(room.state)
        if number % 100 == 5:
            state["m.room.join_rules", ""] = {"join_rule": "public"}
        rooms[key] = replace(room, members=members, state=state)
    return replace(observed, rooms=rooms)


def peak_mib() -> float:
    """Return the most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(rooms: int, members: int) -> dict[str, Any]:
    people = people_with(rooms, members)
    community = compile_community(policy_with(rooms), people)
    observed = world(community, people)
    moved = changed(observed)
    nothing, some, changes = [], [], 0
    for _ in range(REPETITIONS):
        began = process_time()
        empty = plan(community, people, observed, IDENTITIES).empty
        nothing.append(process_time() - began)
        assert empty
        began = process_time()
        planned = plan(community, people, moved, IDENTITIES)
        assert planned.digest
        some.append(process_time() - began)
        changes = len(planned.changes)
    return {
        "rooms": len(observed.rooms),
        "memberships": sum(len(room.members) for room in observed.rooms.values()),
        "changes": changes,
        "nothing_s": nothing,
        "changed_s": some,
        "peak_mib": peak_mib(),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
