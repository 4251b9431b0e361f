"""Lives of the process as far as the outbox sees them, for unit tests: decide, be asked, fail, die, go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appservice.flow import (
    Attempt,
    Done,
    Effect,
    Lane,
    Notice,
    Redact,
    Result,
)
from appservice.store import Commit
from tests.support.house import GROUP, SERVER, House, open_house
from tests.support.waiting import eventually

LANE = Lane(SERVER, GROUP)


def redact(n: int = 1) -> Redact:
    return Redact(source=f"${n}", rule="r", lane=LANE, room_id=GROUP, event_id=f"${n}", reason="r")


def notice(n: int = 1, *, after: Effect | None = None, text: str = "removed", room_id: str = GROUP) -> Notice:
    return Notice(
        source=f"${n}",
        rule="r",
        lane=LANE,
        room_id=room_id,
        text=text,
        items=({"event": f"${n}"},),
        after=after.key if after else None,
    )


def said(effect: Effect) -> list[str]:
    assert isinstance(effect, Notice)
    return [item["event"] for item in effect.items]


@dataclass
class Scripted:
    """An executor that does what the script says (a result, or an exception to raise), in the end `Done`."""

    script: list[Result | Exception] = field(default_factory=list)
    asked: list[tuple[Effect, Attempt]] = field(default_factory=list)
    hold: asyncio.Event | None = None

    async def execute(self, effect: Effect, attempt: Attempt) -> Result:
        self.asked.append((effect, attempt))
        if self.hold is not None:
            await self.hold.wait()
        outcome = self.script.pop(0) if self.script else Done()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def types(self) -> list[str]:
        return [effect.type for effect, _ in self.asked]


@dataclass
class Life:
    """One life of the process as far as the outbox sees it."""

    house: House
    executor: Scripted

    async def decide(self, *effects: Effect) -> None:
        now = self.house.clock.now
        await self.house.database.commit(Commit(outbox=self.house.outbox.rows(effects, now)))
        self.house.outbox.take(effects, now)

    async def states(self) -> dict[str, str]:
        rows = await self.house.table("SELECT key, state FROM outbox")
        return {str(key): str(state) for key, state in rows}

    async def until_settled(self, *effects: Effect, within: float = 10) -> None:
        async def settled() -> bool:
            states = await self.states()
            return all(states[effect.key] in {"done", "refused", "merged"} for effect in effects)

        await eventually(settled, "the effects are settled", within=within, every=0.01)

    async def until_asked(self, times: int) -> None:
        async def asked() -> bool:
            return len(self.executor.asked) >= times

        await eventually(asked, f"the executor is asked {times} times", within=10, every=0.005)

    def due_in(self, effect: Effect) -> int:
        """ms until the effect is tried again."""
        return self.house.outbox._entries[effect.key].not_before_ms - self.house.clock.now


@asynccontextmanager
async def life(
    path: Path, script: Sequence[Result | Exception] = (), hold: asyncio.Event | None = None
) -> AsyncIterator[Life]:
    executor = Scripted(list(script), hold=hold)
    executors = dict.fromkeys(("redact", "notice", "ensure_direct_room", "withdraw"), executor)
    async with open_house(path, executors=executors) as house:
        running = asyncio.create_task(house.outbox.run())
        try:
            yield Life(house, executor)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
