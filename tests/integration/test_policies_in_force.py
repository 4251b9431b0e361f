"""A policy file becomes a community on a real homeserver, through the commands that a person types."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import yaml

from appservice.operations.control import BadPolicy, PlanAnswer, PlanMoved
from appservice.operations.homeserver import EmbeddedHomeserver
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

LEAD, ROBIN, SNOW = "copper-lark", "late-robin", "first-snow"


@pytest_asyncio.fixture(loop_scope="session")
async def homeserver(make_homeserver: MakeHomeserver) -> EmbeddedHomeserver:
    made = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await made.make_steward_admin()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def charity(homeserver: EmbeddedHomeserver, tmp_path: Path) -> AsyncIterator[Charity]:
    """A service that runs and waits for its policy."""
    made = await Charity.make(tmp_path / "charity", homeserver)
    try:
        await made.service.start()
        yield made
    finally:
        await made.stop()


async def test_the_example_becomes_a_community_and_stays_it(charity: Charity) -> None:
    exit_status, said = await charity.command("status")
    assert exit_status == 1
    assert "there is no policy yet" in said

    exit_status, said = await charity.command("plan", str(charity.policy))
    assert exit_status == 0
    assert charity.proxy.changes == []
    planned = await charity.plan()
    assert f"{len(planned.lines)} changes in 8 rooms, {planned.calls} calls" in said

    exit_status, said = await charity.command("apply", str(charity.policy))
    assert exit_status == 0, said
    assert len(charity.proxy.changes) == planned.calls
    assert f"{planned.calls} changes made with {planned.calls} calls." in said
    await charity.assert_as_said()

    calls = len(charity.proxy.changes)
    exit_status, said = await charity.command("apply", str(charity.policy))
    assert (exit_status, "0 calls" in said) == (0, True)
    assert len(charity.proxy.changes) == calls, "nothing of the policy was done again"
    exit_status, said = await charity.command("plan", str(charity.policy), "--audit")
    assert (exit_status, said.strip()) == (0, "Nothing to do.")
    assert (await charity.command("status"))[0] == 0


async def test_what_was_applied_stays_in_force_when_its_file_breaks_and_the_service_starts_again(
    charity: Charity,
) -> None:
    applied = await charity.apply()
    rooms = await charity.rooms()
    await charity.sign_up(SNOW)
    assert await charity.join(SNOW, rooms["bereaved"]) == 200
    content = yaml.safe_load(charity.service.path.read_text(encoding="utf-8"))
    content["policy"] = str(charity.policy)
    charity.service.path.write_text(yaml.safe_dump(content), encoding="utf-8")
    charity.policy.write_text("community: [", encoding="utf-8")
    # The private room of who came in is made in its own time: two calls, and not the policy's.
    calls = applied.calls

    async def has_private_room() -> bool:
        return len(charity.proxy.changes) == calls + 2

    await eventually(has_private_room, "who came in has a private room")
    assert await charity.service.stop() == 0
    await charity.service.start()
    status = await charity.service.status()
    assert status is not None
    assert status["policy"] == {"in_force": True, "settled": True, "changes_left": 0, "review_due": None}
    assert status["problems"] == ["the policy file is not what is in force: `inglenook plan` says what would change"]
    assert len(charity.proxy.changes) == calls + 2, "nothing of the policy was done again"
    exit_status, said = await charity.command("plan")
    assert exit_status == 2
    assert f"{charity.policy}:1:12: error: " in said
    # And it is enforced: an outsider who is invited by hand is not let in.
    await charity.sign_up(LEAD)
    assert await charity.join(LEAD, rooms["bereaved"]) == 200
    outsider = f"@outsider:{SERVER_NAME}"
    path = f"/_matrix/client/v3/rooms/{rooms['bereaved']}/invite"
    assert (await charity.call("POST", path, {"user_id": outsider}, person=LEAD))[0] == 200

    async def withdrawn() -> bool:
        state = await charity.state(rooms["bereaved"])
        return bool(state["m.room.member", outsider]["membership"] == "leave")

    await eventually(withdrawn, "the invite is withdrawn")


async def test_people_who_are_taken_off_the_list_go_and_those_put_on_it_are_asked_in(charity: Charity) -> None:
    await charity.apply()
    rooms = await charity.rooms()
    await charity.sign_up(ROBIN)
    assert await charity.join(ROBIN, rooms["carers-lounge"]) == 200
    people = yaml.safe_load(charity.people.read_text(encoding="utf-8"))
    del people["people"][f"@{ROBIN}:{SERVER_NAME}"]
    people["people"][f"@new-moon:{SERVER_NAME}"] = {"groups": ["bereaved"]}
    people["people"][f"@amber-kite:{SERVER_NAME}"]["roles"] = []
    charity.people.write_text(yaml.safe_dump(people), encoding="utf-8")

    async def robin_is_seen() -> PlanAnswer | None:
        planned = await charity.plan()
        return planned if any(ROBIN in line and "removed" in line for line in planned.lines) else None

    planned = await eventually(robin_is_seen, "the plan takes out who came in just now")
    assert planned.counts["disruptive"] >= 2
    done = await charity.apply(planned.digest)
    assert (done.settled, done.calls) == (True, planned.calls)
    await charity.assert_as_said()
    state = await charity.state(rooms["carers-lounge"])
    assert state["m.room.member", f"@{ROBIN}:{SERVER_NAME}"]["membership"] == "leave"
    assert f"@amber-kite:{SERVER_NAME}" not in state["m.room.power_levels", ""]["users"]
    # Gone, and through the old link there is no way back but to ask.
    assert await charity.join(ROBIN, f"#leeds-carers-carers-lounge:{SERVER_NAME}") == 403


async def test_a_room_deleted_while_we_slept_is_made_again_and_its_people_asked_in(charity: Charity) -> None:
    await charity.apply()
    before = await charity.rooms()
    await charity.service.stop()
    status, _ = await charity.call("DELETE", f"/_synapse/admin/v1/rooms/{before['bereaved']}", {"purge": True})
    assert status == 200
    await charity.service.start()

    async def settled() -> bool:
        found = await charity.service.status()
        return found is not None and found["policy"]["settled"] and set(await charity.rooms()) == set(before)

    await eventually(settled, "the room is made again")
    after = await charity.rooms()
    assert after["bereaved"] != before["bereaved"]
    assert {key: room for key, room in before.items() if key != "bereaved"}.items() <= after.items()
    # The homeserver took the address of the deleted room with it, so the new one has it again.
    await charity.assert_as_said(after)
    assert (await charity.apply()).calls == 0


async def test_what_somebody_does_by_hand_during_an_apply_is_put_right_by_it(charity: Charity) -> None:
    planned = await charity.plan()
    meddled = asyncio.Event()

    async def meddle(number: int) -> None:
        if number != planned.calls - 1 or meddled.is_set():
            return
        meddled.set()
        room = (await charity.rooms())["bereaved"]
        path = f"/_matrix/client/v3/rooms/{room}/state/m.room.join_rules/"
        assert (await charity.call("PUT", path, {"join_rule": "public"}))[0] == 200

    charity.proxy.executed = meddle
    done = await charity.apply()
    assert meddled.is_set()
    assert (done.settled, done.planned_calls, done.calls) == (True, planned.calls, planned.calls + 1)
    await charity.assert_as_said()


async def test_an_approved_plan_is_not_applied_when_another_one_would_be_made_now(charity: Charity) -> None:
    planned = await charity.plan()
    text = charity.policy.read_text(encoding="utf-8")
    charity.policy.write_text(text.replace("kind: hybrid", "kind: closed"), encoding="utf-8")
    with pytest.raises(PlanMoved) as caught:
        await charity.apply(planned.digest)
    assert caught.value.plan.digest != planned.digest
    assert charity.proxy.changes == []
    exit_status, said = await charity.command("apply", str(charity.policy), "--digest", planned.digest)
    assert (exit_status, "look at it again" in said) == (1, True)


async def test_a_policy_for_somebody_else_is_refused_with_the_reason(charity: Charity) -> None:
    await charity.apply()
    text = charity.policy.read_text(encoding="utf-8")
    calls = len(charity.proxy.changes)
    said = charity.people.read_text(encoding="utf-8")
    charity.policy.write_text(text.replace("id: leeds-carers", "id: leeds-other"), encoding="utf-8")
    with pytest.raises(BadPolicy, match="looks after leeds-carers"):
        await charity.apply()
    charity.policy.write_text(text.replace(SERVER_NAME, "chat.other.example"), encoding="utf-8")
    charity.people.write_text(said.replace(SERVER_NAME, "chat.other.example"), encoding="utf-8")
    with pytest.raises(BadPolicy, match="this homeserver is"):
        await charity.apply()
    charity.policy.write_text(text, encoding="utf-8")
    people = yaml.safe_load(said)
    steward = f"@inglenook-steward:{SERVER_NAME}"
    people["people"][steward] = {"groups": ["bereaved"]}
    charity.people.write_text(yaml.safe_dump(people), encoding="utf-8")
    with pytest.raises(BadPolicy, match="is the helper program itself"):
        await charity.apply()
    assert len(charity.proxy.changes) == calls


async def test_without_a_service_or_with_a_wrong_file_the_commands_say_what_to_do(charity: Charity) -> None:
    exit_status, said = await charity.command("plan", "no-such-policy.yaml")
    assert (exit_status, "no such file" in said) == (2, True)
    exit_status, said = await charity.command("plan", str(charity.policy), "--json")
    assert exit_status == 0
    assert json.loads(said)["calls"] > 30
    await charity.service.stop()
    exit_status, said = await charity.command("apply", str(charity.policy))
    assert exit_status == 1
    assert "inglenook serve" in said
    assert "Traceback" not in said


async def test_names_with_markup_and_direction_tricks_are_carried_as_they_are_and_cannot_fake_a_line(
    charity: Charity,
) -> None:
    text = charity.policy.read_text(encoding="utf-8")
    name = 'a "b" <b>@room</b> [x](y) {room:space} 🫖'
    changed = text.replace("name: After caring", f"name: {json.dumps(name, ensure_ascii=False)}")
    assert changed != text
    charity.policy.write_text(changed, encoding="utf-8")
    planned = await charity.plan()
    assert all("\n" not in line for line in planned.lines)
    assert (await charity.apply()).settled
    rooms = await charity.rooms()
    assert (await charity.state(rooms["bereaved"]))["m.room.name", ""] == {"name": name}
    # What turns the direction of writing round is refused, since it makes one name look like another.
    charity.policy.write_text(text.replace("name: After caring", 'name: "After\\u202Ecaring"'), encoding="utf-8")
    with pytest.raises(BadPolicy) as caught:
        await charity.plan()
    assert all("\u202e" not in str(finding) for finding in caught.value.findings)
