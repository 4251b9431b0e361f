"""A stand-in homeserver that agrees to everything at once: only for the intake benchmark, where a real one would be the
limit. Counts what it was asked for, and tells it at `/counts`. Everybody is in the rooms that `STUB_ROOMS` lists."""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter

from aiohttp import web


def _kind(request: web.Request) -> str:
    """What a request is for: `redact`, `send`, `sync`, …"""
    parts = request.path.split("/")
    known = ("redact", "send", "state", "sync", "filter", "ping", "versions", "createRoom", "messages", "event")
    return next((part for part in parts if part in known), "other")


async def main() -> None:
    counts: Counter[str] = Counter()
    rooms = json.loads(os.environ["STUB_ROOMS"])

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/counts":
            return web.json_response(dict(counts))
        await request.read()
        kind = _kind(request)
        counts[kind] += 1
        if kind in {"redact", "send"}:
            return web.json_response({"event_id": f"$stand-in-{kind}-{counts[kind]}"})
        return web.json_response(
            {"versions": ["v1.15"], "filter_id": "1", "next_batch": "s1", "joined_rooms": rooms, "chunk": []}
        )

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["STUB_PORT"])).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
