"""Real homeservers for tests: one that a whole run shares, and private ones for tests that stop, kill or change it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import pytest_asyncio

from appservice.operations.environment import ensure_synapse
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig, merge
from appservice.operations.processes import free_port, release_port

if TYPE_CHECKING:
    from tests.support.community import Community

CHECKOUT = Path(__file__).resolve().parent.parent
# `from tests.support…` must work wherever pytest is started.
if str(CHECKOUT) not in sys.path:
    sys.path.insert(0, str(CHECKOUT))
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


class MakeCommunity(Protocol):
    """Make a private copy of the prepared community and (unless told otherwise) start it; it is stopped at the end."""

    async def __call__(self, *, start: bool = True, appservice_port: int | None = None) -> Community:
        """`appservice_port`: where the homeserver sends transactions, if not straight to the service (a proxy)."""
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
    async with _homeservers(synapse_python, tmp_path_factory) as make:
        yield make


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def make_homeserver_for_module(
    synapse_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MakeHomeserver]:
    """Makes private homeservers for the tests of one file, which share them."""
    async with _homeservers(synapse_python, tmp_path_factory) as make:
        yield make


@asynccontextmanager
async def _homeservers(synapse_python: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MakeHomeserver]:
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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def prepared_community(synapse_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Community:
    """The example community, provisioned and peopled once a session, and stopped: copy it, never start it."""
    from tests.support import community

    return await community.prepare(tmp_path_factory.mktemp("prepared"), synapse_python)


@pytest_asyncio.fixture(loop_scope="session")
async def make_community(
    prepared_community: Community, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[MakeCommunity]:
    """Makes private communities for one test."""
    from tests.support import community

    all_made: list[Community] = []

    async def make(*, start: bool = True, appservice_port: int | None = None) -> Community:
        ports = {} if appservice_port is None else {"appservice": appservice_port}
        folder = tmp_path_factory.mktemp("community")
        made = await asyncio.to_thread(community.copy, prepared_community, folder, ports=ports)
        all_made.append(made)
        if start:
            await made.start()
        return made

    try:
        yield make
    finally:
        for made in all_made:
            await made.stop()
            community.release_ports(made)


@pytest_asyncio.fixture(loop_scope="session")
async def community(make_community: MakeCommunity) -> Community:
    """A private community, running: people joined as `tests.support.community.JOINED` says, nothing said yet."""
    return await make_community()


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
