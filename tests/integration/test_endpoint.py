"""The transactions endpoint over real HTTP: whatever arrives, nobody is let in, nothing wedges and nothing is lost."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from appservice.store import Commit, StoreRefused
from tests.support.door import TOKEN, Door, open_door
from tests.support.house import (
    GHOSTS,
    SAM,
    member,
    message,
)


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(tmp_path) as made:
        yield made


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

    monkeypatch.setattr(hmac, "compare_digest", watched)
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


async def test_a_push_waits_for_what_came_before_it_and_not_for_ever(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After an absence; and where what came before cannot be asked for, a plea for help does not wait each time."""
    door.endpoint.in_order = asyncio.Event()
    body = json.dumps({"events": [message("$waits", "hello")]}).encode()
    waiting = asyncio.create_task(door.ask("PUT", "/_matrix/app/v1/transactions/w1", body))
    done, _ = await asyncio.wait({waiting}, timeout=0.2)
    assert not done
    door.endpoint.in_order.set()
    assert (await waiting)[0] == 200
    monkeypatch.setattr("appservice.intake.endpoint._WAITS_S", 0.05)
    door.endpoint.in_order = asyncio.Event()
    assert (await door.ask("PUT", "/_matrix/app/v1/transactions/w2", body))[0] == 200
    assert door.endpoint.in_order.is_set(), "the next one does not wait"
