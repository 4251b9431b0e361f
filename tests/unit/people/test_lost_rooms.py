"""A private room that is gone, deleted by an administrator or without the guardian, is never a silent end of talking."""

from __future__ import annotations

from pathlib import Path

import pytest

from appservice.flow import Attempt, DirectMessage, Done, Effect, Lane, Refused, UrgentMessage
from appservice.intake import GONE, INVITED, REACHED, Projection
from appservice.matrix import Rejected, Unreachable
from appservice.people import DirectMessageExecutor
from appservice.store import Questions
from tests.support.direct_room_world import World, goes, world
from tests.support.house import GHOSTS, SAM, SERVER


class Says:
    """A speaker of a homeserver that lets nobody speak in a room they are not in."""

    def __init__(self, one: World) -> None:
        self._world = one
        self.said: list[str] = []

    async def say(self, room_id: str, *_: object, **__: object) -> Done:
        if GHOSTS.guardian not in self._world.members[room_id]:
            raise Rejected(403, "M_FORBIDDEN")
        self.said.append(room_id)
        return Done(room_id=room_id)


def message(kind: type[DirectMessage] = DirectMessage) -> DirectMessage:
    return kind(source="$1", rule="r", lane=Lane(SERVER, "!r"), text="t", user_id=SAM)


def executor(one: World, says: Says, untold: list[Effect] | None = None) -> DirectMessageExecutor:
    async def not_reached(effect: Effect) -> None:
        assert untold is not None
        untold.append(effect)

    return DirectMessageExecutor(one.rooms, says, not_reached=not_reached)  # type: ignore[arg-type]


async def test_a_room_that_was_deleted_without_a_word_is_replaced_when_something_must_be_said(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        one.members["!dm0"].clear()
        says = Says(one)
        assert await executor(one, says).execute(message(), Attempt(1)) == Done(room_id="!dm1")
        assert says.said == ["!dm1"]
        assert one.members["!dm1"] == {SAM, GHOSTS.guardian}
        assert await Questions(one.database, SERVER).direct_rooms() == {SAM: ("!dm1", REACHED)}
        await executor(one, says).execute(message(), Attempt(1))
        assert len(one.created) == 2, "and there is one"


async def test_a_guardian_who_is_not_in_the_room_any_more_reaches_nobody_and_gets_another_room(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        one.members["!dm0"].discard(GHOSTS.guardian)
        goes(one, "leave", GHOSTS.guardian, who=GHOSTS.guardian)
        assert not one.rooms.is_reached(SAM), "what a card says of them must be true at once"
        assert await executor(one, Says(one)).execute(message(), Attempt(1)) == Done(room_id="!dm1")
        assert one.rooms.is_reached(SAM)


async def test_whom_a_deletion_took_out_is_asked_and_not_joined(tmp_path: Path) -> None:
    """It looks as if they had left: then nobody is brought back, and one invite to the new room is what there is."""
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        for who in (SAM, GHOSTS.guardian):
            one.members["!dm0"].discard(who)
            goes(one, "leave", who, who=who)
        assert one.projection.direct_reach[SAM] == ("!dm0", GONE)
        says = Says(one)
        assert await executor(one, says).execute(message(), Attempt(1)) == Done(room_id="!dm1")
        assert one.projection.direct_reach[SAM] == ("!dm1", INVITED)
        assert not one.rooms.is_reached(SAM)
        assert not [one for one in one.homeserver.calls if "admin/v1/join/!dm1" in one.path]


async def test_who_left_while_the_room_stands_is_left_alone(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        one.members["!dm0"].discard(SAM)
        goes(one, "leave")
        untold: list[Effect] = []
        assert await executor(one, Says(one), untold).execute(message(), Attempt(1)) == Refused("not_reached")
        assert len(one.created) == 1
        assert untold == [message()], "and those who look after them hear of it"


async def test_a_refusal_in_a_room_that_stands_is_a_refusal(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")

        class Refuses(Says):
            async def say(self, room_id: str, *_: object, **__: object) -> Done:
                raise Rejected(403, "M_FORBIDDEN")

        with pytest.raises(Rejected):
            await executor(one, Refuses(one)).execute(message(), Attempt(1))
        assert len(one.created) == 1


async def test_a_death_between_the_new_room_and_its_row_makes_no_third_one(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.learn("!dm0")
        one.members["!dm0"].clear()
        one.fail_on, one.failures = "/accountdata", [Unreachable("away")]
        with pytest.raises(Unreachable):
            await executor(one, Says(one)).execute(message(UrgentMessage), Attempt(1))
        one.failures = []
        questions = Questions(one.database, SERVER)
        one.projection = Projection(SERVER, GHOSTS)
        await one.projection.load(questions)
        one.rooms = one.reborn()
        assert await executor(one, Says(one)).execute(message(), Attempt(2)) == Done(room_id="!dm1")
        assert len(one.created) == 2


async def test_who_begins_to_ignore_us_is_noticed_before_something_urgent_counts_as_said(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        await one.rooms.ensure(SAM, "key")
        one.account_data = {"m.ignored_user_list": {"ignored_users": {GHOSTS.guardian: {}}}}
        untold: list[Effect] = []
        urgent = message(UrgentMessage)
        assert await executor(one, Says(one), untold).execute(urgent, Attempt(1)) == Refused("not_reached")
        assert untold == [urgent]
        assert not one.rooms.is_reached(SAM)
