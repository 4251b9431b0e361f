"""What was deleted for its age is no sign of an older homeserver; what is missing before its time is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from appservice.flow import Place
from appservice.intake import Projection, RestoreCheck
from appservice.matrix import Actor, Rejected, parse_event
from tests.support.house import GHOSTS, GROUP, SERVER, ManualClock, state_of
from tests.support.stub_homeserver import Call, ScriptedHomeserver

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("days_ago", "kept_days", "noticed"),
    [(40, 30, False), (30, 30, False), (20, 30, True), (40, None, True), (4000, None, True)],
    ids=["older than it is kept", "on the edge", "younger", "kept for ever", "kept for ever, and old"],
)
async def test_a_message_that_was_deleted_for_its_age_is_not_missed(
    days_ago: int, kept_days: int | None, noticed: bool
) -> None:
    clock, homeserver, projection = ManualClock(), ScriptedHomeserver(), Projection(SERVER, GHOSTS)
    state = state_of(GROUP)
    if kept_days is not None:
        content = {"max_lifetime": kept_days * DAY_MS}
        state.append({**state[1], "type": "m.room.retention", "content": content, "event_id": "$retention"})
    projection.replace(GROUP, [parse_event(raw, GROUP) for raw in state])
    room = projection.room(GROUP)
    assert room is not None
    assert room.place is Place.GROUP

    async def gone(call: Call) -> Any:
        if "/event/" in call.path:
            raise Rejected(404, "M_NOT_FOUND")
        return {"joined_rooms": [GROUP]} if call.path.endswith("/joined_rooms") else None

    homeserver.script.first = gone

    async def newest_events(_limit: int) -> list[tuple[str, str, int]]:
        return [(GROUP, "$old", clock.now - days_ago * DAY_MS)]

    check = RestoreCheck(
        homeserver,
        [Actor(GHOSTS.guardian, "DEVICE")],
        SimpleNamespace(),  # type: ignore[arg-type]  # neither is asked before something was noticed
        SimpleNamespace(newest_events=newest_events),  # type: ignore[arg-type]
        projection,
        SimpleNamespace(),  # type: ignore[arg-type]
        SimpleNamespace(),  # type: ignore[arg-type]
        clock,
    )
    dealt: list[object] = []

    async def deal(known: list[tuple[str, str, int]]) -> None:
        dealt.append(known)

    check._deal = deal  # type: ignore[method-assign,assignment]
    await check.look()
    assert bool(dealt) is noticed
