"""Governance on a real store with a homeserver in a few lines: the policy in force, applied and undone in milliseconds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from appservice.effects import Audit
from appservice.flow import Ghosts
from appservice.provisioning import Reconciled
from appservice.service.governance import Governance
from appservice.service.policy_files import PolicyFiles, read_files
from appservice.store import Database, Questions
from policies.changes import Change
from policies.desired import DesiredCommunity
from policies.observed import Identities
from policies.people import People
from policies.plan import Plan, plan
from tests.support.house import ManualClock
from tests.support.paths import POLICIES
from tests.unit.plan.model_homeserver import ModelHomeserver

SERVER = "chat.leedscarers.example"
_NAMES = [f"@inglenook-{name}:{SERVER}" for name in ("steward", "guardian", "custodian")]
IDENTITIES, GHOSTS = Identities(*_NAMES), Ghosts(*_NAMES)


class ModelProvisioner:
    """`Provisioner` on a `ModelHomeserver`; `dies_after` changes it is killed, once."""

    def __init__(self, homeserver: ModelHomeserver) -> None:
        self.homeserver = homeserver
        self.dies_after: int | None = None

    async def plan(
        self,
        community: DesiredCommunity,
        people: People,
        *,
        audit: bool = False,
        leave: Callable[[Change], bool] = lambda _change: False,
    ) -> Plan:
        return plan(community, people, self.homeserver.observe(community), IDENTITIES, leave)

    def present(self, community: DesiredCommunity, people: People) -> Plan:
        return plan(community, people, self.homeserver.observe(community), IDENTITIES)

    async def audit(self, community: DesiredCommunity) -> None:
        return None

    async def glance(self, community: DesiredCommunity) -> None:
        return None

    async def notice_vanished(self) -> int:
        return 0

    async def apply(
        self,
        community: DesiredCommunity,
        standing: Any,
        *,
        first: Plan | None = None,
        leave: Callable[[Change], bool] = lambda _change: False,
        **_: Any,
    ) -> Any:
        todo = first if first is not None else self.present(community, standing())
        todo = replace(todo, changes=tuple(change for change in todo.changes if not leave(change)))
        if self.dies_after is not None:
            upto, self.dies_after = self.dies_after, None
            self.homeserver.apply(todo, upto)
            raise KilledHere
        self.homeserver.apply(todo)
        return Reconciled(planned=todo.calls, rounds=1, done=len(todo.changes), calls=todo.calls)


class KilledHere(Exception):
    """The service was killed at this moment."""


@dataclass
class Governed:
    """One life of a service: everything in memory is of this life, store and homeserver are older."""

    governance: Governance
    provisioner: ModelProvisioner
    database: Database
    questions: Questions
    audit: Audit
    clock: ManualClock

    @property
    def homeserver(self) -> ModelHomeserver:
        return self.provisioner.homeserver

    async def policy_lines(self) -> list[dict[str, Any]]:
        """The audit's lines about policies."""
        await self.audit.flush()
        return [line for _, _, line in await self.questions.audit_lines("policy")]

    def states(self) -> dict[str, Any]:
        """State of every room by id, as far as it holds something."""
        return {
            room_id: {key: content for key, content in room.state.items() if content}
            for room_id, room in self.homeserver.rooms.items()
        }

    def everybody_comes(self) -> None:
        """Whoever is invited accepts."""
        for room in list(self.homeserver.rooms.values()):
            for user_id, membership in room.members.items():
                if membership == "invite":
                    self.homeserver._put_member(self.homeserver.rooms[room.room_id], user_id, "join")


@asynccontextmanager
async def governed(store: Path, homeserver: ModelHomeserver | None = None) -> AsyncIterator[Governed]:
    """Open the (migrated) store and take up what is in force there."""
    database = Database(store, "normal")
    await database.open()
    questions, audit, clock = Questions(database, SERVER), Audit(database), ManualClock()
    provisioner = ModelProvisioner(homeserver or ModelHomeserver(IDENTITIES))
    governance = Governance(
        SERVER,
        GHOSTS,
        database,
        questions,
        provisioner,  # type: ignore[arg-type]
        audit,
        clock,
        None,  # type: ignore[arg-type]  # nobody asks for new rooms here
        lambda _said, _standing: None,
    )
    try:
        await governance.load()
        yield Governed(governance, provisioner, database, questions, audit, clock)
    finally:
        await audit.flush()
        await database.close()


def example(*, without: int = 0, edit: Mapping[str, str] | None = None) -> PolicyFiles:
    """The larger example, without the last people of its list (lead and deputy come first), with words replaced."""
    files = read_files(POLICIES / "leeds-carers.yaml")
    policy = files.policy.decode()
    for old, new in (edit or {}).items():
        assert old in policy
        policy = policy.replace(old, new)
    people = yaml.safe_load(files.people)
    kept = list(people["people"].items())[: len(people["people"]) - without]
    people["people"] = dict(kept)
    return PolicyFiles(policy.encode(), files.policy_name, yaml.safe_dump(people).encode(), files.people_name)
