"""How far a homeserver is open, as it is asked: what it does not say is not guessed."""

from __future__ import annotations

from typing import Any

import pytest

from appservice.matrix import Rejected, Unreachable
from appservice.provisioning.openness import CALLS, openness
from policies.observed import HomeserverReach
from tests.support.stub_homeserver import Call, ScriptedHomeserver

VERSION = {"server": {"name": "Synapse", "version": "1.163.2"}}


async def seen(version: Any, listed: Any) -> HomeserverReach:
    homeserver = ScriptedHomeserver()

    async def answer(call: Call) -> Any:
        said = version if call.path == "/_matrix/federation/v1/version" else listed
        if isinstance(said, Exception):
            raise said
        return said

    homeserver.script.first = answer
    found = await openness(homeserver)
    assert len(homeserver.calls) == CALLS
    return found


@pytest.mark.parametrize(
    ("listed", "told", "servers"),
    [
        ({"whitelist_enabled": True, "whitelist": ["b.example", "a.example"]}, True, ("a.example", "b.example")),
        ({"whitelist_enabled": True, "whitelist": []}, True, ()),
        ({"whitelist_enabled": False, "whitelist": []}, True, None),
        (Rejected(404, "M_UNRECOGNIZED"), False, ()),
        ({"whitelist_enabled": "yes", "whitelist": []}, False, ()),
        ({"whitelist": "all"}, False, ()),
        ([], False, ()),
    ],
)
async def test_whom_it_talks_to_is_what_it_says_or_nothing(listed: Any, told: bool, servers: Any) -> None:
    assert await seen(VERSION, listed) == HomeserverReach(True, told, servers)


@pytest.mark.parametrize("version", [Rejected(404, "M_UNRECOGNIZED"), {}, {"server": "x"}, []])
async def test_what_is_no_answer_to_other_servers_counts_as_none(version: Any) -> None:
    assert not (await seen(version, Rejected(404, "M_UNRECOGNIZED"))).answers


@pytest.mark.parametrize("trouble", [Rejected(502, "M_UNKNOWN"), Unreachable("away")])
async def test_a_homeserver_that_is_away_is_asked_again_later(trouble: Exception) -> None:
    with pytest.raises(type(trouble)):
        await seen(trouble, {})
