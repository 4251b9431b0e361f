"""A new room in the place of an old one on a real homeserver, through the commands that a person types."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from policies.succession import PREDECESSOR_TYPE
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

LEAD, DEPUTY, ROBIN, EVENING, MEADOW, KITE = (
    "copper-lark",
    "quiet-fern",
    "late-robin",
    "long-evening",
    "high-meadow",
    "amber-kite",
)
STRANGER, STEWARD = "passing-cloud", f"@inglenook-steward:{SERVER_NAME}"
LOUNGE = f"#leeds-carers-carers-lounge:{SERVER_NAME}"
CHANGES = re.compile(r"/createRoom|/rooms/[^/]+/(state|invite|kick|ban|leave)|/v[13]/join/|/directory/")


def user(name: str) -> str:
    return f"@{name}:{SERVER_NAME}"


def path(room_id: str, rest: str) -> str:
    return f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}/{rest}"


async def say(charity: Charity, person: str, room_id: str, words: str) -> tuple[int, Any]:
    body = {"msgtype": "m.text", "body": words}
    return await charity.call("PUT", path(room_id, f"send/m.room.message/{words}"), body, person=person)


async def memberships(charity: Charity, room_id: str) -> dict[str, str]:
    state = await charity.state(room_id)
    return {key: content["membership"] for (kind, key), content in state.items() if kind == "m.room.member"}


async def settled(charity: Charity) -> None:
    async def nothing_left() -> bool:
        return not (await charity.plan()).lines

    await eventually(nothing_left, "the service has seen all that it did")


async def test_a_new_room_takes_the_place_of_an_old_one_with_all_that_belongs_to_it(
    make_homeserver: MakeHomeserver, tmp_path: Path
) -> None:
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    charity = await Charity.make(tmp_path / "charity", homeserver)
    charity.policy.write_text(
        charity.policy.read_text(encoding="utf-8").replace("kind: hybrid", "kind: hybrid\n    retention: 90 days"),
        encoding="utf-8",
    )
    try:
        await charity.service.start()
        await charity.apply()
        rooms = await charity.rooms()
        old, space = rooms["carers-lounge"], rooms["space"]
        for person in (LEAD, ROBIN, EVENING, KITE, STRANGER):
            await charity.sign_up(person)
        for person in (LEAD, ROBIN, EVENING, KITE):
            assert await charity.join(person, old) == 200
        _, sent = await say(charity, ROBIN, old, "Tea?")
        for kind, content in (
            ("m.room.name", {"name": "The lounge by the fire"}),
            ("m.room.avatar", {"url": f"mxc://{SERVER_NAME}/fire"}),
            ("m.room.pinned_events", {"pinned": [sent["event_id"]]}),
        ):
            assert (await charity.call("PUT", path(old, f"state/{kind}/"), content, person=LEAD))[0] == 200
        assert (await charity.call("POST", path(old, "ban"), {"user_id": user(STRANGER)}, person=LEAD))[0] == 200
        assert (await charity.call("POST", path(old, "leave"), {}, person=KITE))[0] == 200
        block = f"/_matrix/client/v3/user/{quote(user(EVENING), safe='')}/account_data/m.invite_permission_config"
        assert (await charity.call("PUT", block, {"default_action": "block"}, person=EVENING))[0] == 200
        await settled(charity)

        status, told = await charity.command("upgrade", "carers-lounge")
        assert (status, "would be no better" in told) == (1, True)
        status, told = await charity.command("upgrade", "tea")
        assert (status, "no group “tea”" in told) == (1, True)
        charity.proxy.changes.clear()
        charity.proxy.counts = CHANGES
        status, told = await charity.command("upgrade", "carers-lounge", "--anyway", "--dry-run")
        assert status == 0, told
        assert f"{user(ROBIN)} comes along from the old room." in told
        assert charity.proxy.changes == []
        status, told = await charity.command("upgrade", "carers-lounge", "--anyway", "--yes")
        assert status == 0, told
        planned = re.search(r"(\d+) changes made with (\d+) calls", told)
        assert planned is not None, told
        assert len(charity.proxy.changes) == int(planned[2]) == int(planned[1])

        charity.elsewhere = frozenset({old})
        rooms = await charity.rooms()
        new = rooms["carers-lounge"]
        state, was = await charity.state(new), await charity.state(old)
        assert state["m.room.create", ""]["predecessor"] == {"room_id": old}
        assert was["m.room.tombstone", ""]["replacement_room"] == new
        assert was["m.room.tombstone", ""]["body"].startswith("This group goes on in a new room.")
        assert state["m.room.name", ""] == {"name": "The lounge by the fire"}
        assert state["m.room.avatar", ""] == was["m.room.avatar", ""]
        assert state["m.room.pinned_events", ""] == {"pinned": [sent["event_id"]]}
        assert state["m.room.retention", ""] == {"max_lifetime": 90 * 86_400_000}
        assert state["m.room.canonical_alias", ""] == {"alias": LOUNGE}
        _, found = await charity.call("GET", f"/_matrix/client/v3/directory/room/{quote(LOUNGE, safe='')}")
        assert found["room_id"] == new
        shown = await charity.state(space)
        assert shown["m.space.child", new]["via"] == [SERVER_NAME]
        assert shown["m.space.child", old] == {}
        members = await memberships(charity, new)
        assert {name: members.get(user(name)) for name in (LEAD, ROBIN, EVENING, MEADOW, STRANGER, KITE)} == {
            LEAD: "join",
            ROBIN: "join",
            EVENING: "invite",  # who blocks invites is not put into a room
            MEADOW: "invite",
            STRANGER: "ban",
            KITE: None,  # who left is not asked again
        }
        # In the new room people go on; the old one can be read, and no more.
        assert (await say(charity, ROBIN, new, "Here?"))[0] == 200
        assert (await say(charity, LEAD, old, "Still?"))[0] == 403
        _, page = await charity.call("GET", path(old, "messages"), person=ROBIN, query={"dir": "b", "limit": "50"})
        assert sent["event_id"] in {event["event_id"] for event in page["chunk"]}
        redact = path(old, f"redact/{quote(sent['event_id'], safe='')}/1")
        assert (await charity.call("PUT", redact, {}, person=ROBIN))[0] == 200

        # It stays so, over a restart, and nothing is done to the old room.
        await settled(charity)

        await private_rooms_are_taken_over(charity, new)
        await charity.service.stop()
        await charity.service.start()
        assert (await charity.plan(audit=True)).lines == []

        # Somebody who can closes the new one, and leads people astray: that is not followed, ours is.
        hostile = await charity.call("POST", "/_matrix/client/v3/createRoom", {}, person=KITE)
        astray = {"replacement_room": hostile[1]["room_id"], "body": ""}
        assert (await charity.call("PUT", path(new, "state/m.room.tombstone/"), astray))[0] == 200

        async def succeeded() -> bool:
            tombstone = (await charity.state(new))["m.room.tombstone", ""]
            return tombstone["replacement_room"] != astray["replacement_room"]

        await eventually(lambda: _applied(charity, succeeded), "the closed room leads to one of ours")
        charity.elsewhere |= {new}
        third = (await charity.rooms())["carers-lounge"]
        assert (await charity.state(new))["m.room.tombstone", ""]["replacement_room"] == third
        members = await memberships(charity, third)
        assert (members[user(ROBIN)], members[user(STRANGER)], members.get(user(KITE))) == ("join", "ban", None)
        await settled(charity)

        # Who is taken off the list leaves the rooms before it, too: what was said there could be read.
        listed = charity.people.read_text(encoding="utf-8")
        taken = listed.replace(f'"@{ROBIN}:', '"@somebody-else:')
        assert taken != listed
        charity.people.write_text(taken, encoding="utf-8")
        planned_lines = (await charity.plan()).lines
        assert sum("is taken out of the old room, too" in line for line in planned_lines) == 2
        await charity.apply()
        for room_id in (old, new, third):
            assert (await memberships(charity, room_id))[user(ROBIN)] == "leave"
        assert (await charity.plan()).lines == []
    finally:
        await charity.stop()


async def _applied(charity: Charity, condition: Any) -> bool:
    await charity.apply()
    return bool(await condition())


async def private_rooms_are_taken_over(charity: Charity, new: str) -> None:
    """Which the steward is asked into, in either order, as docs/plans.md says."""
    private = {"room_version": "10", "preset": "private_chat", "invite": [user(ROBIN)]}
    for before, after in ((invited, given_power), (given_power, invited)):
        _, made = await charity.call("POST", "/_matrix/client/v3/createRoom", private, person=LEAD)
        closed = made["room_id"]
        await before(charity, closed, STEWARD)
        status, told = await charity.command("adopt", "carers-lounge", closed, "--dry-run")
        assert (status, "gives it power level" in told or "gives it the power level" in told) == (1, True), told
        await after(charity, closed, STEWARD)
        status, told = await charity.command("adopt", "carers-lounge", closed, "--yes")
        assert status == 0, told
        _, events = await charity.call("GET", path(closed, "state"), person=LEAD)
        was = {(event["type"], event["state_key"]): event["content"] for event in events}
        assert was["m.room.tombstone", ""]["replacement_room"] == new
        assert was["m.room.member", STEWARD]["membership"] == "leave"
        assert (await charity.call("POST", path(closed, "join"), {}, person=ROBIN))[0] == 200
        assert (await say(charity, ROBIN, closed, "Hello?"))[0] == 403
        await settled(charity)


async def invited(charity: Charity, room_id: str, user_id: str) -> None:
    assert (await charity.call("POST", path(room_id, "invite"), {"user_id": user_id}, person=LEAD))[0] == 200


async def given_power(charity: Charity, room_id: str, user_id: str) -> None:
    where = path(room_id, "state/m.room.power_levels/")
    _, levels = await charity.call("GET", where, person=LEAD)
    levels["users"][user_id] = 100
    assert (await charity.call("PUT", where, levels, person=LEAD))[0] == 200


async def test_a_room_that_others_made_is_taken_over_with_those_who_may_be_there(
    make_homeserver: MakeHomeserver, tmp_path: Path
) -> None:
    homeserver = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    charity = await Charity.make(tmp_path / "charity", homeserver)
    try:
        await charity.service.start()
        await charity.apply()
        new = (await charity.rooms())["carers-lounge"]
        for person in (LEAD, ROBIN, EVENING, MEADOW, STRANGER):
            await charity.sign_up(person)
        body = {"room_version": "10", "name": "Tea on Tuesdays", "preset": "public_chat", "room_alias_name": "tea"}
        _, made = await charity.call("POST", "/_matrix/client/v3/createRoom", body, person=LEAD)
        old, tea = made["room_id"], f"#tea:{SERVER_NAME}"
        for person in (ROBIN, EVENING, MEADOW, STRANGER):
            assert await charity.join(person, old) == 200
        _, sent = await say(charity, STRANGER, old, "Milk?")
        _, talk = await charity.call(
            "POST",
            "/_matrix/client/v3/createRoom",
            {"preset": "trusted_private_chat", "is_direct": True, "invite": [user(ROBIN)]},
            person=LEAD,
        )
        await invited(charity, talk["room_id"], STEWARD)

        async def refused(words: str, *arguments: str) -> None:
            status, told = await charity.command("adopt", *arguments, "--dry-run")
            assert (status, words in told) == (1, True), told

        await refused("leads to no room", "carers-lounge", f"#coffee:{SERVER_NAME}")
        await refused("service made that room itself", "carers-lounge", new)
        await refused("private conversation", "carers-lounge", talk["room_id"])
        await refused("and “space” is a space", "space", tea)
        await refused("power level 100", "carers-lounge", tea)
        await given_power(charity, old, STEWARD)

        status, told = await charity.command("adopt", "carers-lounge", tea, "--dry-run")
        assert status == 0, told
        assert f"{user(STRANGER)}: may not be there" in told
        assert f"{user(STRANGER)} comes along" not in told
        assert "What was written in the old room stays there." in told
        assert (await charity.state(old)).get(("m.room.tombstone", "")) is None
        status, told = await charity.command("adopt", "carers-lounge", tea, "--yes")
        assert status == 0, told

        state = await charity.state(new)
        assert state[PREDECESSOR_TYPE, ""] == {"predecessor_room_id": old}
        assert state["m.room.name", ""] == {"name": "Tea on Tuesdays"}
        members = await memberships(charity, new)
        assert {members.get(user(name)) for name in (LEAD, ROBIN, EVENING, MEADOW)} == {"join"}
        assert user(STRANGER) not in members
        _, events = await charity.call("GET", path(old, "state"), person=STRANGER)
        was = {(event["type"], event["state_key"]): event["content"] for event in events}
        assert was["m.room.tombstone", ""]["replacement_room"] == new
        assert was["m.room.join_rules", ""] == {"join_rule": "invite"}
        assert was["m.room.member", STEWARD]["membership"] == "leave"
        assert was["m.room.member", user(STRANGER)]["membership"] == "join"
        assert (await say(charity, STRANGER, old, "Hello?"))[0] == 403
        _, page = await charity.call("GET", path(old, "messages"), person=STRANGER, query={"dir": "b"})
        assert sent["event_id"] in {event["event_id"] for event in page["chunk"]}
        await settled(charity)

        await private_rooms_are_taken_over(charity, new)
        await charity.service.stop()
        await charity.service.start()
        assert (await charity.plan(audit=True)).lines == []
    finally:
        await charity.stop()
