"""The embedded homeserver: closed, quiet about what people write, and the same again after whatever ended it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from aiohttp import web

from appservice.operations import accounts
from appservice.operations.errors import OperationFailed
from appservice.operations.homeserver import EmbeddedHomeserver

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

CHECKOUT = Path(__file__).resolve().parents[2]
SERVER_NAME = "demo.example"  # of every homeserver that tests/conftest.py makes
PASSWORD = "an invented passphrase"
WAIT = 30  # seconds until a condition counts as never true


async def ask(server: EmbeddedHomeserver, method: str, path: str, token: str, body: Any = None) -> dict[str, Any]:
    return await accounts.call(server.url, method, path, what="do what the test asks", token=token, body=body)


async def status(server: EmbeddedHomeserver, method: str, path: str, **request: Any) -> int:
    async with aiohttp.ClientSession() as session, session.request(method, server.url + path, **request) as response:
        return response.status


async def person(server: EmbeddedHomeserver, localpart: str) -> str:
    await server.register(localpart, PASSWORD)
    return await server.login(localpart, PASSWORD)


async def room(server: EmbeddedHomeserver, token: str, **content: Any) -> str:
    return str((await ask(server, "POST", "/_matrix/client/v3/createRoom", token, content))["room_id"])


async def say(server: EmbeddedHomeserver, token: str, room_id: str, text: str) -> str:
    path = f"/_matrix/client/v3/rooms/{quote(room_id)}/send/m.room.message/{secrets.token_hex(8)}"
    return str((await ask(server, "PUT", path, token, {"msgtype": "m.text", "body": text}))["event_id"])


async def texts(server: EmbeddedHomeserver, token: str, room_id: str) -> list[str]:
    answer = await ask(server, "GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/messages?dir=f&limit=100", token)
    return [event["content"]["body"] for event in answer["chunk"] if event["type"] == "m.room.message"]


@contextlib.asynccontextmanager
async def receiver(url: str) -> AsyncIterator[asyncio.Queue[dict[str, Any]]]:
    """An application service that takes every transaction and puts its events into a queue."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def transaction(request: web.Request) -> web.Response:
        for event in (await request.json())["events"]:
            events.put_nowait(event)
        return web.json_response({})

    app = web.Application(client_max_size=2**26)
    app.router.add_put("/_matrix/app/v1/transactions/{id}", transaction)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", urlsplit(url).port).start()
        yield events
    finally:
        await runner.cleanup()


def everything_written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


# A running homeserver


@pytest.mark.homeserver
async def test_people_are_registered_and_sign_in(homeserver: EmbeddedHomeserver) -> None:
    assert await homeserver.register("ada", PASSWORD) == f"@ada:{SERVER_NAME}"
    token = await homeserver.login("ada", PASSWORD)
    assert (await ask(homeserver, "GET", "/_matrix/client/v3/account/whoami", token))[
        "user_id"
    ] == f"@ada:{SERVER_NAME}"
    assert await homeserver.register("ada", "another one") == f"@ada:{SERVER_NAME}"
    assert await homeserver.login("ada", PASSWORD)
    with pytest.raises(accounts.HomeserverRefused, match="sign in ada"):
        await homeserver.login("ada", "another one")


@pytest.mark.homeserver
async def test_nobody_registers_alone_looks_into_a_directory_or_reaches_a_federation_interface(
    homeserver: EmbeddedHomeserver,
) -> None:
    token = await person(homeserver, "beth")
    join_in = {"username": "stranger", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
    assert await status(homeserver, "POST", "/_matrix/client/v3/register", json=join_in) == 403
    assert await status(homeserver, "GET", "/_matrix/client/v3/publicRooms") == 401
    for path in ("/_matrix/federation/v1/version", "/_matrix/key/v2/server", "/_synapse/metrics"):
        assert await status(homeserver, "GET", path) == 404
    here = await room(homeserver, token, visibility="public")
    assert (await ask(homeserver, "GET", "/_matrix/client/v3/publicRooms", token))["chunk"] == []
    listed = await ask(homeserver, "GET", f"/_matrix/client/v3/directory/list/room/{quote(here)}", token)
    assert listed["visibility"] == "private"


@pytest.mark.homeserver
async def test_somebody_who_tries_out_a_flood_is_not_stopped_by_the_homeserver(homeserver: EmbeddedHomeserver) -> None:
    token = await person(homeserver, "cora")
    here = await room(homeserver, token)
    for number in range(30):
        await say(homeserver, token, here, f"again {number}")
    assert len(await texts(homeserver, token, here)) == 30


@pytest.mark.homeserver
async def test_every_file_of_the_homeserver_is_for_its_owner_only(homeserver: EmbeddedHomeserver) -> None:
    folder = homeserver.config.directory
    open_to_others = [path for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]
    assert not open_to_others
    for secret in (homeserver.config.registration_file, homeserver.config.signing_key_file):
        assert secret.stat().st_mode & 0o777 == 0o600


@pytest.mark.homeserver
async def test_the_process_refuses_inline_secrets_and_has_a_group_of_its_own(homeserver: EmbeddedHomeserver) -> None:
    assert homeserver.pid is not None
    command = Path(f"/proc/{homeserver.pid}/cmdline").read_bytes().split(b"\0")
    assert b"--no-secrets-in-config" in command
    assert os.getpgid(homeserver.pid) == homeserver.pid != os.getpgid(0)
    assert homeserver.cpu_seconds() > 0
    assert homeserver.resident_bytes() > 10 * 2**20


@pytest.mark.homeserver
async def test_the_steward_administers_and_no_other_administrator_stays_behind(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver()
    # What a crash in the middle leaves: an administrator that nobody knows the password of.
    left_over = f"bootstrap-admin-{secrets.token_hex(16)}"
    await server.register(left_over, PASSWORD, admin=True)
    await server.register("bootstrap-admin-of-the-band", PASSWORD)
    as_token = server.registration.as_token

    await server.make_steward_admin()
    everybody = "/_synapse/admin/v2/users?guests=false&deactivated=true"
    first = await ask(server, "GET", everybody, as_token)
    await server.make_steward_admin()

    assert (await ask(server, "GET", everybody, as_token))["total"] == first["total"]
    admins = await ask(server, "GET", f"{everybody}&admins=true", as_token)
    assert [user["name"] for user in admins["users"]] == [server.registration.sender]
    assert {user["name"]: bool(user["deactivated"]) for user in first["users"]}[server.user_id(left_over)]
    assert await server.login("bootstrap-admin-of-the-band", PASSWORD)
    with pytest.raises(accounts.HomeserverRefused):
        await server.login(left_over, PASSWORD)


@pytest.mark.homeserver
async def test_private_conversations_are_not_pushed_to_us(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver()
    as_token = server.registration.as_token
    alice, bob = await person(server, "alice"), await person(server, "bob")
    async with receiver(server.config.appservice_url) as events:
        private = await room(
            server, alice, preset="trusted_private_chat", invite=[server.user_id("bob")], is_direct=True
        )
        await ask(server, "POST", f"/_matrix/client/v3/join/{quote(private)}", bob, {})
        await say(server, alice, private, "between the two of us")

        guardian = {"type": "m.login.application_service", "username": "inglenook-guardian", "inhibit_login": True}
        await ask(server, "POST", "/_matrix/client/v3/register", as_token, guardian)
        ours = await room(server, alice, preset="private_chat", invite=[server.user_id("inglenook-guardian")])
        as_guardian = f"?user_id={quote(server.user_id('inglenook-guardian'))}"
        await ask(server, "POST", f"/_matrix/client/v3/join/{quote(ours)}{as_guardian}", as_token, {})
        last = await say(server, alice, ours, "with the guardian in the room")

        # Pushes are in the order of the stream: when the last one is here, an earlier one would be, too.
        pushed: list[dict[str, Any]] = []
        async with asyncio.timeout(WAIT):
            while not pushed or pushed[-1]["event_id"] != last:
                pushed.append(await events.get())
    assert {event["room_id"] for event in pushed} == {ours}


@pytest.mark.homeserver
async def test_words_of_people_reach_neither_the_log_nor_a_search_index(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(log_level="INFO")
    token = await person(server, "dora")
    here = await room(server, token, name="quincewords in a name")
    event_id = await say(server, token, here, "quincewords in a message")
    redact = f"/_matrix/client/v3/rooms/{quote(here)}/redact/{quote(event_id)}/{secrets.token_hex(8)}"
    await ask(server, "PUT", redact, token, {})
    # Synapse's ordinary log quotes a body that is not JSON, and what somebody searches for.
    send = f"/_matrix/client/v3/rooms/{quote(here)}/send/m.room.message/x"
    headers = {"Authorization": f"Bearer {token}"}
    assert await status(server, "PUT", send, data=b'{"body": "quincewords', headers=headers) == 400
    search = {"search_categories": {"room_events": {"search_term": "quincewords"}}}
    assert await status(server, "POST", "/_matrix/client/v3/search", json=search, headers=headers) == 400
    await server.stop()

    logged = everything_written(server.config.directory / "logs")
    assert b"/_matrix/client/v3/search" in logged
    assert b"quincewords" not in logged
    with contextlib.closing(sqlite3.connect(server.config.database_file)) as database:
        assert database.execute("SELECT count(*) FROM event_search").fetchone() == (0,)


# Ends and beginnings


@pytest.mark.homeserver
@pytest.mark.parametrize("durable", [True, False])
async def test_after_sigkill_it_comes_back_with_all_it_had(make_homeserver: MakeHomeserver, durable: bool) -> None:
    server = await make_homeserver(durable=durable)
    await server.make_steward_admin()
    token = await person(server, "erin")
    here = await room(server, token)
    await say(server, token, here, "said before")
    key = server.config.signing_key_file.read_text()
    await server.kill()
    assert not server.running

    server.prepare()
    await server.start()
    assert await texts(server, token, here) == ["said before"]
    assert server.config.signing_key_file.read_text() == key
    assert (await ask(server, "GET", "/_synapse/admin/v2/users?admins=true", server.registration.as_token))[
        "total"
    ] == 1


@pytest.mark.homeserver
async def test_a_copy_put_back_forgets_what_came_later(make_homeserver: MakeHomeserver, tmp_path: Path) -> None:
    server = await make_homeserver()
    token = await person(server, "faye")
    here = await room(server, token)
    await say(server, token, here, "kept")
    with pytest.raises(OperationFailed, match="must be stopped"):
        server.snapshot(tmp_path / "copy")
    await server.stop()
    server.snapshot(tmp_path / "copy")
    with pytest.raises(OperationFailed, match="exists already"):
        server.snapshot(tmp_path / "copy")
    await server.start()
    await say(server, token, here, "lost")
    assert await texts(server, token, here) == ["kept", "lost"]

    await server.kill()
    server.restore(tmp_path / "copy")
    await server.start()
    assert await texts(server, token, here) == ["kept"]


@pytest.mark.homeserver
async def test_a_copy_can_be_put_into_another_homeserver(make_homeserver: MakeHomeserver, tmp_path: Path) -> None:
    first, second = await make_homeserver(), await make_homeserver(start=False)
    token = await person(first, "gail")
    await first.stop()
    first.snapshot(tmp_path / "copy")
    second.restore(tmp_path / "copy")
    assert second.registration.as_token == first.registration.as_token
    assert second.registration.url == second.config.appservice_url
    await second.start()
    assert (await ask(second, "GET", "/_matrix/client/v3/account/whoami", token))["user_id"] == f"@gail:{SERVER_NAME}"


async def test_what_is_not_a_copy_is_not_put_back(make_homeserver: MakeHomeserver, tmp_path: Path) -> None:
    server = await make_homeserver(start=False)
    with pytest.raises(OperationFailed, match="is not a copy"):
        server.restore(tmp_path)
    assert server.config.homeserver_file.exists()


@pytest.mark.homeserver
async def test_a_lost_signing_key_is_not_replaced_in_silence(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver()
    await server.stop()
    server.config.signing_key_file.unlink()
    with pytest.raises(OperationFailed, match=r"signing\.key is missing although there is a database"):
        server.prepare()
    with pytest.raises(OperationFailed, match=r"signing\.key is missing although there is a database"):
        await server.start()


@pytest.mark.homeserver
async def test_a_configuration_that_synapse_refuses_fails_with_its_own_words(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False, overrides={"macaroon_secret_key": "inline"})
    with pytest.raises(OperationFailed, match=r"(?s)ended while starting.*in-line secret"):
        await server.start()
    assert not server.running


@pytest.mark.homeserver
async def test_a_homeserver_that_does_not_answer_in_time_is_ended(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False)
    with pytest.raises(OperationFailed, match="did not answer within 0 seconds"):
        await server.start(deadline=0)
    assert not server.running


async def test_a_port_that_is_in_use_is_named(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False)
    with socket.create_server(("127.0.0.1", server.config.port)):
        with pytest.raises(OperationFailed, match=f"Port {server.config.port} of 127.0.0.1 is in use"):
            await server.start()
    assert not server.running


async def test_starting_what_was_not_prepared_says_so(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False)
    server.config.homeserver_file.unlink()
    with pytest.raises(OperationFailed, match="prepare the homeserver first"):
        await server.start()


@pytest.mark.homeserver
async def test_two_homeservers_never_share_a_folder(make_homeserver: MakeHomeserver, tmp_path: Path) -> None:
    first = await make_homeserver()
    second = await make_homeserver(start=False, directory=first.config.directory)
    with pytest.raises(OperationFailed, match="Another homeserver runs in"):
        second.restore(first.config.directory)


STARTS_AND_WAITS = """
import asyncio, sys
from pathlib import Path
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig

async def main(directory, port, python):
    config = HomeserverConfig(Path(directory), "demo.example", int(port), "http://127.0.0.1:9", Path(python), durable=False)
    server = EmbeddedHomeserver(config)
    server.prepare()
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.homeserver
async def test_it_dies_with_whoever_started_it_and_its_folder_is_free_again(make_homeserver: MakeHomeserver) -> None:
    server = await make_homeserver(start=False)
    arguments = [str(server.config.directory), str(server.config.port), str(server.config.python)]
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS_AND_WAITS, *arguments, stdout=subprocess.PIPE, cwd=CHECKOUT
    )
    assert parent.stdout is not None
    async with asyncio.timeout(WAIT * 4):
        orphan = int(await parent.stdout.readline())
    os.kill(orphan, 0)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()

    # Folder and port are held exactly as long as the orphan lives.
    await server.start()
    assert server.pid != orphan
