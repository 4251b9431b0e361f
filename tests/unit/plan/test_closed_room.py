"""The closed room of the example against a file written by hand: what is compiled is what was meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from policies.changes import CreateRoom, needs
from policies.compile import compile_community
from policies.desired import MANAGED_TYPE, DesiredCommunity
from policies.files import EXAMPLES
from policies.load import load_files
from policies.observed import Identities, Observed
from policies.plan import Plan, plan

SERVER = "chat.leedscarers.example"
IDENTITIES = Identities(*(f"@inglenook-{name}:{SERVER}" for name in ("steward", "guardian", "custodian")))


def example() -> tuple[DesiredCommunity, Plan]:
    loaded = load_files(EXAMPLES / "leeds-carers.yaml")
    assert loaded.policy is not None
    assert loaded.people is not None
    assert loaded.findings == ()
    community = compile_community(loaded.policy, loaded.people)
    return community, plan(community, loaded.people, Observed({}), IDENTITIES)


def by_hand(community: DesiredCommunity) -> dict[str, Any]:
    """The file, with the one thing that nobody writes by hand."""
    text = (Path(__file__).parent / "closed-room.json").read_text(encoding="utf-8")
    written: dict[str, Any] = json.loads(text.replace("THE DIGEST OF THE POLICY", community.policy_digest))
    return written


def events(state: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    return {(event["type"], event["state_key"]): event["content"] for event in state}


def test_the_closed_room_is_created_exactly_as_written_by_hand() -> None:
    community, found = example()
    (created,) = (one for one in found.changes if isinstance(one, CreateRoom) and one.room == "bereaved")
    wanted = by_hand(community)["createRoom"]
    body = dict(created.body)
    # The order of initial state means nothing; all else is compared as it is, down to true and 1.
    assert json.dumps(events_sorted(body), sort_keys=True) == json.dumps(events_sorted(wanted), sort_keys=True)
    assert needs(created) == frozenset()


def test_the_closed_room_holds_exactly_the_state_written_by_hand() -> None:
    community, _ = example()
    written = by_hand(community)
    wanted = events(written["createRoom"]["initial_state"] + written["state_beside_initial"])
    room_ids = {room.key: f"!{room.key}" for room in community.rooms}
    assert community.complete_state("bereaved", room_ids) == wanted
    assert (MANAGED_TYPE, "") in wanted


def events_sorted(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "initial_state": sorted(body["initial_state"], key=lambda event: str(event["type"]))}
