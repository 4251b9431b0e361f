"""Who asks for a person gets a case with a clock: nobody's call for help depends on somebody seeing a line (CARE 2, 3, 17)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from appservice.cases import Requests
from appservice.cases.book import ASKED_AGAIN_MS, CARDS_A_WEEK
from appservice.cases.deadlines import overdue
from appservice.flow import (
    Audience,
    Case,
    CaseState,
    DirectMessage,
    Effect,
    Event,
    EventInput,
    Facts,
    OpenCase,
    Origin,
    Place,
    RoomFacts,
    Track,
    UrgentCard,
    UrgentMessage,
)
from tests.support.house import GHOSTS
from tests.unit.cases.test_book import DEPUTY, LEAD, MEMBER, MODERATOR, Desk

DM, GROUP = "!dm", "!group"


class Asking(Desk):
    """A desk whose member writes to the guardian, or in a group."""

    def says(self, body: Any, room_id: str = DM, who: str = MEMBER, **content: Any) -> list[Effect]:
        self._n += 1
        event = Event(
            f"$asks{self._n}",
            room_id,
            who,
            "m.room.message",
            {"msgtype": "m.text", "body": body, **content},
            origin_server_ts=self.clock.now,
        )
        place = Place.DIRECT if room_id == DM else Place.GROUP
        room = RoomFacts(room_id, place, "c", members=MappingProxyType({who: "join"}))
        facts = Facts(self.clock.now, room, GHOSTS, "x", direct_rooms={MEMBER: DM}, rules=self.people, cases=self.book)
        effects = list(Requests().handle(EventInput("x", event, Origin.PUSH, self.clock.now), facts))
        for effect in effects:
            if isinstance(effect, OpenCase):
                self.book.open(effect)
        return effects

    def case(self, track: Track) -> Case:
        case = self.book.current("c", track, MEMBER)
        assert case is not None
        return case


def texts(effects: list[Effect]) -> list[str]:
    return [one.text for one in effects if isinstance(one, DirectMessage)]


@pytest.mark.parametrize(
    "body", ["help", "Help!", "HELP me please", "I need some help", "can you get me help?", "help, it is about Jo"]
)
def test_care_02_a_request_for_help_always_opens_a_case_that_is_passed_on_if_nobody_answers(body: str) -> None:
    desk = Asking()
    effects = desk.says(body)
    assert [one for one in effects if isinstance(one, UrgentCard)]
    assert texts(effects) == ["direct.help_heard"]
    case = desk.case(Track.CONCERN)
    assert (case.kind, desk.book.audience(case)) == ("asks_help", Audience.SAFEGUARDING)
    case, _ = desk.book.numbered(case)
    assert case.deadline_ms is not None
    desk.clock.now = case.deadline_ms
    for rung in (1, 2):
        assert [one.id for one in desk.book.due(desk.clock.now)] == [case.id]
        effects = list(overdue(case, desk.clock.now, "x", last=desk.book.ends(case)))
        case = desk.does(case, "overdue", "")
        assert case.rung == rung
        desk.clock.now = case.deadline_ms or desk.clock.now
    told = [one for one in effects if isinstance(one, UrgentMessage)]
    assert [one.text for one in told] == ["care.nobody_yet"], "who asked is told that nobody came (CARE 8)"


def test_care_02_without_a_case_nobody_would_be_called_when_time_is_over() -> None:
    desk = Asking()
    assert desk.book.due(desk.clock.now + 10**12) == []
    desk.says("good morning")
    assert desk.book.due(desk.clock.now + 10**12) == []


@pytest.mark.parametrize("body", ["help", "Help me!", "please help", "SOS", "I need help."])
def test_care_03_help_alone_in_a_group_is_heard_and_answered_in_private(body: str) -> None:
    desk = Asking()
    effects = desk.says(body, GROUP)
    assert texts(effects) == ["direct.help_heard"]
    assert {type(one) for one in effects} == {OpenCase, UrgentCard, DirectMessage}, "nothing is said in the room"


@pytest.mark.parametrize("body", ["can anyone help with this form?", "that was a great help", "helpful!", None, 7, {}])
def test_talk_of_help_in_a_group_is_talk(body: object) -> None:
    assert Asking().says(body, GROUP) == []


@pytest.mark.parametrize("body", ["thanks for your help", "Hello", "", None, 7, ["help"], "what is this?"])
def test_whoever_asks_for_nobody_in_private_is_told_how(body: object) -> None:
    desk = Asking()
    assert texts(desk.says(body)) == ["direct.how"]
    assert desk.book.all_ids() == []


QUOTED = f"> <{GHOSTS.guardian}> Hello. To reach a person, reply help. Was I wrong? Reply appeal.\n\n"


@pytest.mark.parametrize("body", ["no", "what is this", "ok"])
def test_our_own_words_quoted_above_an_answer_call_nobody(body: str) -> None:
    desk = Asking()
    desk.says(QUOTED + body)
    assert desk.book.all_ids() == []
    assert desk.says(QUOTED + "help", GROUP), "what stands below them does"
    assert desk.says("Helper (bot): help", GROUP), "and what stands behind our name"


@pytest.mark.parametrize(
    "body",
    ["quiet", "Quiet please", "STOP", "please stop", "stop messaging me", "Helper (bot): quiet", QUOTED + "stop"],
)
def test_who_wants_quiet_is_heard_in_the_ways_people_say_it(body: str) -> None:
    assert texts(Asking().says(body)) == ["direct.quiet"]


@pytest.mark.parametrize("body", ["please stop me", "make it stop", "it is too quiet here", "please", "quiet room?"])
def test_what_only_sounds_like_it_is_not_heard_so(body: str) -> None:
    assert texts(Asking().says(body)) == ["direct.how"]


def test_an_edit_asks_for_nothing_twice() -> None:
    desk = Asking()
    desk.says("help")
    relation = {"rel_type": "m.replace", "event_id": "$asks1"}
    assert desk.says("* help me", **{"m.relates_to": relation}) == []


def test_who_asks_again_is_called_for_again_but_not_at_every_word() -> None:
    desk = Asking()
    desk.says("help")
    first = desk.case(Track.CONCERN).asked_ms
    desk.clock.now += ASKED_AGAIN_MS
    desk.says("help?")
    assert desk.case(Track.CONCERN).asked_ms == first
    desk.clock.now += 1
    desk.says("is anybody there, help")
    assert desk.case(Track.CONCERN).asked_ms == desk.clock.now


def test_what_a_rule_sees_in_somebody_who_asked_says_more_than_that_they_asked() -> None:
    desk = Asking()
    desk.says("help")
    case = desk.happens(track="concern", severity=2, kind="suicide")
    assert (case.kind, case.asked_ms, case.count) == ("suicide", desk.clock.now, 2)
    desk.says("help")
    assert desk.case(Track.CONCERN).kind == "suicide"


def test_care_17_an_appeal_is_answered_by_somebody_else_than_who_decided() -> None:
    desk = Asking()
    case, _ = desk.book.numbered(desk.happens())
    desk.does(case, "close", MODERATOR, "resolved")
    desk.says("appeal")
    appeal = desk.case(Track.CONDUCT)
    assert (appeal.id != case.id, appeal.kind, appeal.earlier) == (True, "appeal", "H-0001")
    assert not desk.book.may(appeal, MODERATOR)
    assert desk.book.may(appeal, LEAD)
    assert desk.book.may(appeal, DEPUTY)
    assert not desk.book.may(appeal, MEMBER)


def test_care_17_without_a_note_of_who_decided_they_would_decide_again() -> None:
    desk = Asking()
    case, _ = desk.book.numbered(desk.happens())
    desk.does(case, "close", MODERATOR, "resolved")
    again = desk.happens(kind="appeal")
    assert desk.book.may(again, MODERATOR)


def test_an_appeal_about_an_open_case_is_said_on_its_card() -> None:
    desk = Asking()
    case, _ = desk.book.numbered(desk.happens())
    desk.says("I want to appeal")
    assert desk.case(Track.CONDUCT).id == case.id
    assert desk.case(Track.CONDUCT).asked_ms == desk.clock.now
    assert (desk.case(Track.CONDUCT).kind, desk.case(Track.CONDUCT).count) == ("contact_details", 1)


def test_an_appeal_never_stands_in_the_list_of_small_cases() -> None:
    desk = Asking()
    for n in range(CARDS_A_WEEK):
        desk.book.numbered(desk.happens(f"@p{n}:x"))
    desk.says("appeal")
    appeal, _ = desk.book.numbered(desk.case(Track.CONDUCT))
    assert not appeal.quiet
    assert appeal.deadline_ms is not None
    other, _ = desk.book.numbered(desk.happens("@q:x"))
    assert other.quiet
    loud, _ = desk.book.loud(other)
    assert (loud.quiet, loud.state) == (False, CaseState.OPEN)
    assert loud.deadline_ms is not None, "what has a card has a clock"


def test_who_appeals_in_vain_is_told() -> None:
    desk = Asking()
    desk.says("appeal")
    case, _ = desk.book.numbered(desk.case(Track.CONDUCT))
    case = desk.does(case, "overdue", "")
    told = [
        one.text
        for one in overdue(case, desk.clock.now, "x", last=desk.book.ends(case))
        if isinstance(one, UrgentMessage)
    ]
    assert told == ["direct.appeal_waits"]


def test_care_08_the_answer_to_a_call_for_help_waits_for_no_card() -> None:
    """It has helplines in it; where no card can leave, it would never come."""
    (heard,) = [one for one in Asking().says("help") if isinstance(one, DirectMessage)]
    assert heard.after is None
    (heard,) = [one for one in Asking().says("appeal") if isinstance(one, DirectMessage)]
    assert heard.after is not None
