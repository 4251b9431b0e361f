"""The people: senders and one observer in a process of their own, so that measuring does not disturb.

Reads its script from LOAD_SCRIPT and writes what it saw to LOAD_RESULT, both JSON. Times are ms of one clock, from the
response to a send until the redaction arrives in another member's /sync.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Coroutine
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from benchmarks.texts import harmless, violating
from benchmarks.worlds import OBSERVER, SERVER

_FILTER = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "ephemeral": {"types": []},
        "account_data": {"types": []},
        "state": {"types": [], "lazy_load_members": True},
        "timeline": {"limit": 500, "lazy_load_members": True, "types": ["m.room.message", "m.room.redaction"]},
    },
}
#: Sends under way at most; beyond it senders wait, and `late_ms` tells.
_CONNECTIONS = 400
#: Seconds that newcomers wait at most for their private rooms.
_ROOMS_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class Phase:
    """Messages at `rate` a second for `seconds`, a share of them `violating`; `redact_here` makes the load redact
    each itself (the raw round trip). `newcomers` instead: each joins a room and writes a number at once.
    Without `observe` nobody has a long poll open, and nothing is seen to
    arrive. `pleas`: so many newcomers, in rooms before it begins, each write once that they cannot go on, spread evenly.
    `also_write` is what a bare writer adds for each violation: [room id, user id, content]."""

    name: str
    seconds: float = 0.0
    rate: float = 0.0
    violating: float = 0.0
    redact_here: bool = False
    newcomers: int = 0
    settle_s: float = 15.0
    seed: int = 1
    also_write: list[list[Any]] = field(default_factory=list)
    observe: bool = True
    pleas: int = 0


@dataclass(slots=True)
class Sent:
    """One violating message: when its send was answered (ms of the wall clock), how long until it was gone (ms)."""

    event_id: str
    at_ms: int
    answered: float
    send_ms: float
    visible_ms: float | None = None


class Load:
    """Plays a script against one homeserver."""

    def __init__(self, script: dict[str, Any], session: aiohttp.ClientSession) -> None:
        self._script = script
        self._session = session
        self._rooms: list[str] = script["rooms"]
        self._authors: list[str] = script["authors"]
        self._redacted: dict[str, float] = {}
        self._said = 0
        self._violating: set[str] = set()
        self._serial = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures = 0

    def _token(self, who: str) -> str:
        return str(self._script["as_token"] if who == "" else self._script["tokens"][who])

    async def call(self, method: str, path: str, who: str, body: Any = None) -> Any:
        headers = {"Authorization": f"Bearer {self._token(who)}", "Content-Type": "application/json"}
        async with self._session.request(
            method,
            self._script["url"] + path,
            headers=headers,
            data=None if body is None else orjson.dumps(body),
        ) as answer:
            data = await answer.read()
            if answer.status != 200:
                raise RuntimeError(f"{method} {path}: {answer.status} {data[:300]!r}")
            return orjson.loads(data)

    # -- the observer ----------------------------------------------------------------------------------------------

    async def observe_from_now(self) -> str:
        who = f"@{OBSERVER}:{SERVER}"
        made = await self.call("POST", f"/_matrix/client/v3/user/{quote(who)}/filter", OBSERVER, _FILTER)
        self._filter = made["filter_id"]
        # Synapse keeps the answer to a first sync for two minutes and gives it to whoever asks the same: ask differently.
        different = time.time_ns() // 1_000_000 % 1_000_000
        path = f"/_matrix/client/v3/sync?filter={self._filter}&timeout={different}"
        first = await self.call("GET", path, OBSERVER)
        return str(first["next_batch"])

    async def observe(self, since: str) -> None:
        while True:
            path = f"/_matrix/client/v3/sync?filter={self._filter}&timeout=30000&since={quote(since)}"
            answer = await self.call("GET", path, OBSERVER)
            now = monotonic()
            since = answer["next_batch"]
            for room in answer.get("rooms", {}).get("join", {}).values():
                if room["timeline"].get("limited"):
                    raise RuntimeError("the observer was not shown everything")
                for event in room["timeline"]["events"]:
                    if event["type"] == "m.room.redaction":
                        gone = event["content"].get("redacts") or event.get("redacts")
                        self._redacted.setdefault(gone, now)
                    elif event["sender"].startswith("@inglenook-"):
                        self._said += 1

    # -- the senders -----------------------------------------------------------------------------------------------

    async def play(self, phase: Phase) -> dict[str, Any]:
        random = Random(phase.seed)
        said_before, failures_before = self._said, self._failures
        sent: list[Sent] = []
        send_ms: list[float] = []
        late_ms = 0.0
        pleas: list[Sent] = []
        await self._come_in(phase.pleas)
        started, started_at_ms = monotonic(), time.time_ns() // 1_000_000
        total = round(phase.rate * phase.seconds)
        for n in range(total):
            due = started + n / phase.rate
            await asyncio.sleep(max(0.0, due - monotonic()))
            late_ms = max(late_ms, (monotonic() - due) * 1000)
            room, who = random.choice(self._rooms), random.choice(self._authors)
            # Spread evenly, so that a short run has its share of them too.
            bad = int((n + 1) * phase.violating) > int(n * phase.violating)
            # What the load redacts itself carries no number: a bot that listens must not redact it too.
            body = violating(random) if bad and not phase.redact_here else harmless(random)
            self._spawn(self._send(room, who, body, bad, phase, sent, send_ms))
            if int((n + 1) * phase.pleas / total) > (count := int(n * phase.pleas / total)):
                self._spawn(self._plea(count, pleas))
        for n in range(phase.newcomers):
            await self._newcomer(n, violating(random), phase, sent, send_ms)
        await self._all_sent()
        sending_s = monotonic() - started
        await self._until_gone(sent, phase.settle_s)
        for one in sent:
            gone = self._redacted.get(one.event_id)
            one.visible_ms = None if gone is None else (gone - one.answered) * 1000
        false_hits = [gone for gone in self._redacted if gone not in self._violating]
        return {
            "messages": total + phase.newcomers,
            "started_at_ms": started_at_ms,
            "sending_s": sending_s,
            "send_ms": send_ms,
            "late_ms": late_ms,
            "violating": [asdict(one) for one in sent],
            "pleas": [asdict(one) for one in pleas],
            "missed": sum(1 for one in sent if one.visible_ms is None),
            "false_hits": len(false_hits),
            "notices_seen": self._said - said_before,
            "send_failures": self._failures - failures_before,
        }

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _all_sent(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _send(
        self, room: str, who: str, body: str, bad: bool, phase: Phase, sent: list[Sent], send_ms: list[float]
    ) -> None:
        self._serial += 1
        path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/send/m.room.message/{os.getpid()}-{self._serial}"
        started = monotonic()
        try:
            answer = await self.call("PUT", path, who, {"msgtype": "m.text", "body": body, "m.mentions": {}})
        except (RuntimeError, aiohttp.ClientError, TimeoutError) as error:
            print(error, file=sys.stderr)
            self._failures += 1
            return
        answered = monotonic()
        send_ms.append((answered - started) * 1000)
        if bad:
            event_id = answer["event_id"]
            self._violating.add(event_id)
            sent.append(Sent(event_id, time.time_ns() // 1_000_000, answered, send_ms[-1]))
            if phase.redact_here:
                await self._redact(room, event_id)
                await self._also_write(phase, len(sent) - 1)

    async def violation(self, room: str, who: str, n: int) -> Sent:
        """Send one violating message now, text number `n`, and return it. Raises RuntimeError if that failed."""
        sent: list[Sent] = []
        await self._send(room, who, violating(Random(n)), True, Phase("single"), sent, [])
        if not sent:
            raise RuntimeError("the message was not accepted")
        return sent[0]

    async def gone(self, sent: Sent, within_s: float = 30) -> float:
        """Return when (`monotonic`) the redaction of a message arrived. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while sent.event_id not in self._redacted:
                await asyncio.sleep(0.002)
        return self._redacted[sent.event_id]

    async def _redact(self, room: str, event_id: str) -> None:
        redact = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/redact/{quote(event_id, safe='')}/raw{event_id[1:]}"
        await self.call("PUT", redact, "", {})

    async def _also_write(self, phase: Phase, n: int) -> None:
        """Write this violation's part of what our service wrote besides redacting."""
        for k, (room, user_id, content) in enumerate(phase.also_write):
            if k % max(1, round(phase.rate * phase.seconds * phase.violating)) == n:
                path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/send/m.room.message/bare{k}"
                await self.call("PUT", f"{path}?user_id={quote(user_id)}", "", content)

    async def _newcomer(self, n: int, body: str, phase: Phase, sent: list[Sent], send_ms: list[float]) -> None:
        who, room = f"newcomer{n:03d}", self._rooms[n % len(self._rooms)]
        await self.call("POST", f"/_matrix/client/v3/join/{quote(room, safe='')}", who, {})
        await self._send(room, who, body, True, phase, sent, send_ms)
        await asyncio.sleep(0.5)

    async def _come_in(self, count: int) -> None:
        """Let newcomers join, each with a private room of their own, before anything is measured."""
        for n in range(count):
            room = self._rooms[n % len(self._rooms)]
            await self.call("POST", f"/_matrix/client/v3/join/{quote(room, safe='')}", f"newcomer{n:03d}", {})
        until = monotonic() + _ROOMS_WITHIN_S
        for n in range(count):
            while (
                len((await self.call("GET", "/_matrix/client/v3/joined_rooms", f"newcomer{n:03d}"))["joined_rooms"]) < 2
            ):
                if monotonic() > until:
                    raise TimeoutError("a newcomer has no private room")
                await asyncio.sleep(0.2)
        await asyncio.sleep(3.0 if count else 0.0)  # what is said in them at first is said

    async def _plea(self, n: int, pleas: list[Sent]) -> None:
        self._serial += 1
        room, who = self._rooms[n % len(self._rooms)], f"newcomer{n:03d}"
        path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/send/m.room.message/{os.getpid()}-{self._serial}"
        body = {"msgtype": "m.text", "body": "I can't go on any more", "m.mentions": {}}
        answer = await self.call("PUT", path, who, body)
        pleas.append(Sent(answer["event_id"], time.time_ns() // 1_000_000, monotonic(), 0.0))

    async def _until_gone(self, sent: list[Sent], settle_s: float) -> None:
        until = monotonic() + settle_s
        while monotonic() < until and any(one.event_id not in self._redacted for one in sent):
            await asyncio.sleep(0.05)


async def main() -> None:
    script = orjson.loads(Path(os.environ["LOAD_SCRIPT"]).read_bytes())
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=180)) as session:
        load = Load(script, session)
        phases = [Phase(**fields) for fields in script["phases"]]
        observing: asyncio.Task[None] | None = None
        if any(phase.observe for phase in phases):
            observing = asyncio.create_task(load.observe(await load.observe_from_now()))
        results: dict[str, Any] = {}
        for phase in phases:
            results[phase.name] = await load.play(phase)
            if observing is not None and observing.done():
                await observing
        if observing is not None:
            observing.cancel()
        Path(os.environ["LOAD_RESULT"]).write_text(json.dumps(results), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
