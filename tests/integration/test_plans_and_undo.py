"""Saved plans, thresholds and undo on a real homeserver, through the commands that a person types."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import yaml

from appservice.operations.homeserver import EmbeddedHomeserver
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

LEAD, ROBIN, SNOW = "copper-lark", "late-robin", "first-snow"
State = dict[str, dict[tuple[str, str], Any]]


@pytest_asyncio.fixture(loop_scope="session")
async def homeserver(make_homeserver: MakeHomeserver) -> EmbeddedHomeserver:
    made = await make_homeserver(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await made.make_steward_admin()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def charity(homeserver: EmbeddedHomeserver, tmp_path: Path) -> AsyncIterator[Charity]:
    """A service with the example in force, and Robin in the lounge."""
    made = await Charity.make(tmp_path / "charity", homeserver)
    try:
        await made.service.start()
        applied = await made.apply()
        assert applied.id == "P-1"
        await made.sign_up(ROBIN)
        assert await made.join(ROBIN, (await made.rooms())["carers-lounge"]) == 200
        await seen(made, ROBIN)

        async def has_private_room() -> bool:
            return len(made.proxy.changes) == applied.calls + 2

        await eventually(has_private_room, "Robin has a private room, which is not the policy's call")
        yield made
    finally:
        await made.stop()


async def seen(charity: Charity, person: str) -> None:
    """Wait until a plan without this person would remove them, and not only withdraw an invite."""
    told = charity.people.read_text(encoding="utf-8")
    without(charity, person)

    async def known() -> bool:
        return any(person in line and "is removed" in line for line in (await charity.plan()).lines)

    await eventually(known, f"the service knows that {person} came in")
    charity.people.write_text(told, encoding="utf-8")


def without(charity: Charity, *people: str) -> None:
    """Take people off the list."""
    said = yaml.safe_load(charity.people.read_text(encoding="utf-8"))
    for person in people:
        del said["people"][f"@{person}:{SERVER_NAME}"]
    charity.people.write_text(yaml.safe_dump(said), encoding="utf-8")


def closed(charity: Charity) -> None:
    """Make the lounge a closed group."""
    text = charity.policy.read_text(encoding="utf-8")
    assert "kind: hybrid" in text
    charity.policy.write_text(text.replace("kind: hybrid", "kind: closed"), encoding="utf-8")


async def states(charity: Charity) -> State:
    """What every room of the community holds, without its members."""
    rooms = await charity.rooms()
    return {
        key: {
            place: content
            for place, content in (await charity.state(room_id)).items()
            if place[0] not in ("m.room.member", "m.room.create") and content
        }
        for key, room_id in rooms.items()
    }


async def memberships(charity: Charity, room: str) -> dict[str, str]:
    state = await charity.state((await charity.rooms())[room])
    return {key[1]: content["membership"] for key, content in state.items() if key[0] == "m.room.member"}


async def test_a_saved_plan_is_applied_exactly(charity: Charity, tmp_path: Path) -> None:
    closed(charity)
    saved = tmp_path / "monday.plan"
    calls = len(charity.proxy.changes)
    exit_status, said = await charity.command("plan", str(charity.policy), "--out", str(saved))
    assert (exit_status, f"inglenook apply --plan {saved}" in said) == (0, True)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    planned = json.loads(saved.read_text(encoding="utf-8"))["plan"]
    assert len(charity.proxy.changes) == calls
    exit_status, said = await charity.command("apply", "--plan", str(saved))
    assert exit_status == 0, said
    assert len(charity.proxy.changes) == calls + planned["calls"]
    await charity.assert_as_said()
    assert "This was P-2. To go back: inglenook undo P-2" in said
    # Once done it cannot be done again by the same paper: nothing of it is left to do, and that is another plan.
    exit_status, said = await charity.command("apply", "--plan", str(saved))
    assert (exit_status, "Not any more: " in said) == (1, True)


async def test_a_saved_plan_is_refused_when_rooms_or_files_have_moved_and_says_what_differs(
    charity: Charity, tmp_path: Path
) -> None:
    with charity.policy.open("a", encoding="utf-8") as file:  # else what somebody does by hand is put back at once
        file.write('\ndrift:\n  settings: {value: warn, because: "We try the doors out.", approved_by: deputy}\n')
    assert (await charity.apply()).settled
    closed(charity)
    saved = tmp_path / "monday.plan"
    assert (await charity.command("plan", str(charity.policy), "--out", str(saved)))[0] == 0
    text, people = (path.read_text(encoding="utf-8") for path in (charity.policy, charity.people))
    calls = len(charity.proxy.changes)

    charity.policy.write_text(text.replace("name: After caring", "name: After Caring"), encoding="utf-8")
    exit_status, said = await charity.command("apply", "--plan", str(saved))
    assert (exit_status, "The policy says something else than when the plan was made." in said) == (1, True)
    charity.policy.write_text(text, encoding="utf-8")

    without(charity, "high-meadow")
    exit_status, said = await charity.command("apply", "--plan", str(saved))
    assert (exit_status, "The people file says something else than when the plan was made." in said) == (1, True)
    assert f"New: “Carers' lounge”: The invite of @high-meadow:{SERVER_NAME}" in said
    charity.people.write_text(people, encoding="utf-8")
    assert len(charity.proxy.changes) == calls, "nothing was done"

    room = (await charity.rooms())["bereaved"]
    path = f"/_matrix/client/v3/rooms/{room}/state/m.room.join_rules/"
    assert (await charity.call("PUT", path, {"join_rule": "public"}))[0] == 200

    async def noticed() -> bool:
        exit_status, said = await charity.command("apply", "--plan", str(saved))
        return exit_status == 1 and "New: “After caring”: Anybody could come in before" in said

    await eventually(noticed, "what somebody did by hand is told")
    assert len(charity.proxy.changes) == calls, "nothing was done"


async def test_a_people_file_that_lost_its_people_is_refused_with_the_figures_and_done_only_for_a_reason(
    charity: Charity,
) -> None:
    people = charity.people.read_text(encoding="utf-8")
    names = [user_id[1:].partition(":")[0] for user_id in yaml.safe_load(people)["people"]]
    without(charity, *names[2:])  # lead and deputy are left: without them no file is valid
    figures = "80.00% is over 30.00% (8/10 people would be removed)"
    calls, before = len(charity.proxy.changes), await states(charity)
    exit_status, said = await charity.command("plan", str(charity.policy))
    assert (exit_status, f"✗ This is refused: {figures}." in said) == (0, True)
    exit_status, said = await charity.command("apply", str(charity.policy))
    assert (exit_status, figures in said) == (1, True)
    because = ("--because", "The project ends")
    exit_status, said = await charity.command("apply", str(charity.policy), "--allow", "demotions", *because)
    assert (exit_status, figures in said) == (1, True)
    assert (len(charity.proxy.changes), await states(charity)) == (calls, before)

    exit_status, said = await charity.command("apply", str(charity.policy), "--allow", "removals", *because)
    assert exit_status == 0, said
    await charity.assert_as_said()
    # What was applied so is in force like anything else, also over a restart.
    assert await charity.service.stop() == 0
    await charity.service.start()
    assert "Nothing to do." in (await charity.command("plan", str(charity.policy)))[1]
    exit_status, said = await charity.command("undo", "P-2")
    assert exit_status == 0, said
    charity.people.write_text(people, encoding="utf-8")
    await charity.assert_as_said()


async def test_an_undo_brings_back_the_same_rooms_and_asks_people_in_again(charity: Charity) -> None:
    people = charity.people.read_text(encoding="utf-8")
    policy = charity.policy.read_text(encoding="utf-8")
    before = await states(charity)
    closed(charity)
    without(charity, ROBIN)
    assert (await charity.apply()).id == "P-2"
    assert (await memberships(charity, "carers-lounge"))[f"@{ROBIN}:{SERVER_NAME}"] == "leave"
    changed = await states(charity)
    assert changed != before

    calls = len(charity.proxy.changes)
    exit_status, said = await charity.command("undo", "--dry-run")
    assert (exit_status, len(charity.proxy.changes)) == (0, calls)
    assert "To undo P-2:" in said
    assert f"@{ROBIN}:{SERVER_NAME} is approved for it, and invited." in said
    assert "≠ 1 person was removed and gets a new invite: back only once it is accepted." in said
    exit_status, said = await charity.command("undo", "P-2")
    assert exit_status == 0, said
    assert "This was P-3." in said
    assert await states(charity) == before
    assert (await memberships(charity, "carers-lounge"))[f"@{ROBIN}:{SERVER_NAME}"] == "invite"
    assert await charity.join(ROBIN, (await charity.rooms())["carers-lounge"]) == 200

    exit_status, said = await charity.command("undo", "P-2")
    assert (exit_status, "P-2 is undone already, by P-3" in said) == (1, True)
    exit_status, said = await charity.command("plans")
    assert exit_status == 0
    listed = [line.split() for line in said.splitlines() if line.startswith("P-")]
    assert [(line[0], "undone" in line) for line in listed] == [("P-1", False), ("P-2", True), ("P-3", False)]
    assert [one["stands"] for one in json.loads((await charity.command("plans", "--json"))[1])["plans"]] == [
        True,
        False,
        True,
    ]

    # And back again: Robin, who came back, is seen out once more.
    charity.people.write_text(people, encoding="utf-8")
    charity.policy.write_text(policy, encoding="utf-8")
    await seen(charity, ROBIN)
    exit_status, said = await charity.command("undo", "P-3")
    assert exit_status == 0, said
    assert await states(charity) == changed
    assert (await memberships(charity, "carers-lounge"))[f"@{ROBIN}:{SERVER_NAME}"] == "leave"
    exit_status, said = await charity.command("undo", "P-1")
    assert (exit_status, "there is nothing before it" in said) == (1, True)


async def test_what_something_later_stands_upon_is_undone_after_it(charity: Charity) -> None:
    before = await states(charity)
    closed(charity)
    await charity.apply()
    without(charity, SNOW)
    await charity.apply()
    exit_status, said = await charity.command("undo", "P-2")
    assert (exit_status, "Undo the newest first: inglenook undo P-3" in said) == (1, True)
    exit_status, said = await charity.command("undo", "P-9")
    assert (exit_status, "There is no P-9." in said) == (1, True)
    for plan in ("P-3", "P-2"):
        exit_status, said = await charity.command("undo", plan)
        assert exit_status == 0, said
    assert await states(charity) == before
    exit_status, said = await charity.command("undo")
    assert (exit_status, "there is nothing before it" in said) == (1, True)


async def test_a_room_that_was_made_is_left_standing_by_an_undo(charity: Charity) -> None:
    text = charity.policy.read_text(encoding="utf-8")
    said = yaml.safe_load(text)
    said["groups"]["tea"] = {"name": "Tea", "purpose": "For tea.", "kind": "closed", "tier": "low"}
    charity.policy.write_text(yaml.safe_dump(said), encoding="utf-8")
    await charity.apply()
    made = (await charity.rooms())["tea"]
    exit_status, told = await charity.command("undo", "P-2")
    assert exit_status == 0, told
    assert (await charity.rooms())["tea"] == made
    exit_status, told = await charity.command("undo", "P-3", "--dry-run")
    assert exit_status == 0
    assert "is made" not in told, "the room that stands is taken up again"
