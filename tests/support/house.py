"""The rooms of the house that need no homeserver, wired as `service.core` wires them, for unit tests."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appservice.effects import Outbox, Pace
from appservice.flow import (
    Attempt,
    Done,
    Effect,
    Event,
    EventInput,
    Executor,
    Facts,
    Ghosts,
    Handler,
    Notice,
    Origin,
    Redact,
    Result,
)
from appservice.intake import MARKER_TYPE, Lanes, Projection
from appservice.store import Database, Questions
from appservice.store.migrate import upgrade
from tests.support.stub_homeserver import ScriptedHomeserver

SERVER = "hearth.example"
GHOSTS = Ghosts(
    steward=f"@inglenook:{SERVER}",
    guardian=f"@inglenook-guardian:{SERVER}",
    custodian=f"@inglenook-custodian:{SERVER}",
)
SAM = f"@sam:{SERVER}"
ROSA = f"@rosa:{SERVER}"
GROUP = "!group"


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: int = 1_800_000_000_000) -> None:
        self.now = now

    def now_ms(self) -> int:
        return self.now


@functools.cache
def _template() -> Path:
    path = Path(tempfile.mkdtemp(prefix="inglenook-template-")) / "inglenook.db"
    upgrade(path)
    return path


def fresh_store(folder: Path) -> Path:
    """Return the path of a new, migrated store in `folder`."""
    path = folder / "inglenook.db"
    shutil.copyfile(_template(), path)
    return path


def state_of(room_id: str, group: str = "welcome", members: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
    """The state events of a room of ours, as `/state` hands them out."""

    def event(kind: str, content: Mapping[str, Any], key: str = "") -> dict[str, Any]:
        return {
            "type": kind,
            "state_key": key,
            "sender": GHOSTS.steward,
            "content": dict(content),
            "event_id": f"${kind}{key}-{room_id}",
            "room_id": room_id,
            "origin_server_ts": 1,
        }

    return [
        event("m.room.create", {"room_version": "12"}),
        event("m.room.power_levels", {"users_default": 0, "events": {}}),
        event(MARKER_TYPE, {"community": "hearth", "group": group}),
        *(event("m.room.member", {"membership": how}, who) for who, how in (members or {SAM: "join"}).items()),
    ]


def message(event_id: str, body: str = "Good morning", room_id: str = GROUP, sender: str = SAM) -> dict[str, Any]:
    """A message as the homeserver pushes it."""
    return {
        "event_id": event_id,
        "room_id": room_id,
        "sender": sender,
        "type": "m.room.message",
        "content": {"msgtype": "m.text", "body": body},
        "origin_server_ts": 1_800_000_000_000,
    }


def member(event_id: str, who: str, membership: Any, room_id: str = GROUP, ts: int = 1) -> dict[str, Any]:
    """A membership event as the homeserver pushes it."""
    return {
        "event_id": event_id,
        "room_id": room_id,
        "sender": who,
        "state_key": who,
        "type": "m.room.member",
        "content": {"membership": membership},
        "origin_server_ts": ts,
    }


class RemovesBad:
    """Redacts messages with the word “bad” and says so."""

    name = "test.bad"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        event = item.event
        if event.type == "m.room.message" and "bad" in str(event.content.get("body", "")):
            redact = Redact(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                room_id=event.room_id,
                event_id=event.event_id,
                reason=self.name,
            )
            entry = {"room": event.room_id, "event": event.event_id}
            yield redact
            yield Notice(
                source=item.id,
                rule=self.name,
                lane=item.lane,
                after=redact.key,
                room_id=event.room_id,
                text="removed.contact_details",
                items=(entry,),
            )


@dataclass
class Remembers:
    """An executor that remembers what it was asked to do; `answer` decides the result, done if it is None."""

    answer: Callable[[Effect, Attempt], Result] | None = None
    asked: list[tuple[Effect, Attempt]] = field(default_factory=list)

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        self.asked.append((effect, attempt))
        return Done() if self.answer is None else self.answer(effect, attempt)

    @property
    def effects(self) -> list[Effect]:
        return [effect for effect, _ in self.asked]


@dataclass
class House:
    """Everything between the endpoint and the homeserver."""

    database: Database
    questions: Questions
    projection: Projection
    outbox: Outbox
    lanes: Lanes
    homeserver: ScriptedHomeserver
    clock: ManualClock
    executor: Remembers

    def input(self, event: Event, origin: Origin = Origin.PUSH) -> EventInput:
        return EventInput(SERVER, event, origin, self.clock.now_ms())

    async def table(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a select, read past all layers."""
        return await self.database.run(lambda connection: [tuple(row) for row in connection.exec_driver_sql(sql)])


@asynccontextmanager
async def open_house(
    path: Path,
    *,
    handlers: Sequence[Handler] | None = None,
    homeserver: ScriptedHomeserver | None = None,
    executors: Mapping[str, Executor] | None = None,
    knows: Iterable[str] = (GROUP,),
) -> AsyncIterator[House]:
    """Open the store at `path` and live in it; rooms named in `knows` are known as groups of ours from the start."""
    clock = ManualClock()
    homeserver = homeserver or ScriptedHomeserver()
    database = Database(path, "normal")
    await database.open()
    questions = Questions(database, SERVER)
    projection = Projection(SERVER, GHOSTS)
    executor = Remembers()
    everything: Mapping[str, Executor] = executors or dict.fromkeys(
        ("redact", "notice", "direct_message", "card", "ensure_direct_room"), executor
    )
    outbox = Outbox(SERVER, database, questions, everything, clock, Pace())
    lanes = Lanes(
        SERVER,
        database,
        questions,
        projection,
        (RemovesBad(),) if handlers is None else handlers,
        outbox,
        homeserver,
        GHOSTS,
        clock,
    )
    await projection.load(questions)
    for room_id in knows:
        if not projection.knows(room_id):
            homeserver.script.state.setdefault(room_id, state_of(room_id))
            await lanes.learn_rooms([room_id])
    try:
        yield House(database, questions, projection, outbox, lanes, homeserver, clock, executor)
    finally:
        await lanes.close()
        await outbox.close(within_s=0)
        await database.close()
