"""The floor: a bare bot that redacts on a transaction and does nothing else. No store, no rules, one session.

It stands for the least that any bot can do, so it shares no code with ours. Settings come as environment variables.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from urllib.parse import quote

import aiohttp
from aiohttp import web

HOMESERVER, TOKEN, PORT = os.environ["FLOOR_HOMESERVER"], os.environ["FLOOR_TOKEN"], int(os.environ["FLOOR_PORT"])
REDACTS = os.environ.get("FLOOR_REDACTS", "yes") == "yes"  # "no": swallow the pushes, for a world without a bot
NUMBER = re.compile(r"07700 ?900 ?\d{3}")


async def main() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    session = aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=16, keepalive_timeout=60))
    running: set[asyncio.Task[None]] = set()

    async def redact(room_id: str, event_id: str) -> None:
        path = (
            f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}/redact/{quote(event_id, safe='')}/floor-{event_id[1:]}"
        )
        async with session.put(HOMESERVER + path, data=b"{}") as answer:
            await answer.read()

    async def transaction(request: web.Request) -> web.Response:
        for event in json.loads(await request.read())["events"] if REDACTS else ():
            if event["type"] == "m.room.message" and NUMBER.search(str(event["content"].get("body"))):
                task = asyncio.create_task(redact(event["room_id"], event["event_id"]))
                running.add(task)
                task.add_done_callback(running.discard)
        return web.json_response({})

    async def ping(_request: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_put("/_matrix/app/v1/transactions/{transaction}", transaction)
    app.router.add_post("/_matrix/app/v1/ping", ping)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
