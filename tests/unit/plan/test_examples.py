"""Each shipped example, from its files to rooms on a fresh homeserver: nothing is left to do, and nobody is exposed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from policies.compile import compile_community
from policies.files import EXAMPLES
from policies.load import LoadedFiles, load_files
from policies.observed import Identities
from policies.plan import plan
from policies.risk import assessment_lacking
from tests.unit.plan.model_homeserver import ModelHomeserver

FILES = sorted(path for path in EXAMPLES.glob("*.yaml") if not path.name.endswith(".people.yaml"))
WHEN_WRITTEN = date(2026, 11, 27)


def loaded(path: Path) -> LoadedFiles:
    found = load_files(path, today=WHEN_WRITTEN)
    assert found.findings == (), [str(finding) for finding in found.findings]
    return found


def test_there_are_examples_for_five_charities_and_the_demo() -> None:
    assert len(FILES) >= 6
    assert {path.stem for path in FILES} >= {"leeds-carers", "lantern-evenings", "next-steps", "willow"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_becomes_rooms_in_one_apply(path: Path) -> None:
    found = loaded(path)
    assert found.policy is not None
    assert found.people is not None
    server_name = found.policy.community.server
    ours = Identities(*(f"@inglenook-{name}:{server_name}" for name in ("steward", "guardian", "custodian")))
    community = compile_community(found.policy, found.people)
    server = ModelHomeserver(ours)
    first = plan(community, found.people, server.observe(community), ours)
    assert assessment_lacking(found.policy, first, WHEN_WRITTEN) is None
    server.apply(first)
    assert server.calls == first.calls
    assert plan(community, found.people, server.observe(community), ours).empty


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "hearth-demo"], ids=lambda path: path.stem)
def test_an_example_that_a_charity_may_begin_with_has_looked_at_its_risks(path: Path) -> None:
    policy = loaded(path).policy
    assert policy is not None
    assert policy.community.risk_assessment is not None


def test_the_group_of_tier_high_is_seen_by_nobody_else() -> None:
    found = loaded(EXAMPLES / "willow.yaml")
    assert found.policy is not None
    assert found.people is not None
    community = compile_community(found.policy, found.people)
    room = community.room("reading-room")
    assert room.parent is None
    assert room.state["m.room.join_rules", ""] == {"join_rule": "invite"}
    assert room.state["m.room.history_visibility", ""] == {"history_visibility": "joined"}
    assert community.room("space").children == ()
