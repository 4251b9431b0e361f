"""What people write, and which rules it breaks: found where it is meant, and not in what only sounds like it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from appservice.detection.conduct_rules import ConductRules, Hit
from appservice.detection.links import Hosts, mixes_scripts
from appservice.detection.text import visible_text
from policies.defaults import CONDUCT_RULES
from tests.support.paths import POLICIES

FOLDER = POLICIES.parent / "rules"
RULES = ConductRules((FOLDER / "conduct-en.csv").read_text(encoding="utf-8"), CONDUCT_RULES)
HOSTS = Hosts((FOLDER / "link-hosts.csv").read_text(encoding="utf-8"), own=["hearth.example"])
with (Path(__file__).parent / "conduct_cases.csv").open(encoding="utf-8") as table:
    CASES = [(row["rule"], row["text"]) for row in csv.DictReader(table)]


def looked(body: str, html: str | None = None) -> dict[str, Hit]:
    content: dict[str, object] = {"msgtype": "m.text", "body": body}
    if html is not None:
        content |= {"format": "org.matrix.custom.html", "formatted_body": html}
    text = visible_text(content)
    return dict(RULES.look(text, HOSTS.look(content, text)))


@pytest.mark.parametrize(("rule", "text"), [case for case in CASES if case[0]])
def test_what_breaks_a_rule_is_found(rule: str, text: str) -> None:
    assert rule in looked(text)


@pytest.mark.parametrize("text", [text for rule, text in CASES if not rule])
def test_what_only_sounds_like_it_is_not(text: str) -> None:
    assert looked(text) == {}


def test_each_rule_with_words_has_examples_and_there_are_more_of_what_is_harmless() -> None:
    assert {rule for rule, _ in CASES if rule} == set(CONDUCT_RULES) - {"personal_data"}
    assert sum(not rule for rule, _ in CASES) > sum(bool(rule) for rule, _ in CASES)


def test_without_the_words_that_make_it_harmless_what_people_report_would_be_found() -> None:
    """The negatives mean something only if a rule would see them."""
    rows = list(csv.DictReader((FOLDER / "conduct-en.csv").read_text(encoding="utf-8").splitlines()))
    bare = [f'{row["rule"]},{row["severity"]},"{row["phrase"]}","{row["needs"]}",' for row in rows]
    without = ConductRules("\n".join(["rule,severity,phrase,needs,unless", *bare]), CONDUCT_RULES)
    harmless = [text for rule, text in CASES if not rule]
    found = [text for text in harmless if without.look(text, HOSTS.look({"body": text}, text))]
    assert len(found) >= 20


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("just kys already", 4),
        ("im going to kill you", 4),
        ("i know where you live", 3),
        ("shut it you ugly rat", 2),
        ("every mosque should be burned", 3),
    ],
)
def test_danger_is_told_from_unkindness(text: str, severity: int) -> None:
    assert max(hit.severity for hit in looked(text).values()) == severity


# -- links ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "https://secure-login.example/id",
        "see https://evil.top/x",
        "bit.ly/3xQw9z",
        "royalmail-parcels.example",
        "http://192.0.2.7/login",
        "<https://www.nhs.uk/conditions>",
    ],
)
def test_a_bare_link_is_never_enough(text: str) -> None:
    assert looked(text) == {}


def test_a_phrase_counts_with_a_link_and_not_without() -> None:
    words = "Your account is suspended, please verify your identity"
    assert looked(words) == {}
    assert looked(f"{words} https://login.example/x") == {"phishing": Hit("phishing", 2)}
    assert looked(f"{words} https://www.gov.uk/verify") == {}
    assert looked(f"{words} https://chat.hearth.example/x") == {}, "the charity's own"
    assert "phishing" in looked(f"{words} https://www.gov.uk.login.example/x")
    assert "phishing" in looked(f"{words} https://www.gov.uk@login.example/x")


@pytest.mark.parametrize(
    ("shown", "target", "found"),
    [
        ("www.hsbc.co.uk", "https://secure.login.example/a", True),
        ("https://www.nhs.uk/x", "http://192.0.2.7/a", True),
        ("<b>www.hsbc</b>.co.uk", "https://secure.login.example/a", True),
        ("www.hsbc.co.uk", "https://hsbc.co.uk/a", False),
        ("www.hsbc.co.uk", "https://online.hsbc.co.uk/a", False),
        ("our page", "https://secure.login.example/a", False),
        ("@sam:hearth.example", "https://matrix.to/#/@sam:hearth.example", False),
        ("carers.example/walk", "https://bit.ly/walk", False),
        ("carers.example/walk", "https://www.justgiving.com/walk", False),
        ("rota@carers.example", "mailto:rota@carers.example", False),
    ],
)
def test_a_link_that_shows_another_host_than_it_leads_to_is_found(shown: str, target: str, found: bool) -> None:
    html = f'<p>please look <a href="{target}">{shown}</a></p>'
    assert ("phishing" in looked("please look", html)) is found


@pytest.mark.parametrize(
    ("host", "mixed"),
    [
        ("pаypal.com", True),
        ("аррӏе.com", True),
        ("münchen.de", False),
        ("пример.рф", False),
        ("παράδειγμα.gr", False),
        ("日本語.jp", False),
        ("paypal.com", False),
    ],
)
def test_a_name_of_mixed_letters_is_made_to_deceive(host: str, mixed: bool) -> None:
    assert mixes_scripts(host) is mixed
    if not mixed or "ӏ" not in host:
        puny = ".".join(
            label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in host.split(".")
        )
        assert ("phishing" in looked(f"https://{puny}/x")) is mixed


def test_a_warning_about_such_a_name_is_left() -> None:
    assert looked("Beware, this one is fake: https://pаypal.com/x") == {}


@pytest.mark.parametrize(
    "content",
    [
        {"body": 7},
        {"formatted_body": ["x"], "body": "https://"},
        {"m.new_content": "x", "body": "a.b"},
        {"m.new_content": {"formatted_body": 3}, "body": "x."},
        {"body": "http://xn--\udcff.com http://xn--99999999999.com http://[::1]/ http://:80"},
        {"body": "x.", "formatted_body": '<a href="https://[">www.a</a>', "format": "org.matrix.custom.html"},
    ],
)
def test_content_of_any_shape_does_no_harm(content: dict[str, object]) -> None:
    assert HOSTS.look(content, visible_text(content)).deceives is False


# -- the table -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("bulying,2,you fool,,", "is no rule and severity"),
        ("bullying,5,you fool,,", "is no rule and severity"),
        ("bullying,2,,,", "stands for no phrases"),
        ("bullying,2,you fool,,<nobody>", "there is no set <nobody>"),
        ("bullying,2,you | fool,,", "has an empty word"),
    ],
)
def test_a_wrong_row_is_named_by_its_line(row: str, words: str) -> None:
    with pytest.raises(ValueError, match=f"line 2: .*{words}"):
        ConductRules(f"rule,severity,phrase,needs,unless\n{row}\n", CONDUCT_RULES)
