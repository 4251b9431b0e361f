"""What somebody changes by hand on a real homeserver is seen from the stream, and put back or told, as the policy says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
import yaml

from appservice.operations.drifts import list_drifts
from appservice.operations.homeserver import EmbeddedHomeserver
from appservice.operations.homeserver_config import HomeserverConfig
from appservice.operations.processes import free_port, release_port
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.waiting import eventually

pytestmark = pytest.mark.homeserver

LEAD, ADMIN = "copper-lark", "server-admin"
STEWARD = f"@inglenook-steward:{SERVER_NAME}"
RULES, GUESTS, POWERS = ("m.room.join_rules", ""), ("m.room.guest_access", ""), ("m.room.power_levels", "")
MARK, NAME, ALIAS = ("org.inglenook.managed", ""), ("m.room.name", ""), ("m.room.canonical_alias", "")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def charity(synapse_python: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Charity]:
    """A community in force, its lead in its rooms, and an administrator of the server."""
    folder = tmp_path_factory.mktemp("drift")
    config = HomeserverConfig(
        directory=folder / "homeserver",
        server_name=SERVER_NAME,
        port=free_port(),
        appservice_url=f"http://127.0.0.1:{free_port()}",
        python=synapse_python,
        durable=False,
        alias_regexes=ALIASES,
        overrides={"bcrypt_rounds": 4},
    )
    homeserver = EmbeddedHomeserver(config)
    await asyncio.to_thread(homeserver.prepare)
    await homeserver.start()
    made = await Charity.make(folder / "charity", homeserver)
    try:
        await homeserver.make_steward_admin()
        await made.service.start()
        assert (await made.apply()).settled
        await made.sign_up(LEAD)
        await homeserver.register(ADMIN, "an invented passphrase", admin=True)
        made.tokens[ADMIN] = await homeserver.login(ADMIN, "an invented passphrase")
        for room in ("carers-lounge", "bereaved"):
            assert await made.join(LEAD, (await made.rooms())[room]) == 200
        yield made
    finally:
        await made.stop()
        await homeserver.stop()
        release_port(config.port)


ROOMS: dict[str, str] = {}


async def rooms_of(charity: Charity) -> dict[str, str]:
    """Room ids by key: they stay the same in all tests here."""
    if not ROOMS:
        ROOMS.update(await charity.rooms())
    return ROOMS


async def wanted(charity: Charity, group: str, key: tuple[str, str]) -> Any:
    community, _ = charity.said()
    return community.complete_state(group, await rooms_of(charity))[key]


async def put(charity: Charity, group: str, key: tuple[str, str], content: Any, person: str | None = None) -> str:
    room = (await rooms_of(charity))[group]
    path = f"/_matrix/client/v3/rooms/{quote(room)}/state/{key[0]}/{key[1]}"
    status, answer = await charity.call("PUT", path, content, person=person)
    assert status == 200, answer
    return str(answer["event_id"])


async def put_back(charity: Charity, group: str, key: tuple[str, str]) -> None:
    room, right = (await rooms_of(charity))[group], await wanted(charity, group, key)

    async def is_right() -> bool:
        return bool((await charity.state(room))[key] == right)

    await eventually(is_right, f"{key[0]} of {group} is put back")


async def drifts(charity: Charity) -> list[dict[str, Any]]:
    return await list_drifts(charity.service.config)


async def followed(charity: Charity, event_id: str, done: str) -> dict[str, Any]:
    async def listed() -> dict[str, Any] | None:
        return next((one for one in await drifts(charity) if one["event_id"] == event_id and one["done"] == done), None)

    return await eventually(listed, f"{event_id} is listed as {done}")


async def told(charity: Charity, place: str, words: str) -> list[str]:
    """What the helper program said of this in a room of the house."""
    room = (await rooms_of(charity))[place]
    _, page = await charity.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/messages?dir=b&limit=100")
    bodies = [event["content"].get("body", "") for event in page["chunk"] if event["type"] == "m.room.message"]
    return [body for body in bodies if words in body]


async def with_drift(charity: Charity, said: Any) -> None:
    """Put the policy in force with this said of drift."""
    content = yaml.safe_load(charity.policy.read_text(encoding="utf-8"))
    content["drift"] = said
    charity.policy.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert (await charity.apply()).settled


async def test_the_own_apply_of_a_policy_is_no_drift(charity: Charity) -> None:
    assert await drifts(charity) == []
    status = await charity.service.status()
    assert status is not None
    assert status["drift"] == {"seen_7_days": 0, "standing": 0, "contested": 0}


async def test_a_door_that_was_opened_with_our_own_token_is_shut_and_it_is_known_when(charity: Charity) -> None:
    event_id = await put(charity, "bereaved", RULES, {"join_rule": "public"})
    await put_back(charity, "bereaved", RULES)
    seen = await followed(charity, event_id, "put_back")
    assert (seen["aspect"], seen["grp"], seen["sender"], seen["times"]) == ("settings", "bereaved", STEWARD, 1)

    async def ops_know() -> bool:
        said = await told(charity, "ops", "I put it back")
        return len(said) == 1 and "who may come in and read" in said[0] and STEWARD not in said[0]

    await eventually(ops_know, "those who run the server are told once, and not who did it")
    exit_status, said = await charity.command("drift")
    assert (exit_status, f"by {STEWARD}: was put back" in said) == (0, True)
    exit_status, said = await charity.command("drift", "--json")
    assert (exit_status, json.loads(said)["drifts"]) == (0, await drifts(charity))


async def test_a_room_admin_made_by_an_administrator_of_the_server_loses_that_power(charity: Charity) -> None:
    room = (await rooms_of(charity))["carers-lounge"]
    path = f"/_synapse/admin/v1/rooms/{quote(room)}/make_room_admin"
    lead = f"@{LEAD}:{SERVER_NAME}"
    assert (await charity.call("POST", path, {"user_id": lead}, person=ADMIN))[0] == 200
    await put_back(charity, "carers-lounge", POWERS)

    async def listed() -> bool:
        return any(one["aspect"] == "powers" and one["done"] == "put_back" for one in await drifts(charity))

    await eventually(listed, "it is listed")


@pytest.mark.parametrize("key", [GUESTS, MARK, POWERS, ALIAS], ids=lambda key: key[0])
async def test_state_that_a_moderator_empties_is_put_back_and_the_moderator_is_named(
    charity: Charity, key: tuple[str, str]
) -> None:
    """Who may remove messages may redact state as well, which no power prevents."""
    room = (await rooms_of(charity))["carers-lounge"]
    _, events = await charity.call("GET", f"/_matrix/client/v3/rooms/{quote(room)}/state")
    target = next(one["event_id"] for one in events if (one["type"], one.get("state_key")) == key)
    path = f"/_matrix/client/v3/rooms/{quote(room)}/redact/{quote(target)}/of-{key[0]}"
    status, answer = await charity.call("PUT", path, {}, person=LEAD)
    assert status == 200, answer
    await put_back(charity, "carers-lounge", key)
    seen = await followed(charity, answer["event_id"], "put_back")
    assert (seen["sender"], seen["type"]) == (f"@{LEAD}:{SERVER_NAME}", key[0])


async def test_what_was_changed_while_we_were_away_is_put_back_and_named_when_we_return(charity: Charity) -> None:
    await charity.service.stop()
    event_id = await put(charity, "bereaved", GUESTS, {"guest_access": "can_join"})
    await charity.service.start()
    await put_back(charity, "bereaved", GUESTS)
    assert (await followed(charity, event_id, "put_back"))["sender"] == STEWARD


async def test_a_name_given_by_its_moderators_is_no_drift_unless_the_policy_says_so(charity: Charity) -> None:
    before = len(await drifts(charity))
    await put(charity, "carers-lounge", NAME, {"name": "The quiet corner"}, LEAD)
    await with_drift(charity, {"look": "warn"})
    assert (await charity.state((await rooms_of(charity))["carers-lounge"]))[NAME]["name"] == "Carers' lounge"
    assert len(await drifts(charity)) == before
    for number in range(5):
        event_id = await put(charity, "carers-lounge", NAME, {"name": f"Corner {number}"}, LEAD)

    async def counted() -> dict[str, Any] | None:
        found = [one for one in await drifts(charity) if one["aspect"] == "look"]
        return found[0] if found and found[0]["times"] == 5 and found[0]["done"] == "stands" else None

    await eventually(counted, "five changes by one person are one line")

    async def moderators_know() -> bool:
        return len(await told(charity, "moderators", "its name or its purpose")) == 1

    await eventually(moderators_know, "they are told once")
    room = (await rooms_of(charity))["carers-lounge"]
    assert (await charity.state(room))[NAME]["name"] == "Corner 4", event_id
    status = await charity.service.status()
    assert status is not None
    assert (status["policy"]["changes_left"], status["drift"]["standing"]) == (0, 1)
    assert (await charity.apply()).settled  # a person who applies the policy puts it back
    await put_back(charity, "carers-lounge", NAME)

    async def nothing_stands() -> bool:
        found = await charity.service.status()
        return found is not None and found["drift"]["standing"] == 0

    await eventually(nothing_stands, "nothing stands any more")


async def test_what_is_ignored_stands_over_a_restart_and_nobody_is_told(charity: Charity) -> None:
    because = {"because": "A trial week with guests.", "approved_by": "deputy"}
    await with_drift(charity, {"settings": {"value": "ignore", **because}, "look": "enforce"})
    event_id = await put(charity, "carers-lounge", GUESTS, {"guest_access": "can_join"})
    await followed(charity, event_id, "ignored")
    await charity.service.stop()
    await charity.service.start()
    room = (await rooms_of(charity))["carers-lounge"]
    assert (await charity.state(room))[GUESTS] == {"guest_access": "can_join"}
    status = await charity.service.status()
    assert status is not None
    assert (status["policy"]["changes_left"], status["drift"]["standing"], status["problems"]) == (0, 0, [])
    # A name that is not left to people is prevented by power.
    path = f"/_matrix/client/v3/rooms/{quote(room)}/state/m.room.name/"
    assert (await charity.call("PUT", path, {"name": "Mine"}, person=LEAD))[0] == 403
