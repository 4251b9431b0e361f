"""Policies applied where people are, on a real homeserver: words, cards, taps, and what members are told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import orjson
import pytest
import pytest_asyncio

from appservice.operations.in_force import policy_in_force
from appservice.store import Commit, Database
from appservice.store.proposals import proposals
from tests.support.charity import ALIASES, SERVER_NAME, Charity
from tests.support.talking import guardian, heard, own_room, said, say, tap
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.conftest import MakeHomeserver

pytestmark = pytest.mark.homeserver

LEAD, DEPUTY, MODERATOR, MEMBER = "copper-lark", "quiet-fern", "amber-kite", "late-robin"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def charity(
    make_homeserver_for_module: MakeHomeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Charity]:
    """The community, with its lead, deputy, a moderator and a member in their rooms."""
    homeserver = await make_homeserver_for_module(server_name=SERVER_NAME, alias_regexes=ALIASES)
    await homeserver.make_steward_admin()
    made = await Charity.make(tmp_path_factory.mktemp("charity") / "charity", homeserver)
    try:
        await made.service.start()
        rooms = (await made.apply()).rooms
        for person, keys in (
            (LEAD, ("carers-lounge", "moderators", "safeguarding")),
            (DEPUTY, ("carers-lounge", "moderators", "safeguarding")),
            (MODERATOR, ("carers-lounge", "moderators")),
            (MEMBER, ("carers-lounge",)),
        ):
            await made.sign_up(person)
            for key in keys:
                assert await made.join(person, rooms[key]) == 200
        yield made
    finally:
        await made.stop()


async def card(charity: Charity, person: str, room: str, *words: str) -> tuple[str, str]:
    """Wait for a plan that waits for a yes; return its card and its name."""
    event_id, body = await said(charity, person, room, "waits for a yes", *words)
    return event_id, body.partition("It is called ")[2].partition(".")[0]


async def capacity(charity: Charity) -> object:
    _, _, layers = await policy_in_force(charity.service.config)
    return next((one.value for one in layers if one.key == "capacity"), None)


async def test_a_lead_sets_a_capacity_in_the_group_says_yes_in_private_and_members_are_told_once(
    charity: Charity,
) -> None:
    lounge, private = (await charity.rooms())["carers-lounge"], await own_room(charity, LEAD)
    await say(charity, LEAD, lounge, f"{guardian(charity)}: set capacity 12")
    event_id, name = await card(charity, LEAD, private, "capacity", "12")
    assert await capacity(charity) is None, "nothing is done before somebody said yes"
    await tap(charity, LEAD, private, event_id)
    _, words = await said(charity, LEAD, private, f"{name} is done.")
    assert f"undo {name}" in words
    assert await capacity(charity) == 12
    told = "From now on, this group has room for 12 people."
    await said(charity, MEMBER, lounge, told)
    assert [body for _, body in await heard(charity, MEMBER, lounge)] == [told]
    exit_status, explained = await charity.command("explain", "carers-lounge", "--in-force")
    assert (exit_status, f"set in the room by @{LEAD}:{SERVER_NAME} on " in explained) == (0, True)
    exit_status, listed = await charity.command("plans")
    assert (exit_status, name in listed) == (0, True)
    await say(charity, LEAD, private, f"undo {name}")
    back, undo = await card(charity, LEAD, private, f"takes {name} back")
    await say(charity, LEAD, private, f"apply {undo}")
    await said(charity, LEAD, private, f"{undo} is done.")
    assert await capacity(charity) is None
    await said(charity, MEMBER, lounge, "room for any number of people")
    assert back != event_id


async def test_slow_mode_and_hours_are_set_in_the_group_and_members_are_told_what_they_feel(charity: Charity) -> None:
    lounge, private = (await charity.rooms())["carers-lounge"], await own_room(charity, LEAD)
    for words, shown in (("slow 30s", "30s"), ("hours Tue 18:00-21:00", "Tue 18:00-21:00")):
        await say(charity, LEAD, lounge, f"{guardian(charity)} set {words}")
        event_id, name = await card(charity, LEAD, private, shown)
        await tap(charity, LEAD, private, event_id)
        await said(charity, LEAD, private, f"{name} is done.")
    await said(charity, MEMBER, lounge, "each of you can write once in 30s")
    exit_status, explained = await charity.command("explain", "carers-lounge", "--in-force")
    assert exit_status == 0
    assert "Tue 18:00-21:00 Europe/London" in explained
    assert explained.count(f"set in the room by @{LEAD}:{SERVER_NAME}") == 2
    await say(charity, LEAD, private, "set carers-lounge slow off")
    _, name = await card(charity, LEAD, private, "will not be set any more")
    await say(charity, LEAD, private, f"apply {name}")
    await said(charity, MEMBER, lounge, "nobody has to wait")


async def test_a_moderator_without_the_duty_is_refused_in_private_and_nothing_is_proposed(charity: Charity) -> None:
    rooms, private = await charity.rooms(), await own_room(charity, MODERATOR)
    before = len(await heard(charity, MODERATOR, rooms["moderators"]))
    await say(charity, MODERATOR, rooms["carers-lounge"], f"{guardian(charity)} set capacity 3")
    await said(charity, MODERATOR, private, "This is for others to do")
    assert len(await heard(charity, MODERATOR, rooms["moderators"])) == before
    assert await capacity(charity) is None


async def test_what_is_not_understood_is_answered_with_how_to_say_it(charity: Charity) -> None:
    private = await own_room(charity, LEAD)
    await say(charity, LEAD, private, "set carers-lounge capacity lots")
    await said(charity, LEAD, private, "Write how many people can be in the group")
    await say(charity, LEAD, private, "set carers-lounge history shared")
    await said(charity, LEAD, private, "These can be set here")
    await say(charity, LEAD, private, "set welcome capacity 30")
    await said(charity, LEAD, private, "cannot be so", "by themselves")
    await say(charity, LEAD, private, "plan")
    await said(charity, LEAD, private, "All is as the policy says")


async def test_where_the_file_says_it_the_file_wins_and_the_answer_says_so(charity: Charity) -> None:
    private = await own_room(charity, LEAD)
    before = charity.policy.read_text(encoding="utf-8")
    says = before.replace("    kind: hybrid", "    capacity: 30\n    kind: hybrid")
    charity.policy.write_text(says, encoding="utf-8")
    assert (await charity.apply()).settled
    await say(charity, LEAD, private, "set carers-lounge capacity 20")
    await said(charity, LEAD, private, "the file wins", "“30”")
    charity.policy.write_text(before, encoding="utf-8")
    assert (await charity.apply()).settled


async def test_a_card_among_leads_is_for_each_of_them_and_what_moved_since_gets_a_new_one(charity: Charity) -> None:
    room = (await charity.rooms())["safeguarding"]
    await say(charity, LEAD, room, "set carers-lounge capacity 25")
    event_id, name = await card(charity, DEPUTY, room, "25")
    before = charity.policy.read_text(encoding="utf-8")
    charity.policy.write_text(before.replace("name: After caring", "name: After Caring"), encoding="utf-8")
    assert (await charity.apply()).settled
    await tap(charity, DEPUTY, room, event_id)
    await said(charity, LEAD, room, f"{name} was not done", "Things have moved")
    assert await capacity(charity) is None

    async def another() -> tuple[str, str] | None:
        for other, body in await heard(charity, LEAD, room):
            if "waits for a yes" in body and "25" in body and other != event_id:
                return other, body
        return None

    _, words = await eventually(another, "a new card")
    new = words.partition("It is called ")[2].partition(".")[0]
    await say(charity, LEAD, room, f"apply {new}")
    await said(charity, DEPUTY, room, f"{new} is done.")
    assert await capacity(charity) == 25
    charity.policy.write_text(before, encoding="utf-8")
    assert (await charity.apply()).settled


async def test_a_plan_that_nobody_said_yes_to_ends_and_its_card_says_so(charity: Charity) -> None:
    """The record is made a day older while the service is away."""
    private = await own_room(charity, DEPUTY)
    await say(charity, DEPUTY, private, "set carers-lounge welcome We meet on Tuesdays.")
    event_id, name = await card(charity, DEPUTY, private, "We meet on Tuesdays.")
    await charity.service.stop()
    await grow_old(charity, int(name.removeprefix("P-")))
    await charity.service.start()
    found, words = await said(charity, DEPUTY, private, f"{name} is over")
    assert (found, "Tuesdays" in words) == (event_id, False)
    await say(charity, DEPUTY, private, f"apply {name}")
    await said(charity, DEPUTY, private, f"{name} does not wait any more")


async def grow_old(charity: Charity, number: int) -> None:
    config = charity.service.config
    database = Database(config.store, "normal")
    await database.open()
    try:
        for record in await proposals(database, config.homeserver.name):
            plan = orjson.loads(record)
            if plan["number"] == number:
                plan["expires_ms"] = 1
                row = {"homeserver": config.homeserver.name, "at_ms": plan["at_ms"], "record": orjson.dumps(plan)}
                row |= {"community": plan["community"], "number": number}
                await database.commit(Commit(proposals=[row]))
    finally:
        await database.close()


async def test_a_service_that_is_killed_after_the_tap_goes_on_and_the_card_says_how_it_went(charity: Charity) -> None:
    """At the first and at a later call of the apply: what was begun is finished, nothing is done twice."""
    private = await own_room(charity, LEAD)
    for at, places in ((1, 31), (4, 32)):
        await say(charity, LEAD, private, f"set carers-lounge capacity {places}")
        event_id, name = await card(charity, LEAD, private, str(places))
        made = len(charity.proxy.changes)

        async def die(number: int, at: int = made + at) -> None:
            if number == at:
                await charity.service.kill()

        charity.proxy.executed = die
        await tap(charity, LEAD, private, event_id)
        await charity.service.died()
        charity.proxy.executed = None
        assert len(charity.proxy.changes) >= made + at
        await charity.service.start()
        await said(charity, LEAD, private, f"{name} is done.")
        assert await capacity(charity) == places
        assert len(charity.proxy.changes) == made + len(await charity.rooms())  # the mark of each room, once
        assert (await charity.plan()).lines == []
