"""Prepared homeservers: rooms made by our own service from a policy, people joined by their own tokens.

Built once, kept as a copy in `.inglenook/benchmarks/worlds`, put back before each measurement.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import aiohttp
import orjson
import yaml

import appservice
import policies
from appservice.operations import accounts
from appservice.operations.files import data_path, write_private
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig
from appservice.operations.processes import free_port
from appservice.operations.service_process import ServiceProcess, write_service_config
from benchmarks.settings import Settings

SERVER = "bench.example"
ALIASES = (r"^#bench-.*:bench\.example$",)
#: Synapse's limits are for strangers; a benchmark is limited by the machine. The same for every bot.
_FREE = {"per_second": 10_000, "burst_count": 10_000}
OVERRIDES: dict[str, Any] = {
    "bcrypt_rounds": 4,
    "rc_message": _FREE,
    "rc_joins": {"local": _FREE, "remote": _FREE},
    "rc_joins_per_room": _FREE,
    "rc_registration": _FREE,
    "rc_login": {"address": _FREE, "account": _FREE, "failed_attempts": _FREE},
}
#: Joins at the same time: spread over rooms, since one room takes one at a time.
_JOINS_AT_ONCE = 4
#: Seconds without a change until a service counts as having nothing more to do.
_SETTLED_S = 2.0
OBSERVER, MODERATOR = "olive", "morgan"


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a world is. Each room has `members` of the `people`; `newcomers` have an account and are nowhere."""

    name: str
    rooms: int
    people: int
    members: int
    newcomers: int

    def members_of(self, room: int) -> list[int]:
        """Return which of the people are in the room with this number."""
        return [(room * 3 + k) % self.people for k in range(self.members)]


SMALL = Plan("small", rooms=10, people=20, members=20, newcomers=20)
LARGE = Plan("large", rooms=200, people=40, members=20, newcomers=0)
LARGE_QUICK = Plan("large-quick", rooms=40, people=24, members=20, newcomers=0)


@dataclass(frozen=True, slots=True)
class World:
    """A built world: room ids in the order of the groups, tokens by localpart."""

    plan: Plan
    folder: Path
    rooms: tuple[str, ...]
    moderators: str
    tokens: dict[str, str] = field(repr=False)

    def token(self, localpart: str) -> str:
        return self.tokens[localpart]

    @property
    def authors(self) -> list[str]:
        return [author(n) for n in range(self.plan.people)]


def author(n: int) -> str:
    return f"person{n:03d}"


def newcomer(n: int) -> str:
    return f"newcomer{n:03d}"


async def world(plan: Plan, settings: Settings, say: Callable[[str], None]) -> World:
    """Return the world of `plan`, building it if no copy of it is there that today's code would have made."""
    kept = settings.worlds / f"{plan.name}-{_digest(plan)}"
    if not (kept / "world.json").exists():
        say(f"building the world “{plan.name}”: {plan.rooms} rooms of {plan.members}, kept for the next time")
        for old in settings.worlds.glob(f"{plan.name}-????????????"):
            shutil.rmtree(old)
        started = monotonic()
        await _Builder(plan, settings, kept, say).build()
        say(f"built in {monotonic() - started:.0f} s")
    known = json.loads((kept / "world.json").read_text(encoding="utf-8"))
    return World(plan, kept, tuple(known["rooms"]), known["moderators"], known["tokens"])


def _digest(plan: Plan) -> str:
    """What a world depends on: its plan, what makes rooms, what they are stored in, and the homeserver's version."""
    ours, language = Path(appservice.__file__).parent, Path(policies.__file__).parent
    files: Iterable[Path] = [
        Path(__file__),
        data_path("requirements/synapse.txt"),
        *language.glob("*.py"),
        *(ours / "provisioning").glob("*.py"),
        ours / "people" / "direct_rooms.py",
        ours / "store" / "schema.py",
        *(ours / "store" / "migrations" / "versions").glob("*.py"),
    ]
    digest = hashlib.sha256(repr(asdict(plan)).encode())
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def write_policy(plan: Plan, folder: Path) -> tuple[Path, Path]:
    """Write a policy with as many open groups as the plan has rooms, and its people; return both paths."""
    groups = {
        f"g{n:03d}": {"name": f"Group {n}", "purpose": "Talk with other carers.", "kind": "open", "tier": "low"}
        for n in range(plan.rooms)
    }
    policy = {
        "schema": 1,
        "community": {
            "id": "bench",
            "name": "Bench",
            "purpose": "An invented community.",
            "not_for": "Not a crisis service: in danger call 999.",
            "server": SERVER,
            "owners": {"safeguarding_lead": "lead", "deputy": "deputy"},
            "hours": "Mon-Fri 09:00-17:00 Europe/London",
        },
        "roles": {
            "admin": {"level": 90, "can": ["operate"]},
            "lead": {"level": 75, "can": ["safeguard"]},
            "deputy": {"level": 75, "can": ["safeguard"]},
            "moderator": {"level": 50, "can": ["moderate"]},
        },
        "groups": groups,
    }
    holders = {"kit": "admin", "amina": "lead", "dewi": "deputy", MODERATOR: "moderator"}
    people = {"schema": 1, "people": {f"@{name}:{SERVER}": {"roles": [role]} for name, role in holders.items()}}
    paths = folder / "policy.yaml", folder / "people.yaml"
    for path, content in zip(paths, (policy, people), strict=True):
        write_private(path, yaml.safe_dump(content, sort_keys=False))
    return paths


def homeserver_config(folder: Path, settings: Settings, *, durable: bool = True, log_level: str = "WARNING") -> Any:
    """Return what a homeserver of the benchmarks is told; the same for every bot."""
    return HomeserverConfig(
        directory=folder,
        server_name=SERVER,
        port=free_port(),
        appservice_url=f"http://127.0.0.1:{free_port()}",
        python=settings.synapse_python,
        durable=durable,
        alias_regexes=ALIASES,
        log_level=log_level,
        overrides=OVERRIDES,
    )


async def settled(service: ServiceProcess, deadline: float = 300) -> None:
    """Wait until the service has nothing more to do. Raises TimeoutError."""
    until, last, since = monotonic() + deadline, None, monotonic()
    while monotonic() < until:
        status = await service.status()
        if status is None:
            await asyncio.sleep(0.1)
            continue
        waiting = sum(status["outbox"]["waiting"].values()) + status["lanes"]["waiting"]
        now = (waiting, status["outbox"]["done"], status["lanes"]["handled"])
        if now != last or waiting:
            last, since = now, monotonic()
        elif monotonic() - since > _SETTLED_S:
            return
        await asyncio.sleep(0.1)
    raise TimeoutError("the service still has things to do")


class _Builder:
    """Builds one world in a temporary folder and moves it to its place when it is whole."""

    def __init__(self, plan: Plan, settings: Settings, kept: Path, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.kept = kept
        self.say = say
        self.work = settings.work / f"build-{plan.name}"
        self.homeserver = EmbeddedHomeserver(homeserver_config(self.work / "homeserver", settings, durable=False))
        self.tokens: dict[str, str] = {}

    async def build(self) -> None:
        self.work.mkdir(parents=True, mode=0o700)
        policy, people = write_policy(self.plan, self.work)
        self.homeserver.prepare()
        config = write_service_config(self.work / "service", self.homeserver, policy, people, durability="normal")
        service = ServiceProcess(config)
        await self.homeserver.start()
        try:
            await self.homeserver.make_steward_admin()
            await self._register()
            await service.start(deadline=600)
            self.say(f"{self.plan.rooms} rooms provisioned, people join")
            async with aiohttp.ClientSession(self.homeserver.url) as self.session:
                rooms = [await self._resolve(f"g{n:03d}") for n in range(self.plan.rooms)]
                moderators = await self._resolve("moderators")
                await self._join(rooms, moderators)
            await settled(service)
        finally:
            await service.stop()
            await self.homeserver.stop()
        self._keep(rooms, moderators)

    def _keep(self, rooms: Sequence[str], moderators: str) -> None:
        new = self.work / "kept"
        new.mkdir(mode=0o700)
        self.homeserver.snapshot(new / "homeserver")
        shutil.copytree(self.work / "service" / "data", new / "data")
        shutil.copy(self.work / "policy.yaml", new)
        shutil.copy(self.work / "people.yaml", new)
        known = {"rooms": rooms, "moderators": moderators, "tokens": self.tokens}
        write_private(new / "world.json", json.dumps(known))
        self.kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.move(new, self.kept)
        shutil.rmtree(self.work)

    async def _register(self) -> None:
        secret = self.homeserver.config.registration_secret_file.read_text(encoding="utf-8").strip()
        names = [author(n) for n in range(self.plan.people)] + [newcomer(n) for n in range(self.plan.newcomers)]
        for name in (*names, OBSERVER, MODERATOR):
            made = await accounts.register(self.homeserver.url, secret, name, f"pass-{name}")
            self.tokens[name] = made["access_token"]

    async def _resolve(self, group: str) -> str:
        path = f"/_matrix/client/v3/directory/room/%23bench-{group}%3A{SERVER}"
        async with self.session.get(path, headers=self._as(OBSERVER)) as answer:
            answer.raise_for_status()
            return str((await answer.json())["room_id"])

    async def _join(self, rooms: Sequence[str], moderators: str) -> None:
        gate = asyncio.Semaphore(_JOINS_AT_ONCE)

        async def fill(number: int, room_id: str) -> None:
            async with gate:
                for person in self.plan.members_of(number):
                    await self._enter(room_id, author(person))
                if number < 20:
                    await self._enter(room_id, OBSERVER)

        await self._enter(moderators, MODERATOR)
        work: list[Awaitable[None]] = [fill(number, room_id) for number, room_id in enumerate(rooms)]
        await asyncio.gather(*work)

    async def _enter(self, room_id: str, name: str) -> None:
        async with self.session.post(
            f"/_matrix/client/v3/join/{room_id}", data=orjson.dumps({}), headers=self._as(name)
        ) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{name} could not join: {await answer.text()}")

    def _as(self, name: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[name]}"}
