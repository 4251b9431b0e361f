"""A whole community in a folder: homeserver, service and invented people, seen through the Client-Server API only.

`prepare` makes one from the example policy, once a session; `copy` gives a test its own, on ports of its own.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import yaml

from appservice.operations.audits import verify_audit
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig, merge
from appservice.operations.processes import free_port, release_port
from appservice.operations.service_process import ServiceProcess, write_service_config
from appservice.operations.status import read_status
from tests.support import seen
from tests.support.seen import SeenEvent, SeenMessage, Sent, Told
from tests.support.waiting import DEADLINE, eventually

__all__ = ["GUARDIAN", "SERVER_NAME", "STEWARD", "VIOLATION", "Community", "Refused", "Sent", "Told", "copy", "prepare"]

CHECKOUT = Path(__file__).resolve().parents[2]
EXAMPLES = CHECKOUT / "policies" / "examples"
SERVER_NAME = "hearth.example"
GUARDIAN = f"@inglenook-guardian:{SERVER_NAME}"
STEWARD = f"@inglenook-steward:{SERVER_NAME}"
PASSWORD = "an invented passphrase"
#: Somebody else's number, in the range that Ofcom keeps for drama: a message with it is a violation.
VIOLATION = "Ring Jo on 07700 900123"
#: Who has joined what in a prepared community; `sam` is a stranger to the closed group, `kit` is in no group.
JOINED = {
    "sam": ("welcome",),
    "rosa": ("welcome", "bereaved"),
    "amina": ("welcome", "bereaved", "moderators", "safeguarding"),
    "dewi": ("safeguarding",),
    "morgan": ("welcome", "moderators"),
    "kit": ("ops",),
}
_KEYS = ("space", "welcome", "bereaved", "moderators", "safeguarding", "ops")
_POLICY, _PEOPLE = EXAMPLES / "hearth-demo.yaml", EXAMPLES / "hearth-demo.people.yaml"
#: Passwords need no protection here, and tests send faster than people type.
_FAST: Mapping[str, Any] = {
    "bcrypt_rounds": 4,
    "rc_message": {"per_second": 1000, "burst_count": 1000},
    "rc_joins": {"local": {"per_second": 100, "burst_count": 1000}},
}


class Refused(AssertionError):
    """The homeserver refused what a person asked for; `status` is the HTTP status, `errcode` Matrix's code."""

    def __init__(self, method: str, path: str, status: int, answer: Any) -> None:
        super().__init__(f"{method} {path}: {status} {answer}")
        self.status = status
        self.errcode = answer.get("errcode", "") if isinstance(answer, dict) else ""


@dataclass
class Community:
    """One community. `tokens` are access tokens by localpart, `rooms` room ids by key of the policy."""

    folder: Path
    homeserver: EmbeddedHomeserver
    service: ServiceProcess
    tokens: dict[str, str] = field(default_factory=dict)
    rooms: dict[str, str] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self, extra: Mapping[str, str] | None = None) -> None:
        """Start homeserver and service, and wait until both are ready. `extra` are variables of the service."""
        await self.homeserver.start()
        await self.service.start(extra)

    async def stop(self) -> None:
        """Stop both cleanly; safe to call whatever runs."""
        await self.service.stop()
        await self.homeserver.stop()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def restart_homeserver(self, *, kill: bool = False) -> None:
        """End Synapse (SIGTERM, or SIGKILL with `kill`) and start it again; returns when it answers."""
        await (self.homeserver.kill() if kill else self.homeserver.stop())
        await self.homeserver.start()

    # -- what people do --------------------------------------------------------------------------------------------

    def user_id(self, person: str) -> str:
        """`@person:hearth.example`."""
        return self.homeserver.user_id(person)

    async def call(
        self,
        person: str,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        patience: float = DEADLINE,
    ) -> Any:
        """Make a client's call and return its JSON. Repeated while the homeserver is away, for `patience` seconds.

        Raises: `Refused`.
        """
        until = time.monotonic() + patience
        headers = {"Authorization": f"Bearer {self.tokens[person]}"}
        while True:
            if self._session is None:
                self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))
            try:
                async with self._session.request(
                    method, self.homeserver.url + path, json=body, headers=headers, params=query
                ) as response:
                    answer = await response.json(content_type=None)
                    if response.status >= 400:
                        raise Refused(method, path, response.status, answer)
                    return answer
            except (aiohttp.ClientError, TimeoutError, ValueError):
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.05)

    async def say(self, person: str, room: str, text: str, **content: Any) -> Sent:
        """Send a message as a client does: the same transaction id until it is answered. `room` is a key or an id."""
        return await self.send(person, room, "m.room.message", {"msgtype": "m.text", "body": text, **content})

    async def send(self, person: str, room: str, event_type: str, content: Mapping[str, Any]) -> Sent:
        """Send any message event."""
        room_id = self.rooms.get(room, room)
        path = f"{_room(room_id)}/send/{event_type}/{secrets.token_hex(8)}"
        answer = await self.call(person, "PUT", path, content)
        return Sent(answer["event_id"], room_id, person)

    async def redact(self, person: str, room: str, event_id: str) -> str:
        """Remove an event as a person; return the redaction's id."""
        path = f"{_room(self.rooms.get(room, room))}/redact/{quote(event_id)}/{secrets.token_hex(8)}"
        return str((await self.call(person, "PUT", path, {}))["event_id"])

    async def join(self, person: str, room: str) -> str:
        """Join by the room's address (a key of the policy) or its id; return the room id."""
        address = f"#hearth-{room}:{SERVER_NAME}" if room in _KEYS else room
        answer = await self.call(person, "POST", f"/_matrix/client/v3/join/{quote(address, safe='')}", {})
        return str(answer["room_id"])

    async def leave(self, person: str, room: str) -> None:
        """Leave a room."""
        await self.call(person, "POST", f"{_room(self.rooms.get(room, room))}/leave", {})

    async def sign_up(self, person: str) -> None:
        """Make an account and sign in."""
        await self.homeserver.register(person, PASSWORD)
        self.tokens[person] = await self.homeserver.login(person, PASSWORD)

    async def as_ghost(self, user_id: str, method: str, path: str, body: Any = None) -> Any:
        """Make a call with the application service's token, as one of its users: for what only we can do."""
        self.tokens["appservice"] = self.homeserver.registration.as_token
        return await self.call("appservice", method, path, body, query={"user_id": user_id})

    async def apply(self, roles: Mapping[str, Collection[str]]) -> None:
        """Put the example in force with other roles for some people, by name, as the operator does at the server."""
        people = yaml.safe_load(_PEOPLE.read_text(encoding="utf-8"))
        for person, names in roles.items():
            people["people"].setdefault(self.user_id(person), {})["roles"] = list(names)
        file = self.folder / "other.people.yaml"
        file.write_text(yaml.safe_dump(people), encoding="utf-8")
        inglenook = str(Path(sys.executable).with_name("inglenook"))
        process = await asyncio.create_subprocess_exec(
            *(inglenook, "apply", str(_POLICY), "--people", str(file), "--yes", "--config", str(self.service.path)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()

    # -- what people see -------------------------------------------------------------------------------------------

    async def timeline(self, person: str, room: str) -> list[SeenEvent]:
        """Every event of a room that a person may read, oldest first."""
        room_id = self.rooms.get(room, room)
        events: list[SeenEvent] = []
        query = {"dir": "f", "limit": "1000"}
        while True:
            page = await self.call(person, "GET", f"{_room(room_id)}/messages", query=query)
            events += [seen.seen_event(raw, room_id) for raw in page["chunk"]]
            if not page.get("end") or not page["chunk"]:
                return events
            query["from"] = page["end"]

    async def messages(self, person: str, room: str) -> list[SeenMessage]:
        """The messages of a room as a person's client shows them, edits applied."""
        return seen.messages(await self.timeline(person, room))

    async def direct_rooms(self, person: str) -> list[str]:
        """Rooms that a person shares with the guardian alone."""
        found = []
        for room_id in (await self.call(person, "GET", "/_matrix/client/v3/joined_rooms"))["joined_rooms"]:
            if room_id in self.rooms.values():
                continue
            members = await self.call(person, "GET", f"{_room(room_id)}/joined_members")
            if set(members["joined"]) == {self.user_id(person), GUARDIAN}:
                found.append(room_id)
        return found

    async def direct_messages(self, person: str) -> list[SeenMessage]:
        """What stands in a person's direct rooms with the guardian."""
        rooms = await self.direct_rooms(person)
        return [message for room_id in rooms for message in await self.messages(person, room_id)]

    async def notices(self, room: str, reader: str = "rosa") -> list[SeenMessage]:
        """What the guardian said in a room, as `reader` sees it."""
        return [message for message in await self.messages(reader, room) if message.sender == GUARDIAN]

    async def cards(self, place: str = "moderators", reader: str = "amina") -> list[SeenMessage]:
        """The guardian's cards in a system room."""
        return await self.notices(place, reader)

    async def told(self, violations: Iterable[Sent], reader: str = "rosa") -> Told:
        """Look at everything that people see of `violations`: rooms as `reader`, direct rooms as their authors."""
        violations = list(violations)
        redactions: dict[str, list[str]] = {}
        notices: dict[str, int] = {}
        for room_id in {event.room_id for event in violations}:
            timeline = await self.timeline(reader, room_id)
            redactions |= seen.redactions(timeline, GUARDIAN)
            notices[room_id] = seen.removals_told_in_notices(seen.messages(timeline), GUARDIAN)
        privately: dict[str, int] = {}
        direct_rooms: dict[str, int] = {}
        for author in {event.author for event in violations}:
            rooms = await self.direct_rooms(author)
            direct_rooms[author] = len(rooms)
            shown = [message for room_id in rooms for message in await self.messages(author, room_id)]
            privately[author] = seen.removals_told_privately(shown, GUARDIAN)
        # A card about somebody who sits in a room is in another one, or is told to somebody alone (CARE, rule 4).
        cards = [*await self.cards(), *await self.cards("safeguarding", "dewi")]
        for room_id in await self.direct_rooms("dewi"):
            cards += await self.messages("dewi", room_id)
        on_cards = {
            author: seen.removals_counted_on_cards(cards, GUARDIAN, self.user_id(author)) for author in direct_rooms
        }
        links = seen.removals_on_cards(cards, GUARDIAN)
        return Told(redactions, notices, privately, links, on_cards, direct_rooms)

    # -- waiting and judging ---------------------------------------------------------------------------------------

    async def redacted(self, events: Iterable[Sent], reader: str = "rosa", within: float = DEADLINE) -> None:
        """Wait until the guardian has removed all of `events`."""
        waiting = {event.event_id: event.room_id for event in events}

        async def look() -> bool:
            for room_id in set(waiting.values()):
                for event_id in seen.redactions(await self.timeline(reader, room_id), GUARDIAN):
                    waiting.pop(event_id, None)
            return not waiting

        await eventually(look, f"{len(waiting)} messages removed", within)

    async def settled(self, within: float = DEADLINE) -> dict[str, Any]:
        """Wait until the service is ready and nothing is pending or queued; return its status."""

        async def idle() -> dict[str, Any] | None:
            status = await self.service.status()
            assert status is not None, "the service does not answer"
            open_effects = sum(status["outbox"]["waiting"].values())
            state = (status["ready"], status["lanes"]["waiting"], open_effects, status["homeserver"]["reachable"])
            assert state == (True, 0, 0, True), f"{status['lanes']} {status['outbox']} {status['problems']}"
            return status

        return await eventually(idle, "nothing pending or queued", within)

    async def all_told_once(self, violations: Iterable[Sent], within: float = DEADLINE, reader: str = "rosa") -> Told:
        """Wait until every violation is removed and told, and the service idle; then assert that nothing was repeated,
        the audit is whole, and the store holds nothing open. Returns what people see."""
        violations = list(violations)

        async def complete() -> bool:
            missing = (await self.told(violations, reader)).missing(violations)
            assert not missing, f"missing: {missing[:10]}"
            return True

        await eventually(complete, "everything removed and told", within, every=0.2)
        await self.settled(within)
        told = await self.told(violations, reader)
        assert not told.repeated(violations), told.repeated(violations)
        assert not told.missing(violations), told.missing(violations)
        await self.nothing_left_open()
        return told

    async def nothing_left_open(self) -> None:
        """Assert that the store holds nothing pending, queued or set aside, and that the audit's chains are whole."""
        status = await read_status(self.service.config)
        assert status.store is not None, status.problems
        left = {name: status.store[name] for name in ("pending", "queued", "set_aside")}
        assert left == {"pending": 0, "queued": 0, "set_aside": 0}
        assert not status.problems
        verification = await verify_audit(self.service.config)
        assert not verification.problems, verification


# -- making one -----------------------------------------------------------------------------------------------------


async def prepare(folder: Path, python: Path) -> Community:
    """Make the example community in `folder`: provisioned, people signed in and in their rooms (`JOINED`), each with
    a direct room. Stopped when returned. `python` is that of Synapse's environment."""
    community = _make(folder, python)
    try:
        await community.homeserver.start()
        await community.homeserver.make_steward_admin()
        await asyncio.gather(*(community.sign_up(person) for person in JOINED))
        await community.service.start()
        for person, rooms in JOINED.items():
            for room in rooms:
                community.rooms[room] = await community.join(person, room)
        address = quote(f"#hearth-space:{SERVER_NAME}", safe="")
        found = await community.call("sam", "GET", f"/_matrix/client/v3/directory/room/{address}")
        community.rooms["space"] = found["room_id"]

        async def everybody_reached() -> bool:
            return all([await community.direct_rooms(person) for person in JOINED])

        await eventually(everybody_reached, "a direct room for everybody")
        await community.settled()
    finally:
        await community.stop()
    return community


def copy(template: Community, folder: Path, *, ports: Mapping[str, int] | None = None) -> Community:
    """Copy a stopped community into the new folder `folder`, on ports of its own; not started.

    `ports` may name `appservice`, where the homeserver sends transactions, if that is not where the service listens.
    """
    made = _make(folder, template.homeserver.config.python, ports)
    original = folder / "original"
    template.homeserver.snapshot(original)
    made.homeserver.restore(original)
    shutil.rmtree(original)
    # The registration's tokens came with the copy; only now does the service read them.
    shutil.copytree(template.service.config.data, made.service.config.data)
    made.tokens, made.rooms = dict(template.tokens), dict(template.rooms)
    return made


def release_ports(community: Community) -> None:
    """Give back the ports of a community that is not needed any more."""
    config = community.homeserver.config
    for port in (config.port, int(config.appservice_url.rpartition(":")[2]), community.service.config.listen.port):
        release_port(port)


def _make(folder: Path, python: Path, ports: Mapping[str, int] | None = None) -> Community:
    listen = free_port()
    homeserver = EmbeddedHomeserver(
        HomeserverConfig(
            directory=folder / "homeserver",
            server_name=SERVER_NAME,
            port=free_port(),
            appservice_url=f"http://127.0.0.1:{(ports or {}).get('appservice', listen)}",
            python=python,
            # Tests kill processes, they do not cut the power.
            durable=False,
            alias_regexes=(r"^#hearth-.*:hearth\.example$",),
            overrides=merge(_FAST, {}),
        )
    )
    homeserver.prepare()
    file = write_service_config(folder / "service", homeserver, _POLICY, _PEOPLE)
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["listen"]["port"] = listen
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return Community(folder, homeserver, ServiceProcess(file))


def _room(room_id: str) -> str:
    return f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}"
