"""Homeservers that talk to each other: real Synapses over TLS on loopback, each with a name of its own.

Their certificates come from an authority of our own, which they trust instead of the world's; so nothing of what a
homeserver checks is turned off. Names that end in `.example` are looked up as 127.0.0.1 in their processes alone.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig
from appservice.operations.processes import free_port, release_port

PASSWORD = "an invented passphrase"
_CERTIFICATES = Path(__file__).with_name("certificates.py")
#: Runs before anything else in Synapse's process; what makes SQLite less durable follows, as it would alone.
_LOOK_UP_HERE = """
import pathlib, socket
_ask = socket.getaddrinfo
def _here(host, *rest, **more):
    name = host.decode() if isinstance(host, bytes) else host
    return _ask("127.0.0.1" if isinstance(name, str) and name.endswith(".example") else host, *rest, **more)
socket.getaddrinfo = _here
exec(compile(pathlib.Path({next_one!r}).read_text(), {next_one!r}, "exec"))
"""


class Neighbour(EmbeddedHomeserver):
    """A homeserver whose process finds the others."""

    def prepare(self) -> Any:
        made = super().prepare()
        assert self.config.python_path is not None
        folder = self.config.directory / "names"
        folder.mkdir(exist_ok=True)
        next_one = str((self.config.python_path / "sitecustomize.py").absolute())
        (folder / "sitecustomize.py").write_text(_LOOK_UP_HERE.format(next_one=next_one), encoding="utf-8")
        return made

    def _environment(self) -> dict[str, str]:
        return super()._environment() | {"PYTHONPATH": str((self.config.directory / "names").absolute())}


def certify(folder: Path, python: Path, hosts: Sequence[str]) -> Path:
    """Make certificates for `hosts` in a new folder, with the Python of Synapse's environment; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([python, _CERTIFICATES, folder, *hosts], check=True, timeout=60)
    return folder


@dataclass
class Town:
    """One homeserver and the people who live there, seen through the Client-Server API only."""

    homeserver: EmbeddedHomeserver
    federation_port: int
    tokens: dict[str, str] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None
    _asked: int = 0

    @classmethod
    def plan(cls, folder: Path, python: Path, host: str, certificates: Path, **settings: Any) -> Town:
        """A town that was not started: `host` and a port are its server's name. `settings` are those of its server."""
        port, listen = free_port(), free_port()
        overrides: Mapping[str, Any] = {
            "bcrypt_rounds": 4,
            "tls_certificate_path": str(certificates / f"{host}.crt"),
            "tls_private_key_path": str(certificates / f"{host}.key"),
            "federation_custom_ca_list": [str(certificates / "ca.pem")],
            # Loopback is what homeservers refuse to call, for good reason, everywhere but here.
            "ip_range_blacklist": [],
            "federation_ip_range_blacklist": [],
            "rc_joins": {"remote": {"per_second": 100, "burst_count": 100}},
            "listeners": [
                _listener(port, "client", tls=False),
                _listener(listen, "federation", tls=True),
            ],
        }
        config = HomeserverConfig(
            directory=folder / host,
            server_name=f"{host}:{listen}",
            port=port,
            python=python,
            durable=False,
            overrides=overrides,
            **{"appservice_url": f"http://127.0.0.1:{free_port()}", **settings},
        )
        return cls(Neighbour(config), listen)

    @property
    def name(self) -> str:
        """The server's name, as it stands behind the colon of a user id."""
        return self.homeserver.config.server_name

    def user_id(self, person: str) -> str:
        return self.homeserver.user_id(person)

    async def sign_up(self, *people: str) -> None:
        for person in people:
            await self.homeserver.register(person, PASSWORD)
            self.tokens[person] = await self.homeserver.login(person, PASSWORD)

    async def stop(self) -> None:
        await self.homeserver.stop()
        if self._session is not None:
            await self._session.close()
        config = self.homeserver.config
        for port in (config.port, self.federation_port, int(config.appservice_url.rpartition(":")[2])):
            release_port(port)

    async def call(
        self,
        person: str,
        method: str,
        path: str,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        *,
        version: str = "v3",
    ) -> tuple[int, Any]:
        """Make a client's call; return HTTP status and JSON."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        headers = {"Authorization": f"Bearer {self.tokens[person]}"}
        url = f"{self.homeserver.url}/_matrix/client/{version}{path}"
        async with self._session.request(method, url, json=body, headers=headers, params=query) as response:
            return response.status, await response.json(content_type=None)

    async def join(self, person: str, room: str, via: str) -> int:
        """Join by id or address; return the HTTP status."""
        query = {"server_name": via, "via": via}
        return (await self.call(person, "POST", f"/join/{quote(room, safe='')}", {}, query))[0]

    async def say(self, person: str, room_id: str, text: str) -> str:
        """Send a message; return its event id."""
        path = f"/rooms/{quote(room_id, safe='')}/send/m.room.message/{secrets.token_hex(8)}"
        status, answer = await self.call(person, "PUT", path, {"msgtype": "m.text", "body": text})
        assert status == 200, answer
        return str(answer["event_id"])

    async def timeline(self, person: str, room_id: str) -> list[dict[str, Any]]:
        """The events of a room that this person's own server shows, newest first."""
        status, answer = await self.call(
            person, "GET", f"/rooms/{quote(room_id, safe='')}/messages", query={"dir": "b", "limit": "100"}
        )
        return list(answer["chunk"]) if status == 200 else []

    async def sees(self, person: str, room_id: str, event_id: str) -> dict[str, Any] | None:
        """An event as this person's own server shows it in the room, None while it does not."""
        events = await self.timeline(person, room_id)
        return next((event for event in events if event["event_id"] == event_id), None)

    async def membership(self, reader: str, room_id: str, user_id: str) -> str:
        """What this server says of somebody in a room."""
        path = f"/rooms/{quote(room_id, safe='')}/state/m.room.member/{quote(user_id, safe='')}"
        _, answer = await self.call(reader, "GET", path)
        return str(answer.get("membership", ""))

    async def everything(self, person: str) -> dict[str, Any]:
        """All that a person's server gives her client: rooms, invites, state."""
        # Synapse gives the same answer to the same question for two minutes (`sync_response_cache_duration`).
        self._asked += 1
        query = {"timeout": str(self._asked), "full_state": "true", "filter": '{"room":{"include_leave":true}}'}
        status, answer = await self.call(person, "GET", "/sync", query=query)
        assert status == 200, answer
        return dict(answer)


def _listener(port: int, resource: str, *, tls: bool) -> dict[str, Any]:
    resources = [{"names": [resource], "compress": False}]
    return {"port": port, "type": "http", "tls": tls, "bind_addresses": ["127.0.0.1"], "resources": resources}
