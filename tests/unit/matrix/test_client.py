"""The client against a homeserver that misbehaves: every failure is one of three kinds, and no secret leaves by it."""

from __future__ import annotations

import asyncio
import io
import traceback
from collections.abc import AsyncIterator
from contextlib import redirect_stderr, suppress
from typing import Any

import orjson
import pytest
import pytest_asyncio
import structlog
from aiohttp import web

from appservice.matrix import Actor, HomeserverClient, HomeserverError, Rejected, Unreachable, client, wait_until_up
from appservice.operations.processes import free_port, release_port
from tests.support.stub_homeserver import StubHomeserver

TOKEN = "as-token-that-nobody-may-ever-read"
GUARDIAN = Actor("@guardian:hearth.example", "INGLENOOK")


@pytest_asyncio.fixture
async def stub() -> AsyncIterator[StubHomeserver]:
    async with StubHomeserver() as made:
        yield made


@pytest_asyncio.fixture
async def homeserver(stub: StubHomeserver) -> AsyncIterator[HomeserverClient]:
    async with HomeserverClient(stub.url, TOKEN, deadline_s=5) as made:
        yield made


# -- what goes out -----------------------------------------------------------------------------------------------------


async def test_a_send_names_who_acts_and_with_which_device(stub: StubHomeserver, homeserver: HomeserverClient) -> None:
    stub.always(200, {"event_id": "$sent"})
    assert await homeserver.send("!room", "m.room.message", {"body": "x"}, "ink-key", GUARDIAN) == "$sent"
    (request,) = stub.requests
    assert request.method == "PUT"
    assert request.target.startswith("/_matrix/client/v3/rooms/%21room/send/m.room.message/ink-key?")
    assert "user_id=@guardian:hearth.example" in request.target
    assert "device_id=INGLENOOK" in request.target


async def test_the_token_travels_in_a_header_and_never_in_an_address(
    stub: StubHomeserver, homeserver: HomeserverClient
) -> None:
    await homeserver.join("!room", GUARDIAN)
    (request,) = stub.requests
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in request.target


STRANGE = ["$a/b", "$a?user_id=@eve:evil.example", "$a#b", "$a b", "$%2e%2e", "$a+b", "$ü", "!x:y.example", "%"]


@pytest.mark.parametrize("strange", [*STRANGE, "..", "."])
async def test_a_strange_id_stays_one_segment_of_the_path(
    stub: StubHomeserver, homeserver: HomeserverClient, strange: str
) -> None:
    stub.always(200, {"event_id": "$sent"})
    await homeserver.redact("!room", strange, "reason", "ink-key", GUARDIAN)
    (request,) = stub.requests
    path, _, query = request.target.partition("?")
    assert path.startswith("/_matrix/client/v3/rooms/%21room/redact/")
    assert path.endswith("/ink-key")
    assert path.count("/") == "/_matrix/client/v3/rooms/!room/redact/x/ink-key".count("/")
    assert query.count("user_id=") == 1


async def test_a_redirect_does_not_take_the_token_to_another_server(homeserver: HomeserverClient) -> None:
    async with StubHomeserver() as stub, StubHomeserver() as elsewhere:

        async def redirect(_request: web.Request) -> web.StreamResponse:
            raise web.HTTPTemporaryRedirect(elsewhere.url + "/x")

        stub.answer = redirect
        async with HomeserverClient(stub.url, TOKEN) as made:
            with suppress(HomeserverError):
                await made.call("GET", "/_matrix/client/versions")
    assert not any("Authorization" in request.headers for request in elsewhere.requests)


# -- what comes back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "errcode", "temporary"),
    [
        (400, "M_BAD_JSON", False),
        (401, "M_UNKNOWN_TOKEN", False),
        (403, "M_FORBIDDEN", False),
        (404, "M_NOT_FOUND", False),
        (429, "M_LIMIT_EXCEEDED", True),
        (500, "M_UNKNOWN", True),
        (502, "", True),
        (503, "", True),
    ],
)
async def test_an_error_says_its_status_its_code_and_whether_waiting_helps(
    stub: StubHomeserver, homeserver: HomeserverClient, status: int, errcode: str, temporary: bool
) -> None:
    stub.always(status, {"errcode": errcode, "error": "text of somebody"} if errcode else b"<html>bad gateway</html>")
    with pytest.raises(Rejected) as caught:
        await homeserver.join("!room", GUARDIAN)
    assert (caught.value.status, caught.value.errcode, caught.value.temporary) == (status, errcode, temporary)
    assert "text of somebody" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "understood"),
    [(1500, 1500), (0, 0), (-5, None), ("1500", None), (None, None), ([1], None), (1.5, None)],
)
async def test_the_wait_that_a_homeserver_asks_for_is_passed_on_if_it_is_one(
    stub: StubHomeserver, homeserver: HomeserverClient, said: Any, understood: int | None
) -> None:
    stub.always(429, {"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": said})
    with pytest.raises(Rejected) as caught:
        await homeserver.join("!room", GUARDIAN)
    assert caught.value.retry_after_ms == understood


@pytest.mark.parametrize("errcode", [5, None, ["M_X"], "x" * 5000])
async def test_an_error_code_that_is_none_is_no_error_of_ours(
    stub: StubHomeserver, homeserver: HomeserverClient, errcode: Any
) -> None:
    stub.always(403, {"errcode": errcode})
    with pytest.raises(Rejected) as caught:
        await homeserver.join("!room", GUARDIAN)
    assert caught.value.errcode == ""


@pytest.mark.parametrize("answer", [b"", b"not json", b"[]", b"null", b'{"event_id":5}', b'{"event_id":null}', b"{}"])
async def test_an_answer_without_the_event_id_counts_as_unsent_and_is_worth_another_try(
    stub: StubHomeserver, homeserver: HomeserverClient, answer: bytes
) -> None:
    stub.always(200, answer)
    with pytest.raises(Rejected) as caught:
        await homeserver.send("!room", "m.room.message", {}, "ink-key", GUARDIAN)
    assert caught.value.temporary


@pytest.mark.parametrize("answer", [b"", b"[]", b"null", b'"text"', b"5"])
async def test_an_answer_that_is_no_object_is_an_error_and_not_a_crash(
    stub: StubHomeserver, homeserver: HomeserverClient, answer: bytes
) -> None:
    stub.always(200, answer)
    for question in (
        homeserver.sync(GUARDIAN, since=None, filter_id="1"),
        homeserver.messages("!room", GUARDIAN),
        homeserver.event("!room", "$event", GUARDIAN),
        homeserver.joined_rooms(GUARDIAN),
    ):
        with pytest.raises(Rejected):
            await question


async def test_lists_with_strange_members_lose_only_those(stub: StubHomeserver, homeserver: HomeserverClient) -> None:
    stub.always(200, {"joined_rooms": ["!a", 5, None, "!b"]})
    assert await homeserver.joined_rooms(GUARDIAN) == ["!a", "!b"]
    stub.always(200, [{"type": "m.room.create"}, 5, None, []])
    assert await homeserver.state("!a", GUARDIAN) == [{"type": "m.room.create"}]


async def test_a_ghost_that_exists_is_as_good_as_a_new_one(stub: StubHomeserver, homeserver: HomeserverClient) -> None:
    stub.always(400, {"errcode": "M_USER_IN_USE"})
    await homeserver.register("guardian")
    stub.always(400, {"errcode": "M_EXCLUSIVE"})
    with pytest.raises(Rejected):
        await homeserver.register("guardian")


# -- silence and noise -------------------------------------------------------------------------------------------------


async def test_a_call_that_is_not_answered_in_time_is_given_up(
    stub: StubHomeserver, homeserver: HomeserverClient
) -> None:
    async def hang(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(600)
        return web.json_response({})

    stub.answer = hang
    with pytest.raises(Unreachable):
        await homeserver.call("GET", "/_matrix/client/versions", deadline_s=0.2)


async def test_an_answer_that_trickles_does_not_outlive_the_deadline(
    stub: StubHomeserver, homeserver: HomeserverClient
) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(10_000):
            await answer.write(b" ")
            await asyncio.sleep(0.02)
        return answer

    stub.answer = trickle
    with pytest.raises(Unreachable):
        await homeserver.call("GET", "/_matrix/client/versions", deadline_s=0.3)


async def test_a_connection_cut_in_the_middle_of_an_answer_is_no_answer(
    stub: StubHomeserver, homeserver: HomeserverClient
) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b'{"event_id":')
        assert request.transport is not None
        request.transport.abort()
        return answer

    stub.answer = cut
    with pytest.raises(Unreachable):
        await homeserver.send("!room", "m.room.message", {}, "ink-key", GUARDIAN)


async def test_an_answer_larger_than_any_is_not_read_into_memory(
    stub: StubHomeserver, homeserver: HomeserverClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER", 10_000)
    stub.always(200, {"event_id": "x" * 20_000})
    with pytest.raises(Unreachable):
        await homeserver.call("GET", "/_matrix/client/v3/sync")
    stub.always(200, {"event_id": "x" * 5_000})
    await homeserver.call("GET", "/_matrix/client/v3/sync")


async def test_nobody_there_is_unreachable_and_the_return_is_told_once() -> None:
    port = free_port()
    told: list[str] = []
    async with HomeserverClient(f"http://127.0.0.1:{port}", TOKEN, deadline_s=5) as made:
        made.reconnected = lambda: told.append("back")
        for _ in range(2):
            with pytest.raises(Unreachable):
                await made.versions()
        assert made.reachable is False
        waiting = asyncio.create_task(wait_until_up(made, pause_s=0.01))
        runner = web.AppRunner(web.Application(), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            # It answers 404 to everything: that is an answer.
            await asyncio.wait_for(_settled(waiting), 10)
            with pytest.raises(Rejected):
                await made.call("GET", "/_matrix/client/v3/sync")
        finally:
            await runner.cleanup()
            release_port(port)
    assert told == ["back"]
    assert made.reachable is True


async def _settled(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])
    assert task.exception() is None or isinstance(task.exception(), Rejected)


async def test_a_closed_client_is_an_unreachable_homeserver_and_not_a_crash() -> None:
    with pytest.raises(Unreachable):
        await HomeserverClient("http://127.0.0.1:9", TOKEN).versions()


async def test_only_messages_and_redactions_are_observed_for_the_pace(
    stub: StubHomeserver, homeserver: HomeserverClient
) -> None:
    """Making a room takes far longer than a message on the quietest homeserver: it is no sign of being busy."""
    seen: list[float] = []
    homeserver.observe = seen.append
    stub.always(200, {"event_id": "$sent", "room_id": "!made"})
    await homeserver.call("GET", "/_matrix/client/versions")
    await homeserver.join("!room", GUARDIAN)
    await homeserver.create_room({}, GUARDIAN)
    assert seen == []
    await homeserver.send("!room", "m.room.message", {}, "ink-1", GUARDIAN)
    await homeserver.redact("!room", "$x", "reason", "ink-2", GUARDIAN)
    assert len(seen) == 2


# -- secrets -----------------------------------------------------------------------------------------------------------


async def test_no_failure_carries_the_token_a_body_or_an_address(
    stub: StubHomeserver, homeserver: HomeserverClient
) -> None:
    secret_body = "Quillfeather"
    log = io.StringIO()
    told: list[str] = []

    async def echo(request: web.Request) -> web.StreamResponse:
        return web.json_response({"errcode": "M_X", "error": request.headers["Authorization"]}, status=500)

    async def abort(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log), cache_logger_on_first_use=False)
    try:
        with redirect_stderr(log):
            for answer in (echo, abort):
                stub.answer = answer
                try:
                    await homeserver.send("!room", "m.room.message", {"body": secret_body}, "ink-key", GUARDIAN)
                except HomeserverError:
                    told.append(traceback.format_exc())
    finally:
        structlog.reset_defaults()
    assert len(told) == 2
    everything = "\n".join([*told, log.getvalue(), repr(homeserver), str(vars(homeserver).keys())])
    assert TOKEN not in everything
    assert secret_body not in orjson.dumps(everything).decode()
    for line in [*(text.splitlines()[-1] for text in told), log.getvalue()]:
        assert stub.url not in line
