"""Requests to join a hybrid group, and who may answer them: decided by pure handlers, so shown without a homeserver."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from appservice.flow import (
    Approve,
    Card,
    DirectMessage,
    Effect,
    EnsureDirectRoom,
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
from appservice.membership.words import request_reference

GHOSTS = Ghosts("@steward:h.example", "@guardian:h.example", "@custodian:h.example")
LEAD, SAM, ROSA = "@lead:h.example", "@sam:h.example", "@rosa:h.example"
ELSEWHERE = "@elsewhere:h.example"  # answers requests, and not those of this group
GROUP, DESK = "!group", "!desk"
NOW = 1_000_000


class Rules:
    """Rosa may be in the group; the lead may let people in, and one more into other groups."""

    def __init__(self, kind: str = "hybrid") -> None:
        self._kind = kind

    def kind(self, community: str, group: str) -> str:
        return self._kind

    def admits(self, community: str, group: str, user_id: str) -> bool:
        return user_id in {ROSA, LEAD}

    def can(self, community: str, user_id: str, duty: str) -> bool:
        return user_id in {LEAD, ELSEWHERE} and duty == "approve_join"

    def approves(self, community: str, group: str, user_id: str) -> bool:
        return user_id == LEAD and group == "lounge"


def door(
    person: str,
    membership: str,
    by: str,
    before: str | None = None,
    kind: str = "hybrid",
    taken_out: tuple[str, ...] = (),
) -> list[Effect]:
    content = {"membership": membership}
    event = Event("$1", GROUP, by, "m.room.member", content, origin_server_ts=NOW, state_key=person)
    room = RoomFacts(GROUP, Place.GROUP, "c", "lounge", members={person: membership}, taken_out=taken_out)
    facts = Facts(NOW, room, GHOSTS, "h.example", rules=Rules(kind), before=before)
    return list(Doors().handle(EventInput("h.example", event, Origin.PUSH, NOW), facts))


def typed(
    words: str,
    by: str = LEAD,
    members: Mapping[str, str] | None = None,
    late_ms: int = 0,
    place: Place = Place.MODERATORS,
) -> list[Effect]:
    content: dict[str, Any] = {"msgtype": "m.text", "body": words}
    event = Event("$2", DESK, by, "m.room.message", content, origin_server_ts=NOW)
    room = RoomFacts(DESK, place, "c", "moderators", members=members or {by: "join"})
    facts = Facts(
        NOW, room, GHOSTS, "h.example", rules=Rules(), knocks={(GROUP, SAM), (GROUP, LEAD)}, groups={GROUP: "lounge"}
    )
    return list(JoinWords().handle(EventInput("h.example", event, Origin.PUSH, NOW + late_ms), facts))


REFERENCE = request_reference(GROUP, SAM)


def of(effects: list[Effect], kind: type[Effect]) -> list[Effect]:
    return [effect for effect in effects if isinstance(effect, kind)]


def test_a_request_reaches_those_who_look_after_the_community_with_the_words_to_answer_it() -> None:
    (card,) = of(door(SAM, "knock", SAM), Card)
    assert isinstance(card, Card)
    assert (card.place, card.text) == (Place.MODERATORS, "card.asks_to_join")
    assert card.items[0]["reference"] == REFERENCE
    assert not of(door(SAM, "knock", SAM), Remove)


def test_a_request_of_somebody_approved_already_is_answered_at_once() -> None:
    (effect,) = door(ROSA, "knock", ROSA)
    assert isinstance(effect, Invite)
    assert effect.user_id == ROSA


def test_a_request_of_somebody_whom_a_person_took_out_is_for_people_to_answer_whatever_the_list_says() -> None:
    effects = door(ROSA, "knock", ROSA, taken_out=(ROSA,))
    assert not of(effects, Invite)
    (card,) = of(effects, Card)
    assert isinstance(card, Card)
    assert card.about == ROSA


def test_an_invite_that_answers_a_request_by_somebody_who_may_is_the_approval() -> None:
    (effect,) = door(SAM, "invite", LEAD, before="knock")
    assert isinstance(effect, Approve)
    assert (effect.user_id, effect.group, effect.by) == (SAM, "lounge", LEAD)


@pytest.mark.parametrize(
    ("by", "before", "kind"),
    [
        (ROSA, "knock", "hybrid"),
        (ELSEWHERE, "knock", "hybrid"),
        (LEAD, None, "hybrid"),
        (LEAD, "left", "hybrid"),
        (LEAD, "knock", "closed"),
    ],
    ids=["by a member", "by who answers elsewhere", "without a request", "after they left", "in a closed group"],
)
def test_any_other_invite_is_withdrawn(by: str, before: str | None, kind: str) -> None:
    effects = door(SAM, "invite", by, before, kind)
    assert not of(effects, Approve)
    (remove,) = of(effects, Remove)
    assert isinstance(remove, Remove)
    assert (remove.user_id, remove.code) == (SAM, "invite_withdrawn")


@pytest.mark.parametrize(
    ("by", "stands"),
    [(LEAD, True), (ELSEWHERE, False), (SAM, False)],
    ids=["a role that may", "who may elsewhere", "anybody else"],
)
def test_whom_a_person_took_out_is_asked_in_by_hand_only_by_somebody_whose_role_may(by: str, stands: bool) -> None:
    effects = door(ROSA, "invite", by, taken_out=(ROSA,))
    assert [effect.code for effect in of(effects, Remove) if isinstance(effect, Remove)] == (
        [] if stands else ["invite_withdrawn"]
    )


def test_who_asks_is_told_once_their_room_was_opened_and_the_card_says_whether_they_could_be() -> None:
    effects = door(SAM, "knock", SAM)
    (room,), (heard,), (card,) = of(effects, EnsureDirectRoom), of(effects, DirectMessage), of(effects, Card)
    assert heard.once == room.key
    assert card.once == heard.key


def test_nobody_is_thanked_for_something_that_did_not_happen() -> None:
    for word, kind in (("add", Invite), ("decline", Remove)):
        effects = typed(f"{word} {REFERENCE}")
        (done,), (answer,) = of(effects, kind), of(effects, Notice)
        assert answer.after == done.key


def test_add_lets_the_person_in_and_invites_them() -> None:
    effects = typed(f"add {REFERENCE}")
    (approve,), (invite,) = of(effects, Approve), of(effects, Invite)
    assert isinstance(approve, Approve)
    assert isinstance(invite, Invite)
    assert (approve.user_id, approve.group, approve.by) == (SAM, "lounge", LEAD)
    assert (invite.room_id, invite.user_id) == (GROUP, SAM)


def test_decline_takes_the_request_back_and_lets_nobody_in() -> None:
    effects = typed(f"decline {REFERENCE.lower()}")
    (remove,) = of(effects, Remove)
    assert isinstance(remove, Remove)
    assert (remove.user_id, remove.code) == (SAM, "declined")
    assert not of(effects, Approve)


@pytest.mark.parametrize(
    "effects",
    [
        typed(f"add {REFERENCE}", by=ROSA),
        typed(f"add {REFERENCE}", members={LEAD: "left"}),
        typed("add R-AAAAA"),
        typed(f"add {REFERENCE} please"),
        typed(f"add {REFERENCE}", late_ms=11 * 60 * 1000),
    ],
    ids=["a role that may not", "no longer in the room", "no such request", "other words", "late"],
)
def test_nothing_else_lets_anybody_in(effects: list[Effect]) -> None:
    assert not of(effects, Approve)
    assert not of(effects, Invite)
    assert not of(effects, Remove)


@pytest.mark.parametrize("word", ["add", "decline"])
def test_care_04_an_approver_does_not_answer_their_own_request(word: str) -> None:
    (said,) = typed(f"{word} {request_reference(GROUP, LEAD)}")
    assert isinstance(said, Notice)
    assert said.text == "request.not_yours"


def test_a_request_is_answered_where_its_card_stands() -> None:
    """That of somebody who sits with the moderators stands in the other room (CARE, rule 4)."""
    assert of(typed(f"add {REFERENCE}", place=Place.SAFEGUARDING), Approve)
    assert typed(f"add {REFERENCE}", place=Place.GROUP) == []


@pytest.mark.parametrize("word", ["add", "decline"])
def test_who_answers_requests_elsewhere_does_not_answer_those_of_this_group(word: str) -> None:
    (said,) = typed(f"{word} {REFERENCE}", by=ELSEWHERE)
    assert isinstance(said, Notice)
    assert said.text == "request.not_yours"


def test_care_04_nobody_answers_their_own_request_whatever_their_role() -> None:
    (said,) = typed(f"add {request_reference(GROUP, LEAD)}", by=LEAD)
    assert isinstance(said, Notice)
    assert said.text == "request.not_yours"
