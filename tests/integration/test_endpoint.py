"""The transactions endpoint over real HTTP: whatever arrives, nobody is let in, nothing wedges and nothing is lost."""

from __future__ import annotations

import asyncio
import hmac
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import structlog
from aiohttp import web

from appservice.flow import Effect, EventInput, Facts
from appservice.intake import Endpoint
from appservice.intake import endpoint as module
from appservice.operations.processes import free_port, release_port
from appservice.store import Commit, StoreRefused
from tests.support.house import (
    GHOSTS,
    GROUP,
    SAM,
    SERVER,
    House,
    RemovesBad,
    fresh_store,
    member,
    message,
    open_house,
    state_of,
)
from tests.support.waiting import eventually

TOKEN = "hs-token-of-this-test"
#: A word that stands in members' messages here and may stand nowhere else.
SECRET = "Quillfeather"


class Stumbles:
    """A handler that fails with the words of the message, as careless code would."""

    name = "test.stumbles"

    def handle(self, item: EventInput, facts: Facts) -> Iterable[Effect]:
        if "stumble" in str(item.event.content):
            raise ValueError(str(item.event.content))
        return ()


@dataclass
class Door:
    """The endpoint, listening, and what the test needs to knock."""

    house: House
    endpoint: Endpoint
    url: str
    session: aiohttp.ClientSession
    log: io.StringIO
    looked_for_gaps: list[str] = field(default_factory=list)

    async def ask(
        self, method: str, path: str, data: bytes | None = None, token: str | None = TOKEN, **headers: str
    ) -> tuple[int, Any]:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(method, self.url + path, data=data, headers=headers) as answer:
            text = await answer.text()
            try:
                return answer.status, json.loads(text)
            except ValueError:
                return answer.status, text

    async def push(self, transaction: str, body: Any) -> int:
        """Send a transaction; `body` is its events, or bytes as they are."""
        raw = body if isinstance(body, bytes) else json.dumps({"events": body}).encode()
        status, _ = await self.ask("PUT", f"/_matrix/app/v1/transactions/{transaction}", raw)
        return status

    async def redacted(self) -> list[str]:
        """The events that something was decided about, once all lanes are empty."""

        async def empty() -> bool:
            return self.house.lanes.waiting == 0 and not self.house.lanes._workers

        await eventually(empty, "the lanes are empty", within=10, every=0.005)
        rows = await self.house.table("SELECT source FROM outbox WHERE type = 'redact' ORDER BY source")
        return [row[0] for row in rows]


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    log = io.StringIO()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(log), cache_logger_on_first_use=False)
    port = free_port()
    async with open_house(fresh_store(tmp_path), handlers=(Stumbles(), RemovesBad())) as house:
        endpoint = Endpoint(SERVER, TOKEN, house.lanes, house.clock, GHOSTS.__contains__, lambda: {"ready": True})
        runner = web.AppRunner(endpoint.application(), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
            made = Door(house, endpoint, f"http://127.0.0.1:{port}", session, log)
            endpoint.passed_over = lambda: made.looked_for_gaps.append("soon")
            yield made
        await runner.cleanup()
    release_port(port)
    structlog.reset_defaults()


# -- who may knock -----------------------------------------------------------------------------------------------------

PATHS = [
    ("PUT", "/_matrix/app/v1/transactions/1"),
    ("PUT", "/transactions/1"),
    ("GET", f"/_matrix/app/v1/users/{GHOSTS.guardian}"),
    ("GET", f"/users/{GHOSTS.guardian}"),
    ("GET", "/_matrix/app/v1/rooms/%23hearth-x:hearth.example"),
    ("GET", "/rooms/%23hearth-x:hearth.example"),
    ("POST", "/_matrix/app/v1/ping"),
    ("GET", "/_matrix/app/v1/thirdparty/protocol/irc"),
    ("GET", "/_matrix/app/v1/thirdparty/user/irc"),
    ("GET", "/_matrix/app/v1/thirdparty/location"),
    ("GET", "/_inglenook/v1/status"),
]


@pytest.mark.parametrize(("method", "path"), PATHS, ids=str)
async def test_without_the_token_nothing_opens(door: Door, method: str, path: str) -> None:
    body = json.dumps({"events": [message("$1", "bad")]}).encode()
    status, answer = await door.ask(method, path, body, token=None)
    assert (status, answer["errcode"]) == (401, "M_UNAUTHORIZED")
    for wrong in ("x", "", TOKEN + "x", TOKEN[:-1], TOKEN.upper(), "é"):
        status, answer = await door.ask(method, path, body, token=wrong)
        assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert await door.house.table("SELECT * FROM journal") == []
    assert door.endpoint.unauthorised == 7


@pytest.mark.parametrize("header", ["Basic", "bearer-but-not", "Token"])
async def test_the_right_token_under_another_name_is_wrong(door: Door, header: str) -> None:
    status, _ = await door.ask("POST", "/_matrix/app/v1/ping", b"{}", token=None, Authorization=f"{header} {TOKEN}")
    assert status == 403


async def test_a_token_in_the_address_does_not_open(door: Door) -> None:
    status, _ = await door.ask("PUT", f"/_matrix/app/v1/transactions/1?access_token={TOKEN}", b"{}", token=None)
    assert status == 401


async def test_tokens_are_compared_in_constant_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return compare(a, b)

    monkeypatch.setattr(module.hmac, "compare_digest", watched)
    await door.ask("POST", "/_matrix/app/v1/ping", b"{}", token="wrong")
    await door.ask("POST", "/_matrix/app/v1/ping", b"{}")
    assert compared == [(b"wrong", TOKEN.encode()), (TOKEN.encode(), TOKEN.encode())]


async def test_no_token_given_to_us_reaches_the_log(door: Door) -> None:
    await door.ask("POST", "/_matrix/app/v1/ping", b"{}", token="guessed-secret")
    await door.push("1", b"not json")
    assert "guessed-secret" not in door.log.getvalue()
    assert TOKEN not in door.log.getvalue()


# -- what every path says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/_matrix/app/v1", ""], ids=["v1", "legacy"])
async def test_a_transaction_is_taken_under_both_of_its_paths(door: Door, prefix: str) -> None:
    body = json.dumps({"events": [message("$1", "bad")]}).encode()
    assert await door.ask("PUT", f"{prefix}/transactions/1", body) == (200, {})
    assert await door.redacted() == ["$1"]
    assert door.endpoint.transactions == 1


@pytest.mark.parametrize("prefix", ["/_matrix/app/v1", ""], ids=["v1", "legacy"])
async def test_only_our_own_ghosts_exist_and_no_alias_is_made_on_request(door: Door, prefix: str) -> None:
    assert await door.ask("GET", f"{prefix}/users/%40inglenook-guardian%3Ahearth.example") == (200, {})
    for nobody in (SAM, "@inglenook-other:hearth.example", "@", "%2F", "x" * 300):
        status, answer = await door.ask("GET", f"{prefix}/users/{nobody}")
        assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")
    status, answer = await door.ask("GET", f"{prefix}/rooms/%23hearth-secret%3Ahearth.example")
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


async def test_a_ping_is_answered_whatever_it_carries(door: Door) -> None:
    for body in (b"", b"{}", b'{"transaction_id":"1"}', b"not json"):
        assert await door.ask("POST", "/_matrix/app/v1/ping", body) == (200, {})


@pytest.mark.parametrize("path", ["protocol/irc", "user/irc", "location/irc", "user", "location"])
async def test_we_speak_for_no_third_party(door: Door, path: str) -> None:
    status, answer = await door.ask("GET", f"/_matrix/app/v1/thirdparty/{path}")
    assert (status, answer["errcode"]) == (404, "M_NOT_FOUND")


@pytest.mark.parametrize("path", ["/", "/_matrix/app/v1", "/_matrix/app/v2/transactions/1", "/_synapse/admin"])
async def test_what_we_do_not_have_is_not_there(door: Door, path: str) -> None:
    status, _ = await door.ask("GET", path)
    assert status == 404


# -- the same again ----------------------------------------------------------------------------------------------------


async def test_an_id_used_again_with_new_content_is_a_new_transaction(door: Door) -> None:
    """Synapse starts counting anew after a restart on SQLite: the id of a transaction says nothing."""
    assert await door.push("1", [message("$1", "bad")]) == 200
    assert await door.push("1", [message("$2", "bad")]) == 200
    assert await door.redacted() == ["$1", "$2"]


async def test_the_same_transaction_again_is_answered_and_changes_nothing(door: Door) -> None:
    for _ in range(3):
        assert await door.push("1", [message("$1", "bad")]) == 200
    assert await door.redacted() == ["$1"]
    assert door.house.lanes.handled == 1


async def test_the_same_event_twice_in_one_transaction_and_in_two_is_one(door: Door) -> None:
    assert await door.push("1", [message("$1", "bad"), message("$1", "bad")]) == 200
    assert await door.push("2", [message("$1", "bad")]) == 200
    assert await door.redacted() == ["$1"]


async def test_transactions_at_the_same_time_are_all_taken_once(door: Door) -> None:
    answers = await asyncio.gather(
        *(door.push(str(n % 5), [message(f"${n % 10}", "bad"), message(f"${n}-own", "bad")]) for n in range(40))
    )
    assert set(answers) == {200}
    assert len(await door.redacted()) == 50


async def test_events_out_of_order_are_all_handled(door: Door) -> None:
    later = message("$later", "bad") | {"origin_server_ts": 2}
    earlier = message("$earlier", "bad") | {"origin_server_ts": 1}
    assert await door.push("2", [later]) == 200
    assert await door.push("1", [earlier, member("$m", SAM, "join")]) == 200
    assert await door.redacted() == ["$earlier", "$later"]


# -- bad input ---------------------------------------------------------------------------------------------------------

NOT_A_TRANSACTION = {
    "not JSON": b"not json",
    "nothing": b"",
    "half of it": b'{"events":[{"event_id":"$1"',
    "a list": b"[]",
    "null": b"null",
    "a number": b"5",
    "events are an object": b'{"events":{}}',
    "events are text": b'{"events":"x"}',
    "nesting of 10,000": b'{"events":[{"event_id":"$1","content":' + b"[" * 10_000 + b"]" * 10_000 + b"}]}",
    "nesting of 10,000 objects": b'{"events":[{"content":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}]}",
    "nothing but openings": b"[" * 100_000,
}


@pytest.mark.parametrize("body", NOT_A_TRANSACTION.values(), ids=NOT_A_TRANSACTION)
async def test_what_is_no_transaction_is_refused_twice_then_passed_over_and_looked_for(door: Door, body: bytes) -> None:
    assert [await door.push("7", body) for _ in range(3)] == [400, 400, 200]
    assert door.endpoint.undecodable == 1
    assert door.looked_for_gaps == ["soon"]
    assert await door.push("8", [message("$1", "bad")]) == 200
    assert await door.redacted() == ["$1"]


async def test_one_bad_transaction_does_not_use_up_the_patience_for_another(door: Door) -> None:
    assert [await door.push(one, b"x") for one in ("1", "2", "1", "2", "1")] == [400, 400, 400, 400, 200]


async def test_a_transaction_that_became_readable_is_taken_and_its_refusals_forgotten(door: Door) -> None:
    assert [await door.push("1", b"x"), await door.push("1", b"x")] == [400, 400]
    assert await door.push("1", [message("$1", "bad")]) == 200
    assert [await door.push("1", b"x") for _ in range(3)] == [400, 400, 200]
    assert await door.redacted() == ["$1"]


async def test_a_sender_of_many_bad_transactions_cannot_fill_our_memory(door: Door) -> None:
    for n in range(1100):
        await door.push(str(n), b"x")
    assert len(door.endpoint._undecodable) <= 1000


async def test_twenty_megabytes_are_read_answered_counted_and_looked_for(door: Door) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 1024 * 1024

    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = door.url + "/_matrix/app/v1/transactions/1"
    async with door.session.put(url, data=body(), headers=headers) as answer:
        assert answer.status == 200
    async with door.session.put(url, data=b"x" * 20 * 1024 * 1024, headers=headers) as answer:
        assert answer.status == 200
    assert door.endpoint.oversized == 2
    assert door.looked_for_gaps == ["soon", "soon"]
    assert await door.push("2", [message("$1", "bad")]) == 200
    assert await door.redacted() == ["$1"]


async def test_the_largest_transaction_that_synapse_sends_is_taken(door: Door) -> None:
    events = [message(f"${n}", "bad " + "x" * 64_000) for n in range(100)]
    to_device = [{"type": "m.room.encrypted", "content": {"body": "x" * 64_000}} for _ in range(100)]
    raw = json.dumps({"events": events, "de.sorunome.msc2409.to_device": to_device, "ephemeral": []}).encode()
    assert len(raw) > 12_000_000
    assert await door.push("1", raw) == 200
    assert len(await door.redacted()) == 100


async def test_no_events_at_all_are_a_transaction(door: Door) -> None:
    for n, body in enumerate((b"{}", b'{"events":[]}', b'{"events":null}', b'{"ephemeral":[{"type":"m.typing"}]}')):
        assert await door.push(str(n), body) == 200
    assert door.endpoint.transactions == 4


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


STRANGE = {
    "not an event": "5",
    "null": "null",
    "a list": "[]",
    "nothing": "{}",
    "an id that is a number": '{"event_id":5,"room_id":"!group","type":"m.room.message"}',
    "an id of 10,000 characters": f'{{"event_id":"${"x" * 10_000}","room_id":"!group","type":"m.room.message"}}',
    "an id with control characters": r'{"event_id":"$a\u0000\u202e","room_id":"!group","type":"m.room.message"}',
    "a room that is a list": '{"event_id":"$x","room_id":["!group"],"type":"m.room.message"}',
    "a sender that is an object": '{"event_id":"$x","room_id":"!group","sender":{},"type":"m.room.message"}',
    "content that is a list": '{"event_id":"$x","room_id":"!group","sender":"@sam:hearth.example","content":[]}',
    "a body that is an object": '{"event_id":"$x","room_id":"!group","type":"m.room.message","content":{"body":{}}}',
    "an unknown type": '{"event_id":"$x","room_id":"!group","type":"com.example.new","content":{"body":"bad"}}',
    "NaN": '{"event_id":"$x","room_id":"!group","type":"m.room.message","origin_server_ts":NaN}',
    "a number beyond 64 bits": '{"event_id":"$x","room_id":"!unread","type":"x","content":{"n":1' + "0" * 40 + "}}",
    "NaN and a number beyond 64 bits": '{"event_id":"$x","room_id":"!unread","type":"x","content":{"a":NaN,"n":1'
    + "0" * 40
    + "}}",
    "a lone surrogate": r'{"event_id":"$x","room_id":"!unread","type":"m.room.message","content":{"body":"\ud800"}}',
    "a hidden lone surrogate": r'{"event_id":"$x","room_id":"!unread","type":"x","content":{"body":"\\\ud800\udc00"}}',
    "a lone surrogate as state key": r'{"event_id":"$x","room_id":"!group","type":"m.room.member","state_key":"\ud800",'
    r'"content":{"membership":"join"}}',
    "nesting of 300": f'{{"event_id":"$x","room_id":"!unread","type":"x","content":{{"body":{nested(300)}}}}}',
    "nesting of 300 without an id": f'{{"room_id":"!unread","type":"x","content":{{"body":{nested(300)}}}}}',
    "a membership that is a list": '{"event_id":"$x","room_id":"!group","type":"m.room.member","state_key":"@a:b",'
    '"content":{"membership":["join"]}}',
    "a body of 65 kB": json.dumps(message("$x", "x" * 65_000)),
    "a ghost's name in mixed case": json.dumps(message("$x", "fine", sender=GHOSTS.guardian.upper())),
}


@pytest.mark.parametrize("strange", STRANGE.values(), ids=STRANGE)
async def test_a_strange_event_neither_wedges_the_stream_nor_harms_its_neighbours(door: Door, strange: str) -> None:
    door.house.homeserver.script.state["!unread"] = state_of("!unread")
    before, after = json.dumps(message("$before", "bad")), json.dumps(message("$zafter", "bad"))
    unread = json.dumps(message("$zunread", "bad", "!unread"))
    raw = f'{{"events":[{before},{strange},{after},{unread}]}}'.encode()
    assert await door.push("1", raw) == 200
    assert await door.redacted() == ["$before", "$zafter", "$zunread"]
    assert await door.push("2", [message("$zz", "bad"), message("$zzunread", "bad", "!unread")]) == 200
    assert (await door.redacted())[-2:] == ["$zz", "$zzunread"]


async def test_a_name_of_a_transaction_may_be_anything(door: Door) -> None:
    for name in ("a" * 2000, "%2F", "%00", "ü", "..%2F..", "1?x=y", "'; DROP TABLE journal; --"):
        assert await door.push(name, []) == 200


# -- the store refuses -------------------------------------------------------------------------------------------------


async def test_what_cannot_be_stored_is_refused_taken_later_and_the_rest_keeps_working(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit: Callable[[Commit], Any] = door.house.database.commit

    async def full(_commit: Commit) -> None:
        raise StoreRefused("disk full")

    monkeypatch.setattr(door.house.database, "commit", full)
    assert await door.push("1", [message("$1", "bad")]) == 503
    assert await door.ask("POST", "/_matrix/app/v1/ping", b"{}") == (200, {})
    assert (await door.ask("GET", "/_inglenook/v1/status"))[0] == 200
    monkeypatch.setattr(door.house.database, "commit", commit)
    assert await door.push("1", [message("$1", "bad")]) == 200
    assert await door.redacted() == ["$1"]


# -- nobody's words ----------------------------------------------------------------------------------------------------


async def test_no_word_of_a_member_reaches_the_log_whatever_goes_wrong(
    door: Door, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    door.house.homeserver.script.state["!unread"] = state_of("!unread")
    said = [message("$1", f"bad {SECRET}"), message("$2", f"stumble {SECRET}"), message("$3", SECRET, "!unread")]
    assert await door.push("1", said) == 200
    assert await door.push("2", f'{{"events": "{SECRET}"}}'.encode()) == 400
    for _ in range(3):
        await door.push("3", f'{{"events": [{{"{SECRET}'.encode())
    monkeypatch.setattr(module, "MAX_TRANSACTION", 100)
    assert await door.push("4", said) == 200
    monkeypatch.undo()
    strange = member("$4", f"@{SECRET}:hearth.example", ["join"]) | {"content": {"membership": [SECRET]}}
    await door.push("5", [strange])
    await door.redacted()
    captured = capfd.readouterr()
    assert "input_set_aside" in door.log.getvalue(), "the log of this test must hold something to be searched"
    for text in (door.log.getvalue(), captured.out, captured.err):
        assert SECRET not in text
        assert GROUP not in text or "bad" not in text
