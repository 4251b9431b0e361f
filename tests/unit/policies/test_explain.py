"""`explain`: each value in plain words, with the place it comes from and the state it becomes."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.compile import compile_community
from policies.defaults import CONDUCT_RULES
from policies.escalation import BANDS, Escalation
from policies.explain import Explained, explain_community, explain_room, rooms_to_explain
from policies.files import EXAMPLES
from policies.load import load_policy
from policies.people import People
from policies.schema import Community, Group, Policy
from policies.settings import Drift
from policies.source import Source, read_yaml

FILES = sorted(path for path in EXAMPLES.glob("*.yaml") if not path.name.endswith(".people.yaml"))


def read(path: Path) -> tuple[Policy, Source]:
    text = path.read_bytes()
    policy = load_policy(text, path.name).policy
    assert policy is not None
    return policy, read_yaml(text, path.name)


def of(example: str, key: str) -> dict[str, Explained]:
    return {one.about: one for one in explain_room(*read(EXAMPLES / f"{example}.yaml"), key)}


def test_a_written_value_names_its_line_and_who_answers_for_it() -> None:
    found = of("lantern-evenings", "autumn-circle")["who reads what was written"]
    lines = (EXAMPLES / "lantern-evenings.yaml").read_text(encoding="utf-8").splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.strip().startswith("history:"))
    assert found.origin.where == f"lantern-evenings.yaml:{number}"
    assert found.origin.because.startswith("The safeguarding lead answers for it: People are asked in")
    assert found.words == "Only those who were invited by then can read what was written." or "invited" in found.words
    assert found.matrix == 'm.room.history_visibility {"history_visibility": "invited"}'


def test_a_default_names_its_kind_or_tier_and_why() -> None:
    found = of("leeds-carers", "bereaved")
    assert str(found["who reads what was written"].origin).startswith("kind closed. Only approved people come in")
    assert found["who comes in"].matrix == 'm.room.join_rules {"join_rule": "invite"}'
    assert found["rule bullying"].origin.where == "tier medium"
    assert found["rule sexual"].words == "It does not look here."
    assert found["how long messages are kept"].origin.where == "tier medium"
    assert found["how long messages are kept"].words.startswith("Messages are kept for 365 days.")


def test_what_version_1_says_by_leaving_it_out_is_told_as_that() -> None:
    text = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8").replace("schema: 2", "schema: 1")
    policy = load_policy(text, "f").policy
    assert policy is not None
    found = {one.about: one for one in explain_room(policy, read_yaml(text, "f"), "bereaved")}
    kept = found["how long messages are kept"]
    assert (kept.words, kept.origin.where) == ("Messages are kept until a person removes them.", "not in the file")
    assert kept.origin.because.startswith("Version 1 of the language")


def test_what_is_always_so_is_told_too() -> None:
    found = of("willow", "reading-room")
    assert found["guests"].words == "Guests without an account cannot come in."
    assert "chat.willow.example" in found["other servers"].words
    assert "encryption" in found["what nobody can do"].words
    assert found["who pins"].matrix == "m.room.power_levels: m.room.pinned_events 150"
    assert found["how long messages are kept"].words.startswith("Messages are kept for 30 days.")
    assert "accepted" in found["limits"].words


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_room_of_every_example_can_be_explained(path: Path) -> None:
    policy, source = read(path)
    assert rooms_to_explain(policy) == tuple(room.key for room in compile_community(policy, People({})).rooms)
    for key in rooms_to_explain(policy):
        found = explain_room(policy, source, key)
        assert len({one.about for one in found}) == len(found)
        assert all(one.words and one.origin.where for one in found)
        if key in policy.groups:
            assert {f"rule {name}" for name in CONDUCT_RULES} <= {one.about for one in found}
    assert explain_community(policy, source)


def test_every_key_that_a_file_holds_is_explained_by_its_line() -> None:
    """A new key of the language belongs into `explain`, or nobody sees what it does."""
    text = FULL
    policy = load_policy(text, "f").policy
    assert policy is not None
    assert set(policy.groups["room"].model_fields_set) == set(Group.model_fields)
    assert set(policy.community.model_fields_set) == set(Community.model_fields)
    assert set(policy.model_fields_set) == set(Policy.model_fields) - {"include"}  # resolved before it is read
    assert policy.escalation is not None
    assert set(policy.escalation.model_fields_set) == set(Escalation.model_fields)
    assert set(policy.drift.model_fields_set) == set(Drift.model_fields)
    source = read_yaml(text, "f")
    lines = {one.origin.where for one in (*explain_community(policy, source), *explain_room(policy, source, "room"))}
    for path in (
        *(("groups", "room", key) for key in Group.model_fields),
        *(("community", key) for key in SHOWN),
        *STEPS,
        *DRIFT,
    ):
        assert f"f:{source.mark(path, key=True).line}" in lines, path


STEPS = [("escalation", band, "steps", step) for band in BANDS for step in (0, 1)]
DRIFT = [("drift", key) for key in Drift.model_fields]
SHOWN = sorted(set(Community.model_fields) - {"id", "server"})
FULL = """schema: 2
community:
  id: full
  name: Full
  purpose: Everything.
  not_for: Nothing.
  server: chat.full.example
  owners: {safeguarding_lead: lead, deputy: deputy}
  hours: Mon-Fri 09:00-17:00 Europe/London
  allowed_contacts: ["01632 960123"]
  code_of_conduct: {version: "1", text: Be kind.}
  risk_assessment: {reviewed: 2026-09-01, next: 2027-09-01, by: lead}
  limits: {removals: {percent: 20}}
  federation: {mode: partners, servers: [chat.partner.example], because: Board minute 4, approved_by: deputy}
roles:
  lead: {level: 75, can: [moderate, approve_join, safeguard, operate]}
  deputy: {level: 75, can: [safeguard]}
groups:
  room:
    name: Room
    purpose: Talk.
    kind: hybrid
    tier: high
    accept_limits: {because: Board minute 4, approved_by: deputy}
    history: {value: invited, because: Board minute 4, approved_by: deputy}
    posting: {who: everybody, slow: 30s, first_messages: 3}
    pins: nobody
    media: none
    membership: {roles: [deputy]}
    join: {approved_by: [lead]}
    capacity: 8
    retention: 30 days
    welcome: Hello.
    hours: Tue 18:00-21:00 Europe/London
    federation: closed
    publish: nothing
rules: {bullying: enforce}
escalation:
  conduct: [{call: lead, within: 2h}, {call: deputy, within: 2h}]
  help: [{call: card_only, within: 2h}, {call: [lead, deputy], within: 2h}]
  serious: {steps: [{call: lead, within: 2h}, {call: deputy, within: 1h}], because: Board minute 4, approved_by: deputy}
  danger:
    - {call: [safeguarding_lead, deputy], within: 5m}
    - {call: same_again, within: 10 minutes}
drift:
  settings: {value: warn, because: Board minute 4, approved_by: deputy}
  powers: enforce
  links: ignore
  look: enforce
"""


def test_what_a_group_of_words_only_becomes_is_told() -> None:
    policy = load_policy(FULL, "f").policy
    assert policy is not None
    found = {one.about: one for one in explain_room(policy, read_yaml(FULL, "f"), "room")}
    assert found["pictures and files"].matrix == "m.room.power_levels: m.sticker 50"
    assert found["pictures and files"].words.startswith("Words only")
    assert of("leeds-carers", "bereaved")["pictures and files"].words == "Pictures, files and recordings can be shared."
    assert found["how often"].words.startswith("Each person can write once in 30s")
    assert found["what newcomers write"].words.startswith("The first 3 messages of whoever comes in from then on")
    assert of("leeds-carers", "bereaved")["what newcomers write"].words == "Everybody sees it at once."


def test_how_a_group_can_be_found_is_told_with_where_that_comes_from() -> None:
    found = of("leeds-carers", "welcome")["how it is found"]
    assert found.words.startswith("Its address is #")
    assert found.words.endswith("No public list of rooms shows it.")
    assert found.matrix.startswith('m.room.canonical_alias {"alias": "#')
    policy = load_policy(FULL, "f").policy
    assert policy is not None
    hidden = {one.about: one for one in explain_room(policy, read_yaml(FULL, "f"), "room")}["how it is found"]
    assert (hidden.words, hidden.matrix) == ("It has no address, and no public list of rooms shows it.", "")

    text = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
    line = "    publish: {value: directory, because: We want to be found., approved_by: deputy}\n"
    text = text.replace("  welcome:\n", f"  welcome:\n{line}", 1)
    policy = load_policy(text, "f").policy
    assert policy is not None
    listed = {one.about: one for one in explain_room(policy, read_yaml(text, "f"), "welcome")}["how it is found"]
    assert "The public list of rooms shows its name" in listed.words
    assert listed.origin.because == "The deputy answers for it: We want to be found."
    assert listed.matrix.endswith('"visibility": "public" in the homeserver\'s list of rooms')


def test_a_closed_group_that_its_space_shows_is_not_said_to_be_known_to_nobody() -> None:
    text = (EXAMPLES / "lantern-evenings.yaml").read_text(encoding="utf-8")
    policy = load_policy(text, "f").policy
    assert policy is not None
    found = {one.about: one for one in explain_room(policy, read_yaml(text, "f"), "spring-circle")}
    assert found["in the space"].words == "The community's space shows it."
    assert found["in the space"].origin.where == "no group of this community is open"
    assert "nobody else learns" not in str(found["in the space"].origin)


def test_who_can_write_is_said_by_level_where_not_only_those_who_moderate_have_it() -> None:
    text = (EXAMPLES / "leeds-carers.yaml").read_text(encoding="utf-8")
    policy = load_policy(text, "f").policy
    assert policy is not None
    moderating = {name: role for name, role in policy.roles.items() if "moderate" in role.can}
    only_they = policy.model_copy(update={"roles": moderating})
    group = next(key for key, one in policy.groups.items() if one.kind == "announce")
    said, said_of_fewer = (
        next(one.words for one in explain_room(each, read_yaml(text, "f"), group) if one.about == "who writes")
        for each in (policy, only_they)
    )
    assert said.startswith("Only those with one of the roles admin, ")
    assert said_of_fewer.startswith("Only those who moderate can write.")


def test_a_name_is_said_to_be_given_when_the_room_is_made_unless_the_policy_puts_it_back() -> None:
    assert of("leeds-carers", "bereaved")["name"].matrix.endswith(", when the room is made")
    policy = load_policy(FULL, "f").policy
    assert policy is not None
    found = {one.about: one for one in explain_room(policy, read_yaml(FULL, "f"), "room")}
    assert "when the room is made" not in found["name"].matrix
