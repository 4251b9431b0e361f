"""Loading: what is read, where it stands, and that nothing a person can write makes the loader raise."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.files import EXAMPLES, MAX_BYTES, people_beside
from policies.findings import MAX_FINDINGS, Finding, did_you_mean, in_order, shown
from policies.hours import Span, parse_hours
from policies.load import load_files, load_people, load_policy
from policies.people import PeopleFile, PersonEntry
from policies.schema import CodeOfConduct, Community, Group, Owners, Policy, RiskAssessment, Role
from policies.settings import AcceptLimits, HistorySetting, PinsSetting, RuleSetting
from policies.source import MAX_NODES, read_yaml

DEMO = (EXAMPLES / "hearth-demo.yaml").read_text(encoding="utf-8")
DEMO_PEOPLE = (EXAMPLES / "hearth-demo.people.yaml").read_text(encoding="utf-8")


def with_groups(*groups: str) -> str:
    return DEMO[: DEMO.index("groups:\n")] + "groups:\n" + "".join(f"  {group}\n" for group in groups)


def changed(old: str, new: str) -> str:
    assert old in DEMO
    return DEMO.replace(old, new, 1)


# Examples and files


@pytest.mark.parametrize("path", sorted(p for p in EXAMPLES.glob("*.yaml") if not p.name.endswith(".people.yaml")))
def test_an_example_loads_without_findings(path: Path) -> None:
    loaded = load_files(path)
    assert loaded.findings == ()
    assert loaded.policy is not None
    assert loaded.people is not None


def test_a_missing_file_is_a_finding(tmp_path: Path) -> None:
    loaded = load_files(tmp_path / "nowhere.yaml")
    assert loaded.policy is None
    assert [f.message for f in loaded.findings] == ["there is no such file"] * 2


def test_a_folder_is_a_finding(tmp_path: Path) -> None:
    assert "this is not a file" in {f.message for f in load_files(tmp_path).findings}


def test_people_are_sought_under_the_name_of_the_policy_first(tmp_path: Path) -> None:
    policy = tmp_path / "leeds.yaml"
    assert people_beside(policy) == tmp_path / "people.yaml"
    (tmp_path / "leeds.people.yaml").write_text(DEMO_PEOPLE)
    assert people_beside(policy) == tmp_path / "leeds.people.yaml"


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    for text in ("#" * (MAX_BYTES + 1), b"#" * (MAX_BYTES + 1), "é" * (MAX_BYTES // 2 + 1)):
        assert [f.message for f in load_policy(text, "f").findings] == ["the file is larger than 1 MiB"]


def test_a_byte_order_mark_is_mentioned_and_does_no_harm() -> None:
    loaded = load_policy(b"\xef\xbb\xbf" + DEMO.encode(), "f")
    assert loaded.policy is not None
    assert [(f.severity, f.line) for f in loaded.findings] == [("advice", 1)]


def test_line_ends_of_other_systems_do_not_move_findings() -> None:
    for end in ("\r\n", "\r"):
        loaded = load_policy(changed("level: 90", "level: 91").replace("\n", end).encode(), "f")
        assert [(f.line, f.text) for f in loaded.findings] == [(22, "91")]


# YAML


def test_values_and_keys_keep_their_places() -> None:
    source = read_yaml('a:\n  "b c": [x, 12]\nd: true\n', "f")
    assert source.data == {"a": {"b c": ("x", 12)}, "d": True}
    mark = source.mark(("a", "b c", 1))
    assert (mark.line, mark.column, mark.text) == (2, 14, "12")
    key = source.mark(("a", "b c"), key=True)
    assert (key.line, key.column, key.text) == (2, 3, "b c")


def test_only_true_false_null_and_whole_numbers_are_not_text() -> None:
    text = "[yes, NO, on, 09:30, 2026-09-01, 1.5, 01632, +44, 007, 0x1f, 1e3, '12', !!str 12]"
    data = read_yaml(text, "f").data
    assert isinstance(data, tuple)
    assert all(isinstance(value, str) for value in data), data
    assert read_yaml("[0, -7, 50, true, False, null, ~]", "f").data == (0, -7, 50, True, False, None, None)


def test_more_keys_and_values_than_any_community_needs_are_refused() -> None:
    [finding] = read_yaml("- a\n" * (MAX_NODES + 1), "f").findings
    assert "50,000 keys and values" in finding.message


def test_escapes_cannot_smuggle_invisible_characters_in() -> None:
    for escape in ("\\0", "\\u202e", "\\u2066", "\\u2028", "\\ud800", "\\ufeff"):
        loaded = load_policy(changed("name: Hearth", f'name: "a{escape}"'), "f")
        assert loaded.policy is None, escape
        assert loaded.findings[0].line == 8


def test_marks_that_real_languages_and_emoji_need_are_allowed() -> None:
    loaded = load_policy(changed("name: Hearth", "name: می‌خواهم 👩‍👧 🏴󠁧󠁢󠁷󠁬󠁳󠁿"), "f")
    assert loaded.findings == ()


def test_a_name_may_hold_markup_since_matrix_shows_names_as_they_are() -> None:
    loaded = load_policy(changed("name: Hearth", 'name: "<b>Hearth</b> & [friends](x)"'), "f")
    assert loaded.policy is not None
    assert loaded.policy.community.name == "<b>Hearth</b> & [friends](x)"


def test_an_anchor_is_refused_even_where_nothing_uses_it() -> None:
    assert load_policy(changed("name: Hearth", "name: &n Hearth"), "f").policy is None


# Language


def test_a_policy_holds_what_its_file_says() -> None:
    policy = load_policy(DEMO, "f").policy
    assert policy is not None
    assert policy.community.owners == Owners(safeguarding_lead="lead", deputy="deputy")
    assert policy.community.allowed_contacts == ("01632 960123", "hello@hearth.example")
    assert {name: role.level for name, role in policy.roles.items()} == {
        "admin": 90,
        "lead": 75,
        "deputy": 75,
        "moderator": 50,
    }
    assert {name: (group.kind, group.tier) for name, group in policy.groups.items()} == {
        "welcome": ("open", "low"),
        "bereaved": ("closed", "medium"),
    }


MODELS = [
    *(Policy, Community, Owners, CodeOfConduct, RiskAssessment, Role, Group, AcceptLimits),
    *(HistorySetting, PinsSetting, RuleSetting, PeopleFile, PersonEntry),
]


@pytest.mark.parametrize("model", MODELS)
def test_every_key_of_the_language_has_a_description_and_an_example_that_is_yaml(model: Any) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        for example in field.examples or pytest.fail(f"{name} has no example"):
            assert read_yaml(f"{name}: {example}", "example").findings == (), name


def test_examples_in_advice_are_accepted_by_the_language() -> None:
    group = "lounge: {name: A, purpose: B, kind: closed, tier: high, accept_limits: %s}"
    for example in Group.model_fields["accept_limits"].examples or ():
        assert load_policy(with_groups(group % example), "f").policy is not None


def test_tier_high_loads_when_an_owner_answers_for_its_limits() -> None:
    limits = "{because: Board minute 4, approved_by: deputy}"
    loaded = load_policy(
        with_groups(f"x: {{name: A, purpose: B, kind: closed, tier: high, accept_limits: {limits}}}"), "f"
    )
    assert loaded.policy is not None
    assert loaded.findings == ()


def test_a_hybrid_group_of_tier_high_loads_with_advice() -> None:
    limits = "{because: Board minute 4, approved_by: deputy}"
    group = f"x: {{name: A, purpose: B, kind: hybrid, tier: high, accept_limits: {limits}}}"
    loaded = load_policy(with_groups(group), "f")
    assert loaded.policy is not None
    assert [f.severity for f in loaded.findings] == ["advice"]


def test_limits_accepted_for_nothing_are_advice() -> None:
    loaded = load_policy(
        changed("tier: low", "tier: low\n    accept_limits: {because: x, approved_by: deputy}"),
        "f",
    )
    assert loaded.policy is not None
    assert [(f.severity, f.line) for f in loaded.findings] == [("advice", 48)]


def test_several_mistakes_are_told_together_in_the_order_of_the_file() -> None:
    text = changed("id: hearth", "id: Hearth").replace("level: 90", "level: 900").replace("kind: closed", "kind: shut")
    findings = load_policy(text, "f").findings
    assert [f.text for f in findings] == ["Hearth", "900", "shut"]
    assert [f.line for f in findings] == sorted(f.line for f in findings)


def test_a_thousand_mistakes_give_a_bounded_list() -> None:
    findings = load_policy(DEMO + "".join(f"key{n}: 1\n" for n in range(1000)), "f").findings
    assert len(findings) == MAX_FINDINGS


def test_advice_is_worded_for_those_mistakes_only_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    worded: list[str] = []

    def advice(word: str, known: Iterable[str]) -> str:
        worded.append(word)
        return did_you_mean(word, known)

    monkeypatch.setattr("policies.settings.did_you_mean", advice)
    wrong = "".join(f"  rule-{n}: enfrce\n" for n in range(1000))
    loaded = load_policy(f"{DEMO}\nrules:\n{wrong}", "f")
    assert loaded.policy is None
    assert 0 < len(worded) <= MAX_FINDINGS


def test_an_error_behind_much_advice_still_stops_the_file() -> None:
    groups = "".join(f"  g{n}: {{name: N{n}, purpose: B, kind: closed, tier: low}}\n" for n in range(80))
    policy = load_policy(DEMO + groups, "f").policy
    assert policy is not None
    text = DEMO_PEOPLE.replace("      - lead\n", "      - moderator\n")
    assert load_people(text, "p", policy).people is None


def test_people_are_read_with_roles_and_groups() -> None:
    loaded = load_people(DEMO_PEOPLE, "p", load_policy(DEMO, "f").policy)
    assert loaded.people is not None
    assert loaded.people.holders("lead") == ("@amina:hearth.example",)
    assert loaded.people.get("@rosa:hearth.example").groups == {"bereaved"}
    assert loaded.people.get("@stranger:hearth.example").roles == frozenset()


def test_an_account_of_inglenook_itself_is_no_person() -> None:
    text = DEMO_PEOPLE.replace("@amina:hearth.example", "@inglenook-guardian:hearth.example")
    findings = load_people(text, "p", load_policy(DEMO, "f").policy).findings
    assert [f.text for f in findings if "is the helper program itself" in f.message and f.severity == "error"] == [
        "@inglenook-guardian:hearth.example"
    ]


def test_a_closed_group_without_a_moderator_in_it_is_advice() -> None:
    policy = load_policy(DEMO, "f").policy
    text = DEMO_PEOPLE.replace("    groups:\n      - bereaved\n", "", 2)
    loaded = load_people(text, "p", policy)
    assert loaded.people is not None
    assert [f.message for f in loaded.findings] == ["nobody who can moderate is in the group bereaved"]


def _unable(policy: str) -> str:
    """The demo's policy, with owners who do not moderate."""
    changed = policy.replace("    level: 75\n    can:\n      - moderate\n", "    level: 75\n    can:\n", 2)
    assert changed.count("- moderate\n") == 1
    return changed


def test_people_of_whom_nobody_can_moderate_are_refused() -> None:
    policy = load_policy(_unable(DEMO), "f").policy
    assert policy is not None
    assert load_people(DEMO_PEOPLE, "p", policy).people is not None
    loaded = load_people(DEMO_PEOPLE.replace("      - moderator\n", "      - admin\n"), "p", policy)
    (finding,) = loaded.findings
    assert (finding.severity, finding.text) == ("error", "people")
    assert finding.message.startswith("nobody holds a role that can moderate")
    assert "roles: [moderator]" in finding.advice


def test_a_group_in_which_nobody_could_write_is_refused() -> None:
    moderated = "    kind: closed\n    posting: moderators\n"
    policy = load_policy(_unable(DEMO).replace("    kind: closed\n", moderated), "f").policy
    assert policy is not None
    assert load_people(DEMO_PEOPLE, "p", policy).people is not None, "lead and deputy have the power, and are in it"
    text = DEMO_PEOPLE.replace("    groups:\n      - bereaved\n", "", 2)
    (finding,) = load_people(text, "p", policy).findings
    assert finding.severity == "error"
    assert finding.message.startswith("nobody could write in the group bereaved")
    assert finding.advice == "Add the group to a moderator: groups: [bereaved]."


def test_announcements_can_be_written_by_any_who_moderate_since_they_come_in_by_themselves() -> None:
    policy = load_policy(DEMO.replace("kind: open", "kind: announce", 1), "f").policy
    assert policy is not None
    assert load_people(DEMO_PEOPLE, "p", policy).findings == ()


def test_advice_on_a_group_whose_id_is_a_number_can_be_followed() -> None:
    policy = load_policy(DEMO.replace("  bereaved:\n", '  "7":\n', 1), "f").policy
    people = DEMO_PEOPLE.replace("    groups:\n      - bereaved\n", "    groups: []\n")
    (finding,) = load_people(people, "p", policy).findings
    assert finding.advice == 'Add the group to a moderator: groups: ["7"].'
    followed = people.replace("      - moderator\n", '      - moderator\n    groups: ["7"]\n')
    assert load_people(followed, "p", policy).findings == ()


# Hours


def test_hours_are_days_and_minutes_in_a_zone() -> None:
    hours = parse_hours("Mon-Tue 09:00-17:30, sat 10:00-24:00 Europe/London")
    assert hours.zone == "Europe/London"
    assert hours.spans == (Span(0, 540, 1050), Span(1, 540, 1050), Span(5, 600, 1440))


def test_hours_may_run_over_the_end_of_the_week_and_read_the_same_however_written() -> None:
    assert [span.day for span in parse_hours("Sat-Mon 9:00-10:00 UTC").spans] == [0, 5, 6]
    assert str(parse_hours("Tue 09:00-10:00, Mon 9:00-10:00 UTC")) == "Mon 09:00-10:00, Tue 09:00-10:00 UTC"
    assert parse_hours(str(parse_hours("Fri-Sun 00:00-24:00 Asia/Kolkata"))).zone == "Asia/Kolkata"


@pytest.mark.parametrize(
    "hours",
    [
        *("", "UTC", "Mon UTC", "Mon 9-17 UTC", "Mon, 09:00-10:00 UTC", "Mon 09:00-12:00, Mon 11:00-13:00 UTC"),
        *("Mon 25:00-26:00 UTC", "Mon 09:00-24:30 UTC", "Mon 09:61-10:00 UTC"),
        *("Mon 09:00-10:00 localtime", "Mon 09:00-10:00 ../../etc/passwd", "Mon 09:00-10:00 Europe"),
    ],
)
def test_hours_that_mean_nothing_are_refused(hours: str) -> None:
    loaded = load_policy(changed("Mon-Fri 09:00-17:00 Europe/London", f'"{hours}"'), "f")
    assert [f.line for f in loaded.findings] == [15]
    assert loaded.findings[0].advice


# Nothing raises

broken = st.one_of(
    st.text(max_size=300),
    st.binary(max_size=300),
    st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#,\\\t\n ~0", max_size=200),
    st.builds(
        lambda at, length, new: DEMO[:at] + new + DEMO[at + length :],
        st.integers(0, len(DEMO)),
        st.integers(0, 40),
        st.text(alphabet=":-[]{}&*!'\"@ \t\n\0é0ab", max_size=4),
    ),
)


@settings(max_examples=300, deadline=None)
@given(broken)
def test_no_text_makes_the_loader_raise_and_what_does_not_load_says_why(text: str | bytes) -> None:
    loaded = load_policy(text, "f")
    people = load_people(text, "p", load_policy(DEMO, "f").policy)
    assert loaded.policy is not None or any(f.severity == "error" for f in loaded.findings)
    content = text.encode("utf-8", "replace") if isinstance(text, str) else text
    lines = content.count(b"\n") + content.count(b"\r")
    for finding in (*loaded.findings, *people.findings):
        assert 1 <= finding.line <= lines + 2  # the end of the text is a place, too
        assert finding.column >= 1
        assert finding.message
        assert finding.advice
        assert "\n" not in finding.text


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.sampled_from(["schema", "community", "roles", "groups", "people", "x"]), json_like),
    st.booleans(),
)
def test_no_shape_of_data_makes_the_loader_raise(data: dict[str, Any], versioned: bool) -> None:
    text = json.dumps({**data, "schema": 1} if versioned else data)  # JSON is YAML
    assert load_policy(text, "f").policy is None
    load_people(text, "p")


# Findings


def test_a_finding_reads_as_editors_expect_it() -> None:
    finding = Finding("error", "a.yaml", 3, 5, "x", "what", "do this")
    assert str(finding) == "a.yaml:3:5: error: what\n  do this"


def test_offending_text_is_shown_on_one_line_and_without_invisible_characters() -> None:
    assert shown("a\u202eb") == "a\\u202eb"
    assert shown("first\nsecond") == "first…"
    assert shown("x" * 100) == "x" * 60 + "…"


def test_the_nearest_known_word_is_offered_or_what_is_known() -> None:
    assert did_you_mean("Gruops", ["groups", "roles"]) == 'Did you mean "groups"?'
    assert did_you_mean("zzz", ["groups", "roles"]) == "Known here: groups, roles."


def test_errors_are_never_cut_in_favour_of_advice() -> None:
    advice = [Finding("advice", "f", n, 1, "", "m", "a") for n in range(1, 100)]
    kept = in_order([*advice, Finding("error", "f", 1000, 1, "", "m", "a")])
    assert len(kept) == MAX_FINDINGS
    assert kept[-1].severity == "error"
