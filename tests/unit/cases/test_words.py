"""Taps and words: only ours, only once, only by those who may at that moment, and each refusal is kind and private."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from appservice.cases import CaseWords
from appservice.cases.buttons import BUTTON_MS
from appservice.cases.words import is_for_a_case
from appservice.flow import (
    CardEdit,
    CardOf,
    Case,
    Effect,
    Event,
    EventInput,
    Facts,
    NoteReading,
    Origin,
    Place,
    RoomFacts,
    ShowEvidence,
    TouchCase,
    UrgentCard,
    UrgentMessage,
)
from tests.support.house import GHOSTS
from tests.unit.cases.test_book import DEPUTY, LEAD, MEMBER, MODERATOR, Desk

TEAM, LEADS, DM, GROUP = "!team", "!leads", "!dm", "!group"
PLACES = {TEAM: Place.MODERATORS, LEADS: Place.SAFEGUARDING, DM: Place.DIRECT, GROUP: Place.GROUP}


class Team(Desk):
    """A desk with one case of conduct, whose card stands in the moderators' room."""

    def __init__(self) -> None:
        super().__init__()
        self.case = self.carded(self.happens(), TEAM, "$card")

    def carded(self, case: Case, room_id: str, event_id: str) -> Case:
        case, _ = self.book.numbered(case)
        self.book.carded(case.id, CardOf(room_id, event_id, self.clock.now, case.severity))
        found = self.book.by_id(case.id)
        assert found is not None
        return found

    def sends(
        self,
        who: str,
        content: Mapping[str, Any],
        *,
        kind: str = "m.room.message",
        room_id: str = TEAM,
        membership: str = "join",
        late: bool = False,
    ) -> list[Effect]:
        event = Event(
            "$said", room_id, who, kind, content, origin_server_ts=self.clock.now - (3_600_000 if late else 0)
        )
        room = RoomFacts(room_id, PLACES[room_id], "c", members=MappingProxyType({who: membership}))
        facts = Facts(self.clock.now, room, GHOSTS, "x", rules=self.people, cases=self.book)
        item = EventInput("x", event, Origin.PUSH, self.clock.now)
        return list(CaseWords().handle(item, facts))

    def taps(self, who: str, key: object = "👀", target: object = "$card", **more: Any) -> list[Effect]:
        relation = {"rel_type": "m.annotation", "event_id": target, "key": key}
        return self.sends(who, {"m.relates_to": relation}, kind="m.reaction", **more)

    def says(self, who: str, body: str, answers: str | None = None, **more: Any) -> list[Effect]:
        content: dict[str, Any] = {"msgtype": "m.text", "body": body}
        if answers is not None:
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": answers}}
        return self.sends(who, content, **more)


def done(effects: list[Effect]) -> list[tuple[str, str]]:
    return [(one.action, one.outcome) for one in effects if isinstance(one, TouchCase)]


def told(effects: list[Effect]) -> list[str]:
    assert all(isinstance(one, UrgentMessage) for one in effects)
    return [one.text for one in effects if isinstance(one, UrgentMessage)]


def test_a_tap_takes_a_case_and_the_card_says_so() -> None:
    effects = Team().taps(MODERATOR)
    assert done(effects) == [("ack", "")]
    assert any(isinstance(one, CardEdit) for one in effects)
    assert done(Team().taps(MODERATOR, "👀\ufe0f")) == [("ack", "")]
    assert done(Team().taps(MODERATOR, "👀\U0001f3fd")) == [("ack", "")], "a keyboard with a colour of skin"


def test_passing_on_sends_a_new_card_that_calls() -> None:
    effects = Team().taps(MODERATOR, "⬆️")
    assert done(effects) == [("escalate", "")]
    assert any(isinstance(one, UrgentCard) for one in effects)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("another event than a card of ours", {"target": "$other"}),
        ("another sign", {"key": "🎉"}),
        ("another room", {"room_id": LEADS}),
        ("no event", {"target": None}),
        ("a list", {"key": ["👀"]}),
        ("somebody who is not in the room", {"membership": "invite"}),
    ],
)
def test_a_tap_that_is_none_changes_nothing_and_says_nothing(what: str, change: dict[str, Any]) -> None:
    assert Team().taps(MODERATOR, **change) == [], what


def test_a_reaction_to_a_card_that_somebody_imitated_means_nothing() -> None:
    """What a card's content says is not looked at: only what we wrote down when we sent it."""
    relation = {
        "rel_type": "m.annotation",
        "event_id": "$forged",
        "key": "👀",
        "case": Team().case.id,
        "action": "close",
    }
    assert Team().sends(LEAD, {"m.relates_to": relation}, kind="m.reaction") == []


def test_a_tap_counts_once() -> None:
    team = Team()
    (touch, *_) = team.taps(MODERATOR)
    team.book.touch(touch)
    assert told(team.taps(DEPUTY)) == ["case.tap_used"]
    assert team.taps(MODERATOR) == [], "who has it already needs no answer"
    team.does(team.case, "escalate")
    assert told(team.taps(LEAD)) == ["case.tap_used"], "the old card's tap is spent"


def test_a_tap_on_an_old_card_is_answered_with_the_words_that_still_work() -> None:
    team = Team()
    team.clock.now += BUTTON_MS + 1
    assert told(team.taps(MODERATOR)) == ["case.tap_expired"]
    assert done(team.says(MODERATOR, "ack", answers="$card")) == [("ack", "")]


def test_the_role_is_asked_for_at_the_moment_of_the_tap() -> None:
    team = Team()
    team.people.duties["moderate"] = (LEAD,)
    effects = team.taps(MODERATOR)
    assert told(effects) == ["case.not_yours"]
    (message,) = effects
    assert isinstance(message, UrgentMessage)
    assert message.user_id == MODERATOR
    assert "reference" not in message.items[0], "who may not handle it learns nothing of it"


def test_whom_a_case_is_about_cannot_handle_it_whatever_their_role() -> None:
    team = Team()
    case = team.carded(team.happens(LEAD), DM, "$p")
    assert told(team.taps(LEAD, target="$p", room_id=DM)) == ["case.not_yours"]
    assert told(team.says(LEAD, f"close {case.reference} resolved", room_id=DM)) == ["case.unknown"]
    assert told(team.says(LEAD, "close P-0077 resolved", room_id=DM)) == ["case.unknown"], "the same answer"
    assert told(team.says(LEAD, f"show {case.reference} I want to know", room_id=DM)) == ["case.unknown"]
    assert done(team.says(DEPUTY, f"close {case.reference} resolved", room_id=DM)) == [("close", "resolved")]


@pytest.mark.parametrize(
    ("body", "answers", "what"),
    [
        ("ack", None, ("ack", "")),
        ("Ack H-0001", None, ("ack", "")),
        ("ack h-0001.", None, ("ack", "")),
        ("close resolved", None, ("close", "resolved")),
        ("close H-0001 mistake", None, ("close", "mistake")),
        ("> <@inglenook-guardian:x> 🟠 1 message\n> removed\n\nclose resolved", "$card", ("close", "resolved")),
        ("escalate", "$card", ("escalate", "")),
    ],
)
def test_words_do_what_taps_do(body: str, answers: str | None, what: tuple[str, str]) -> None:
    assert done(Team().says(MODERATOR, body, answers)) == [what]


@pytest.mark.parametrize(
    "body",
    [
        "close the door please",
        "ack, I saw that",
        "show me the way",
        "escalate this matter to the board",
        "",
        "acknowledged",
    ],
)
def test_people_talk_and_nothing_happens(body: str) -> None:
    assert Team().says(MODERATOR, body) == []


def test_what_cannot_be_understood_is_answered_with_what_can() -> None:
    team = Team()
    assert told(team.says(MODERATOR, "close H-0001 because I say so")) == ["case.how_to_close"]
    assert told(team.says(MODERATOR, "close it", answers="$card")) == ["case.how_to_close"]
    assert told(team.says(MODERATOR, "ack H-0999")) == ["case.unknown"]
    team.carded(team.happens("@another:x"), TEAM, "$two")
    assert told(team.says(MODERATOR, "ack")) == ["case.which"]
    team.does(team.case, "close", outcome="resolved")
    assert told(team.says(MODERATOR, "ack H-0001")) == ["case.is_closed"]


@pytest.mark.parametrize("content", [{}, {"body": 7, "msgtype": "m.text"}, {"msgtype": "m.notice", "body": "ack"}])
def test_what_is_no_text_is_no_word(content: dict[str, Any]) -> None:
    assert Team().sends(MODERATOR, content) == []


def test_the_lead_sees_evidence_with_a_reason_that_is_written_down() -> None:
    note, show = Team().says(LEAD, "show H-0001 a parent asked", room_id=LEADS)
    assert isinstance(note, NoteReading)
    assert isinstance(show, ShowEvidence)
    assert (note.reason, note.by, show.user_id, show.item) == ("a parent asked", LEAD, LEAD, 1)
    assert "a parent asked" not in str(show.record()), "why is nobody's business but the vault's"
    (_, second) = Team().says(LEAD, "show H-0001/2 a parent asked", room_id=DM)
    assert isinstance(second, ShowEvidence)
    assert second.item == 2


def test_evidence_is_refused_kindly_to_others_and_without_a_reason() -> None:
    assert told(Team().says(MODERATOR, "show H-0001 just curious")) == ["case.show_not_yours"]
    assert told(Team().says(LEAD, "show H-0001", room_id=LEADS)) == ["case.show_why"]
    assert told(Team().says(LEAD, "show H-0077 a parent asked", room_id=LEADS)) == ["case.unknown"]
    assert Team().says(LEAD, "show H-0001 a parent asked", room_id=LEADS, late=True) == []


def test_who_may_not_see_evidence_is_answered_alike_whether_the_case_exists_or_not() -> None:
    for reference in ("H-0001", "H-0077"):
        (answer,) = Team().says(MODERATOR, f"show {reference} just curious")
        assert isinstance(answer, UrgentMessage)
        assert (answer.text, answer.items) == ("case.show_not_yours", ({"person": MODERATOR},))
    team = Team()
    case = team.carded(team.happens(LEAD), LEADS, "$s")
    for said in (f"show {case.reference}", f"show {case.reference} why me", "show P-0077 why me"):
        (answer,) = team.says(LEAD, said, room_id=LEADS)
        assert isinstance(answer, UrgentMessage)
        assert (answer.text, answer.items) == ("case.unknown", ({"person": LEAD},))


def test_a_lead_who_asks_among_the_moderators_is_told_privately_where_to_ask() -> None:
    for said in ("show H-0001 a parent asked", "show H-0001"):
        (answer,) = Team().says(LEAD, said, room_id=TEAM)
        assert isinstance(answer, UrgentMessage)
        assert (answer.text, answer.user_id) == ("case.show_elsewhere", LEAD)


def test_where_members_talk_nothing_is_shown_or_said() -> None:
    team = Team()
    assert team.says(LEAD, "show H-0001 a parent asked", room_id=GROUP) == []
    assert team.says(LEAD, "show H-0001", room_id=GROUP) == []


def test_a_lead_need_not_be_in_the_room_where_it_happened() -> None:
    team = Team()
    assert team.case.events[0].room_id not in PLACES, "she is in none of its rooms"
    for room_id in (LEADS, DM):
        note, show = team.says(DEPUTY, "show H-0001 a parent asked", room_id=room_id)
        assert isinstance(note, NoteReading)
        assert isinstance(show, ShowEvidence)
        assert (show.user_id, show.at_ms) == (DEPUTY, team.clock.now)


def test_a_named_human_ends_the_pause_of_rules_for_a_person() -> None:
    team = Team()
    case = team.carded(team.happens(track="concern", severity=3, kind="suicide"), LEADS, "$s")
    effects = team.says(DEPUTY, f"release {case.reference}", room_id=LEADS)
    assert done(effects) == [("release", "")]
    assert told(team.says(MODERATOR, f"release {case.reference}")) == ["case.unknown"], "not even that it exists"
    assert told(team.says(LEAD, "release H-0001")) == ["case.nothing_to_release"]
    assert case.about == MEMBER


def test_in_a_private_room_a_case_is_answered_once_and_people_who_talk_are_still_answered() -> None:
    team = Team()
    for body, answers, theirs in (
        ("show H-0001 a parent asked", None, True),
        ("ack", "$card", False),  # that card stands in another room
        ("close", "$mine", False),
        ("help", None, False),
    ):
        content: dict[str, Any] = {"body": body, "msgtype": "m.text"}
        if answers is not None:
            content["m.relates_to"] = {"m.in_reply_to": {"event_id": answers}}
        facts = Facts(team.clock.now, RoomFacts(DM), GHOSTS, "x", cases=team.book)
        assert is_for_a_case(content, DM, facts) is theirs, body
        assert is_for_a_case(content, TEAM, facts) is (theirs or answers == "$card")


@pytest.mark.parametrize(
    "body",
    [
        "Helper (bot): ack H-0001",
        "helper (BOT) ack h-0001",
        "@Helper (bot), ack H-0001",
        f"{GHOSTS.guardian}: ack H-0001",
        f"> <{GHOSTS.guardian}> Do you have this?\n> Reply escalate H-0001\n\nack H-0001",
        "> Somebody may need you.\nHelper (bot): ack H-0001",
    ],
)
def test_a_word_counts_behind_our_name_and_below_what_a_client_or_a_bridge_quotes(body: str) -> None:
    assert done(Team().says(MODERATOR, body)) == [("ack", "")]
    assert done(Team().says(MODERATOR, body.replace(" H-0001", "").replace(" h-0001", ""), "$card")) == [("ack", "")]


@pytest.mark.parametrize(
    "body", ["Helper", "Helper (bot)", "Helper (bot)s ack H-0001", "Jo: ack H-0001", "> ack H-0001"]
)
def test_other_names_and_mere_quotations_are_no_word(body: str) -> None:
    assert Team().says(MODERATOR, body) == []
