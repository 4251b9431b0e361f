"""Direct rooms: one for each person, found if half made, and an honest word on whether they can be reached."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appservice.flow import (
    Attempt,
    DirectMessage,
    Done,
    EnsureDirectRoom,
    Lane,
    Place,
    Refused,
)
from appservice.intake import BLOCKED, INVITED, REACHED, Projection
from appservice.matrix import Actor, AdminCapability, Rejected, Unreachable
from appservice.people import DirectMessageExecutor, DirectRooms, EnsureDirectRoomExecutor
from appservice.people.direct_rooms import direct_room_body
from appservice.store import Commit, Questions, StoreRefused
from tests.support.direct_room_world import Says, Silent, world
from tests.support.house import GHOSTS, ROSA, SAM, SERVER

AWAY = "@ann:elsewhere.example"


async def test_a_local_person_is_joined_and_alone_with_the_guardian(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        assert await one.rooms.ensure(SAM, "key") == ("!dm0", REACHED)
        assert one.members["!dm0"] == {SAM, GHOSTS.guardian}
        assert await Questions(one.database, SERVER).direct_rooms() == {SAM: ("!dm0", REACHED)}


async def test_asked_again_nothing_is_made_and_nothing_is_asked(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        calls = len(one.homeserver.calls)
        assert await one.rooms.ensure(SAM, "another key") == ("!dm0", REACHED)
        assert len(one.homeserver.calls) == calls


async def test_asked_many_times_at_once_there_is_one_room_for_each_person(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await asyncio.gather(*(one.rooms.ensure(who, f"k{n}") for n in range(5) for who in (SAM, ROSA)))
        assert len(one.created) == 2


async def test_asked_many_times_at_once_while_the_homeserver_fails_there_is_still_one_room(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.fail_on, one.failures = "/joined_rooms", [Unreachable("away")]

        async def patient(n: int) -> None:
            while True:
                try:
                    await one.rooms.ensure(SAM, f"k{n}")
                except Unreachable:
                    await asyncio.sleep(0)
                else:
                    return

        await asyncio.gather(*(patient(n) for n in range(5)))
        assert len(one.created) == 1


async def test_a_direct_room_leaves_the_server_only_for_a_person_elsewhere_and_goes_nowhere_else(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        await one.rooms.ensure(AWAY, "key2")
        assert [body["creation_content"]["m.federate"] for body in one.created] == [False, True]
        lists = [
            event["content"]["allow"]
            for body in one.created
            for event in body["initial_state"]
            if event["type"] == "m.room.server_acl"
        ]
        assert lists == [[SERVER], [SERVER, "elsewhere.example"]]


async def test_nobody_on_a_server_that_is_not_let_in_is_written_to(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        says = Says()
        one.rooms.reaches = lambda user_id: user_id == SAM
        message = DirectMessage(source="$1", rule="r", lane=Lane(SERVER, "!r"), text="t", user_id=AWAY)
        executor = DirectMessageExecutor(one.rooms, says)  # type: ignore[arg-type]
        ensure = EnsureDirectRoom(source="$1", rule="r", lane=Lane(SERVER, "!r"), user_id=AWAY)
        assert await executor.execute(message, Attempt(1)) == Refused("not_reached")
        assert await EnsureDirectRoomExecutor(one.rooms).execute(ensure, Attempt(1)) == Refused("not_reached")
        assert not one.created
        one.rooms.reaches = lambda user_id: user_id == AWAY
        assert await EnsureDirectRoomExecutor(one.rooms).execute(ensure, Attempt(1)) == Done(room_id="!dm0")
        await executor.execute(message, Attempt(1))
        assert says.rooms == ["!dm0"]
        one.rooms.reaches = lambda _user_id: False  # a partner no more
        assert await executor.execute(message, Attempt(1)) == Refused("not_reached")
        assert not one.rooms.is_reached(AWAY)


async def test_somebody_elsewhere_is_invited_and_counts_as_not_reached_yet(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        assert (await one.rooms.ensure(AWAY, "key"))[1] == INVITED
        assert AWAY not in one.projection.facts("!x", 1).direct_rooms
        assert not any("/_synapse/" in call.path for call in one.homeserver.calls)


async def test_who_refuses_invites_is_never_joined_by_force(tmp_path: Path) -> None:
    """An administrator's join passes a person's own block: it would be a trick."""
    async with world(tmp_path) as one:
        one.account_data = {"m.invite_permission_config": {"default_action": "block"}}
        await one.rooms.ensure(SAM, "key")
        assert not any("/_synapse/admin/v1/join" in call.path for call in one.homeserver.calls)
        assert SAM not in one.members["!dm0"]


async def test_without_the_administrators_power_a_local_person_is_still_asked_in(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.fail_on, one.failures = "/_synapse/", [Rejected(403, "M_FORBIDDEN")] * 5
        assert (await one.rooms.ensure(SAM, "key"))[1] == INVITED
        assert any(call.path.endswith("/invite") for call in one.homeserver.calls)


@pytest.mark.parametrize("where", ["/createRoom", "/join/", "/accountdata", "/_synapse/admin/v1/join", "/leave"])
async def test_a_failure_at_any_step_leaves_something_that_the_next_attempt_finishes(
    tmp_path: Path, where: str
) -> None:
    async with world(tmp_path) as one:
        one.fail_on, one.failures = where, [Unreachable("away")]
        with pytest.raises(Unreachable):
            await one.rooms.ensure(SAM, "key")
        assert await one.rooms.ensure(SAM, "key") == ("!dm0", REACHED)
        assert len(one.created) == 1
        assert one.members["!dm0"] == {SAM, GHOSTS.guardian}


async def test_a_death_before_it_was_written_down_does_not_turn_somebody_who_is_reached_into_somebody_who_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steward has left by then, so the administrator's join cannot be repeated: the present must be read."""
    async with world(tmp_path) as one:
        commit = one.database.commit

        async def die(what: Commit) -> None:
            if what.direct_rooms:
                raise asyncio.CancelledError
            await commit(what)

        monkeypatch.setattr(one.database, "commit", die)
        with pytest.raises(asyncio.CancelledError):
            await one.rooms.ensure(SAM, "key")
        monkeypatch.setattr(one.database, "commit", commit)
        one.projection = Projection(SERVER, GHOSTS)
        one.learn("!dm0")
        assert await one.reborn().ensure(SAM, "key") == ("!dm0", REACHED)
        assert len(one.created) == 1


async def test_a_room_that_could_not_be_written_down_is_written_down_at_the_next_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(tmp_path) as one:
        commit = one.database.commit

        async def refuse(what: Commit) -> None:
            if what.direct_rooms:
                raise StoreRefused("disk full")
            await commit(what)

        monkeypatch.setattr(one.database, "commit", refuse)
        with pytest.raises(StoreRefused):
            await one.rooms.ensure(SAM, "key")
        monkeypatch.setattr(one.database, "commit", commit)
        await one.rooms.ensure(SAM, "key")
        assert await Questions(one.database, SERVER).direct_rooms() == {SAM: ("!dm0", REACHED)}


async def test_a_room_of_ours_for_somebody_else_is_not_taken(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.fail_on, one.failures = "/leave", [Unreachable("away")]
        with pytest.raises(Unreachable):
            await one.rooms.ensure(ROSA, "key")
        assert (await one.rooms.ensure(SAM, "key2"))[0] == "!dm1"


async def test_who_cannot_be_reached_is_not_written_to_and_it_is_recorded(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.account_data = {"m.invite_permission_config": {"default_action": "block"}}
        one.fail_on, one.failures = "/invite", [Rejected(403, "M_INVITE_BLOCKED")]
        effect = DirectMessage(source="$1", rule="r", lane=Lane(SERVER, "!r"), text="t", user_id=SAM)
        executor = DirectMessageExecutor(one.rooms, None)  # type: ignore[arg-type]
        assert await executor.execute(effect, Attempt(1)) == Refused("not_reached")
        assert one.projection.direct_reach[SAM][1] == BLOCKED


# -- the room itself ---------------------------------------------------------------------------------------------------


def test_the_person_can_write_and_cannot_change_the_room() -> None:
    body = direct_room_body(SAM, "key", "hearth", GHOSTS, SERVER)
    levels = body["power_level_content_override"]
    assert levels["events_default"] == 0
    assert min(levels[name] for name in ("state_default", "invite", "kick", "ban", "redact")) == 150
    assert SAM not in levels["users"]
    assert body["room_version"] == "12"


def test_no_human_becomes_a_creator() -> None:
    body = direct_room_body(SAM, "key", "hearth", GHOSTS, SERVER)
    assert body["preset"] != "trusted_private_chat"
    assert set(body["creation_content"]["additional_creators"]) == {GHOSTS.guardian, GHOSTS.custodian}
    assert body["invite"] == [GHOSTS.guardian]


def test_its_name_and_history_tell_nobody_anything() -> None:
    body = direct_room_body(SAM, "key", "hearth", GHOSTS, SERVER)
    assert body["name"] == "Private messages"
    states = {event["type"]: event["content"] for event in body["initial_state"]}
    assert states["m.room.history_visibility"] == {"history_visibility": "invited"}
    assert states["m.room.guest_access"] == {"guest_access": "forbidden"}


async def test_it_is_recognised_as_a_direct_room_of_ours(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        room = one.projection.room("!dm0")
        assert room is not None
        assert room.place is Place.DIRECT


async def test_rooms_read_on_a_cold_start_are_taken_for_what_they_are_without_asking_again(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        await one.rooms.ensure(ROSA, "key2")
        one.members["!dm1"].discard(ROSA)  # she left it: that is no reach
        one.projection = Projection(SERVER, GHOSTS)
        for room_id in ("!dm0", "!dm1"):
            one.learn(room_id)
        admin = AdminCapability(one.homeserver, GHOSTS.steward, Silent())
        actor = Actor(GHOSTS.guardian, "D")
        cold = DirectRooms(one.homeserver, admin, one.projection, one.database, GHOSTS, actor, "hearth")
        asked = asyncio.create_task(cold.ensure(SAM, "key3"))
        await asyncio.sleep(0)
        assert not asked.done(), "before all rooms are known, a second one would be made"
        calls = len(one.homeserver.calls)
        await cold.adopt()
        assert await asked == ("!dm0", REACHED)
        assert len(one.homeserver.calls) == calls
        assert one.projection.direct_reach == {SAM: ("!dm0", REACHED)}
