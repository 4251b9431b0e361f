"""What was removed is sealed, shown to those who may see it, and stands nowhere on our disk to be read."""

from __future__ import annotations

import asyncio
import gzip
import json
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import pytest_asyncio
import yaml

from appservice.operations.homeserver import EmbeddedHomeserver
from tests.support.charity import ALIASES, SERVER_NAME
from tests.support.lounge import HELPER, LEAD, MEMBER, NUMBER, READER, STRANGER, Room, edit, peopled
from tests.support.raw_files import found_in
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver


@pytest_asyncio.fixture(loop_scope="session")
async def homeserver(make_homeserver: MakeHomeserver) -> EmbeddedHomeserver:
    made = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await made.make_steward_admin()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def room(homeserver: EmbeddedHomeserver, tmp_path: Path) -> AsyncIterator[Room]:
    async with peopled(tmp_path / "charity", homeserver) as made:
        yield made


async def test_no_word_of_a_member_stands_in_our_files_to_be_read(room: Room) -> None:
    tokens = {
        name: f"{name}{secrets.token_hex(12)}"
        for name in (
            *("body", "formatted", "newcontent", "fallback", "shown", "knock", "plea", "reason", "ordinary"),
            *("around", "aroundedit", "afterwards"),
        )
    }
    folder, rooms = room.charity.service.path.parent, room.rooms
    await room.says(MEMBER, f"nothing special {tokens['ordinary']}")
    other = await room.says(READER, f"around it {tokens['around']}")
    await room.sends(READER, edit(other, "* around it", f"around it {tokens['aroundedit']}"))
    first = await room.sends(
        MEMBER,
        {
            "msgtype": "m.text",
            "body": f"> <@somebody:x> {tokens['fallback']}\n\n{tokens['body']} {tokens['shown']} Jo is on {NUMBER}",
            "format": "org.matrix.custom.html",
            "formatted_body": f"<p>{tokens['formatted']} Jo is on {NUMBER}</p>",
        },
    )
    again = await room.sends(MEMBER, edit(first, f"* {tokens['body']}", f"{tokens['newcontent']} {NUMBER}"))
    knock = f"/_matrix/client/v3/knock/{quote(rooms['carers-lounge'], safe='')}"
    assert (await room.charity.call("POST", knock, {"reason": tokens["knock"]}, person=STRANGER))[0] == 200
    await room.says(READER, f"I can't go on any more {tokens['plea']}")
    await room.gone(first)
    assert found_in(folder, tokens) == []  # during
    await room.gone(again)
    await room.carded("H-0001", "ack H-0001")
    await room.carded("asks to join")
    await room.says(READER, f"afterwards {tokens['afterwards']}")
    await room.says(LEAD, f"show H-0001 {tokens['reason']}", "safeguarding")
    shown = await room.told(LEAD, "H-0001", tokens["shown"])
    assert NUMBER in shown
    for name in ("ordinary", "aroundedit", "afterwards"):
        assert tokens[name] in shown, "what stood around it stands there too"
    assert tokens["around"] not in shown, "an edited message says what it says now"
    await room.told(READER, "carry this alone")
    assert found_in(folder, tokens) == []  # after
    await room.charity.service.kill()
    assert found_in(folder, tokens) == []  # as somebody who takes the disk finds it
    await room.charity.service.start()
    await room.says(LEAD, "show H-0001/2 the second one too", "safeguarding")
    await room.told(LEAD, tokens["newcontent"])
    assert found_in(folder, tokens) == []


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    token = "needle" + secrets.token_hex(8)
    import base64

    ways = {
        "a": token.encode(),
        "b": ("x" + token).encode("utf-16-le"),
        "c": base64.b64encode(b"12345" + token.encode() + b"678"),
        "d": base64.b64encode(b"1234" + token.encode() + b"678"),
        "e": base64.b64encode(b"123" + token.encode() + b"678"),
        "f": json.dumps("é" + token).encode(),
        "g": b"zz" + gzip.compress(b"--" + token.encode()),
        "h": "".join(f"\\u{ord(sign):04x}" for sign in token).encode(),
    }
    for name, data in ways.items():
        (tmp_path / name).write_bytes(data)
        assert any(one.startswith(name) for one in found_in(tmp_path, {"t": token})), name


async def test_without_its_key_evidence_stays_shut_and_removing_goes_on(room: Room) -> None:
    charity = room.charity
    await room.gone(await room.says(MEMBER, f"before: Jo is on {NUMBER}"))
    await room.carded("H-0001")
    await charity.service.stop()
    key = charity.service.config.vault_key
    kept = key.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    key.unlink()
    await charity.service.start()
    status = await charity.service.status()
    assert status is not None
    assert any("key that opens evidence is missing" in one for one in status["problems"])
    await room.gone(await room.says(MEMBER, f"meanwhile: Jo is on {NUMBER}"))
    await room.says(LEAD, "show H-0001/2 a parent asked", "safeguarding")
    await room.told(LEAD, "the key is not on the server")
    key.write_bytes(kept)
    key.chmod(0o600)
    await room.says(LEAD, "show H-0001/2 a parent asked", "safeguarding")
    assert "meanwhile" in await room.told(LEAD, "number 2 of 2")
    await room.says(LEAD, "show H-0001/3 a parent asked", "safeguarding")
    await room.told(LEAD, "2 messages for H-0001", "no number 3")


async def test_a_service_for_real_people_reports_the_key_of_a_demo(room: Room) -> None:
    service = room.charity.service
    assert "never use it for real people" in service.config.vault_key.read_text(encoding="utf-8")
    status = await service.status()
    assert status is not None
    assert status["problems"] == []
    await service.stop()
    content = yaml.safe_load(service.path.read_text(encoding="utf-8"))
    service.path.write_text(yaml.safe_dump(content | {"demo": False}), encoding="utf-8")
    await service.start()
    status = await service.status()
    assert status is not None
    assert any("made for a demo" in one for one in status["problems"])


async def test_what_stood_around_is_shown_without_contact_details_to_a_lead_who_is_not_there(room: Room) -> None:
    leave = f"/_matrix/client/v3/rooms/{quote(room.rooms['carers-lounge'], safe='')}/leave"
    assert (await room.charity.call("POST", leave, {}, person=LEAD))[0] == 200
    for n in range(7):
        await room.says(READER, f"before {n}")
    await room.says(READER, "My own number is 07700 900456, the Samaritans are on 116 123")
    first = await room.says(MEMBER, f"Jo is on {NUMBER}")
    again = await room.sends(MEMBER, edit(first, "* Jo", f"Jo is really on {NUMBER}"))
    await room.gone(first)
    await room.gone(again)
    second = await room.says(MEMBER, f"and Jo is on {NUMBER}")
    await room.gone(second)
    await room.carded("H-0001")
    await room.says(READER, "after it")
    await room.says(LEAD, "show H-0001 a parent asked", "safeguarding")
    lines = (await room.told(LEAD, "What stood around")).split("\n")
    start, here = lines.index(f"Jo is on {NUMBER}"), lines.index("Here stood what you asked to see.")
    assert start < here
    assert [line for line in lines[:here] if line.startswith("before")] == [f"before {n}" for n in range(7)]
    assert "My own number is (…), the Samaritans are on 116 123" in lines[:here]
    removed = [line for line in lines if "stood here too" in line]
    assert len(removed) == 1, "the second message, and not the edit of the first"
    assert lines[here:].index(removed[0]) < lines[here:].index("after it")
    for shared in ("safeguarding", "moderators", "carers-lounge"):
        path = f"/_matrix/client/v3/rooms/{quote(room.rooms[shared], safe='')}/messages"
        who = READER if shared == "carers-lounge" else LEAD
        _, page = await room.charity.call("GET", path, person=who, query={"dir": "b", "limit": "100"})
        assert not [one for one in page["chunk"] if one["sender"] == HELPER and NUMBER in str(one["content"])]


async def test_what_was_shown_is_taken_back_though_we_were_killed_before_we_wrote_that_down(room: Room) -> None:
    await room.gone(await room.says(MEMBER, f"Jo is on {NUMBER}"))
    await room.carded("H-0001")
    service, died = room.charity.service, asyncio.Event()

    async def power_cut(body: bytes) -> None:
        """The homeserver has taken it, and we do not live to hear so."""
        if b"What you asked to see" in body and not died.is_set():
            await service.kill()
            died.set()

    room.charity.proxy.sent = power_cut
    await room.says(LEAD, "show H-0001 a parent asked", "safeguarding")
    await asyncio.wait_for(died.wait(), 30)
    assert withdrawals(service.config.store) == []
    await service.start()
    await eventually(lambda: queued(service.config.store), "its end is written down")
    assert sum(NUMBER in body for body in await room.private(LEAD)) == 1
    await service.kill()
    let_time_pass(service.config.store)
    await service.start()

    async def nothing_stands() -> bool:
        return not any(NUMBER in body for body in await room.private(LEAD))

    await eventually(nothing_stands, "what was shown is taken back")


def withdrawals(store: Path) -> list[tuple[str, dict[str, Any]]]:
    """What is to be taken back, by key, as it stands in our file."""
    with sqlite3.connect(store) as database:
        rows = database.execute("SELECT key, record FROM outbox WHERE type = 'withdraw'").fetchall()
    return [(key, json.loads(record)) for key, record in rows]


async def queued(store: Path) -> bool:
    return len(withdrawals(store)) == 1


def let_time_pass(store: Path) -> None:
    """What is to be taken back in ten minutes is due now."""
    with sqlite3.connect(store) as database:
        for key, record in withdrawals(store):
            assert record["not_before_ms"] > time.time() * 1000
            record["not_before_ms"] = 1
            database.execute("UPDATE outbox SET record = ? WHERE key = ?", (json.dumps(record).encode(), key))


async def test_the_lead_may_ask_in_her_private_room_and_gets_one_answer(room: Room) -> None:
    await room.gone(await room.says(MEMBER, f"Jo is on {NUMBER}"))
    await room.carded("H-0001")
    _, joined = await room.charity.call("GET", "/_matrix/client/v3/joined_rooms", person=LEAD)
    (room.rooms["private"],) = set(joined["joined_rooms"]) - set(room.rooms.values())
    private = room.rooms.pop("private")
    path = f"/_matrix/client/v3/rooms/{quote(private, safe='')}/send/m.room.message/show"
    content = {"msgtype": "m.text", "body": "show H-0001 a parent asked"}
    assert (await room.charity.call("PUT", path, content, person=LEAD))[0] == 200
    assert NUMBER in await room.told(LEAD, "H-0001", "Jo is on")
    await room.says(LEAD, "show H-0001 once more", "safeguarding")  # what would be said to the first is said by now

    async def twice() -> bool:
        return sum(NUMBER in body for body in await room.private(LEAD)) == 2

    await eventually(twice, "shown again")
    assert not [body for body in await room.private(LEAD) if "nobody reads along here" in body]


async def test_an_edit_that_makes_a_harmless_message_harmful_goes_and_the_message_stays(room: Room) -> None:
    harmless = await room.says(MEMBER, "Tea on Tuesday?")
    harmful = await room.sends(MEMBER, edit(harmless, "* Tea?", f"Ring Jo for tea: {NUMBER}"))
    await room.gone(harmful)
    path = f"/_matrix/client/v3/rooms/{quote(room.rooms['carers-lounge'], safe='')}/event/{quote(harmless, safe='')}"
    _, event = await room.charity.call("GET", path, person=READER)
    assert event["content"]["body"] == "Tea on Tuesday?"


@pytest.mark.parametrize(
    "content",
    [
        {"body": "hello", "format": "org.matrix.custom.html", "formatted_body": f"<b>Jo is on {NUMBER}</b>"},
        {"body": f"Jo is on {NUMBER}", "format": "org.matrix.custom.html", "formatted_body": "<b>hello</b>"},
        {"body": "Jo is on 07700\u202e \u200b900123"},
        {"body": "x" * 50_000 + f" Jo is on {NUMBER}"},
        {"body": "x" * 64_000 + f" Jo is on {NUMBER}"},
        {
            "body": "hello",
            "format": "org.matrix.custom.html",
            "formatted_body": "<b><i>" * 2_500 + f"Jo is on {NUMBER}" + "</i></b>" * 2_500,
        },
        {"body": "Jo: jo.bloggs@mail.example, 12 Mill Lane, Leeds LS1 4AB"},
        {"body": "Jo's card is 4111 1111 1111 1111"},
    ],
    ids=[
        "only in the HTML",
        "only in the body",
        "hidden signs",
        "50 kB",
        "as long as may be",
        "deep in markup",
        "e-mail and address",
        "card",
    ],
)
async def test_what_some_client_shows_counts(room: Room, content: dict[str, Any]) -> None:
    await room.gone(await room.sends(MEMBER, {"msgtype": "m.text", **content}))
    card = await room.carded("H-000", MEMBER)
    assert NUMBER not in card
    assert "4111" not in card
    assert "Mill Lane" not in card
