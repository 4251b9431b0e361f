"""Who asks one of us into a room of theirs: shown the way to ours if we know them, declined without a word if not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from appservice.flow import AnswerInvite, Attempt, Done, Event, EventInput, Facts, Lane, Origin, Postponed, RoomFacts
from appservice.matrix import Actor, Rejected, Unreachable
from appservice.membership import Invitations
from appservice.people import AnswerInviteExecutor
from tests.support.direct_room_world import Says, World, world
from tests.support.house import GHOSTS, ROSA, SAM, SERVER
from tests.support.waiting import eventually


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


@pytest.mark.parametrize("who", [SAM, ROSA], ids=["a member", "a stranger"])
@pytest.mark.parametrize("content", [{}, {"is_direct": False}, {"is_direct": "yes"}])
def test_an_invite_of_the_steward_into_a_room_of_many_waits_until_a_person_has_it_taken_over(
    who: str, content: dict[str, Any]
) -> None:
    event = Event("$1", "!theirs", who, "m.room.member", {"membership": "invite", **content}, state_key=GHOSTS.steward)
    facts = Facts(1, RoomFacts("!theirs"), GHOSTS, SERVER, known_people={SAM})
    assert list(Invitations().handle(EventInput(SERVER, event, Origin.PUSH, 1), facts)) == []


def invite(number: int = 1, kindly: bool = True) -> AnswerInvite:
    room_id = f"!theirs{number}"
    lane = Lane(SERVER, room_id)
    return AnswerInvite(
        source=f"${number}", rule="r", lane=lane, room_id=room_id, user_id=GHOSTS.guardian, by=SAM, kindly=kindly
    )


def answering(one: World, says: Says) -> AnswerInviteExecutor:
    return AnswerInviteExecutor(one.homeserver, one.rooms, says, Actor(GHOSTS.guardian, "D"))  # type: ignore[arg-type]


def left(one: World) -> list[str]:
    return [call.path.split("/")[-2] for call in one.homeserver.calls if "theirs" in call.path and "leave" in call.path]


@pytest.mark.parametrize("where", ["say", "/join/!theirs", "/rooms/!theirs1/state", "/createRoom"])
async def test_we_never_stay_in_a_room_of_theirs_whatever_is_refused_there(tmp_path: Path, where: str) -> None:
    async with world(tmp_path) as one:

        class Muted(Says):
            async def say(self, room_id: str, *_: Any, **__: Any) -> Done:
                raise Rejected(403, "M_FORBIDDEN")

        one.members["!theirs1"], one.homeserver.script.state["!theirs1"] = {SAM}, []
        one.fail_on, one.failures = where, [Rejected(403, "M_FORBIDDEN")]
        says = Muted() if where == "say" else Says()
        assert await answering(one, says).execute(invite(), Attempt(1)) == Done()
        assert left(one) == ["!theirs1"]
        assert says.rooms == []


async def test_while_the_homeserver_is_away_we_come_back_to_it(tmp_path: Path) -> None:
    async with world(tmp_path) as one:
        one.members["!theirs1"], one.homeserver.script.state["!theirs1"] = {SAM}, []
        one.fail_on, one.failures = "/join/!theirs", [Unreachable("away")]
        executor, says = answering(one, Says()), Says()
        with pytest.raises(Unreachable):
            await executor.execute(invite(), Attempt(1))
        executor = answering(one, says)
        assert await executor.execute(invite(), Attempt(2)) == Done()
        assert says.rooms == ["!theirs1"]


async def test_who_asks_a_thousand_times_holds_up_nobody(tmp_path: Path) -> None:
    """The slots of the outbox are shared: rooms far away that answer slowly may take two of them."""
    async with world(tmp_path) as one:
        released, entered = asyncio.Event(), []

        class Slow(Says):
            async def say(self, room_id: str, *_: Any, **__: Any) -> Done:
                entered.append(room_id)
                await released.wait()
                return Done()

        await one.rooms.ensure(SAM, "key")
        for n in range(1000):
            one.members[f"!theirs{n}"], one.homeserver.script.state[f"!theirs{n}"] = {SAM}, []
        executor = answering(one, Slow())
        first = [asyncio.create_task(executor.execute(invite(n), Attempt(1))) for n in range(2)]

        async def both() -> bool:
            return len(entered) == 2

        await eventually(both, "two are being answered")
        others = await asyncio.gather(*(executor.execute(invite(n), Attempt(1)) for n in range(2, 1000)))
        assert {type(other) for other in others} == {Postponed}
        released.set()
        assert await asyncio.gather(*first) == [Done(), Done()]
        assert await executor.execute(invite(2), Attempt(2)) == Done()


async def test_an_answer_that_was_given_is_not_given_again(tmp_path: Path) -> None:
    """Killed after leaving, before it was written down: the room lets us in no more, and nothing is said."""
    async with world(tmp_path) as one:
        one.members["!theirs1"], one.homeserver.script.state["!theirs1"] = {SAM}, []
        says = Says()
        await answering(one, says).execute(invite(), Attempt(1))
        one.fail_on, one.failures = "theirs1", [Rejected(403, "M_FORBIDDEN")] * 9
        assert await answering(one, says).execute(invite(), Attempt(2)) == Done(already=True)
        assert says.rooms == ["!theirs1"]
