"""The transactions endpoint and bad input: refused or taken, never a wedge, never a word of a member in the log."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from appservice.intake import endpoint as module
from tests.support.door import SECRET, TOKEN, Door, open_door
from tests.support.house import (
    GHOSTS,
    GROUP,
    member,
    message,
    state_of,
)


@pytest_asyncio.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    async with open_door(tmp_path) as made:
        yield made


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
