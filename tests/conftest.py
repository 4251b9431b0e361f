"""Real homeservers for tests: one that a whole run shares, and private ones for tests that stop, kill or change it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
import pytest_asyncio

from appservice.operations.environment import ensure_synapse
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig, merge
from appservice.operations.processes import free_port, release_port

CHECKOUT = Path(__file__).resolve().parent.parent
SERVER_NAME = "demo.example"
# Few rounds of bcrypt: the passwords of invented people need no protection, and each sign-in would cost 0.3 s.
FAST = {"bcrypt_rounds": 4}


class MakeHomeserver(Protocol):
    """Make, prepare and (unless told otherwise) start a private homeserver; it is stopped when the test ends."""

    async def __call__(
        self, *, start: bool = True, overrides: Mapping[str, Any] = ..., **settings: Any
    ) -> EmbeddedHomeserver:
        """`overrides` and `settings` are fields of `HomeserverConfig`. Nobody listens yet at its `appservice_url`."""
        ...


@pytest.fixture(scope="session")
def synapse_python() -> Path:
    """Python of the environment that `make setup` made."""
    return ensure_synapse(CHECKOUT / ".venv-synapse")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def homeserver(
    synapse_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[EmbeddedHomeserver]:
    """The homeserver that tests share: do not stop it, and use names of your own."""
    made = EmbeddedHomeserver(_config(synapse_python, tmp_path_factory.mktemp("homeserver"), {}))
    try:
        await asyncio.to_thread(made.prepare)
        await made.start()
        yield made
    finally:
        await made.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def make_homeserver(
    synapse_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MakeHomeserver]:
    """Makes private homeservers for one test."""
    all_made: list[EmbeddedHomeserver] = []

    async def make(
        *, start: bool = True, overrides: Mapping[str, Any] | None = None, **settings: Any
    ) -> EmbeddedHomeserver:
        config = _config(synapse_python, tmp_path_factory.mktemp("private"), overrides or {}, **settings)
        made = EmbeddedHomeserver(config)
        all_made.append(made)
        await asyncio.to_thread(made.prepare)
        if start:
            await made.start()
        return made

    try:
        yield make
    finally:
        for made in all_made:
            await made.stop()
            release_port(made.config.port)


def _config(python: Path, folder: Path, overrides: Mapping[str, Any], **settings: Any) -> HomeserverConfig:
    defaults: dict[str, Any] = {
        "directory": folder / "data",
        "server_name": SERVER_NAME,
        "appservice_url": f"http://127.0.0.1:{free_port()}",
        "python": python,
        # Tests kill processes, they do not cut the power.
        "durable": False,
    }
    if "port" not in settings:
        defaults["port"] = free_port()
    return HomeserverConfig(**{**defaults, **settings}, overrides=merge(FAST, overrides))
