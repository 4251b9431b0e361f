"""Version 1 of the language means what it always meant, version 2 lets the tier say, and `migrate` leads from one to the other."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.compile import compile_community, policy_digest
from policies.files import EXAMPLES
from policies.findings import Finding
from policies.load import load_people, load_policy
from policies.migrate import migrated
from policies.people import People
from policies.plan import plan
from policies.schema import Policy
from policies.versions import up_to_date
from tests.unit.plan.worlds import BASE, IDENTITIES, settled

NOBODY = People({})
FILES = sorted(path for path in EXAMPLES.glob("*.yaml") if not path.name.endswith(".people.yaml"))
HEAD = yaml.safe_dump({name: BASE[name] for name in ("community", "roles")}, sort_keys=False)
RETENTION = ("m.room.retention", "")


def written(group: str, version: int = 2) -> str:
    return f"schema: {version}\n{HEAD}groups:\n  room:\n    name: Room\n    purpose: Talk.\n{group}"


def group(tier: str, more: str = "") -> str:
    limits = "    accept_limits: {because: Board minute 4, approved_by: deputy}\n" if tier == "high" else ""
    return f"    kind: closed\n    tier: {tier}\n{limits}{more}"


def policy(text: str) -> Policy:
    loaded = load_policy(text, "f")
    assert loaded.policy is not None, loaded.findings
    return loaded.policy


def kept_days(text: str) -> int | None:
    state = compile_community(policy(text), NOBODY).room("room").state.get(RETENTION)
    return None if state is None else int(str(state["max_lifetime"])) // 86_400_000


def filled_in(text: str) -> str:
    """What a person makes of it who keeps messages as long as before."""
    return text.replace('because: ""', "because: Board minute 9").replace('approved_by: ""', "approved_by: deputy")


@pytest.mark.parametrize(("tier", "days"), [("low", 730), ("medium", 365), ("high", 180)])
def test_the_tier_says_how_long_messages_are_kept_unless_version_1_is_spoken(tier: str, days: int) -> None:
    assert kept_days(written(group(tier))) == days
    assert kept_days(written(group(tier), 1)) is None


@pytest.mark.parametrize("longer", ["731 days", "forever"])
def test_longer_than_the_tier_has_it_needs_a_reason_and_a_name_and_is_a_note(longer: str) -> None:
    refused = load_policy(written(group("low", f"    retention: {longer}\n")), "f")
    [finding] = refused.findings
    assert (refused.policy, finding.text) == (None, "retention")
    assert "longer than a group of tier low has it" in finding.message
    assert "it is then 730 days" in finding.advice
    said = f"    retention: {{value: {longer}, because: Board minute 4, approved_by: deputy}}\n"
    community = compile_community(policy(written(group("low", said))), NOBODY)
    [note] = plan(community, NOBODY, settled(community, NOBODY), IDENTITIES).notes
    assert note.text.startswith("“Room”: messages are kept for")
    assert note.text.endswith("The deputy answers for it: Board minute 4")


def test_shorter_is_free_and_version_1_never_asked() -> None:
    assert kept_days(written(group("low", "    retention: 30 days\n"))) == 30
    assert kept_days(written(group("low", "    retention: 900 days\n"), 1)) == 900
    named = written(group("low", "    retention: {value: 30 days, approved_by: deputy}\n"))
    assert [one.severity for one in load_policy(named, "f").findings] == ["advice"]


def test_a_version_that_is_newer_than_the_program_is_refused_at_its_line() -> None:
    [finding] = load_policy(written(group("low"), 3), "f").findings
    assert (finding.line, finding.message) == (1, 'schema "3" is unknown')
    assert "This program reads schema: 1 or 2." in finding.advice
    assert [one.severity for one in load_people("schema: 3\npeople: {}\n", "f").findings] == ["error"]


def test_a_people_file_says_the_same_in_each_version() -> None:
    people = f"people:\n  '@ana:{BASE['community']['server']}':\n    roles: [lead]\n"
    one, two = (load_people(f"schema: {version}\n{people}", "f").people for version in (1, 2))
    assert one == two is not None


def test_check_says_calmly_that_there_is_a_newer_version_and_nothing_else_does() -> None:
    from datetime import date

    old = written(group("low"), 1)
    [finding] = load_policy(old, "f", date(2026, 11, 27)).findings
    assert (finding.severity, finding.line) == ("advice", 1)
    assert finding.advice == "It goes on meaning what it means. When you have time: inglenook migrate FILE"
    assert load_policy(old, "f").findings == ()
    assert load_policy(written(group("low")), "f", date(2026, 11, 27)).findings == ()


def test_what_version_1_meant_is_said_in_words_of_version_2_whatever_else_stands_there() -> None:
    document = {"schema": 1, "groups": {"a": {"tier": "low"}, "b": {"retention": "30 days"}, "c": 5}}
    groups = {"a": {"tier": "low", "retention": "forever"}, "b": {"retention": "30 days"}, "c": 5}
    assert up_to_date(document) == {"schema": 1, "groups": groups}
    assert up_to_date({"schema": 2, "groups": {"a": {}}}) == {"schema": 2, "groups": {"a": {}}}
    assert up_to_date({"schema": 1, "groups": "x"}) == {"schema": 1, "groups": "x"}


def test_the_same_policy_in_another_version_has_the_same_digest() -> None:
    """Rooms in which nothing changes are not marked anew, and what was applied can be undone."""
    old = policy(written(group("low", "    retention: 90 days\n"), 1))
    assert policy_digest(old) == policy_digest(policy(written(group("low", "    retention: 90 days\n"))))
    shorter = policy_digest(policy(written(group("low", "    retention: 89 days\n"))))
    assert policy_digest(old) != shorter


def test_a_migrated_file_keeps_comments_and_order_and_names_the_lines_to_fill_in() -> None:
    old = written(
        "    # a closed one\n    kind: closed # by invite\n    tier: medium # some risk\n    welcome: Hello.\n", 1
    )
    found = migrated(b"# ours\n" + old.encode(), "f.yaml")
    assert found.text is not None
    lines = found.text.splitlines()
    added = (
        '    retention: {value: forever, because: "", approved_by: ""} '
        "# as version 1 had it; left out, messages are kept for 365 days"
    )
    rest = ["# ours", *old.splitlines()]
    rest[1] = "schema: 2"
    assert [line for line in lines if line != added] == rest
    assert lines[lines.index(added) - 1] == "    tier: medium # some risk"
    [finding] = found.findings
    assert lines[finding.line - 1] == added
    assert "the group room keeps messages for ever" in finding.message
    assert {one.line for one in load_policy(found.text, "f.yaml").findings} == {finding.line}
    assert load_policy(filled_in(found.text), "f.yaml").findings == ()


@pytest.mark.parametrize(
    "text",
    [
        written(group("low", '    retention: "900 days" # long\n'), 1),
        written(group("low", "    retention: forever\n"), 1),
        written("    kind: closed\n    tier:\n      low\n", 1),
        written("    kind: closed\n    tier: low", 1),
        written(group("low"), 1).replace("\n", "\r\n"),
        f"schema: 1\n{HEAD}groups: {{room: {{name: Room, purpose: Talk., kind: closed, tier: low}}}}\n",
        f"schema: 1\n{HEAD}groups:\n  room: {{\n    name: Äpfel, purpose: Talk.,\n    kind: closed, tier: low }}\n",
        f"{HEAD}groups:\n  room: {{name: Room, purpose: Talk., kind: closed, tier: low}}\nschema: 1\n",
    ],
)
def test_however_it_is_written_a_file_means_the_same_afterwards(text: str) -> None:
    means_the_same(text)


def means_the_same(text: str) -> list[Finding]:
    before = load_policy(text, "f")
    found = migrated(text.encode(), "f")
    assert found.text is not None, found.findings
    assert before.policy is not None
    after = load_policy(filled_in(found.text), "f")
    assert after.policy is not None, after.findings
    assert after.policy.schema_version == 2
    one, other = compile_community(before.policy, NOBODY), compile_community(after.policy, NOBODY)
    assert (one.rooms, one.policy_digest) == (other.rooms, other.policy_digest)
    assert migrated(found.text.encode(), "f").text is None
    return list(found.findings)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_as_it_was_in_version_1_means_the_same_afterwards(path: Path) -> None:
    means_the_same(path.read_text(encoding="utf-8").replace("schema: 2", "schema: 1"))


_RETENTIONS = st.sampled_from((None, "7 days", "180 days", "365 days", "900 days", "forever"))
_WRITTEN_GROUPS = st.dictionaries(
    st.sampled_from(("hello", "lounge", "quiet", "news")),
    st.tuples(st.sampled_from(("low", "medium", "high")), st.sampled_from(("hybrid", "closed")), _RETENTIONS),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(_WRITTEN_GROUPS, st.booleans(), st.randoms(use_true_random=False))
def test_whatever_a_policy_of_version_1_says_it_means_the_same_afterwards(groups, flow, chance) -> None:  # type: ignore[no-untyped-def]
    made = {}
    for group_id, (tier, kind, retention) in groups.items():
        said = {"name": group_id.title(), "purpose": "Talk.", "kind": kind, "tier": tier}
        said |= {"retention": retention} if retention else {}
        said |= {"accept_limits": {"because": "Minute 4", "approved_by": "deputy"}} if tier == "high" else {}
        items = list(said.items())
        chance.shuffle(items)
        made[group_id] = dict(items)
    block = yaml.safe_dump({"groups": made}, sort_keys=False)
    inline = f"groups: {yaml.safe_dump(made, sort_keys=False, default_flow_style=True)}"
    text = f"schema: 1\n{HEAD}{inline if flow else block}"
    usual = {"low": 730, "medium": 365, "high": 180}
    days = {None: 10_000, "forever": 10_000} | {f"{n} days": n for n in (7, 180, 365, 900)}
    asked = sum(days[retention] > usual[tier] for tier, _, retention in groups.values())
    assert len(means_the_same(text)) == asked


@pytest.mark.parametrize("text", [b"schema: 1\n", b"\xff", b"schema: 3\ncommunity: {}\n", b"- x\n"])
def test_a_file_that_does_not_load_is_not_migrated_and_says_why(text: bytes) -> None:
    found = migrated(text, "f")
    assert found.text is None
    assert found.findings
    assert all(finding.severity == "error" for finding in found.findings)


def test_a_file_of_the_newest_version_is_left_alone_whatever_it_includes() -> None:
    found = migrated(b"schema: 2\ninclude: [groups.yaml]\n", "f")
    assert (found.text, found.findings) == (None, ())


def test_a_file_that_only_a_person_can_carry_over_is_left_as_it_is() -> None:
    explicit = f"schema: 1\n{HEAD}groups:\n  room:\n    ? name\n    : Room\n    ? purpose\n    : Talk.\n    ? kind\n    : closed\n    ? tier\n    : low\n"
    found = migrated(explicit.encode(), "f")
    assert found.text is None
    assert [finding.message for finding in found.findings] == [
        "this file is written in a way that only a person can carry over"
    ]
