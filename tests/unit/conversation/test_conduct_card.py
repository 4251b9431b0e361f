"""The card of a case about conduct says of each message what was seen in it, and whether it still stands."""

from __future__ import annotations

from types import SimpleNamespace

import orjson

from appservice.cases import CaseBook
from appservice.cases.records import case_from
from appservice.conversation import Catalogue
from appservice.conversation.cards import CardExecutor, _text
from appservice.flow import Case, Lane, OpenCase
from tests.support.house import SAM, SERVER, ManualClock

Happened = tuple[str, int, bool]


def case_of(*happened: Happened) -> tuple[CaseBook, Case]:
    """A case of messages, each with its kind, severity, and whether it stands."""
    book = CaseBook(SERVER, ManualClock(), lambda _user: True, lambda *_: False)
    for n, (kind, severity, stands) in enumerate(happened):
        opened = OpenCase(
            source=f"${n}",
            rule="test",
            lane=Lane(SERVER, "!r"),
            community="c",
            track="conduct",
            kind=kind,
            severity=severity,
            about=SAM,
            room_id="!r",
            event_id=f"${n}",
            stands=stands,
        )
        book.open(opened)
    case = book.current("c", "conduct", SAM)
    assert case is not None
    return book, case


def card(*happened: Happened) -> str:
    book, case = case_of(*happened)
    rooms = SimpleNamespace(is_reached=lambda _user: True)
    desk = SimpleNamespace(book=book, rooms=rooms, is_private=lambda _room: False)
    items = CardExecutor(desk)._items(case)  # type: ignore[arg-type]
    return Catalogue(lambda _room: "Ash", SERVER, "Monday to Friday").render(_text(case), items).body


def test_contact_details_and_their_edits_have_the_card_they_always_had() -> None:
    said = card(("contact_details", 2, False), ("edit", 1, False))
    assert "2 messages removed" in said
    assert "contact details" in said


def test_a_scam_and_its_edits_are_not_said_to_be_contact_details() -> None:
    said = card(("phishing", 2, False), ("edit", 1, False))
    assert "removed: a scam" in said
    assert "removed: a late edit" in said
    assert "contact details" not in said
    assert "told privately" in said
    assert "I removed nothing" not in said


def test_of_several_kinds_each_message_says_its_own() -> None:
    said = card(("contact_details", 2, False), ("threats", 3, True))
    assert "Please look at once" in said
    assert "removed: contact details" in said
    assert "still there: a threat" in said
    assert "told privately" in said
    assert "I removed nothing" not in said


def test_danger_alone_says_that_nothing_was_removed_and_nobody_told() -> None:
    said = card(("self_harm_encouragement", 4, True))
    assert "still there: a push to self-harm" in said
    assert "I removed nothing, and I told nobody else." in said
    assert "told privately" not in said


def test_a_case_from_before_rules_had_names_keeps_its_card() -> None:
    _, case = case_of(("contact_details", 2, False))
    record = orjson.loads(orjson.dumps(case))
    for event in record["events"]:
        del event["kind"], event["stands"]
    assert _text(case_from(record)) == "card.contact_details_removed"
