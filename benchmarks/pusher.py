"""Pushes transactions into our endpoint as a homeserver does, one after the other, in a process of its own.

Reads its script from PUSH_SCRIPT, writes to PUSH_RESULT: seconds, CPU and memory of the service along the way.
"""

from __future__ import annotations

import asyncio
import json
import os
from hashlib import sha256
from pathlib import Path
from random import Random
from time import monotonic, time_ns
from typing import Any

import aiohttp
import orjson

from appservice.operations.processes import cpu_seconds, resident_bytes
from benchmarks.texts import harmless, violating

PER_TRANSACTION = 100


def transaction(number: int, script: dict[str, Any]) -> bytes:
    """Return one transaction's body: one hit in a hundred, ten with other digits, spread over rooms and people."""
    random = Random(number)
    hit = random.randrange(PER_TRANSACTION) if script["hits"] else -1
    now = time_ns() // 1_000_000
    events = []
    for n in range(PER_TRANSACTION):
        body = violating(random) if n == hit else harmless(random, digits=script["digits"])
        events.append(
            {
                "type": "m.room.message",
                "room_id": random.choice(script["rooms"]),
                "sender": random.choice(script["senders"]),
                "event_id": "$" + sha256(f"{script['run']}/{number}/{n}".encode()).hexdigest()[:43],
                "origin_server_ts": now,
                "content": {"msgtype": "m.text", "body": body, "m.mentions": {}},
                "unsigned": {"age": 12},
                "user_id": script["senders"][0],
                "age": 12,
            }
        )
    return orjson.dumps({"events": events})


async def main() -> None:
    script = json.loads(Path(os.environ["PUSH_SCRIPT"]).read_text(encoding="utf-8"))
    pid, transactions = script["pid"], script["events"] // PER_TRANSACTION
    resident: list[int] = []
    took_ms: list[float] = []
    headers = {"Authorization": f"Bearer {script['hs_token']}", "Content-Type": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session:
        cpu, started = cpu_seconds(pid), monotonic()
        for number in range(transactions):
            body = transaction(number, script)
            sent = monotonic()
            async with session.put(f"{script['url']}/_matrix/app/v1/transactions/{number}", data=body) as answer:
                await answer.read()
                if answer.status != 200:
                    raise RuntimeError(f"transaction {number}: {answer.status}")
            took_ms.append((monotonic() - sent) * 1000)
            if number % 10 == 0:
                resident.append(resident_bytes(pid))
        result = {
            "wall_s": monotonic() - started,
            "cpu_s": cpu_seconds(pid) - cpu,
            "took_ms": took_ms,
            "resident": resident,
        }
    Path(os.environ["PUSH_RESULT"]).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
