"""The words of a group: what they become, and that nobody is less protected than by default without a reason and a name."""

from __future__ import annotations

from datetime import date

import pytest

from policies.compile import compile_community, policy_digest
from policies.desired import DesiredRoom
from policies.files import EXAMPLES
from policies.findings import Finding
from policies.intent import approvers_of, choices, pause_of, publish_choice, weakenings
from policies.load import Loaded, load_people, load_policy
from policies.people import People, Person

DEMO = (EXAMPLES / "hearth-demo.yaml").read_text(encoding="utf-8")
VOUCHED = 'because: "Board minute 4", approved_by: deputy'
EVENING = "hours: Tue 18:00-21:00 Europe/London"
KINDS = ("open", "hybrid", "closed", "announce")


def loaded(kind: str, *lines: str, community: str = "", today: date | None = None) -> Loaded:
    """The demo with one group of this kind and these further lines."""
    head = DEMO[: DEMO.index("groups:\n")].replace("  hours:", f"  {community}\n  hours:" if community else "  hours:")
    group = ["name: Room", "purpose: Talk.", f"kind: {kind}", "tier: low", *lines]
    return load_policy(head + "groups:\n  room:\n" + "".join(f"    {line}\n" for line in group), "f", today)


def room(kind: str, *lines: str) -> DesiredRoom:
    policy = loaded(kind, *lines).policy
    assert policy is not None
    return compile_community(policy, People({})).room("room")


def errors(found: Loaded) -> list[Finding]:
    return [finding for finding in found.findings if finding.severity == "error"]


# What the words become


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", ["joined", "invited", "shared"])
def test_history_becomes_what_those_who_come_later_can_read(kind: str, value: str) -> None:
    state = room(kind, f"history: {{value: {value}, {VOUCHED}}}").state
    assert state["m.room.history_visibility", ""] == {"history_visibility": value}


def test_posting_by_moderators_asks_for_their_power_to_write_and_leaves_reactions_to_all() -> None:
    levels = room("open", "posting: moderators").state["m.room.power_levels", ""]
    assert levels["events_default"] == 50
    assert levels["events"]["m.reaction"] == 0
    assert levels["events"]["m.room.redaction"] == 0


@pytest.mark.parametrize(("value", "level"), [("nobody", 150), ("moderators", 50), ("everybody", 0)])
def test_pins_ask_for_the_power_of_those_who_may(value: str, level: int) -> None:
    levels = room("closed", f"pins: {{value: {value}, {VOUCHED}}}").state["m.room.power_levels", ""]
    assert levels["events"]["m.room.pinned_events"] == level


def test_in_a_group_of_words_only_stickers_ask_for_the_power_of_those_who_moderate() -> None:
    levels = room("closed", "media: none").state["m.room.power_levels", ""]
    assert levels["events"]["m.sticker"] == 50
    assert "m.sticker" not in room("closed", "media: allowed").state["m.room.power_levels", ""]["events"]


def test_retention_becomes_milliseconds_and_is_absent_where_messages_are_kept_for_ever() -> None:
    assert room("closed", "retention: 180 days").state["m.room.retention", ""] == {"max_lifetime": 180 * 86_400_000}
    forever = f"retention: {{value: forever, {VOUCHED}}}"
    assert ("m.room.retention", "") not in room("closed", forever).state


@pytest.mark.parametrize("kind", KINDS)
def test_to_write_the_default_down_changes_no_room(kind: str) -> None:
    policy = loaded(kind).policy
    assert policy is not None
    group = policy.groups["room"]
    found = (*choices(group, federated=False), publish_choice(policy, group))
    lines = [f"{choice.aspect}: {choice.value}" for choice in found]
    written, silent = room(kind, *lines), room(kind)
    mark = ("org.inglenook.managed", "")
    assert {key: value for key, value in written.state.items() if key != mark} == {
        key: value for key, value in silent.state.items() if key != mark
    }


def test_a_group_that_is_not_published_has_no_address_and_one_in_the_directory_is_marked_as_listed() -> None:
    alias, mark = ("m.room.canonical_alias", ""), ("org.inglenook.managed", "")
    hidden, plain = room("hybrid", "publish: nothing"), room("hybrid")
    assert (alias in hidden.state, hidden.addressed, hidden.listed) == (False, False, False)
    assert (alias in plain.state, plain.addressed, plain.listed) == (True, True, False)
    listed = room("hybrid", f"publish: {{value: directory, {VOUCHED}}}")
    assert (listed.addressed, listed.listed, listed.state[mark]["directory"]) == (True, True, "listed")
    assert "directory" not in plain.state[mark]


@pytest.mark.parametrize(
    ("kind", "words"),
    [("announce", "come into this group by the community's space"), ("closed", "in no public list of rooms")],
)
def test_what_a_list_cannot_or_may_not_show_is_not_listed_whoever_answers_for_it(kind: str, words: str) -> None:
    [finding] = errors(loaded(kind, f"publish: {{value: directory, {VOUCHED}}}"))
    assert words in finding.message


def test_an_address_needs_nobody_to_answer_for_it() -> None:
    for value in ("nothing", "address"):
        found = loaded("open", f"publish: {{value: {value}, {VOUCHED}}}")
        assert [finding.severity for finding in found.findings] == ["advice"]
        assert loaded("open", f"publish: {value}").findings == ()


# Weaker than the default


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("closed", "history: shared"),
        ("closed", "history: invited"),
        ("hybrid", "history: {value: shared, because: Board minute 4}"),
        ("hybrid", "history: {value: shared, approved_by: deputy}"),
        ("open", "pins: everybody"),
        ("announce", "pins: {value: everybody, because: x}"),
    ],
)
def test_what_is_weaker_than_the_default_needs_a_reason_and_a_name(kind: str, line: str) -> None:
    [finding] = errors(loaded(kind, line))
    aspect = line.partition(":")[0]
    assert finding.text == aspect
    assert f"{aspect} is wider than a group of kind {kind} has it" in finding.message
    assert "approved_by: safeguarding_lead" in finding.advice


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("open", "history: joined"),
        ("announce", "history: invited"),
        ("open", "posting: moderators"),
        ("closed", "pins: nobody"),
        ("closed", "retention: 7 days"),
    ],
)
def test_what_protects_more_than_the_default_is_free(kind: str, line: str) -> None:
    assert loaded(kind, line).findings == ()


def test_what_anyone_could_read_without_being_there_is_not_offered() -> None:
    [finding] = errors(loaded("open", f"history: {{value: world_readable, {VOUCHED}}}"))
    assert "Known here: invited, joined, shared." in finding.advice


def test_an_announcement_in_which_everybody_writes_does_not_load() -> None:
    [finding] = errors(loaded("announce", "posting: everybody"))
    assert "nothing is announced" in finding.message


def test_a_name_for_what_weakens_nothing_is_advice() -> None:
    found = loaded("closed", f"history: {{value: joined, {VOUCHED}}}")
    assert found.policy is not None
    assert [finding.severity for finding in found.findings] == ["advice"]


def test_all_that_is_weaker_is_told_with_who_answers_for_it() -> None:
    rules = f"rules:\n  phishing: {{mode: shadow, {VOUCHED}}}\n  bullying: enforce\n"
    found = loaded("closed", f"history: {{value: shared, {VOUCHED}}}", "pins: nobody")
    assert found.policy is not None
    assert [(one.group, one.what, one.value, one.approved_by) for one in weakenings(found.policy)] == [
        ("room", "history", "shared", "deputy")
    ]
    policy = load_policy(DEMO + rules, "f").policy
    assert policy is not None
    assert [(one.group, one.what, one.because) for one in weakenings(policy)] == [
        (None, "rule phishing", "Board minute 4")
    ]


# The digest


@pytest.mark.parametrize(
    "line",
    [
        "history: joined",
        "posting: everybody",
        "pins: moderators",
        "retention: 30 days",
        "welcome: Hello.",
        EVENING,
        "posting: {slow: 30s}",
        "media: none",
        "membership: {roles: [lead]}",
        "publish: nothing",
    ],
)
def test_a_key_that_is_used_changes_the_digest_of_the_policy(line: str) -> None:
    with_it, without = loaded("closed", line).policy, loaded("closed").policy
    assert with_it is not None
    assert without is not None
    assert policy_digest(with_it) != policy_digest(without)


def test_one_word_and_its_block_are_the_same() -> None:
    word, block = loaded("open", "history: joined").policy, loaded("open", "history: {value: joined}").policy
    assert word is not None
    assert block is not None
    assert policy_digest(word) == policy_digest(block)


# Risk assessment and code of conduct


def test_a_review_whose_day_has_passed_is_advice_and_the_policy_loads() -> None:
    risk = "risk_assessment: {reviewed: 2025-09-01, next: 2026-09-01, by: lead}"
    before = loaded("open", community=risk, today=date(2026, 8, 31))
    assert before.findings == ()
    due = loaded("open", community=risk, today=date(2026, 9, 1))
    assert due.policy is not None
    assert [(finding.severity, finding.text) for finding in due.findings] == [("advice", "2026-09-01")]
    assert loaded("open", community=risk).findings == ()


@pytest.mark.parametrize(
    ("risk", "text", "severity"),
    [
        ("{reviewed: 2026-09-01, next: 2026-09-01, by: lead}", "2026-09-01", "error"),
        ("{reviewed: 2026-09-01, next: 2027-09-02, by: lead}", "2027-09-02", "advice"),
        ("{reviewed: 2026-09-01, next: 2027-09-01, by: chair}", "chair", "error"),
        ("{reviewed: 2027-01-01, next: 2027-09-01, by: lead}", "2027-01-01", "advice"),
        ("{reviewed: 2026-02-29, next: 2027-01-01, by: lead}", "2026-02-29", "error"),
    ],
)
def test_a_risk_assessment_that_cannot_be_meant_is_told_at_its_place(risk: str, text: str, severity: str) -> None:
    today = date(2026, 11, 27) if severity == "advice" else None
    found = loaded("open", community=f"risk_assessment: {risk}", today=today)
    assert [(finding.text, finding.severity) for finding in found.findings] == [(text, severity)]


def test_a_code_of_conduct_says_something_or_where_it_stands() -> None:
    [finding] = errors(loaded("open", community='code_of_conduct: {version: "1"}'))
    assert "says nothing" in finding.message
    for said in ("text: Be kind.", 'address: "https://charity.example/conduct"'):
        assert loaded("open", community=f'code_of_conduct: {{version: "1", {said}}}').findings == ()


# How often


@pytest.mark.parametrize(
    ("written", "read"),
    [("30s", "30s"), ("90 seconds", "90s"), ("60s", "1m"), ("5 minutes", "5m"), ("2h", "2h"), ("1 hour", "1h")],
)
def test_a_pause_is_written_in_several_ways_and_always_reads_alike(written: str, read: str) -> None:
    policy = loaded("closed", f"posting: {{slow: {written}}}").policy
    assert policy is not None
    assert str(pause_of(policy.groups["room"])) == read


def test_slow_mode_changes_no_power_level() -> None:
    slow, silent = (room("closed", *lines).state["m.room.power_levels", ""] for lines in (["posting: {slow: 5m}"], []))
    assert slow == silent


@pytest.mark.parametrize("pause", ["4s", "7h", "30", "soon", "0s", "-5s", "99999999999s", "1.5h"])
def test_a_pause_that_cannot_be_meant_is_told_at_its_place(pause: str) -> None:
    [finding] = errors(loaded("closed", f"posting: {{slow: {pause}}}"))
    assert finding.text == pause


def test_to_write_posting_as_a_word_or_as_a_block_is_the_same_policy() -> None:
    digests = set()
    for posting in ("posting: moderators", "posting: {who: moderators}"):
        policy = loaded("open", posting).policy
        assert policy is not None
        digests.add(policy_digest(policy))
    assert len(digests) == 1


# Hours


def test_to_write_the_hours_of_the_community_at_a_group_is_advice() -> None:
    assert loaded("closed", EVENING).findings == ()
    [finding] = loaded("closed", "hours: Mon-Fri 09:00-17:00 Europe/London").findings
    assert (finding.severity, finding.text) == ("advice", "hours")
    assert "they hold anyway" in finding.advice


# Who comes in

DEMO_PEOPLE = (EXAMPLES / "hearth-demo.people.yaml").read_text(encoding="utf-8")


def test_holders_of_a_role_are_approved_for_its_groups_and_keep_their_power_there() -> None:
    policy = loaded("closed", "membership: {roles: [moderator]}").policy
    assert policy is not None
    moderator, member = Person("@a:hearth.example", frozenset({"moderator"})), Person("@b:hearth.example")
    community = compile_community(policy, People({one.user_id: one for one in (moderator, member)}))
    found = community.room("room")
    assert found.membership.admits(moderator)
    assert not found.membership.admits(member)
    assert found.state["m.room.power_levels", ""]["users"] == {"@a:hearth.example": 50}


def test_places_are_counted_with_those_who_come_in_by_their_role() -> None:
    places = "    kind: closed\n    capacity: 3\n"
    listed = load_policy(DEMO.replace("    kind: closed\n", places), "f").policy
    by_role = load_policy(
        DEMO.replace("    kind: closed\n", f"{places}    membership: {{roles: [admin]}}\n"), "f"
    ).policy
    assert listed is not None
    assert by_role is not None
    assert load_people(DEMO_PEOPLE, "p", listed).people is not None
    found = load_people(DEMO_PEOPLE, "p", by_role)
    assert found.people is None
    assert ["bereaved has room for 3 people" in finding.message for finding in found.findings] == [True]


def test_only_the_named_roles_answer_requests_and_the_others_everywhere_else() -> None:
    found = loaded("hybrid", "join: {approved_by: [deputy]}").policy
    silent = loaded("hybrid").policy
    assert found is not None
    assert silent is not None
    assert approvers_of(found, found.groups["room"]) == ("deputy",)
    assert approvers_of(silent, silent.groups["room"]) == ("deputy", "lead")


def test_a_group_whose_named_roles_are_held_by_one_who_is_not_in_it_is_advice() -> None:
    found = loaded("hybrid", "join: {approved_by: [deputy]}")
    assert found.policy is not None
    [finding] = [one for one in load_people(PEOPLE_OF_ROOM, "p", found.policy).findings if "let people" in one.message]
    assert finding.severity == "advice"
    assert "alone can let people into room" in finding.message
    silent = loaded("hybrid")
    assert silent.policy is not None
    assert not [one for one in load_people(PEOPLE_OF_ROOM, "p", silent.policy).findings if "let people" in one.message]


PEOPLE_OF_ROOM = """schema: 1
people:
  "@cleo:hearth.example":
    roles: [lead]
  "@dev:hearth.example":
    roles: [deputy]
"""


# Places

PLACES = DEMO.replace("    kind: closed\n", "    kind: closed\n    capacity: 3\n")
PEOPLE = (EXAMPLES / "hearth-demo.people.yaml").read_text(encoding="utf-8")


def test_a_people_file_with_more_people_than_places_does_not_load() -> None:
    policy = load_policy(PLACES, "f").policy
    assert policy is not None
    assert load_people(PEOPLE, "p", policy).people is not None
    more = (
        PEOPLE
        + '  "@finn:hearth.example":\n    groups: [bereaved]\n  "@noor:hearth.example":\n    groups: [bereaved]\n'
    )
    found = load_people(more, "p", policy)
    assert found.people is None
    [finding] = found.findings
    assert "bereaved has room for 3 people, and more are listed" in finding.message
    assert finding.line == len(PEOPLE.splitlines()) + 2


def test_a_group_that_people_enter_by_themselves_has_no_capacity() -> None:
    for kind in ("open", "announce"):
        [finding] = errors(loaded(kind, "capacity: 12"))
        assert "by themselves" in finding.message
    for kind in ("hybrid", "closed"):
        assert loaded(kind, "capacity: 12").findings == ()


def test_the_first_messages_of_newcomers_are_what_a_room_says_and_off_by_itself() -> None:
    for kind in ("open", "hybrid", "closed"):
        assert room(kind, "posting: {first_messages: 3}").first_messages == 3
        assert room(kind).first_messages == 0
    assert list(errors(loaded("open", "posting: {slow: 30s, first_messages: 10}"))) == []


@pytest.mark.parametrize("kind", ["announce", "open"])
def test_where_only_those_who_moderate_write_nobody_is_read_first(kind: str) -> None:
    more = "" if kind == "announce" else "who: moderators, "
    [finding] = errors(loaded(kind, f"posting: {{{more}first_messages: 3}}"))
    assert "nobody reads first what they write" in finding.message
    assert "let everybody write" in finding.advice
