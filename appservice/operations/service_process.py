"""Our own service as a child process: for the demo, the tests that kill it and the benchmarks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from appservice.operations import processes
from appservice.operations.errors import OperationFailed
from appservice.operations.files import PRIVATE_FILE, last_lines, private_folder, write_private
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.status import live_status
from appservice.service.config import load_config

#: Seconds until a service that should be ready counts as failed; the first start makes all rooms.
READY_DEADLINE = 120
STOP_DEADLINE = 15
_POLL = 0.05


def write_service_config(
    folder: Path,
    homeserver: EmbeddedHomeserver,
    policy: Path | None = None,
    people: Path | None = None,
    *,
    durability: str = "full",
    log_level: str = "info",
) -> Path:
    """Write `inglenook.yaml` into `folder` for a service beside `homeserver`; return its path.

    Without `policy` the service waits for `inglenook apply FILE`. It says that nobody real is there.
    """
    private_folder(folder)
    port = int(homeserver.config.appservice_url.rpartition(":")[2])
    content = {
        "homeserver": {"name": homeserver.config.server_name, "url": homeserver.url},
        "listen": {"host": "127.0.0.1", "port": port},
        "registration": str(homeserver.config.registration_file.absolute()),
        "data": "data",
        **({"policy": str(policy.absolute())} if policy is not None else {}),
        **({"people": str(people.absolute())} if people is not None else {}),
        "demo": True,
        "durability": durability,
        "log": {"level": log_level},
    }
    path = folder / "inglenook.yaml"
    write_private(path, yaml.safe_dump(content, sort_keys=False))
    return path


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE_FILE)


class ServiceProcess:
    """`inglenook serve` with the configuration at `config`. Its log goes to `service.log` beside it."""

    def __init__(self, config: Path, environment: Mapping[str, str] | None = None) -> None:
        self.path = config
        self.config = load_config(config)
        self.log_file = config.parent / "service.log"
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def spawn(self, extra: Mapping[str, str] | None = None) -> None:
        """Start the process and return at once. `extra` are environment variables of this start only."""
        if self.pid is not None:
            return
        private_folder(self.config.data)
        with open(self.log_file, "ab", opener=_private) as log:
            self._process = processes.spawn(
                Path(sys.executable),
                ["-m", "appservice", "serve", "--config", str(self.path.absolute())],
                environment={**os.environ, **self._environment, **(extra or {})},
                folder=self.path.parent,
                output=log,
            )

    async def start(self, extra: Mapping[str, str] | None = None, deadline: float = READY_DEADLINE) -> None:
        """Start the process and wait until it is ready. Raises `OperationFailed`."""
        self.spawn(extra)
        until = time.monotonic() + deadline
        while time.monotonic() < until:
            if self.pid is None:
                raise OperationFailed(f"The service ended while starting:\n{last_lines(self.log_file)}")
            status = await self.status()
            if status is not None and status.get("ready"):
                return
            await asyncio.sleep(_POLL)
        raise OperationFailed(f"The service was not ready in {deadline:.0f} seconds:\n{last_lines(self.log_file)}")

    async def status(self) -> dict[str, Any] | None:
        """What the process says of itself, None if it does not answer."""
        return await live_status(self.config)

    async def stop(self) -> int | None:
        """Stop it cleanly (SIGTERM, then SIGKILL); return its exit status."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            await self.kill()
        return process.returncode

    async def kill(self) -> None:
        """End it as a power cut of the process would."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)

    async def died(self, deadline: float = 60) -> None:
        """Wait until it has ended by itself (at a point of death). Raises `OperationFailed`."""
        until = time.monotonic() + deadline
        while self.pid is not None:
            if time.monotonic() > until:
                raise OperationFailed("The service did not die in time.")
            await asyncio.sleep(_POLL)

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self._alive())

    def resident_bytes(self) -> int:
        return processes.resident_bytes(self._alive())

    def _alive(self) -> int:
        if self.pid is None:
            raise OperationFailed("The service does not run.")
        return self.pid
