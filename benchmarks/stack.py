"""A world put on stage: its homeserver, with our service, the floor bot or nobody listening to it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from time import monotonic
from typing import Any

import aiohttp

from appservice.operations import processes
from appservice.operations.errors import OperationFailed
from appservice.operations.files import last_lines
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.service_process import ServiceProcess, write_service_config
from benchmarks.settings import Settings
from benchmarks.worlds import World, homeserver_config

_ROOT = Path(__file__).parent.parent
_START_S = 20.0


class Child:
    """One of our helper programs as a process of its own: `python -m benchmarks.MODULE`."""

    def __init__(self, module: str, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = folder / f"{module}.log"
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH", ""))))
        with self.log.open("ab") as output:
            self.process: Popen[bytes] = processes.spawn(
                Path(sys.executable),
                ["-m", f"benchmarks.{module}"],
                environment={**os.environ, "PYTHONPATH": path, **(environment or {})},
                folder=folder,
                output=output,
            )

    async def listening(self, port: int) -> None:
        """Wait until it listens. Raises `OperationFailed`."""
        until = monotonic() + _START_S
        while not processes.port_taken(port):
            if self.process.poll() is not None or monotonic() > until:
                raise OperationFailed(f"{self.log.name} does not listen:\n{last_lines(self.log)}")
            await asyncio.sleep(0.02)

    async def finished(self, deadline: float) -> None:
        """Wait until it has ended well. Raises `OperationFailed`."""
        try:
            await asyncio.to_thread(self.process.wait, deadline)
        finally:
            await self.stop()
        if self.process.returncode != 0:
            raise OperationFailed(f"{self.log.name} ended with {self.process.returncode}:\n{last_lines(self.log)}")

    async def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            await asyncio.to_thread(self.process.wait)


class Stage:
    """A fresh copy of a world. Use as an async context manager; the homeserver runs from entry to exit."""

    def __init__(self, world: World, settings: Settings, *, log_level: str = "WARNING", run: bool = True) -> None:
        self.world = world
        self.folder = settings.work / f"stage-{world.plan.name}"
        self.homeserver = EmbeddedHomeserver(
            homeserver_config(self.folder / "homeserver", settings, log_level=log_level)
        )
        self._run = run
        self._children: list[Child] = []
        self.service: ServiceProcess | None = None

    async def __aenter__(self) -> Stage:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, mode=0o700)
        self.homeserver.prepare()
        self.homeserver.restore(self.world.folder / "homeserver")
        for name in ("policy.yaml", "people.yaml"):
            shutil.copy(self.world.folder / name, self.folder)
        if self._run:
            await self.homeserver.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.service is not None:
            await self.service.stop()
        for child in self._children:
            await child.stop()
        await self.homeserver.stop()
        processes.release_port(self.homeserver.config.port)
        processes.release_port(self.appservice_port)

    @property
    def appservice_port(self) -> int:
        return int(self.homeserver.config.appservice_url.rpartition(":")[2])

    @property
    def as_token(self) -> str:
        return self.homeserver.registration.as_token

    def child(self, module: str, environment: Mapping[str, str] | None = None) -> Child:
        """Start a helper that ends with the stage."""
        child = Child(module, self.folder, environment)
        self._children.append(child)
        return child

    def prepare_service(self, *, warm: bool = True) -> ServiceProcess:
        """Return our service, not started; `warm` with the store that made this world, else with an empty one."""
        folder = self.folder / "service"
        config = write_service_config(
            folder, self.homeserver, self.folder / "policy.yaml", self.folder / "people.yaml", log_level="warning"
        )
        shutil.rmtree(folder / "data", ignore_errors=True)
        if warm:
            shutil.copytree(self.world.folder / "data", folder / "data")
        self.service = ServiceProcess(config)
        return self.service

    async def ours(self) -> ServiceProcess:
        """Start our service, warm, and return when it is ready."""
        service = self.prepare_service()
        await service.start()
        return service

    async def floor(self, *, redacts: bool = True) -> Child:
        """Start the floor bot (or a sink that swallows pushes) where our service would listen."""
        child = self.child(
            "floor_bot",
            {
                "FLOOR_HOMESERVER": self.homeserver.url,
                "FLOOR_TOKEN": self.as_token,
                "FLOOR_PORT": str(self.appservice_port),
                "FLOOR_REDACTS": "yes" if redacts else "no",
            },
        )
        await child.listening(self.appservice_port)
        await self.ping()
        return child

    async def ping(self) -> None:
        """Let the homeserver call whoever listens now, instead of after its back-off."""
        url = f"{self.homeserver.url}/_matrix/client/v1/appservice/inglenook/ping"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {self.as_token}"}) as session:
            async with session.post(url, json={}) as answer:
                if answer.status != 200:
                    raise OperationFailed(f"ping: {answer.status} {await answer.text()}")

    async def load(self, phases: list[dict[str, Any]], deadline: float = 600) -> dict[str, Any]:
        """Run the load in a process of its own and return what it saw, by phase name."""
        script, result = self.folder / "load.json", self.folder / "load-result.json"
        result.unlink(missing_ok=True)
        script.write_text(json.dumps(self.load_settings(phases)), encoding="utf-8")
        child = self.child("load", {"LOAD_SCRIPT": str(script), "LOAD_RESULT": str(result)})
        await child.finished(deadline)
        return dict(json.loads(result.read_text(encoding="utf-8")))

    def load_settings(self, phases: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what `load.Load` must know of this stage, to play `phases`."""
        world = self.world
        return {
            "url": self.homeserver.url,
            "as_token": self.as_token,
            "rooms": world.rooms,
            "tokens": world.tokens,
            "authors": world.authors,
            "phases": phases,
        }
