"""What people really write or save by mistake, answered in words that help."""

from __future__ import annotations

import gzip

import pytest

from policies.files import EXAMPLES
from policies.findings import Finding
from policies.layers import BadSetting, Layer, with_layer
from policies.load import load_people, load_policy

DEMO = (EXAMPLES / "hearth-demo.yaml").read_text(encoding="utf-8")
PEOPLE = (EXAMPLES / "hearth-demo.people.yaml").read_text(encoding="utf-8")


def only(text: str | bytes) -> Finding:
    (finding,) = load_policy(text, "policy.yaml").findings
    return finding


def changed(old: str, new: str) -> str:
    assert old in DEMO
    return DEMO.replace(old, new, 1)


@pytest.mark.parametrize("hours", ["24/7", "24/7 Europe/London", "24x7", "always", "Any time"])
def test_hours_all_day_are_answered_with_how_to_write_them(hours: str) -> None:
    finding = only(changed("Mon-Fri 09:00-17:00 Europe/London", hours))
    assert "names no days and times" in finding.message
    assert "Mon-Sun 00:00-24:00 Europe/London" in finding.advice


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", "a document of a word processor, or a ZIP archive"),
        (gzip.compress(DEMO.encode()), "a packed file (gzip)"),
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        (b"{\\rtf1\\ansi schema: 1}", "a document of a word processor"),
    ],
)
def test_a_file_that_is_no_text_is_said_to_be_what_it_is(data: bytes, what: str) -> None:
    finding = only(data)
    assert finding.message == f"this is {what}, not a text file"
    assert "plain text editor" in finding.advice


def test_a_welcome_of_two_lines_is_not_said_to_be_a_name() -> None:
    text = changed("    tier: low\n", '    tier: low\n    welcome: "We are here.\\nCome along."\n')
    assert (only(text).message, only(text).advice) == ("a sentence has one line", "Write it in one line.")


def test_a_number_that_is_far_too_large_is_not_said_to_be_in_quotes() -> None:
    finding = only(changed("    tier: medium\n", f"    tier: medium\n    capacity: {'9' * 20}\n"))
    assert "quotes" not in finding.advice


def test_a_list_whose_items_are_wrong_is_not_said_to_be_empty() -> None:
    text = changed("    tier: medium\n", "    tier: medium\n    membership: {roles: [Lead]}\n")
    assert only(text).message.startswith('"Lead" is not an id')


def test_curly_quotes_are_said_to_be_no_quotes() -> None:
    finding = only(changed('"Not a crisis service: in immediate danger call 999."', "“Not for a crisis: call 999.”"))
    assert "curly quotes" in finding.message
    assert "straight quotes" in finding.advice


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("%YAML 9.0\n---\n" + DEMO, "begins with %"),
        ("%TOPSECRET\n" + DEMO, "begins with %"),
        ("a\n...\nb: c\n", "belongs to nothing"),
    ],
)
def test_the_words_of_the_parser_are_never_shown(text: str, message: str) -> None:
    finding = only(text)
    assert message in finding.message
    assert not any(word in finding.message for word in ("YAML document", "did not find", "found ", "<"))


def test_an_empty_reason_is_not_said_to_be_for_members() -> None:
    text = changed("    kind: closed\n", '    kind: closed\n    history: {value: shared, because: ""}\n')
    assert only(text).advice == "Write a few plain words."


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  allowed_contacts:", "  limits: {removals: {}}\n  allowed_contacts:", "removals says nothing"),
        ("  allowed_contacts:", "  limits:\n  allowed_contacts:", "limits says nothing"),
        ("groups:\n", "escalation:\ngroups:\n", "escalation says nothing"),
    ],
)
def test_a_block_that_says_nothing_is_advice(old: str, new: str, message: str) -> None:
    finding = only(f"\n{DEMO}".replace(f"\n{old}", f"\n{new}", 1))
    assert (finding.severity, finding.message) == ("advice", message)


def test_a_group_that_is_listed_twice_for_somebody_is_advice() -> None:
    policy = load_policy(DEMO, "f").policy
    text = PEOPLE.replace("      - bereaved\n", "      - bereaved\n      - bereaved\n", 1)
    loaded = load_people(text, "p", policy)
    assert loaded.people is not None
    assert [(one.severity, one.message) for one in loaded.findings] == [("advice", "bereaved stands here twice")]


def test_what_cannot_be_set_is_refused_in_whole_sentences() -> None:
    policy = load_policy(DEMO, "f").policy
    assert policy is not None
    with pytest.raises(BadSetting, match=r"^the text is empty\. Write a few plain words\.$"):
        with_layer(policy, Layer("bereaved", "welcome", " ", "@amina:hearth.example", 0))
