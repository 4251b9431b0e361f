"""Slow mode: kind first, never in the way of help, nothing lost, and harmless over restarts and delays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from appservice.detection.care_gate import care_gate
from appservice.detection.slow_mode import RESTS_MS, SlowMode, TurnBook
from appservice.flow import (
    Audience,
    BeQuiet,
    Case,
    CaseEvent,
    Concerned,
    ConcernFact,
    DirectMessage,
    Effect,
    Event,
    EventInput,
    Facts,
    GiveBack,
    OpenCase,
    Origin,
    Place,
    Redact,
    RoomFacts,
    Track,
)
from appservice.people import Quiet
from policies.governed_rooms import governed_power_levels
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, SERVER

PAUSE = 30_000
DAY = 24 * 3600 * 1000
START = 10 * DAY
OTHER = "!other:hearth.example"


@dataclass
class Room:
    """A group with slow mode, and what is done about each message in it: `stays`, `asked`, or `taken`."""

    turns: TurnBook = field(default_factory=TurnBook)
    concerns: dict[str, tuple[ConcernFact, ...]] = field(default_factory=dict)
    others: list[Any] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    quiet: set[str] = field(default_factory=set)
    n: int = 0

    def __post_init__(self) -> None:
        self.turns.slow = {"lounge"}.__contains__

    def says(self, seconds: float, person: str = SAM, room_id: str = GROUP, group: str = "lounge", **more: Any) -> str:
        """Somebody writes so many seconds after the start; `stamp` is when the homeserver says that it was."""
        self.n += 1
        at = START + int(seconds * 1000)
        stamp = START + int(more.pop("stamp", seconds) * 1000)
        origin, kind = more.pop("origin", Origin.PUSH), more.pop("kind", "m.room.message")
        content = more.pop("content", {"msgtype": "m.text", "body": "Hello again."})
        event = Event(more.pop("event_id", f"${self.n}"), room_id, person, kind, content, origin_server_ts=stamp)
        item = EventInput(SERVER, event, origin, at)
        levels = governed_power_levels({ROSA: 50})
        room = RoomFacts(room_id, Place.GROUP, "hearth", group, state={("m.room.power_levels", ""): levels})
        facts = Facts(at, room, GHOSTS, SERVER, concerns=self.concerns, quiet=self.quiet, turns=self.turns)
        decided = [*(make(item) for make in self.others), *SlowMode({"lounge": PAUSE}).handle(item, facts)]
        self.effects = care_gate(item, facts, decided)
        self.undo = self.turns.heard(item, facts, self.effects).undo
        if any(isinstance(one, Redact) for one in self.effects):
            return "taken"
        return "asked" if any(isinstance(one, DirectMessage) for one in self.effects) else "stays"

    def all(self, *seconds: float, **more: Any) -> list[str]:
        return [self.says(one, **more) for one in seconds]


def test_the_first_message_in_a_day_that_comes_too_soon_stays_and_its_author_is_asked_to_wait() -> None:
    room = Room()
    assert room.all(0, 40, 80) == ["stays"] * 3
    assert room.says(90) == "asked"
    [told] = room.effects
    assert isinstance(told, DirectMessage)
    assert (told.text, told.user_id, dict(told.items[0])["pause"]) == ("your.slow_mode", SAM, "30")


def test_later_ones_are_taken_away_and_given_back_and_do_not_make_anybody_wait_longer() -> None:
    room = Room()
    assert room.all(0, 5, 10, 20, 36) == ["stays", "asked", "taken", "taken", "stays"]
    room.says(40)
    redact, back = room.effects
    assert isinstance(redact, Redact)
    assert isinstance(back, GiveBack)
    assert back.after == redact.key
    assert dict(back.items[0]) == {
        "person": SAM,
        "room": GROUP,
        "pause": "30",
        "again_ms": str(START + 66_000),
        "event": redact.event_id,
    }


def test_a_day_later_somebody_is_asked_again_first() -> None:
    room = Room()
    assert room.all(0, 5, DAY / 1000 + 5.001, DAY / 1000 + 6) == ["stays", "asked", "stays", "asked"]


def test_the_words_of_a_while_are_given_back_in_one_message() -> None:
    room = Room()
    room.all(0, 5)
    sent: list[int] = []
    for seconds in (6, 7, 8, 20):
        assert room.says(seconds) == "taken"
        [back] = [one for one in room.effects if isinstance(one, GiveBack)]
        sent.append(back.not_before_ms - START)
    assert sent == [8_000, 128_000, 248_000, 368_000] or sent[1] - sent[0] == 120_000


def test_each_person_and_each_room_has_its_own_pace_and_other_groups_none() -> None:
    room = Room()
    assert room.all(0, 5) == ["stays", "asked"]
    assert room.says(6, person="@mia:hearth.example") == "stays"
    assert room.says(6, room_id=OTHER) == "stays"
    assert room.all(0, 1, 2, group="welcome", room_id="!w:hearth.example") == ["stays"] * 3


def test_those_who_moderate_are_not_slowed() -> None:
    assert Room().all(0, 1, 2, person=ROSA) == ["stays"] * 3


def test_care_06_nothing_is_taken_from_who_asked_for_quiet_and_could_not_be_told() -> None:
    room = Room()
    assert room.all(0, 1, 2) == ["stays", "asked", "taken"]
    room.quiet.add(SAM)
    assert room.all(3, 4) == ["stays"] * 2
    assert room.says(4, person="@mia:hearth.example") == "stays"
    assert room.says(5, person="@mia:hearth.example") == "asked", "others wait as ever"


def test_care_06_words_that_were_taken_before_somebody_asked_for_quiet_are_given_back() -> None:
    room, quiet = Room(), Quiet(SERVER)
    room.all(0, 1, 2)
    [back] = [one for one in room.effects if isinstance(one, GiveBack)]
    quiet.note(BeQuiet(source="$q", rule="requests", lane=back.lane, user_id=SAM, quiet=True))
    assert quiet.wants(back)
    asked = DirectMessage(source="$a", rule="slow_mode", lane=back.lane, user_id=SAM, text="your.slow_mode")
    assert not quiet.wants(asked)


def test_care_01_nobody_is_slowed_who_is_in_distress_or_says_so_now() -> None:
    room = Room()
    room.all(0, 1)
    room.concerns[SAM] = (ConcernFact("suicide", 3, START),)
    assert room.all(2, 3) == ["stays"] * 2
    now = Room()
    now.all(0, 1)
    now.others = [lambda item: Concerned(**common(item), user_id=SAM, kind="suicide", severity=3, at_ms=START)]
    assert now.says(2) == "stays"
    assert [type(one) for one in now.effects] == [Concerned]


@pytest.mark.parametrize("track", [Track.CONCERN, Track.CONDUCT])
def test_a_call_for_help_and_danger_are_never_taken_away_for_coming_soon(track: Track) -> None:
    room = Room()
    room.all(0, 1)
    room.others = [lambda item: opened(item, track)]
    assert room.says(2) == "stays"


def test_nobody_waits_in_a_room_for_an_hour_after_somebody_there_needed_help() -> None:
    room = Room()
    room.all(0, 1)
    room.others = [lambda item: opened(item, Track.CONCERN)]
    room.says(2, person="@mia:hearth.example")
    room.others = []
    assert room.all(3, 4, 5) == ["stays"] * 3
    hour = RESTS_MS / 1000
    assert room.all(hour + 2, hour + 3) == ["stays", "taken"]


def test_that_hour_survives_a_restart_and_who_wrote_when_does_not() -> None:
    turns = TurnBook()
    turns.load([case_of(CaseEvent(OTHER, "$plea"))])
    room = Room(turns)
    assert room.all(0, 1, 2, room_id=OTHER) == ["stays"] * 3
    assert room.all(0, 1) == ["stays", "asked"]


def test_an_edit_is_no_message_and_that_of_a_message_that_is_gone_goes_with_it() -> None:
    room = Room()
    room.all(0, 1)
    assert room.says(2, event_id="$gone") == "taken"
    edit = {"msgtype": "m.text", "body": "* Hi", "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"}}
    assert room.says(3, content=edit) == "stays"
    of_gone = edit | {"m.relates_to": {"rel_type": "m.replace", "event_id": "$gone"}}
    assert room.says(4, content=of_gone) == "taken"
    assert [type(one) for one in room.effects] == [Redact]
    assert room.says(31, content={"msgtype": "m.text", "body": "Hi"}) == "stays", "an edit makes nobody wait"


def test_reactions_are_no_messages_and_stickers_are() -> None:
    room = Room()
    assert room.all(0, 1, 2, kind="m.reaction", content={}) == ["stays"] * 3
    assert room.all(3, 4, kind="m.sticker", content={}) == ["stays", "asked"]


def test_what_the_homeserver_held_up_and_gave_at_once_is_judged_by_when_it_was_written() -> None:
    room = Room()
    assert [room.says(100, stamp=stamp) for stamp in (0, 35, 70)] == ["stays"] * 3
    assert room.says(100, stamp=75) == "asked"


@pytest.mark.parametrize("how", [{"origin": Origin.GAP}, {"stamp": -11 * 60}])
def test_what_was_found_late_stays(how: dict[str, Any]) -> None:
    room = Room()
    room.all(0, 1)
    assert room.says(2, **how) == "stays"


def test_a_stamp_that_lies_about_the_future_lets_nobody_write_at_once() -> None:
    room = Room()
    assert [room.says(n, stamp=n * 1000) for n in range(3)] == ["stays", "asked", "taken"]


def test_a_message_that_the_store_refused_and_that_is_given_again_is_not_too_soon_after_itself() -> None:
    room = Room()
    room.says(0)
    for undo in room.undo:
        undo()
    assert room.says(1) == "stays"


@pytest.mark.parametrize("content", [{}, {"m.relates_to": 3}, {"m.relates_to": {"rel_type": "m.replace"}}])
def test_malformed_content_is_a_message_like_any_other(content: dict[str, Any]) -> None:
    room = Room()
    assert [room.says(n, content=content) for n in range(3)] == ["stays", "asked", "taken"]


def test_the_book_keeps_nobody_for_ever() -> None:
    room = Room()
    many: Iterable[str] = (f"@p{n}:hearth.example" for n in range(50_001))
    room.says(0)
    for person in many:
        room.turns._put((GROUP, person), room.turns.of(GROUP, SAM))
    assert room.turns.of(GROUP, SAM).at_ms == 0


def common(item: EventInput) -> dict[str, Any]:
    return {"source": item.id, "rule": "test", "lane": item.lane}


def opened(item: EventInput, track: Track) -> OpenCase:
    about, where = item.event.sender, {"room_id": item.event.room_id, "event_id": item.event.event_id}
    return OpenCase(
        **common(item), **where, community="hearth", track=track, kind="x", severity=3, about=about, stands=True
    )


def case_of(event: CaseEvent) -> Case:
    return Case(
        id="1",
        community="hearth",
        track=Track.CONCERN,
        kind="asks_help",
        severity=2,
        about="@mia:hearth.example",
        audience=Audience.SAFEGUARDING,
        opened_ms=START,
        events=(event,),
    )
