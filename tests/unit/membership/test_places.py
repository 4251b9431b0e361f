"""A group that is full: nobody is let in beyond its capacity, whichever way somebody tries."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from appservice.flow import (
    Approve,
    Card,
    DirectMessage,
    Effect,
    Event,
    EventInput,
    Facts,
    Ghosts,
    Invite,
    Notice,
    Origin,
    Place,
    Remove,
    RoomFacts,
)
from appservice.membership import Doors, JoinWords
from appservice.membership.places import NO_PLACE
from appservice.membership.words import request_reference

GHOSTS = Ghosts("@steward:h.example", "@guardian:h.example", "@custodian:h.example")
LEAD, SAM, ROSA, TESS = "@lead:h.example", "@sam:h.example", "@rosa:h.example", "@tess:h.example"
GROUP, DESK = "!group", "!desk"
OURS = {GHOSTS.steward: "join", GHOSTS.guardian: "join"}


class Rules:
    """Rosa and the lead may be in the group; the lead may let people in."""

    def __init__(self, *admitted: str) -> None:
        self._admitted = {ROSA, LEAD, *admitted}

    def kind(self, community: str, group: str) -> str:
        return "" if community == "another" or group == "gone" else "hybrid"

    def admits(self, community: str, group: str, user_id: str) -> bool:
        return user_id in self._admitted

    def can(self, community: str, user_id: str, duty: str) -> bool:
        return user_id == LEAD and duty == "approve_join"

    def approves(self, community: str, group: str, user_id: str) -> bool:
        return user_id == LEAD


def group(members: Mapping[str, str]) -> RoomFacts:
    return RoomFacts(GROUP, Place.GROUP, "c", "lounge", members={**OURS, **members})


def typed(word: str, capacity: int, members: Mapping[str, str], *admitted: str) -> list[Effect]:
    body = f"{word} {request_reference(GROUP, SAM)}"
    event = Event("$2", DESK, LEAD, "m.room.message", {"msgtype": "m.text", "body": body}, origin_server_ts=1)
    facts = Facts(
        1,
        RoomFacts(DESK, Place.MODERATORS, "c", "moderators", members={LEAD: "join"}),
        GHOSTS,
        "h.example",
        rules=Rules(*admitted),  # type: ignore[arg-type]
        knocks={(GROUP, SAM)},
        groups={GROUP: "lounge"},
        room_of={GROUP: group({**members, SAM: "knock"})}.get,
    )
    return list(JoinWords({"lounge": capacity}).handle(EventInput("h.example", event, Origin.PUSH, 1), facts))


def door(
    person: str, membership: str, by: str, capacity: int, members: Mapping[str, str], before: str | None = "knock"
) -> list[Effect]:
    event = Event("$1", GROUP, by, "m.room.member", {"membership": membership}, origin_server_ts=1, state_key=person)
    room = group({**members, person: membership})
    facts = Facts(1, room, GHOSTS, "h.example", rules=Rules(), before=before)  # type: ignore[arg-type]
    return list(Doors({"lounge": capacity}).handle(EventInput("h.example", event, Origin.PUSH, 1), facts))


def told(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(effect.user_id, effect.text) for effect in effects if isinstance(effect, DirectMessage)]


def kinds(effects: list[Effect]) -> set[type[Effect]]:
    return {type(effect) for effect in effects}


@pytest.mark.parametrize(
    ("capacity", "members", "admitted", "full"),
    [
        (3, {LEAD: "join", ROSA: "join"}, (), False),
        (2, {LEAD: "join", ROSA: "join"}, (), True),
        (2, {LEAD: "join", ROSA: "invite"}, (), True),
        (2, {LEAD: "join", TESS: "knock"}, (), False),
        (2, {LEAD: "join", TESS: "knock"}, (TESS,), True),
        (2, {LEAD: "join", ROSA: "left", TESS: "ban"}, (), False),
    ],
    ids=["a place is free", "all are in", "one was asked in", "others only ask", "one was let in just now", "gone"],
)
def test_a_request_is_let_in_only_while_a_place_is_free(
    capacity: int, members: Mapping[str, str], admitted: tuple[str, ...], full: bool
) -> None:
    effects = typed("add", capacity, members, *admitted)
    assert (kinds(effects) & {Approve, Invite} == set()) is full
    assert [effect.text for effect in effects if isinstance(effect, Notice)] == [
        "request.full" if full else "request.added"
    ]


def test_a_request_can_be_declined_while_the_group_is_full() -> None:
    assert Remove in kinds(typed("decline", 2, {LEAD: "join", ROSA: "join"}))


def test_an_invite_by_hand_beyond_the_capacity_is_taken_back_and_its_author_is_told_why() -> None:
    effects = door(SAM, "invite", LEAD, 2, {LEAD: "join", ROSA: "join"})
    assert Approve not in kinds(effects)
    assert Remove in kinds(effects)
    assert told(effects) == [(LEAD, "your.group_is_full"), (SAM, "your.request_found_full")]
    assert kinds(door(SAM, "invite", LEAD, 3, {LEAD: "join", ROSA: "join"})) == {Approve}


def test_who_may_be_there_and_asks_while_it_is_full_is_for_people_to_answer() -> None:
    assert kinds(door(ROSA, "knock", ROSA, 3, {LEAD: "join", SAM: "join"})) == {Invite}
    full = door(ROSA, "knock", ROSA, 2, {LEAD: "join", SAM: "join"})
    assert Invite not in kinds(full)
    assert Card in kinds(full)


def test_an_invite_by_hand_of_somebody_on_the_list_is_taken_back_too_and_one_of_ours_stands() -> None:
    full = {LEAD: "join", SAM: "join"}
    effects = door(ROSA, "invite", LEAD, 2, full, before=None)
    assert [(one.user_id, one.code) for one in effects if isinstance(one, Remove)] == [(ROSA, NO_PLACE)]
    assert told(effects) == [(LEAD, "your.group_is_full")]
    assert told(door(ROSA, "invite", LEAD, 2, full)) == [
        (LEAD, "your.group_is_full"),
        (ROSA, "your.request_found_full"),
    ]
    assert door(ROSA, "invite", GHOSTS.steward, 2, full) == []
    assert door(ROSA, "invite", LEAD, 3, full) == []


def test_who_is_in_when_the_capacity_is_lowered_stays() -> None:
    assert door(ROSA, "join", ROSA, 2, {LEAD: "join", SAM: "join", TESS: "join"}) == []
