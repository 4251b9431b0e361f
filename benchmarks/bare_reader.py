"""The floor of a cold start: a bare program that reads the state of each room once, eight at a time, and ends."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import quote

import aiohttp
import orjson

HOMESERVER, TOKEN, READER = os.environ["BARE_HOMESERVER"], os.environ["BARE_TOKEN"], os.environ["BARE_READER"]
AT_ONCE = 8


async def main() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    gate = asyncio.Semaphore(AT_ONCE)
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session:

        async def get(path: str) -> dict[str, list[str]]:
            async with gate, session.get(f"{HOMESERVER}{path}?user_id={quote(READER)}") as answer:
                answer.raise_for_status()
                return dict(orjson.loads(await answer.read())) if path.endswith("rooms") else {}

        rooms = (await get("/_matrix/client/v3/joined_rooms"))["joined_rooms"]
        await asyncio.gather(*(get(f"/_matrix/client/v3/rooms/{quote(room)}/state") for room in rooms))


if __name__ == "__main__":
    asyncio.run(main())
