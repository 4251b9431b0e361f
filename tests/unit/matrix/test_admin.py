"""The administrator's power: a short list, an audit line before each call, and no names in it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import pytest

from appservice.matrix import AdminCapability, Rejected, Unreachable
from tests.support.stub_homeserver import Call, ScriptedHomeserver

STEWARD = "@inglenook:hearth.example"
GUARDIAN = "@inglenook-guardian:hearth.example"
SAM = "@sam:hearth.example"


class Notes:
    """An audit sink that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Mapping[str, Any], str | None]] = []

    def note(self, lane: str, line: Mapping[str, Any], person: str | None = None) -> None:
        self.lines.append((lane, line, person))


def capability() -> tuple[AdminCapability, ScriptedHomeserver, Notes]:
    homeserver, notes = ScriptedHomeserver(), Notes()
    return AdminCapability(homeserver, STEWARD, notes), homeserver, notes


def test_the_list_of_what_may_be_done_with_it_is_this_one() -> None:
    public = {name for name, _ in inspect.getmembers(AdminCapability, callable) if not name.startswith("_")}
    assert public == {"probe", "join", "attitude"}


async def test_each_call_is_made_by_the_steward_and_leaves_a_line_that_names_nobody() -> None:
    admin, homeserver, notes = capability()
    await admin.join("!room:hearth.example", SAM)
    await admin.attitude(SAM, [GUARDIAN])
    assert [call.actor for call in homeserver.calls] == [STEWARD, STEWARD]
    assert [person for _, _, person in notes.lines] == [SAM, SAM]
    for lane, line, _ in notes.lines:
        assert lane == "admin"
        assert "sam" not in str(line)
        assert "room:" not in str(line)
        assert "hearth" not in str(line)
    assert str(notes.lines[0][1]["admin"]).startswith("POST /_synapse/admin/v1/join/")


async def test_the_line_stands_even_if_the_call_fails() -> None:
    admin, homeserver, notes = capability()

    async def away(_call: Call) -> Any:
        assert len(notes.lines) == 1, "the line comes before the call"
        raise Unreachable("nobody")

    homeserver.script.first = away
    with pytest.raises(Unreachable):
        await admin.join("!room", SAM)
    assert len(notes.lines) == 1


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_homeserver_that_does_not_grant_the_power_is_told_apart(status: int) -> None:
    admin, homeserver, _ = capability()
    assert await admin.probe()

    async def refuse(_call: Call) -> Any:
        raise Rejected(status, "M_FORBIDDEN")

    homeserver.script.first = refuse
    assert not await admin.probe()


async def test_a_homeserver_in_trouble_is_not_taken_for_one_without_the_power() -> None:
    admin, homeserver, _ = capability()

    async def trouble(_call: Call) -> Any:
        raise Rejected(503, "")

    homeserver.script.first = trouble
    with pytest.raises(Rejected):
        await admin.probe()


BLOCKS = [
    {"m.invite_permission_config": {"default_action": "block"}},
    {"org.matrix.msc4380.invite_permission_config": {"default_action": "block"}},
    {"org.matrix.msc4155.invite_permission_config": {"blocked_users": ["*"]}},
    {"org.matrix.msc4155.invite_permission_config": {"blocked_servers": ["*"]}},
]
ALLOWS: list[Any] = [
    {},
    {"m.invite_permission_config": {"default_action": "allow"}},
    {"m.invite_permission_config": "block"},
    {"m.invite_permission_config": {"default_action": ["block"]}},
    {"org.matrix.msc4155.invite_permission_config": {"blocked_users": []}},
    {"org.matrix.msc4155.invite_permission_config": ["blocked_users"]},
    {"m.push_rules": {}},
]


@pytest.mark.parametrize(("entries", "blocks"), [(one, True) for one in BLOCKS] + [(one, False) for one in ALLOWS])
async def test_who_refuses_invites_is_seen_in_their_account_data(entries: Any, blocks: bool) -> None:
    admin, homeserver, _ = capability()

    async def answer(_call: Call) -> Any:
        return {"account_data": {"global": entries, "rooms": {}}}

    homeserver.script.first = answer
    assert (await admin.attitude(SAM, [GUARDIAN]) == "blocks") is blocks


@pytest.mark.parametrize(
    ("ignored", "attitude"),
    [({GUARDIAN: {}}, "ignores"), ({"@other:hearth.example": {}}, "open"), ([GUARDIAN], "open"), (None, "open")],
)
async def test_who_ignores_us_is_seen_in_their_account_data(ignored: Any, attitude: str) -> None:
    admin, homeserver, _ = capability()

    async def answer(_call: Call) -> Any:
        return {"account_data": {"global": {"m.ignored_user_list": {"ignored_users": ignored}}}}

    homeserver.script.first = answer
    assert await admin.attitude(SAM, [STEWARD, GUARDIAN]) == attitude


@pytest.mark.parametrize("answer", [[], "x", {"account_data": []}, {"account_data": {"global": None}}, {"x": 1}])
async def test_account_data_of_a_strange_shape_blocks_nothing_and_breaks_nothing(answer: Any) -> None:
    admin, homeserver, _ = capability()

    async def strange(_call: Call) -> Any:
        return answer

    homeserver.script.first = strange
    assert await admin.attitude(SAM, [GUARDIAN]) == "open"
