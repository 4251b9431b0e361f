"""Reach follows the person: whoever left, ignores us or has not answered is not taken for somebody who was told."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from appservice.flow import Attempt, DirectMessage, Done, Lane, Refused, Result
from appservice.intake import GONE, INVITED, REACHED, Projection
from appservice.matrix import Actor, AdminCapability, Rejected, parse_event
from appservice.people import DirectMessageExecutor, DirectRooms
from appservice.store import Commit, Questions
from tests.support.direct_room_world import Says, Silent, World, goes, world
from tests.support.house import GHOSTS, ROSA, SAM, SERVER

AWAY = "@ann:elsewhere.example"


def told(one: World, says: Says) -> Coroutine[Any, Any, Result]:
    effect = DirectMessage(source="$1", rule="r", lane=Lane(SERVER, "!r"), text="t", user_id=SAM)
    return DirectMessageExecutor(one.rooms, says).execute(effect, Attempt(1))  # type: ignore[arg-type]


@pytest.mark.parametrize(("membership", "by"), [("leave", SAM), ("ban", ROSA), ("leave", GHOSTS.steward)])
async def test_who_left_the_direct_room_is_not_written_to_and_not_brought_back(
    tmp_path: Path, membership: str, by: str
) -> None:
    async with world(tmp_path) as one:
        says = Says()
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        assert await told(one, says) == Done(room_id="!dm0")
        rows = goes(one, membership, by)
        assert rows is not None
        await one.database.commit(rows)
        assert await Questions(one.database, SERVER).direct_rooms() == {SAM: ("!dm0", GONE)}
        assert await told(one, says) == Refused("not_reached")
        assert not one.rooms.is_reached(SAM)
        assert SAM not in one.projection.facts("!x", 1).direct_rooms
        assert len(one.created) == 1


async def test_who_left_is_asked_once_more_when_they_arrive_somewhere_and_told_again_when_they_come(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as one:
        says = Says()
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        goes(one, "leave")
        assert await one.rooms.ensure(SAM, "key2", ask_again=True) == ("!dm0", INVITED)
        assert [call.body for call in one.homeserver.calls if call.path.endswith("/invite")] == [{"user_id": SAM}]
        await one.rooms.ensure(SAM, "key3", ask_again=True)
        assert len([call for call in one.homeserver.calls if call.path.endswith("/invite")]) == 1
        assert not one.rooms.is_reached(SAM)
        goes(one, "join")
        assert one.rooms.is_reached(SAM)
        assert await told(one, says) == Done(room_id="!dm0")


async def test_an_invite_that_is_accepted_makes_reached_and_one_that_is_declined_does_not(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        assert (await one.rooms.ensure(AWAY, "key"))[1] == INVITED
        one.learn("!dm0")
        goes(one, "invite", GHOSTS.guardian, who=AWAY)
        goes(one, "leave", AWAY, who=AWAY)
        assert one.rooms.reach(AWAY) == ("!dm0", GONE)
        goes(one, "invite", GHOSTS.guardian, who=AWAY)
        goes(one, "join", AWAY, who=AWAY)
        assert one.rooms.is_reached(AWAY)


async def test_who_comes_to_ignore_us_counts_as_not_reached_until_they_stop(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        says, clock = Says(), [1000.0]
        one.rooms._monotonic = lambda: clock[0]
        await one.rooms.ensure(SAM, "key")
        one.account_data = {"m.ignored_user_list": {"ignored_users": {GHOSTS.guardian: {}}}}
        assert await told(one, says) == Done(room_id="!dm0"), "asked a moment ago"
        clock[0] += 601
        assert await told(one, says) == Refused("not_reached")
        assert not one.rooms.is_reached(SAM)
        assert one.projection.facts("!x", 1).direct_rooms[SAM] == "!dm0", "what they write is still heard"
        one.account_data = {}
        clock[0] += 601
        assert await told(one, says) == Done(room_id="!dm0")
        assert one.rooms.is_reached(SAM)


async def test_a_cold_start_does_not_bring_back_who_left(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.projection = Projection(SERVER, GHOSTS)
        one.learn("!dm0")
        goes(one, "leave")
        admin = AdminCapability(one.homeserver, GHOSTS.steward, Silent())
        cold = DirectRooms(
            one.homeserver, admin, one.projection, one.database, GHOSTS, Actor(GHOSTS.guardian, "D"), "hearth"
        )
        await cold.adopt()
        one.rooms = cold
        assert await told(one, Says()) == Refused("not_reached")
        assert len(one.created) == 1


async def test_without_the_administrators_power_who_left_is_asked_again_too_and_the_power_is_not_asked_for_each_time(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as one:
        says, clock = Says(), [1000.0]
        one.rooms._monotonic = lambda: clock[0]
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        one.fail_on, one.failures = "/_synapse/", [Rejected(403, "M_FORBIDDEN")] * 9
        clock[0] += 601
        for _ in range(3):
            assert await told(one, says) == Done(room_id="!dm0"), "nothing is known, so we go on"
        assert len(one.failures) == 8
        goes(one, "leave")
        assert await one.rooms.ensure(SAM, "key2", ask_again=True) == ("!dm0", INVITED)


async def test_who_answers_an_invite_before_it_is_written_down_counts_as_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some clients accept by themselves, within milliseconds."""
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        goes(one, "leave")
        commit = one.database.commit

        async def slow(what: Commit) -> None:
            if any(row["reach"] == INVITED for row in what.direct_rooms):
                goes(one, "invite", GHOSTS.guardian)
                goes(one, "join")
            await commit(what)

        monkeypatch.setattr(one.database, "commit", slow)
        assert await one.rooms.ensure(SAM, "key2", ask_again=True) == ("!dm0", REACHED)
        assert await Questions(one.database, SERVER).direct_rooms() == {SAM: ("!dm0", REACHED)}


async def test_who_leaves_before_their_room_is_written_down_counts_as_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as one:
        commit = one.database.commit

        async def slow(what: Commit) -> None:
            if any(row["reach"] == REACHED for row in what.direct_rooms):
                one.learn("!dm0")
                goes(one, "leave")
            await commit(what)

        monkeypatch.setattr(one.database, "commit", slow)
        assert await one.rooms.ensure(SAM, "key") == ("!dm0", GONE)
        assert await Questions(one.database, SERVER).direct_rooms() == {SAM: ("!dm0", GONE)}


async def test_a_goodbye_that_the_store_refused_is_written_down_with_the_rest_of_its_room(tmp_path: Path) -> None:
    """What lanes do after a refusal: the event is known by then, and only all that is known of its room is written."""
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        goes(one, "leave")  # its rows are lost
        await one.database.commit(one.projection.rows("!dm0"))
        assert await Questions(one.database, SERVER).direct_rooms() == {SAM: ("!dm0", GONE)}
        rebuilt = Projection(SERVER, GHOSTS)
        await rebuilt.load(Questions(one.database, SERVER))
        assert SAM not in rebuilt.facts("!x", 1).direct_rooms


async def test_a_room_that_is_read_anew_says_whether_its_person_is_there(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        one.members["!dm0"].discard(SAM)
        rows = one.projection.replace("!dm0", [parse_event(raw, "!dm0") for raw in one.state("!dm0")])
        assert [(row["user_id"], row["reach"]) for row in rows.direct_rooms] == [(SAM, GONE)]
        assert not one.rooms.is_reached(SAM)
