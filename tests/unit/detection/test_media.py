"""Groups of words only: what is more than words is found in every form, and taken away kindly or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.detection.media import Media, is_media
from appservice.detection.slow_mode import SlowMode, TurnBook
from appservice.detection.ways import step_back
from appservice.flow import (
    SLOW_MODE,
    ConcernFact,
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
from policies.governed_rooms import governed_power_levels
from tests.support.house import GHOSTS, GROUP, ROSA, SAM, SERVER

URL = "mxc://hearth.example/abc"
PICTURE = {"msgtype": "m.image", "body": "us.jpg", "url": URL}


def edit_into(content: dict[str, Any]) -> dict[str, Any]:
    return {
        "msgtype": "m.text",
        "body": "* us.jpg",
        "m.new_content": content,
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$1"},
    }


@pytest.mark.parametrize(
    "content",
    [
        PICTURE,
        {"msgtype": "m.file", "body": "a.pdf", "url": URL},
        {"msgtype": "m.video", "body": "a.mp4", "file": {"url": URL}},
        {"msgtype": "m.audio", "body": "Voice message", "url": URL, "org.matrix.msc3245.voice": {}},
        {"msgtype": "m.location", "body": "Here", "geo_uri": "geo:53.8,-1.5"},
        {"msgtype": "org.example.picture", "body": "x", "url": URL},
        {"msgtype": "org.example.picture", "body": "x", "file": {}},
        {"msgtype": "dm.filament.gallery", "body": "x", "itemtypes": []},
        {"msgtype": 3, "url": URL},
        {"url": URL},
        {"msgtype": "m.image"},
        {"msgtype": "m.text", "body": "x", "formatted_body": f'x <IMG src="{URL}">'},
        edit_into(PICTURE),
        edit_into({"msgtype": "org.example.picture", "url": URL}),
    ],
)
def test_what_is_more_than_words_is_found(content: dict[str, Any]) -> None:
    assert is_media("m.room.message", content)


@pytest.mark.parametrize("event_type", ["m.sticker", "m.image", "m.voice"])
def test_events_that_are_media_by_their_type_are_found(event_type: str) -> None:
    assert is_media(event_type, {})


@pytest.mark.parametrize(
    ("event_type", "content"),
    [
        ("m.room.message", {"msgtype": "m.text", "body": "A picture: https://charity.example/a.jpg"}),
        ("m.room.message", {"msgtype": "m.text", "body": "x", "url": "no client shows it", "file": {}}),
        ("m.room.message", {"msgtype": "m.emote", "body": "waves"}),
        ("m.room.message", {"msgtype": "m.text", "body": "x", "formatted_body": 7}),
        ("m.room.message", {"msgtype": "org.example.words", "body": "x"}),
        ("m.room.message", edit_into({"msgtype": "m.text", "body": "y"})),
        ("m.room.message", {"msgtype": "m.text", "m.new_content": "x"}),
        ("m.room.message", {}),
        ("m.reaction", {}),
        ("m.poll.start", {}),
    ],
)
def test_words_are_left(event_type: str, content: dict[str, Any]) -> None:
    assert not is_media(event_type, content)


def decided(
    sender: str = SAM, group: str = "circle", content: dict[str, Any] | None = None, **facts: Any
) -> tuple[EventInput, Facts, list[Effect]]:
    event = Event("$1", GROUP, sender, "m.room.message", PICTURE if content is None else content, origin_server_ts=1)
    item = EventInput(SERVER, event, Origin.PUSH, 1)
    state = {("m.room.power_levels", ""): governed_power_levels({ROSA: 50})}
    found = Facts(1, RoomFacts(GROUP, Place.GROUP, "hearth", group, state=state), GHOSTS, SERVER, **facts)
    return item, found, list(Media({"circle"}).handle(item, found))


def test_a_picture_is_taken_away_and_its_author_told_and_nobody_else() -> None:
    _, _, effects = decided()
    redact, told = effects
    assert isinstance(redact, Redact)
    assert isinstance(told, GiveBack)
    assert (redact.event_id, redact.conduct_on, redact.reason) == ("$1", SAM, "media")
    assert (told.user_id, told.text, told.after) == (SAM, "your.media_removed", redact.key)
    assert all("us.jpg" not in str(effect.record()) for effect in effects)


def test_it_stays_in_other_groups_and_where_those_who_moderate_share_it() -> None:
    assert decided(group="welcome")[2] == []
    assert decided(sender=ROSA)[2] == []


def test_care_01_nothing_is_taken_from_somebody_in_distress() -> None:
    assert decided(concerns={SAM: (ConcernFact("suicide", 3, 1),)})[2] == []


def test_it_steps_back_where_people_look_at_the_message_and_comes_before_slow_mode() -> None:
    item, facts, effects = decided()
    common: dict[str, Any] = {"source": item.id, "rule": "requests", "lane": item.lane, "community": "hearth"}
    where: dict[str, Any] = {"room_id": GROUP, "event_id": "$1", "about": SAM, "kind": "asks_help", "severity": 2}
    opened = OpenCase(**common, **where, track=Track.CONCERN, asked=True)
    assert step_back([opened, *effects]) == [opened]
    turns = TurnBook()
    turns.slow = {"circle"}.__contains__
    turns.heard(item, facts, [])
    soon = Facts(facts.now_ms, facts.room, GHOSTS, SERVER, turns=turns)
    slowed = list(SlowMode({"circle": 30_000}).handle(item, soon))
    assert slowed
    assert slowed[0].rule == SLOW_MODE
    assert step_back([*slowed, *effects]) == effects
