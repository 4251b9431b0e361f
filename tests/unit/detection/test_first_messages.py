"""What a newcomer writes before the homeserver holds them back is taken away kindly, and never from somebody in need."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.detection.care_gate import care_gate
from appservice.detection.first_messages import FirstMessages
from appservice.detection.media import Media
from appservice.detection.slow_mode import SlowMode, TurnBook
from appservice.flow import (
    Concerned,
    ConcernFact,
    DirectMessage,
    Effect,
    Event,
    EventInput,
    Facts,
    GiveBack,
    HoldWords,
    Lane,
    OpenCase,
    Origin,
    Place,
    Redact,
    RoomFacts,
    Track,
    UrgentMessage,
)
from policies.governed_rooms import governed_power_levels
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, SERVER

NOW = 1_800_000_000_000


class New:
    """Everybody is new to the lounge."""

    def left(self, group: str, _user_id: str) -> int:
        return 2 if group == "lounge" else 0


def facts(group: str = "lounge", **more: Any) -> Facts:
    levels = governed_power_levels({ROSA: 50})
    room = RoomFacts(GROUP, Place.GROUP, "hearth", group, state={("m.room.power_levels", ""): levels})
    return Facts(NOW, room, GHOSTS, SERVER, newcomers=New(), **more)  # type: ignore[arg-type]


def item(kind: str = "m.room.message", who: str = SAM, origin: Origin = Origin.PUSH, **content: Any) -> EventInput:
    said = {"msgtype": "m.text", "body": "Hello all.", **content}
    return EventInput(SERVER, Event("$1", GROUP, who, kind, said, origin_server_ts=NOW), origin, NOW)


def test_a_message_is_taken_away_and_given_back_with_how_to_send_it() -> None:
    redact, back = FirstMessages().handle(item(), facts())
    assert isinstance(redact, Redact)
    assert (redact.event_id, redact.conduct_on, redact.rule) == ("$1", SAM, "first_messages")
    assert isinstance(back, GiveBack)
    assert (back.text, back.after, back.items[0]["event"]) == ("your.first_message", redact.key, "$1")


def test_an_edit_goes_without_being_given_back() -> None:
    edit = item(**{"m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}})
    assert [type(one) for one in FirstMessages().handle(edit, facts())] == [Redact]


@pytest.mark.parametrize(
    ("said", "known"),
    [
        (item(who=ROSA), facts()),
        (item(), facts("welcome")),
        (item(origin=Origin.GAP), facts()),
        (item("m.reaction"), facts()),
        (item(), facts(concerns={SAM: (ConcernFact("suicide", 3, NOW),)})),
        (item(), facts(quiet=frozenset({SAM}))),
    ],
    ids=["who moderates", "elsewhere", "found late", "a reaction", "in distress", "asked us to be quiet"],
)
def test_nothing_is_taken(said: EventInput, known: Facts) -> None:
    assert list(FirstMessages().handle(said, known)) == []


@pytest.mark.parametrize("content", [{}, {"msgtype": 5}, {"body": None}, {"m.relates_to": "x"}])
def test_content_of_any_kind_is_taken_as_a_message(content: dict[str, Any]) -> None:
    assert any(isinstance(one, Redact) for one in FirstMessages().handle(item(**content), facts()))


def common(rule: str) -> dict[str, Any]:
    return {"source": "$1", "rule": rule, "lane": Lane(SERVER, GROUP)}


def help_asked() -> OpenCase:
    return OpenCase(
        **common("requests"),
        community="hearth",
        track=Track.CONCERN,
        kind="asks_help",
        severity=2,
        about=SAM,
        room_id=GROUP,
        event_id="$1",
        asked=True,
    )


def sign() -> Concerned:
    return Concerned(**common("concern"), user_id=SAM, kind="suicide", severity=2, at_ms=NOW)


@pytest.mark.parametrize("other", [help_asked(), sign()], ids=["a call for help", "a sign of distress"])
def test_care_01_what_asks_for_help_or_sounds_like_distress_stays(other: Effect) -> None:
    found = care_gate(item(), facts(), [other, *FirstMessages().handle(item(), facts())])
    assert found == [other]


def test_one_reason_is_told_and_no_other() -> None:
    picture, known, turns = item(msgtype="m.image"), facts(turns=TurnBook()), TurnBook()
    turns.slow = {"lounge"}.__contains__
    decided = [
        *SlowMode({"lounge": 1000}).handle(picture, known),
        *Media(["lounge"]).handle(picture, known),
        *FirstMessages().handle(picture, known),
    ]
    assert {one.rule for one in care_gate(picture, known, decided)} == {"first_messages"}


def sent_for_reading() -> list[Effect]:
    of = {"community": "hearth", "group": "lounge", "user_id": SAM}
    told = DirectMessage(**common("say"), user_id=SAM, text="first.heard")
    return [HoldWords(**common("say"), **of, sealed=b"x", at_ms=NOW), told]


def test_care_01_words_of_distress_are_not_kept_for_reading_and_who_wrote_them_is_told_so() -> None:
    found = care_gate(item(), facts(), [sign(), *sent_for_reading()])
    assert [one.text for one in found if isinstance(one, DirectMessage)] == ["first.people"]
    assert not any(isinstance(one, HoldWords) for one in found)


def test_care_09_where_a_kind_message_answers_them_it_is_the_only_one() -> None:
    care = UrgentMessage(**common("concern"), user_id=SAM, text="care.suicide")
    assert care_gate(item(), facts(), [sign(), care, *sent_for_reading()]) == [sign(), care]
