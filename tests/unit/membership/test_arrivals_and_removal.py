"""What counts as an arrival, and whom a late removal spares."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.flow import (
    Attempt,
    ConcernFact,
    DirectMessage,
    Done,
    Event,
    EventInput,
    Facts,
    Greeted,
    Lane,
    NoteGreeting,
    Origin,
    Place,
    Refused,
    Remove,
    RoomFacts,
    UrgentMessage,
)
from appservice.intake import Projection
from appservice.matrix import parse_event
from appservice.membership import Arrivals, RemoveExecutor
from appservice.membership.places import NO_PLACE
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, SERVER, state_of
from tests.support.stub_homeserver import ScriptedHomeserver


@pytest.mark.parametrize(
    ("before", "known", "origin", "asked"),
    [
        (None, False, Origin.PUSH, True),
        ("left", True, Origin.PUSH, True),
        ("invite", True, Origin.PUSH, True),
        ("join", True, Origin.PUSH, False),
        ("join", False, Origin.PUSH, True),
        ("join", True, Origin.GAP, True),
    ],
    ids=["new", "came back", "asked in", "another picture", "never had a room", "found late"],
)
def test_who_left_their_direct_room_is_asked_again_at_an_arrival_and_not_for_another_picture(
    before: str | None, known: bool, origin: Origin, asked: bool
) -> None:
    content = {"membership": "join", "avatar_url": "mxc://hearth.example/new"}
    event = Event("$1", GROUP, SAM, "m.room.member", content, state_key=SAM)
    room = RoomFacts(GROUP, Place.GROUP, "hearth", "welcome", members={SAM: "join"})
    facts = Facts(1, room, GHOSTS, SERVER, before=before, known_people={SAM} if known else ())
    assert bool(list(Arrivals().handle(EventInput(SERVER, event, origin, 1), facts))) is asked


WELCOME = "On Tuesdays at 7 we are all here."


def told(group: str = "welcome", **facts: object) -> list[tuple[str, dict[str, str]]]:
    """What somebody who comes into a group is told privately: keys of texts, with the item of each."""
    event = Event("$1", GROUP, SAM, "m.room.member", {"membership": "join"}, state_key=SAM)
    room = RoomFacts(GROUP, Place.GROUP, "hearth", group, members={SAM: "join"})
    effects = Arrivals({"welcome": WELCOME}, {"evening"}).handle(
        EventInput(SERVER, event, Origin.PUSH, 1),
        Facts(1, room, GHOSTS, SERVER, **facts),  # type: ignore[arg-type]
    )
    return [(effect.text, dict(effect.items[0])) for effect in effects if isinstance(effect, DirectMessage)]


def test_the_words_of_a_group_are_part_of_the_first_welcome() -> None:
    assert told() == [("direct.welcome", {"person": SAM, "room": GROUP, "welcome": WELCOME})]
    assert told("quiet") == [("direct.welcome", {"person": SAM})]


def test_care_17_who_comes_into_a_group_is_told_how_long_its_messages_are_kept() -> None:
    event = Event("$1", GROUP, SAM, "m.room.member", {"membership": "join"}, state_key=SAM)
    room = RoomFacts(GROUP, Place.GROUP, "hearth", "welcome", members={SAM: "join"})
    effects = Arrivals(kept={"welcome": "365"}).handle(
        EventInput(SERVER, event, Origin.PUSH, 1), Facts(1, room, GHOSTS, SERVER)
    )
    (said,) = [effect for effect in effects if isinstance(effect, DirectMessage)]
    assert said.items == ({"person": SAM, "room": GROUP, "kept": "365"},)


def test_newcomers_are_told_of_a_group_with_hours_of_its_own() -> None:
    assert told("evening") == [("direct.welcome", {"person": SAM, "room": GROUP, "own_hours": "yes"})]


@pytest.mark.parametrize(
    ("before", "more", "expected"),
    [
        (None, {}, True),
        ("invite", {}, True),
        ("knock", {}, True),
        ("join", {}, False),
        ("left", {}, True),
        (None, {"quiet": {SAM}}, False),
        (None, {"concerns": {SAM: (ConcernFact("suicide", 3, 0),)}}, False),
    ],
    ids=["new", "asked in", "let in", "another picture", "came back", "wants no messages", "in distress"],
)
def test_who_is_known_is_told_them_at_the_first_coming_into_the_group(
    before: str | None, more: dict[str, object], expected: bool
) -> None:
    found = told(before=before, known_people={SAM}, direct_rooms={SAM: "!dm"}, **more)
    assert found == ([("direct.group_welcome", {"person": SAM, "room": GROUP, "welcome": WELCOME})] if expected else [])


class New:
    """Sam is new to this group."""

    def left(self, group: str, _user_id: str) -> int:
        return 3 if group == "quiet" else 0


def test_whose_first_messages_are_read_is_told_how_many_at_the_first_coming_whoever_knows_them() -> None:
    item = {"person": SAM, "room": GROUP, "first": "3"}
    assert told("quiet", newcomers=New()) == [("direct.welcome", item)]
    known = {"newcomers": New(), "known_people": {SAM}, "direct_rooms": {SAM: "!dm"}}
    assert told("quiet", **known) == [("direct.group_welcome", item)]


def test_who_has_not_come_into_their_direct_room_or_left_it_finds_there_how_to_write_at_all() -> None:
    item = {"person": SAM, "room": GROUP, "first": "3"}
    assert told("quiet", newcomers=New(), known_people={SAM}) == [("direct.group_welcome", item)]
    assert told("welcome", newcomers=New(), known_people={SAM}) == []


def test_whose_coming_was_missed_is_told_how_to_write_at_all_and_not_again_with_another_picture() -> None:
    known: dict[str, Any] = {"newcomers": New(), "known_people": {SAM}, "direct_rooms": {SAM: "!dm"}, "before": "join"}
    assert told("quiet", **known) == [("direct.group_welcome", {"person": SAM, "room": GROUP, "first": "3"})]
    assert told("quiet", **known, greeted={SAM: {"quiet": Greeted("of more", 1)}}) == []


def test_how_to_write_at_all_is_told_at_once_and_not_with_what_groups_tell_later() -> None:
    event = Event("$1", GROUP, SAM, "m.room.member", {"membership": "join"}, state_key=SAM)
    room = RoomFacts(GROUP, Place.GROUP, "hearth", "quiet", members={SAM: "join"})
    known: dict[str, Any] = {"known_people": {SAM}, "direct_rooms": {SAM: "!dm"}, "newcomers": New()}
    found = list(Arrivals().handle(EventInput(SERVER, event, Origin.PUSH, 1), Facts(1, room, GHOSTS, SERVER, **known)))
    assert [type(one) for one in found] == [NoteGreeting, UrgentMessage]


def test_a_group_without_words_for_newcomers_says_nothing_to_those_we_know() -> None:
    assert told("quiet", known_people={SAM}, direct_rooms={SAM: "!dm"}) == []


class Everybody:
    """Rules that admit everybody."""

    def kind(self, community: str, group: str) -> str:
        return "hybrid"

    def admits(self, community: str, group: str, user_id: str) -> bool:
        return True

    def approves(self, community: str, group: str, user_id: str) -> bool:
        return self.can(community, user_id, "approve_join")

    def can(self, community: str, user_id: str, duty: str) -> bool:
        return False

    def owners(self, community: str) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize("taken_out", [False, True])
async def test_an_invite_of_somebody_admitted_is_taken_back_only_if_a_person_took_them_out(taken_out: bool) -> None:
    homeserver, projection = ScriptedHomeserver(), Projection(SERVER, GHOSTS)
    projection.rules = Everybody()
    projection.replace(GROUP, [parse_event(raw, GROUP) for raw in state_of(GROUP)])
    for membership, by in [("join", ROSA), ("leave", SAM if taken_out else ROSA), ("invite", SAM)]:
        content = {"membership": membership}
        raw = {"event_id": "$e", "type": "m.room.member", "state_key": ROSA, "sender": by, "content": content}
        projection.apply(parse_event(raw, GROUP))
    effect = Remove(
        source="$1", rule="doors", lane=Lane(SERVER, GROUP), room_id=GROUP, user_id=ROSA, code="invite_withdrawn"
    )
    result = await RemoveExecutor(homeserver, projection, GHOSTS).execute(effect, Attempt(1))
    assert result == (Done(room_id=GROUP) if taken_out else Refused("admitted"))
    assert bool([call for call in homeserver.calls if call.path.endswith("/kick")]) is taken_out


@pytest.mark.parametrize("membership", ["invite", "join"])
async def test_an_invite_beyond_the_capacity_is_taken_back_whoever_was_asked_and_nobody_who_is_in_is_taken_out(
    membership: str,
) -> None:
    homeserver, projection = ScriptedHomeserver(), Projection(SERVER, GHOSTS)
    projection.rules = Everybody()
    projection.replace(GROUP, [parse_event(raw, GROUP) for raw in state_of(GROUP)])
    content = {"membership": membership}
    raw = {"event_id": "$e", "type": "m.room.member", "state_key": ROSA, "sender": SAM, "content": content}
    projection.apply(parse_event(raw, GROUP))
    effect = Remove(source="$1", rule="doors", lane=Lane(SERVER, GROUP), room_id=GROUP, user_id=ROSA, code=NO_PLACE)
    result = await RemoveExecutor(homeserver, projection, GHOSTS).execute(effect, Attempt(1))
    assert result == (Done(room_id=GROUP) if membership == "invite" else Refused("admitted"))
