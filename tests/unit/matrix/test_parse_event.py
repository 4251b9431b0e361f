"""A malformed event is data, never an exception: whatever a homeserver hands us becomes an `Event`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appservice.flow import Event
from appservice.matrix import decode, parse_event

NASTY_TEXT = st.text(max_size=40) | st.sampled_from(
    ["", "\x00", "\ud800", "\u202eabc", "../..", "a" * 256, "$" + "é" * 254, "!x:y\n", "%2e%2e", "@a:b", "malformed:x"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NASTY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NASTY_TEXT, inner, max_size=4),
    max_leaves=20,
)
FIELDS = ["event_id", "room_id", "sender", "type", "content", "origin_server_ts", "state_key", "redacts", "unsigned"]
EVENT_LIKE = st.dictionaries(st.sampled_from(FIELDS), JSON)

GOOD: dict[str, Any] = {
    "event_id": "$good",
    "room_id": "!room",
    "sender": "@sam:hearth.example",
    "type": "m.room.message",
    "content": {"body": "hello"},
    "origin_server_ts": 5,
}


def sound(event: Event) -> None:
    for identifier in (event.event_id, event.room_id, event.sender, event.type):
        assert isinstance(identifier, str)
        assert len(identifier) <= 255
        identifier.encode()
    assert event.event_id
    assert isinstance(event.content, dict)
    assert isinstance(event.origin_server_ts, int)
    assert 0 <= event.origin_server_ts < 2**53
    assert event.state_key is None or isinstance(event.state_key, str)
    assert event.redacts is None or isinstance(event.redacts, str)


@given(JSON | EVENT_LIKE)
@example({"content": {"redacts": ["$x"]}, "type": "m.room.redaction"})
@example({"unsigned": []})
@example({"origin_server_ts": True})
@example({"origin_server_ts": 2**80})
@example({"origin_server_ts": float("nan")})
def test_whatever_arrives_becomes_an_event_with_fields_of_known_types(raw: Any) -> None:
    sound(parse_event(raw))
    sound(parse_event(raw, "!room"))


@given(EVENT_LIKE)
def test_the_same_bytes_give_the_same_event(raw: dict[str, Any]) -> None:
    assert parse_event(raw).event_id == parse_event(dict(raw)).event_id


@given(EVENT_LIKE)
@example({"state_key": "\ud800"})
def test_a_state_key_can_be_written_down(raw: dict[str, Any]) -> None:
    """It goes into the projection's rows: what UTF-8 cannot hold would make every commit with it unfit."""
    (parse_event(raw).state_key or "").encode("utf-8")


@pytest.mark.parametrize("field", GOOD)
@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], ["x"], {}, {"a": 1}], ids=repr)
def test_a_field_of_the_wrong_type_spoils_only_itself(field: str, value: Any) -> None:
    event = parse_event({**GOOD, field: value})
    sound(event)
    for other in ("room_id", "sender", "type"):
        if other != field:
            assert getattr(event, other) == GOOD[other]


@pytest.mark.parametrize("field", GOOD)
def test_a_missing_field_spoils_only_itself(field: str) -> None:
    event = parse_event({name: value for name, value in GOOD.items() if name != field})
    sound(event)
    assert [name for name in GOOD if name != "event_id" and getattr(event, name) != GOOD[name]] in ([field], [])


@pytest.mark.parametrize(
    "event_id",
    ["", "$" + "x" * 255, "$a\nb", "$a\x00b", "$\u202edrow", "$\ud800", None, 7, ["$a"]],
    ids=["empty", "too long", "newline", "nul", "bidi override", "surrogate", "none", "number", "list"],
)
def test_an_id_that_is_nobodys_is_replaced_by_one_made_of_the_event(event_id: Any) -> None:
    one = parse_event({**GOOD, "event_id": event_id})
    again = parse_event({**GOOD, "event_id": event_id})
    another = parse_event({**GOOD, "event_id": event_id, "content": {"body": "something else"}})
    assert one.event_id.startswith("malformed:")
    assert one.event_id == again.event_id
    if event_id != "$\ud800":  # cannot be told apart: it cannot even be encoded
        assert one.event_id != another.event_id


@pytest.mark.parametrize(
    "event_id",
    ["$a", "$" + "x" * 254, "$143273582443PhrSn:example.org", "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", "$../.."],
)
def test_every_id_that_the_specification_allows_is_kept(event_id: str) -> None:
    assert parse_event({**GOOD, "event_id": event_id}).event_id == event_id


@pytest.mark.parametrize("depth", [10, 250, 260, 900])
def test_deep_nesting_is_data(depth: int) -> None:
    nested: Any = "leaf"
    for _ in range(depth):
        nested = [nested]
    event = parse_event({**GOOD, "content": {"body": nested}})
    assert event.event_id == "$good"
    sound(parse_event({"content": {"body": nested}}))


def test_nesting_of_ten_thousand_is_refused_when_it_is_decoded() -> None:
    with pytest.raises((ValueError, RecursionError)):
        decode(b'{"events":[{"content":' + b"[" * 10_000 + b"]" * 10_000 + b"}]}")


def test_a_body_of_65_kb_is_an_ordinary_event() -> None:
    body = "ä" * 32_700
    assert parse_event({**GOOD, "content": {"body": body}}).content["body"] == body


@pytest.mark.parametrize("content", [{"redacts": "$target"}, {}])
def test_a_redaction_names_its_target_in_every_room_version(content: dict[str, Any]) -> None:
    old = {"redacts": "$target"} if not content else {}
    assert parse_event({**GOOD, **old, "type": "m.room.redaction", "content": content}).redacts == "$target"


def test_the_content_of_other_events_cannot_pass_for_a_redaction() -> None:
    assert parse_event({**GOOD, "content": {"redacts": "$target"}}).redacts is None


def test_an_emptied_event_is_recognised() -> None:
    assert parse_event({**GOOD, "unsigned": {"redacted_because": {"event_id": "$r"}}}).redacted
    assert not parse_event({**GOOD, "unsigned": {"age": 4}}).redacted


def test_a_message_with_a_state_key_is_state_and_an_empty_one_counts() -> None:
    assert parse_event({**GOOD, "state_key": ""}).is_state
    assert not parse_event(GOOD).is_state


# -- decoding ----------------------------------------------------------------------------------------------------------

SURROGATE = st.sampled_from([r"\ud800", r"\udc00", r"\uD83D", r"\uDE00", r"\\", r"\\ud800", r"\n", "é", "a", r"\u0041"])


def strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [one for inner in value for one in strings(inner)]
    if isinstance(value, dict):
        return [one for pair in value.items() for inner in pair for one in strings(inner)]
    return []


@given(st.lists(SURROGATE, max_size=8).map("".join))
@example(r"\\\ud800\udc00")
@example(r"\\ud800\udc00")
def test_what_was_decoded_can_be_written_down_again_whatever_escapes_it_held(escapes: str) -> None:
    decoded = decode(f'{{"events":[{{"content":{{"body":"{escapes}"}},"event_id":"${escapes}"}}]}}'.encode())
    for text in strings(decoded):
        text.encode("utf-8")


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"123456789012345678901234567890"])
def test_numbers_that_json_does_not_have_do_not_cost_us_the_transaction(number: bytes) -> None:
    decoded = decode(b'{"events":[{"event_id":"$a","origin_server_ts":' + number + b"}]}")
    sound(parse_event(decoded["events"][0]))


def test_bytes_that_are_not_utf_8_do_not_cost_us_the_transaction() -> None:
    decoded = decode(b'{"events":[{"event_id":"$a","content":{"body":"\xff\xed\xa0\x80"}}]}')
    assert parse_event(decoded["events"][0]).event_id == "$a"
