"""Who made state what it is: also who emptied it by a redaction, live, after a restart, and when a room is read."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from appservice.flow import Place, Written
from appservice.intake import MARKER_TYPE, Projection
from appservice.intake.projection import _room_from
from appservice.matrix import parse_event
from tests.support.house import GHOSTS, GROUP, SAM, SERVER

MARK = {"community": "hearth", "group": "welcome"}
GUESTS, POWERS = ("m.room.guest_access", ""), ("m.room.power_levels", "")


def state(event_id: str, kind: str, content: Any, **more: Any) -> dict[str, Any]:
    raw = {"event_id": event_id, "type": kind, "state_key": "", "sender": GHOSTS.steward, "content": content}
    return {**raw, "origin_server_ts": 5, **more}


def redaction(target: str, **more: Any) -> dict[str, Any]:
    raw = {"event_id": "$gone", "type": "m.room.redaction", "sender": SAM, "content": {"redacts": target}}
    return {**raw, "origin_server_ts": 9, **more}


STATE = [
    state("$create", "m.room.create", {"room_version": "12", MARKER_TYPE: MARK}),
    state("$mark", MARKER_TYPE, {**MARK, "policy": "p"}),
    state("$guests", "m.room.guest_access", {"guest_access": "forbidden"}),
    state("$powers", "m.room.power_levels", {"users": {SAM: 50}, "notifications": {"room": 50}, "odd": 1}),
]


def room(*raw: dict[str, Any]) -> Projection:
    projection = Projection(SERVER, GHOSTS)
    projection.replace(GROUP, [parse_event(one, GROUP) for one in raw or STATE])
    return projection


def contents(projection: Projection) -> Any:
    facts = projection.room(GROUP)
    assert facts is not None
    return facts.state


def test_state_is_known_with_who_wrote_it_and_when() -> None:
    assert room().written(GROUP)[GUESTS] == Written("$guests", "$guests", GHOSTS.steward, 5)
    moved = room()
    moved.apply(parse_event(state("$new", "m.room.guest_access", {}, sender=SAM), GROUP))
    assert moved.written(GROUP)[GUESTS] == Written("$new", "$new", SAM, 5)


def test_a_redaction_empties_the_state_that_holds_and_is_blamed_for_it() -> None:
    projection = room()
    assert projection.redact(parse_event(redaction("$guests"), GROUP)) is not None
    assert contents(projection)[GUESTS] == {}
    assert projection.written(GROUP)[GUESTS] == Written("$guests", "$gone", SAM, 9)


def test_a_redaction_leaves_of_powers_what_the_specification_keeps() -> None:
    projection = room()
    projection.redact(parse_event(redaction("$powers"), GROUP))
    assert contents(projection)[POWERS] == {"users": {SAM: 50}}


@pytest.mark.parametrize("target", ["$message", "$create", None, 5])
def test_a_redaction_of_anything_else_changes_no_state(target: Any) -> None:
    projection = room()
    before = dict(contents(projection))
    projection.redact(parse_event(redaction(target), GROUP))
    assert contents(projection) == before


def test_state_that_was_replaced_before_is_not_emptied_by_a_late_redaction() -> None:
    projection = room()
    projection.apply(parse_event(state("$new", "m.room.guest_access", {"guest_access": "can_join"}), GROUP))
    assert projection.redact(parse_event(redaction("$guests"), GROUP)) is None
    assert contents(projection)[GUESTS] == {"guest_access": "can_join"}


def test_a_room_whose_mark_was_emptied_or_overwritten_stays_ours() -> None:
    for damaged in (
        redaction("$mark"),
        state("$new", MARKER_TYPE, {}),
        state("$new", MARKER_TYPE, {"community": "x", "group": "y"}),
    ):
        projection = room()
        event = parse_event(damaged, GROUP)
        projection.redact(event)
        projection.apply(event)
        facts = projection.room(GROUP)
        assert facts is not None
        assert (facts.place, facts.community, facts.group) == (Place.GROUP, "hearth", "welcome")


def test_a_room_that_is_read_tells_who_emptied_its_state() -> None:
    because = {"sender": SAM, "origin_server_ts": 9, "content": {}}
    emptied = state("$guests", "m.room.guest_access", {}, unsigned={"redacted_because": because})
    assert room(*STATE[:2], emptied).written(GROUP)[GUESTS] == Written("$guests", "", SAM, 9)
    known = room()
    known.redact(parse_event(redaction("$guests"), GROUP))
    known.replace(GROUP, [parse_event(one, GROUP) for one in (*STATE[:2], emptied)])
    assert known.written(GROUP)[GUESTS].cause == "$gone"


@pytest.mark.parametrize("because", [5, [], {}, {"sender": 5, "origin_server_ts": "x"}])
def test_a_malformed_reason_for_a_redaction_is_data(because: Any) -> None:
    emptied = state("$guests", "m.room.guest_access", {}, unsigned={"redacted_because": because})
    assert room(*STATE[:2], emptied).written(GROUP)[GUESTS].sender == GHOSTS.steward


def test_a_row_keeps_who_wrote_state_and_one_of_an_earlier_version_says_nothing_of_it() -> None:
    projection = room()
    projection.redact(parse_event(redaction("$guests"), GROUP))
    record = orjson.loads(projection.rows(GROUP).rooms[0]["record"])
    assert _room_from(GROUP, record).written == projection.written(GROUP)
    old = {**record, "state": [entry[:3] for entry in record["state"]]}
    assert _room_from(GROUP, old).written == {}
    assert _room_from(GROUP, old).state == _room_from(GROUP, record).state
