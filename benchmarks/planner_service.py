"""A plan without change as the service makes it, warm, for a large community that it knows; a call to the homeserver counts.

`python -m benchmarks.planner_service ROOMS MEMBERS`, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from time import process_time
from typing import Any

import yaml

from appservice.effects import Audit, Outbox, Pace
from appservice.flow import Event, Ghosts
from appservice.intake import Lanes, Projection
from appservice.matrix import Actor, AdminCapability, HomeserverClient, Unreachable
from appservice.provisioning import Applier, Observer, Provisioner
from appservice.service.clock import SystemClock
from appservice.service.governance import Governance
from appservice.service.policy_files import PolicyFiles
from appservice.service.succession import Successions
from appservice.store import Commit, Database, Questions
from appservice.store.migrate import upgrade
from benchmarks.planner_world import (
    IDENTITIES,
    LEADS,
    REPETITIONS,
    SERVER,
    groups_of,
    members_by_room,
    peak_mib,
    people_with,
    policy_text,
)
from policies.observed import HomeserverReach

GHOSTS = Ghosts(*IDENTITIES)


class _NoHomeserver(HomeserverClient):
    """Counts what it is asked, and answers nothing."""

    asked = 0

    async def call(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        raise Unreachable("there is no homeserver")


def files(rooms: int) -> PolicyFiles:
    """Return the policy, and a people file with those who answer for it: everybody else was let in by a card."""
    people = {"schema": 1, "people": {f"@{name}:{SERVER}": {"roles": [role]} for name, role in LEADS.items()}}
    return PolicyFiles(policy_text(rooms).encode(), "policy.yaml", yaml.safe_dump(people).encode(), "people.yaml")


async def main(rooms: int, members: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.db"
        upgrade(store)
        database = Database(store, "normal")
        await database.open()
        try:
            return await _measured(rooms, members, database)
        finally:
            await database.close()


async def _measured(rooms: int, members: int, database: Database) -> dict[str, Any]:
    clock, audit, questions = SystemClock(), Audit(database), Questions(database, SERVER)
    client = _NoHomeserver("http://127.0.0.1:9", "no token")
    projection, guardian = Projection(SERVER, GHOSTS), Actor(GHOSTS.guardian, "BENCH")
    admin = AdminCapability(client, GHOSTS.steward, audit)
    outbox = Outbox(SERVER, database, questions, {}, clock, Pace())
    lanes = Lanes(SERVER, database, questions, projection, (), outbox, client, GHOSTS, clock)
    observer = Observer(client, admin, projection, lanes, GHOSTS, (rf"^#bench-.*:{SERVER}$",))
    # As both are known after the first plan of a life.
    observer._admin_capability = True
    observer.openness = HomeserverReach(answers=False, told=True)
    provisioner = Provisioner(observer, Applier(client, admin, observer, GHOSTS, guardian, audit), GHOSTS)
    successions = Successions(client, observer, GHOSTS, lambda _room_id: 0)
    governance = Governance(
        SERVER, GHOSTS, database, questions, provisioner, audit, clock, successions, lambda _said, _standing: None
    )
    await database.commit(Commit(approvals=_approvals(rooms, members)))
    await governance.begin_with(files(rooms))
    _learn(governance, projection, rooms, members)
    await governance.plan(files(rooms))
    times, asked = [], client.asked
    for _ in range(REPETITIONS):
        began = process_time()
        _, planned = await governance.plan(files(rooms))
        times.append(process_time() - began)
        assert planned.empty, planned.describe()[:12]
    return {"nothing_s": times, "calls": client.asked - asked, "peak_mib": peak_mib()}


def _approvals(rooms: int, members: int) -> list[dict[str, Any]]:
    by = {"homeserver": SERVER, "community": "bench", "approved_by": f"@amina:{SERVER}", "source": "$bench"}
    return [
        {**by, "grp": group, "user_id": f"@p{n:05d}:{SERVER}"}
        for n in range(rooms * members // 10)
        for group in groups_of(n, rooms)
    ]


def _learn(governance: Governance, projection: Projection, rooms: int, members: int) -> None:
    """Know each room as the stream told of it."""
    assert governance.said is not None
    community = governance.said.community
    ids = {room.key: f"!{room.key}" for room in community.rooms}
    present = members_by_room(community, people_with(rooms, members))
    more = {"room_version": "12", "additional_creators": [GHOSTS.guardian, GHOSTS.custodian]}
    for room in community.rooms:
        state: dict[tuple[str, str], Any] = {("m.room.create", ""): {**room.creation_content, **more}}
        state |= community.complete_state(room.key, ids)
        state |= {("m.room.member", user_id): {"membership": how} for user_id, how in present[room.key].items()}
        events = [
            Event(f"${room.key}{kind}{key}", ids[room.key], GHOSTS.steward, kind, content, 1, key)
            for (kind, key), content in state.items()
        ]
        projection.replace(ids[room.key], events)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))))
