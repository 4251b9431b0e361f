"""The larger example on a real homeserver: a service that waits for its policy, and a proxy that counts what it calls."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import aiohttp
import yaml
from aiohttp import web

from appservice.operations.control import ApplyAnswer, PlanAnswer, apply_policy, plan_policy
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.processes import free_port, release_port
from appservice.operations.service_process import ServiceProcess, write_service_config
from appservice.service.config import ghosts_of, load_registration
from policies.compile import compile_community
from policies.desired import MANAGED_TYPE, DesiredCommunity
from policies.load import load_files
from policies.people import People
from tests.support.paths import POLICIES

SERVER_NAME = "chat.leedscarers.example"
ALIASES = (r"^#leeds-.*:chat\.leedscarers\.example$",)
PASSWORD = "an invented passphrase"
#: Headers of one hop only, and those that aiohttp sets itself.
_NOT_PASSED_ON = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
_CHANGES = re.compile(r"/createRoom|/rooms/[^/]+/(state|invite|kick)|/v3/join/|/directory/room/")


@dataclass
class CallProxy:
    """Stands between the service and its homeserver. `changes` are the calls that changed rooms, in order.

    `executed(n)` is awaited when the homeserver has executed the n-th of them, before the service is told; `sent(body)`
    when it has taken a message. Calls for which `holds` is true wait until it is not.
    """

    target: str
    port: int = field(default_factory=free_port)
    changes: list[str] = field(default_factory=list)
    executed: Callable[[int], Awaitable[None]] | None = None
    sent: Callable[[bytes], Awaitable[None]] | None = None
    holds: Callable[[web.Request], bool] = lambda _request: False
    counts: re.Pattern[str] = _CHANGES
    _runner: web.AppRunner | None = None
    _session: aiohttp.ClientSession | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()
        release_port(self.port)

    async def _pass_on(self, request: web.Request) -> web.Response:
        assert self._session is not None
        body = await request.read()
        while self.holds(request):
            await asyncio.sleep(0.05)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON}
        try:
            async with self._session.request(
                request.method, self.target + request.raw_path, data=body, headers=headers
            ) as response:
                status, answer = response.status, await response.read()
        except aiohttp.ClientError:
            return web.Response(status=502, body=b"{}", content_type="application/json")
        if request.method != "GET" and self.counts.search(request.path):
            self.changes.append(f"{request.method} {request.path}")
            if self.executed is not None:
                await self.executed(len(self.changes))
        if request.method == "PUT" and "/send/m.room.message/" in request.path and self.sent is not None:
            await self.sent(body)
        return web.Response(status=status, body=answer, content_type="application/json")


@dataclass
class Charity:
    """Homeserver, service and proxy. `policy` and `people` are copies of the example, to be changed at will."""

    folder: Path
    homeserver: EmbeddedHomeserver
    proxy: CallProxy
    service: ServiceProcess
    policy: Path
    people: Path
    tokens: dict[str, str] = field(default_factory=dict)
    #: rooms that were there before: they need not be looked at
    elsewhere: frozenset[str] = frozenset()
    _session: aiohttp.ClientSession | None = None

    @classmethod
    async def make(
        cls,
        folder: Path,
        homeserver: EmbeddedHomeserver,
        community: str = "leeds-carers",
        *,
        looked_at_risks: timedelta = timedelta(days=30),
    ) -> Charity:
        """Make a service for a homeserver that runs; not started.

        community: its id in the copied policy. looked_at_risks: how long ago somebody did, whenever tests are run.
        """
        folder.mkdir(parents=True, exist_ok=True)
        policy, people = folder / "policy.yaml", folder / "policy.people.yaml"
        text = (POLICIES / "leeds-carers.yaml").read_text(encoding="utf-8")
        text = text.replace("id: leeds-carers", f"id: {community}")
        for written, since in (("reviewed: 2026-09-01", looked_at_risks), ("next: 2027-09-01", timedelta(days=-300))):
            assert written in text
            day = (datetime.now(ZoneInfo("Europe/London")) - since).date()
            text = text.replace(written, f"{written.partition(':')[0]}: {day}")
        policy.write_text(text, encoding="utf-8")
        people.write_bytes((POLICIES / "leeds-carers.people.yaml").read_bytes())
        proxy = CallProxy(homeserver.url)
        await proxy.start()
        config = write_service_config(folder / "service", homeserver, durability="normal")
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
        content["homeserver"]["url"] = proxy.url
        content["log"]["level"] = "debug"
        config.write_text(yaml.safe_dump(content), encoding="utf-8")
        # What it writes for a moment lies where tests look too.
        temporary = config.parent / "tmp"
        temporary.mkdir(exist_ok=True)
        places = {"TMPDIR": str(temporary), "SQLITE_TMPDIR": str(temporary)}
        return cls(folder, homeserver, proxy, ServiceProcess(config, places), policy, people)

    async def stop(self) -> None:
        await self.service.stop()
        await self.proxy.stop()
        if self._session is not None:
            await self._session.close()

    # -- what is asked of the service --------------------------------------------------------------------------------

    async def plan(self, *, audit: bool = False) -> PlanAnswer:
        return await plan_policy(self.service.config, self.policy, audit=audit)

    async def apply(self, digest: str | None = None) -> ApplyAnswer:
        return await apply_policy(self.service.config, self.policy, digest=digest)

    async def command(self, *arguments: str, folder: Path | None = None) -> tuple[int, str]:
        """Run `inglenook ARGUMENTS --config …` as a person in `folder` would; return exit status and what was printed."""
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("inglenook")),
            *arguments,
            "--config",
            str(self.service.path),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=folder,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, said.decode()

    def said(self) -> tuple[DesiredCommunity, People]:
        """What the policy wants at this moment."""
        loaded = load_files(self.policy)
        assert loaded.policy is not None, loaded.findings
        assert loaded.people is not None, loaded.findings
        return compile_community(loaded.policy, loaded.people), loaded.people

    # -- what the homeserver says ------------------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        person: str | None = None,
        query: Mapping[str, str] | None = None,
    ) -> tuple[int, Any]:
        """Make a call past the proxy, as a person who signed up, else as the steward; return status and answer."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        token = self.homeserver.registration.as_token if person is None else self.tokens[person]
        async with self._session.request(
            method,
            self.homeserver.url + path,
            json=body,
            params=query,
            headers={"Authorization": f"Bearer {token}"},
        ) as response:
            return response.status, await response.json(content_type=None)

    async def sign_up(self, person: str) -> None:
        await self.homeserver.register(person, PASSWORD)
        self.tokens[person] = await self.homeserver.login(person, PASSWORD)

    async def join(self, person: str, room: str) -> int:
        """Join by id or address; return the HTTP status."""
        return (await self.call("POST", f"/_matrix/client/v3/join/{quote(room, safe='')}", {}, person=person))[0]

    async def state(self, room_id: str) -> dict[tuple[str, str], Any]:
        """Content by type and key, members included, as the steward sees it."""
        status, events = await self.call("GET", f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}/state")
        assert status == 200, events
        return {(event["type"], event["state_key"]): event["content"] for event in events}

    async def rooms(self) -> dict[str, str]:
        """Room ids by key, of all rooms that the steward is in and that carry the community's mark: each key once."""
        community, _ = self.said()
        _, answer = await self.call("GET", "/_matrix/client/v3/joined_rooms")
        found: dict[str, str] = {}
        for room_id in set(answer["joined_rooms"]) - self.elsewhere:
            state = await self.state(room_id)
            mark = state["m.room.create", ""].get(MANAGED_TYPE, {})
            if mark.get("community") == community.id:
                assert mark["group"] not in found, f"{mark['group']} was made twice"
                found[mark["group"]] = room_id
        return found

    async def assert_as_said(self, rooms: Mapping[str, str] | None = None) -> None:
        """Assert that every room holds exactly the state compiled, and nobody but those who may be there."""
        community, people = self.said()
        rooms = await self.rooms() if rooms is None else rooms
        assert set(rooms) == {room.key for room in community.rooms}
        config = self.service.config
        ghosts = ghosts_of(load_registration(config.registration), config.homeserver.name)
        for room in community.rooms:
            state = await self.state(rooms[room.key])
            members = {key[1]: content["membership"] for key, content in state.items() if key[0] == "m.room.member"}
            present = {user for user, membership in members.items() if membership in {"join", "invite"}}
            besides = {"m.room.member", "m.room.create"}
            held = {key: content for key, content in state.items() if key[0] not in besides and content}  # {}: no link
            wanted = community.complete_state(room.key, rooms)
            held["m.room.topic", ""] = {"topic": held["m.room.topic", ""]["topic"]}
            assert held == wanted, room.key
            assert members[ghosts.steward] == members[ghosts.guardian] == "join"
            if not room.membership.anyone and not room.join_through:
                approved = {user for user, person in people.by_id.items() if room.membership.admits(person)}
                assert present == approved | {ghosts.steward, ghosts.guardian}
