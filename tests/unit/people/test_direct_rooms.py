"""Direct rooms: one for each person, found if half made, and an honest word on whether they can be reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from appservice.flow import (
    AnswerInvite,
    Attempt,
    DirectMessage,
    Done,
    Event,
    EventInput,
    Facts,
    Lane,
    Origin,
    Place,
    Refused,
    Result,
    RoomFacts,
)
from appservice.intake import BLOCKED, GONE, INVITED, REACHED, Projection
from appservice.matrix import Actor, AdminCapability, Rejected, Unreachable, parse_event
from appservice.membership import Invitations
from appservice.people import AnswerInviteExecutor, DirectMessageExecutor, DirectRooms
from appservice.people.direct_rooms import direct_room_body
from appservice.store import Commit, Database, Questions, StoreRefused
from tests.support.house import GHOSTS, ROSA, SAM, SERVER, fresh_store
from tests.support.stub_homeserver import Call, ScriptedHomeserver

AWAY = "@ann:elsewhere.example"


class Silent:
    """An audit sink for tests that do not ask."""

    def note(self, lane: str, line: Any, person: str | None = None) -> None: ...


@dataclass
class World:
    """A homeserver that behaves as Synapse does where direct rooms are concerned."""

    homeserver: ScriptedHomeserver
    database: Database
    projection: Projection
    rooms: DirectRooms
    created: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, set[str]] = field(default_factory=dict)
    account_data: dict[str, Any] = field(default_factory=dict)
    fail_on: str = ""
    failures: list[Exception] = field(default_factory=list)

    async def __call__(self, call: Call) -> Any:
        if self.fail_on and self.fail_on in call.path and self.failures:
            await asyncio.sleep(0.005)
            raise self.failures.pop(0)
        if call.path.endswith("/createRoom"):
            assert call.body is not None
            await asyncio.sleep(0.01)
            room_id = f"!dm{len(self.created)}"
            self.created.append(dict(call.body))
            self.members[room_id] = {GHOSTS.steward}
            self.homeserver.script.joined.append(room_id)
            self.homeserver.script.state[room_id] = _state(room_id, call.body)
            return {"room_id": room_id}
        if "/_synapse/admin/v1/join/" in call.path:
            room_id = call.path.rpartition("/")[2]
            # Synapse lets an administrator join others only to a room that the administrator is in.
            if GHOSTS.steward not in self.members[room_id]:
                raise Rejected(403, "M_FORBIDDEN")
            assert call.body is not None
            self.members[room_id].add(str(call.body["user_id"]))
            return {}
        if call.path.startswith("/_matrix/client/v3/join/"):
            self.members[call.path.rpartition("/")[2]].add(GHOSTS.guardian)
            return {}
        if call.path.endswith("/leave"):
            room_id = call.path.split("/")[-2]
            self.members[room_id].discard(GHOSTS.steward)
            if room_id in self.homeserver.script.joined:
                self.homeserver.script.joined.remove(room_id)
            return {}
        if call.path.endswith("/state"):
            room_id = call.path.split("/")[-2]
            if call.actor not in self.members[room_id]:
                raise Rejected(403, "M_FORBIDDEN")
            return self.state(room_id)
        if "/state/m.room.member/" in call.path:
            room_id, user_id = call.path.split("/")[-4], call.path.rpartition("/")[2]
            if user_id not in self.members[room_id]:
                raise Rejected(404, "M_NOT_FOUND")
            return {"membership": "join"}
        if call.path.endswith("/joined_rooms"):
            return {"joined_rooms": [room_id for room_id, members in self.members.items() if call.actor in members]}
        if call.path.endswith("/accountdata"):
            return {"account_data": {"global": self.account_data}}
        return None

    def state(self, room_id: str) -> list[dict[str, Any]]:
        joined = [
            {
                "type": "m.room.member",
                "state_key": who,
                "sender": who,
                "event_id": "$m",
                "content": {"membership": "join"},
            }
            for who in sorted(self.members[room_id])
        ]
        return self.homeserver.script.state[room_id] + joined

    def learn(self, room_id: str) -> None:
        """What the lanes do when the guardian's own join is pushed."""
        self.projection.replace(room_id, [parse_event(raw, room_id) for raw in self.state(room_id)])

    def reborn(self) -> DirectRooms:
        """The rooms as a new process knows them before it has read anything."""
        return _rooms(self.homeserver, self.projection, self.database)


def _state(room_id: str, body: Any) -> list[dict[str, Any]]:
    create = {"type": "m.room.create", "content": {**body["creation_content"], "room_version": body["room_version"]}}
    return [
        {**event, "state_key": "", "sender": GHOSTS.steward, "event_id": f"${n}-{room_id}"}
        for n, event in enumerate([create, *body["initial_state"]])
    ]


def _rooms(homeserver: ScriptedHomeserver, projection: Projection, database: Database) -> DirectRooms:
    admin = AdminCapability(homeserver, GHOSTS.steward, Silent())
    guardian = Actor(GHOSTS.guardian, "D")
    rooms = DirectRooms(homeserver, admin, projection, database, GHOSTS, guardian, "hearth")
    rooms.all_are_known()
    return rooms


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[World]:
    homeserver = ScriptedHomeserver()
    database = Database(fresh_store(tmp_path), "normal")
    await database.open()
    projection = Projection(SERVER, GHOSTS)
    made = World(homeserver, database, projection, _rooms(homeserver, projection, database))
    homeserver.script.first = made
    try:
        yield made
    finally:
        await database.close()


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


# -- reach follows the person ------------------------------------------------------------------------------------------


class Says:
    """A speaker that only counts."""

    def __init__(self) -> None:
        self.rooms: list[str] = []

    async def say(self, room_id: str, *_: Any, **__: Any) -> Done:
        self.rooms.append(room_id)
        return Done(room_id=room_id)


def told(one: World, says: Says) -> Coroutine[Any, Any, Result]:
    effect = DirectMessage(source="$1", rule="r", lane=Lane(SERVER, "!r"), text="t", user_id=SAM)
    return DirectMessageExecutor(one.rooms, says).execute(effect, Attempt(1))  # type: ignore[arg-type]


def goes(one: World, membership: str, by: str = SAM, room_id: str = "!dm0", who: str = SAM) -> Commit | None:
    event = {
        "type": "m.room.member",
        "state_key": who,
        "sender": by,
        "event_id": "$x",
        "content": {"membership": membership},
    }
    return one.projection.apply(parse_event({**event, "room_id": room_id}, room_id))


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


# -- who asks us in ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [[], [ROSA]], ids=["alone", "with somebody else"])
async def test_a_member_who_opens_a_room_with_us_is_shown_ours_there_if_nobody_else_is(
    tmp_path: Path, others: list[str]
) -> None:
    async with world(tmp_path) as one:
        says = Says()
        await one.rooms.ensure(SAM, "key")
        one.members["!theirs"] = {SAM, *others}
        one.homeserver.script.state["!theirs"] = []
        effect = AnswerInvite(
            source="$1",
            rule="r",
            lane=Lane(SERVER, "!theirs"),
            room_id="!theirs",
            user_id=GHOSTS.guardian,
            by=SAM,
            kindly=True,
        )
        executor = AnswerInviteExecutor(one.homeserver, one.rooms, says, Actor(GHOSTS.guardian, "D"))  # type: ignore[arg-type]
        assert await executor.execute(effect, Attempt(1)) == Done(already=False)
        assert says.rooms == ([] if others else ["!theirs"])
        left = [call for call in one.homeserver.calls if call.path.endswith("/leave") and "theirs" in call.path]
        assert [call.actor for call in left] == [GHOSTS.guardian]


@pytest.mark.parametrize(
    ("who", "content", "asked", "kindly"),
    [
        (SAM, {"is_direct": True}, GHOSTS.guardian, True),
        (SAM, {}, GHOSTS.guardian, False),
        (SAM, {"is_direct": "yes"}, GHOSTS.guardian, False),
        (ROSA, {"is_direct": True}, GHOSTS.guardian, False),
        (SAM, {"is_direct": True}, GHOSTS.steward, False),
    ],
    ids=["a member alone", "a room of many", "a strange word", "a stranger", "the steward"],
)
def test_only_a_person_we_know_who_wants_us_alone_is_shown_the_way(
    who: str, content: dict[str, Any], asked: str, kindly: bool
) -> None:
    event = Event("$1", "!theirs", who, "m.room.member", {"membership": "invite", **content}, state_key=asked)
    facts = Facts(1, RoomFacts("!theirs"), GHOSTS, SERVER, known_people={SAM})
    (answer,) = Invitations().handle(EventInput(SERVER, event, Origin.PUSH, 1), facts)
    assert isinstance(answer, AnswerInvite)
    assert (answer.kindly, answer.user_id) == (kindly, asked)


# -- the room itself ---------------------------------------------------------------------------------------------------


def test_the_person_can_write_and_cannot_change_the_room() -> None:
    body = direct_room_body(SAM, "key", "hearth", GHOSTS)
    levels = body["power_level_content_override"]
    assert levels["events_default"] == 0
    assert min(levels[name] for name in ("state_default", "invite", "kick", "ban", "redact")) == 150
    assert SAM not in levels["users"]
    assert body["room_version"] == "12"


def test_no_human_becomes_a_creator() -> None:
    body = direct_room_body(SAM, "key", "hearth", GHOSTS)
    assert body["preset"] != "trusted_private_chat"
    assert set(body["creation_content"]["additional_creators"]) == {GHOSTS.guardian, GHOSTS.custodian}
    assert body["invite"] == [GHOSTS.guardian]


def test_its_name_and_history_tell_nobody_anything() -> None:
    body = direct_room_body(SAM, "key", "hearth", GHOSTS)
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
